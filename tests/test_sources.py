import functools
import threading
import time
from fractions import Fraction
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest
from fakes import FakeClock, ScriptedSource

from realtime.config import CameraSettings
from realtime.errors import Trouble
from realtime.sources import (
    DEMO,
    FirstSeconds,
    FirstThatOpens,
    NetworkStream,
    NewestFrame,
    Paced,
    Photo,
    Repeated,
    VideoFile,
    Webcam,
    as_live,
    open_source,
)


def frames_of(source) -> list:
    with source:
        return list(source)


def write_film(path, ticks: list[int], size_wh=(64, 48), bright_corner=False):
    """A small film whose frames stand at `ticks` / 1000 s; frame i has the brightness 10 i, its upper left quarter may be white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, tick in enumerate(ticks):
            picture = np.full((size_wh[1], size_wh[0], 3), 10 * i, np.uint8)
            if bright_corner:
                picture[: size_wh[1] // 2, : size_wh[0] // 2] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_the_demo_clip_is_what_the_readme_says():
    frames = frames_of(VideoFile(DEMO))
    assert len(frames) == 300
    assert [frame.index for frame in frames] == list(range(300))
    assert frames[0].image.shape == (480, 640, 3)
    assert [frame.t for frame in frames] == pytest.approx([i / 30 for i in range(300)], abs=1e-4)
    assert DEMO.stat().st_size < 1_000_000


def test_a_film_gives_every_frame_at_its_own_uneven_time(tmp_path):
    ticks = [0, 40, 140, 150, 400]
    source = VideoFile(write_film(tmp_path / "film.mp4", ticks))
    with source:
        frames = list(source)
        assert source.expected == 5
    assert [frame.t - frames[0].t for frame in frames] == pytest.approx([tick / 1000 for tick in ticks], abs=1e-3)
    assert [int(frame.image.mean().round(-1)) for frame in frames] == [0, 10, 20, 30, 40]


def test_a_film_is_upright(tmp_path):
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
    ("make", "said"),
    [
        (lambda folder: folder / "nothing.mp4", "there is no such file"),
        (lambda folder: folder, "is a folder"),
        (lambda folder: (folder / "empty.mp4", (folder / "empty.mp4").write_bytes(b""))[0], "is not a video"),
        (lambda folder: (folder / "text.mp4", (folder / "text.mp4").write_text("hello " * 500))[0], "is not a video"),
        (lambda folder: (folder / "noise.avi", (folder / "noise.avi").write_bytes(bytes(range(256)) * 40))[0], "is not a video"),
    ],
)
def test_what_is_no_film_is_told_in_one_line(tmp_path, make, said):
    with pytest.raises(Trouble, match=said) as caught:
        frames_of(VideoFile(make(tmp_path)))
    assert "\n" not in str(caught.value)


def test_sound_alone_is_no_film(tmp_path):
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(Trouble, match="holds no video, only audio"):
        frames_of(VideoFile(path))


def test_a_film_cut_short_gives_its_frames_and_then_ends_or_says_so(tmp_path):
    whole = DEMO.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    got = []
    with VideoFile(path) as source:
        try:
            got.extend(source)
        except Trouble as trouble:
            assert "breaks off after" in str(trouble)
    assert 100 < len(got) < 300


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_photos_of_odd_sizes_and_kinds(tmp_path, suffix):
    for name, picture in {
        "odd": np.full((33, 7, 3), 90, np.uint8),
        "gray": np.full((20, 30), 90, np.uint8),
        "one": np.full((1, 1, 3), 90, np.uint8),
        **({"alpha": np.full((9, 9, 4), 90, np.uint8), "deep": np.full((9, 9), 90 * 257, np.uint16)} if suffix == ".png" else {}),
    }.items():
        path = tmp_path / (name + suffix)
        assert cv2.imwrite(str(path), picture)
        [frame] = frames_of(Photo(path))
        assert frame.image.shape == (*picture.shape[:2], 3)
        assert frame.image.dtype == np.uint8
        assert abs(float(frame.image.mean()) - 90) < 3


def test_a_photo_is_turned_upright_by_its_exif(tmp_path):
    _, content = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))
    # Orientation 6: the top of the picture is at the right.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path = tmp_path / "turned.jpg"
    path.write_bytes(content.tobytes()[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content.tobytes()[2:])
    assert frames_of(Photo(path))[0].image.shape == (40, 20, 3)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_broken_photos(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(Trouble, match="is not a picture"):
        frames_of(Photo(path))


def test_a_photo_that_is_not_there(tmp_path):
    with pytest.raises(Trouble, match="no such file"):
        frames_of(Photo(tmp_path / "nothing.png"))


def test_a_camera_that_is_not_there_says_what_to_try():
    with pytest.raises(Trouble, match=r"camera 97 cannot be opened.*--source demo"):
        frames_of(Webcam(97, CameraSettings(), time.monotonic))


class FakeDevice:
    """A camera that delivers `n` pictures, then nothing; remembers what was asked of it."""

    def __init__(self, n: int):
        self.n, self.asked, self.released = n, {}, 0

    def __call__(self, number: int, backend: int):
        return self

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, name: int, value: float) -> None:
        self.asked[name] = value

    def read(self):
        self.n -= 1
        return (True, np.full((480, 640, 3), self.n, np.uint8)) if self.n >= 0 else (False, None)

    def release(self) -> None:
        self.released += 1


def test_a_camera_is_asked_for_a_small_compressed_picture_and_stamps_each_frame():
    device, clock = FakeDevice(3), FakeClock(50.0)
    got = []
    with (
        pytest.raises(Trouble, match="camera 0 stopped delivering pictures after 3 frames"),
        Webcam(0, CameraSettings(), clock, device) as camera,
    ):
        for frame in camera:
            got.append((frame.index, frame.t))
            clock.sleep(0.033)
    assert got == [(0, 50.0), (1, pytest.approx(50.033)), (2, pytest.approx(50.066))]
    assert device.asked[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert device.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert device.released == 1
    assert camera.mirror


@pytest.mark.timeout(30)
def test_a_stream_from_an_address_is_stamped_as_it_arrives():
    handler = functools.partial(QuietHandler, directory=str(DEMO.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        clock = FakeClock(7.0)
        with NetworkStream(f"http://127.0.0.1:{server.server_port}/demo.mp4", clock) as stream:
            frames = [frame for frame, _ in zip(stream, range(5), strict=False)]
    finally:
        server.shutdown()
        server.server_close()
    assert [(frame.index, frame.t) for frame in frames] == [(i, 7.0) for i in range(5)]
    assert frames[0].image.shape == (480, 640, 3)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


def test_an_address_that_nobody_answers():
    with pytest.raises(Trouble, match=r"http://127\.0\.0\.1:9/x\.mjpg cannot be read"):
        frames_of(NetworkStream("http://me:secret@127.0.0.1:9/x.mjpg", time.monotonic))


def test_sources_are_chosen_by_how_they_are_written():
    def chosen(text):
        return open_source(text, time.monotonic, CameraSettings())

    assert isinstance(chosen("0"), Webcam)
    assert isinstance(chosen("rtsp://host/stream"), NetworkStream)
    assert chosen("demo").path == DEMO
    assert chosen("./0").path.name == "0"
    live = as_live(chosen("demo"), time.monotonic)
    assert isinstance(live, Paced)
    assert isinstance(live.source, Repeated)
    assert isinstance(as_live(chosen("film.mp4"), time.monotonic).source, VideoFile)
    assert isinstance(as_live(chosen("1"), time.monotonic), Webcam)


def test_a_repeated_film_goes_on_in_time():
    script = ScriptedSource([5.0, 5.1, 5.2])
    frames = iter(Repeated(script))
    got = [next(frames) for _ in range(7)]
    assert [frame.t for frame in got] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert [frame.index for frame in got] == list(range(7))


def test_a_paced_film_waits_for_each_frame():
    clock = FakeClock(1000.0)
    arrivals = []
    with Paced(ScriptedSource([0.0, 0.1, 0.5]), clock, clock.sleep) as source:
        for frame in source:
            arrivals.append((clock.now, frame.t))
            clock.now += 0.2
    assert arrivals == [pytest.approx(pair) for pair in [(1000.0, 1000.0), (1000.2, 1000.1), (1000.5, 1000.5)]]


def test_only_the_first_seconds():
    assert [frame.index for frame in frames_of(FirstSeconds(ScriptedSource([7.0, 7.5, 7.99, 8.0, 9.0]), 1.0))] == [0, 1, 2]


class Closed(ScriptedSource):
    def __enter__(self):
        raise Trouble("this one is closed")


def test_the_first_source_that_opens_is_taken_and_the_reason_told():
    told, good = [], ScriptedSource([0.0, 0.1])
    both = FirstThatOpens([Closed([]), good], told.append)
    assert len(frames_of(both)) == 2
    assert told == ["this one is closed\nPlaying script instead."]
    assert (good.opened, good.closed) == (1, 1)
    with pytest.raises(Trouble, match="this one is closed"):
        frames_of(FirstThatOpens([Closed([])], told.append))


class Gated(ScriptedSource):
    """Gives frame 0, then waits for `go`, then gives the rest at once."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.go, self.done = threading.Event(), threading.Event()

    def __iter__(self):
        for frame in super().__iter__():
            yield frame
            if frame.index == 0:
                self.go.wait(5)
        self.done.set()
        self.go.clear()
        self.go.wait(0.3)


@pytest.mark.timeout(10)
def test_a_slow_loop_gets_the_newest_frame_and_the_dropped_are_counted():
    source = Gated([i / 30 for i in range(10)])
    with NewestFrame(source, lambda: False) as newest:
        frames = iter(newest)
        got = [next(frames).index]
        source.go.set()
        assert source.done.wait(5)
        got += [frame.index for frame in frames]
    assert got == [0, 9]
    assert newest.dropped == 8
    assert source.closed == 1


@pytest.mark.timeout(10)
def test_no_frame_is_handed_out_twice():
    with NewestFrame(Paced(ScriptedSource([i / 200 for i in range(40)]), time.monotonic), lambda: False) as newest:
        got = [frame.index for frame in newest]
    assert got == sorted(set(got))
    assert len(got) + newest.dropped == 40


@pytest.mark.timeout(10)
def test_what_the_reader_raises_the_loop_raises_within_a_second():
    source = ScriptedSource([0.0], error=Trouble("the cable is out"))
    started = time.monotonic()
    with pytest.raises(Trouble, match="the cable is out"):
        frames_of(NewestFrame(source, lambda: False))
    assert time.monotonic() - started < 1
    assert source.closed == 1


class Silent(ScriptedSource):
    """A camera that hangs."""

    def __iter__(self):
        threading.Event().wait(30)
        yield from ()


@pytest.mark.timeout(10)
def test_a_camera_that_hangs_can_be_left():
    source = Silent([])
    started = time.monotonic()
    assert frames_of(NewestFrame(source, lambda: time.monotonic() - started > 0.3)) == []
    assert time.monotonic() - started < 4
    assert source.closed == 0


@pytest.mark.hardware
def test_a_real_camera_delivers():
    with Webcam(0, CameraSettings(), time.monotonic) as camera:
        frames = [frame for frame, _ in zip(camera, range(30), strict=False)]
    assert len({frame.t for frame in frames}) == 30
