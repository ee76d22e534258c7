import gc
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from source_fakes import frames_of, write_film

from realtime.base.errors import Trouble
from realtime.sources.films import DEMO, Loss, VideoFile, loss_of, stated_end_s


def test_the_demo_clip_is_what_the_readme_says():
    frames = frames_of(VideoFile(DEMO))
    assert len(frames) == 300
    assert [frame.index for frame in frames] == list(range(300))
    assert frames[0].image.shape == (480, 640, 3)
    assert [frame.t for frame in frames] == pytest.approx([i / 30 for i in range(300)], abs=1e-4)
    assert DEMO.stat().st_size < 1_000_000


def test_a_film_gives_every_frame_with_its_presentation_time(tmp_path):
    ticks = [0, 40, 140, 150, 400]
    source = VideoFile(write_film(tmp_path / "film.mp4", ticks))
    with source:
        frames = list(source)
        assert source.expected == 5
    assert [frame.t - frames[0].t for frame in frames] == pytest.approx([tick / 1000 for tick in ticks], abs=1e-3)
    assert [int(frame.image.mean().round(-1)) for frame in frames] == [0, 10, 20, 30, 40]


def test_a_rotated_film_is_turned_upright(tmp_path):
    path = write_film(tmp_path / "turned.mp4", [0, 33], size_wh=(64, 32), bright_corner=True)
    content = bytearray(path.read_bytes())
    # The matrix in the track header: identity -> a quarter turn clockwise, as a phone writes it.
    identity = b"".join(v.to_bytes(4, "big") for v in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    quarter = b"".join((v & 0xFFFFFFFF).to_bytes(4, "big") for v in (0, 1 << 16, 0, -(1 << 16), 0, 0, 32 << 16, 0, 1 << 30))
    at = content.index(identity, content.index(b"tkhd"))
    content[at : at + len(identity)] = quarter
    path.write_bytes(content)
    image = frames_of(VideoFile(path))[0].image
    assert image.shape == (64, 32, 3)
    upper_left, upper_right, below = image[:32, :16], image[:32, 16:], image[32:]
    assert upper_right.mean() > 240 > 10 > max(upper_left.mean(), below.mean())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nothing.mp4", "there is no such file"),
        (lambda folder: folder, "is a folder"),
        (lambda folder: (folder / "empty.mp4", (folder / "empty.mp4").write_bytes(b""))[0], "is not a video"),
        (lambda folder: (folder / "text.mp4", (folder / "text.mp4").write_text("hello " * 500))[0], "is not a video"),
        (lambda folder: (folder / "noise.avi", (folder / "noise.avi").write_bytes(bytes(range(256)) * 40))[0], "is not a video"),
    ],
)
def test_a_file_that_is_no_film_raises_trouble_of_one_line(tmp_path, make, message):
    with pytest.raises(Trouble, match=message) as caught:
        frames_of(VideoFile(make(tmp_path)))
    assert "\n" not in str(caught.value)


def test_a_file_with_only_sound_raises_trouble(tmp_path):
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(Trouble, match="holds no video, only audio"):
        frames_of(VideoFile(path))


def write_noise(path, codec: str, form: str = "yuv420p", n: int = 75, sound_s: float = 0.0, options=None, container_options=None):
    """`n` frames of noise, 25 a second, and sound, which may be longer."""
    noise = np.random.default_rng(1)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 64, 48, form, options or {}
        audio = container.add_stream("aac", rate=8000, layout="mono") if sound_s else None
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(noise.integers(0, 255, (48, 64, 3), np.uint8), format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, round(8000 * sound_s)), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 8000, 0
            container.mux(audio.encode(silence))
            container.mux(audio.encode(None))
    return path


FAST_START = {"movflags": "faststart"}
KINDS = {
    "mp4": ("a.mp4", "libx264", {"options": {"bf": "3"}, "container_options": FAST_START}),
    "sound": ("b.mp4", "libx264", {"sound_s": 9.0, "container_options": FAST_START}),
    "mov": ("c.mov", "mjpeg", {"form": "yuvj420p", "container_options": FAST_START}),
    "mkv": ("d.mkv", "libx264", {"options": {"bf": "3"}, "sound_s": 9.0}),
    "webm": ("e.webm", "libvpx", {}),
    "avi": ("f.avi", "mpeg4", {}),
    "avi with B-frames": ("g.avi", "libx264", {"options": {"bf": "3"}}),
    "flv": ("h.flv", "flv", {}),
    "mxf": ("i.mxf", "mpeg2video", {}),
}


@pytest.mark.parametrize(("name", "codec", "more"), KINDS.values(), ids=KINDS)
def test_a_whole_film_is_whole_and_a_truncated_one_says_where_it_ended(tmp_path, name, codec, more):
    path = write_noise(tmp_path / name, codec, **more)
    with VideoFile(path) as source:
        frames = list(source)
    assert [frame.t - frames[0].t for frame in frames] == pytest.approx([i / 25 for i in range(75)], abs=1e-3)
    assert source.loss == Loss()
    source.check_loss(pytest.fail)

    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with VideoFile(path) as source:
        n = len(list(source))
    assert 25 < n < 45
    # A FLV without more than one key frame is cut exactly; an MXF loses the picture that waited for its delayed start.
    assert source.loss.ended_s == pytest.approx(n / 25, abs=0.1)
    assert source.loss.stated_s == pytest.approx(3.0, abs=0.1)
    assert source.loss.facts() == {"ended_s": pytest.approx(n / 25, abs=0.1), "stated_s": pytest.approx(3.0, abs=0.1)} | (
        {"lost": source.loss.pictures} if source.loss.pictures else {}
    )
    with pytest.raises(Trouble, match=r"ended after [12] s of 3 s: its file is incomplete"):
        source.check_loss(lambda line: None)


@pytest.mark.parametrize(
    ("kind", "codec", "form"),
    [("ts", "libx264", "yuv420p"), ("mpg", "mpeg2video", "yuv420p"), ("h264", "libx264", "yuv420p"), ("mjpeg", "mjpeg", "yuvj420p")],
)
def test_a_film_whose_file_states_no_end_has_not_ended_early(tmp_path, kind, codec, form):
    path = write_noise(tmp_path / f"film.{kind}", codec, form)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with VideoFile(path) as source:
        assert len(list(source)) > 20
    assert source.loss.ended_s is None


def test_a_header_that_is_slightly_off_is_normal():
    class Stream:
        duration, time_base, start_time, metadata = 300, Fraction(1, 25), 0, {}

    class Container:
        format = SimpleNamespace(name="mov")

    assert stated_end_s(Container(), Stream()) == 12.0
    assert loss_of(0, 11.1, 12.0, 0.0) == Loss()
    assert loss_of(3, 9.9, 12.0, 0.5) == Loss(3, 9.4, 11.5)
    assert loss_of(3, 13.0, 12.0, 0.0) == loss_of(3, 13.0, None, 0.0) == Loss(3)


@pytest.mark.parametrize(("kind", "codec", "form"), [("avi", "mjpeg", "yuvj420p"), ("mp4", "libx264", "yuv420p")])
@pytest.mark.parametrize("bad", [[5], [0], [74], [3, 30, 31, 32]], ids=str)
def test_a_damaged_packet_costs_no_other_and_is_told(tmp_path, kind, codec, form, bad):
    path = write_noise(tmp_path / f"film.{kind}", codec, form, options={"g": "1"} if codec == "libx264" else {})
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for at, size in (packets[i] for i in bad):
        content[at : at + size] = bytes(size)
    path.write_bytes(content)
    with VideoFile(path) as source:
        frames = list(source)
    good = [i for i in range(75) if i not in bad]
    assert [frame.index for frame in frames] == list(range(len(good)))
    assert [frame.t for frame in frames] == pytest.approx([i / 25 for i in good], abs=1e-3)
    assert source.loss == Loss(len(bad))
    told: list[str] = []
    source.check_loss(told.append)
    assert len(told) == 1 and f"{len(bad)} picture" in told[0] and "\n" not in told[0]


def test_a_film_without_one_good_picture_is_refused_in_a_line(tmp_path):
    path = write_noise(tmp_path / "film.avi", "mjpeg", "yuvj420p", n=5)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for at, size in packets:
        content[at : at + size] = bytes(size)
    path.write_bytes(content)
    with pytest.raises(Trouble, match="not one frame of it can be decoded") as caught:
        frames_of(VideoFile(path))
    assert "\n" not in str(caught.value)


def test_a_film_has_square_pixels(tmp_path):
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for i in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 32, 3), 40 * i, np.uint8), format="bgr24")))
        container.mux(stream.encode(None))
    assert [frame.image.shape for frame in frames_of(VideoFile(tmp_path / "film.mp4"))] == [(48, 64, 3)] * 3


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_film_is_shown_as_its_display_matrix_says(tmp_path, degrees, mirrored):
    """FFmpeg's function for that matrix turns counter-clockwise, then mirrors."""
    corners = np.zeros((32, 64, 3), np.uint8)
    corners[:16, :32], corners[:16, 32:] = 255, 128
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(degrees, hflip=mirrored)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(corners, format="bgr24")))
        container.mux(stream.encode(None))
    turned = np.rot90(corners, degrees // 90)
    expected = turned[:, ::-1] if mirrored else turned
    image = frames_of(VideoFile(tmp_path / "film.mp4"))[0].image
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 4


def test_pictures_do_not_wait_for_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        with VideoFile(DEMO) as film:
            assert sum(1 for _ in film) == 300
        assert gc.collect() < 100
    finally:
        gc.enable()


def test_the_last_frame_has_its_duration(tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 64, 48, "yuv420p", {"tune": "zerolatency"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * i, np.uint8), format="bgr24")
            frame.pts, frame.time_base = 40 * i, Fraction(1, 1000)
            for packet in stream.encode(frame):
                packet.duration = 6000 if i == 2 else 40
                container.mux(packet)
        container.mux(stream.encode(None))
    assert [frame.duration for frame in frames_of(VideoFile(path))] == pytest.approx([0.04, 0.04, 6.0], abs=1e-3)


def test_times_rise_where_the_clock_of_a_film_starts_again(tmp_path):
    one = write_film(tmp_path / "one.ts", [40 * i for i in range(25)])
    (tmp_path / "twice.ts").write_bytes(2 * one.read_bytes())
    frames = frames_of(VideoFile(tmp_path / "twice.ts"))
    assert [frame.t - frames[0].t for frame in frames] == pytest.approx([i / 25 for i in range(50)], abs=1e-3)
