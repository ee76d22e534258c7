from itertools import pairwise

import av
import numpy as np
import pytest
from source_fakes import frames_of, write_film

from realtime.base.errors import Trouble
from realtime.sources.films import DEMO, VideoFile


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


def test_a_truncated_film_gives_its_frames_and_then_ends_or_raises_trouble(tmp_path):
    whole = DEMO.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    frames = []
    with VideoFile(path) as source:
        try:
            frames.extend(source)
        except Trouble as trouble:
            assert "breaks off after" in str(trouble)
    assert 100 < len(frames) < 300


def test_times_rise_where_the_clock_of_a_film_starts_again(tmp_path):
    one = write_film(tmp_path / "one.ts", [0, 40, 80, 120])
    (tmp_path / "twice.ts").write_bytes(2 * one.read_bytes())
    frames = frames_of(VideoFile(tmp_path / "twice.ts"))
    assert len(frames) == 8
    assert all(after.t > before.t for before, after in pairwise(frames))
