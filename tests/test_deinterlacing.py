from fractions import Fraction

import av
import numpy as np
import pytest

from realtime.sources.deinterlacing import Deinterlacer
from realtime.sources.films import VideoFile

BAR = 32


def write_moving_bar(path, n: int, interlaced: bool) -> None:
    """A white bar of 32 columns that moves 8 columns a field; the odd rows are the earlier moment, as the stream says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 256, 96, "yuv420p", 8_000_000
        stream.options = {"flags": "+ildct+ilme", "g": "1"} if interlaced else {"g": "1"}
        for i in range(n):
            image = np.zeros((96, 256, 3), np.uint8)
            first, second = 16 * i, 16 * i + 8
            image[:, first : first + BAR] = 255
            if interlaced:
                image[::2] = 0
                image[::2, second : second + BAR] = 255
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def combing(image: np.ndarray) -> float:
    """How much neighbouring rows differ, in gray levels."""
    return float(np.abs(np.diff(image[:, :, 0].astype(int), axis=0)).mean())


def test_an_interlaced_film_loses_its_combs_and_keeps_frames_and_times(tmp_path):
    write_moving_bar(tmp_path / "film.mpg", 12, interlaced=True)
    with av.open(str(tmp_path / "film.mpg")) as container:
        raw = [(picture.time, combing(picture.to_ndarray(format="bgr24"))) for picture in container.decode(video=0)]
    with VideoFile(tmp_path / "film.mpg") as film:
        frames = list(film)
    assert [frame.t for frame in frames] == pytest.approx([t for t, _ in raw])
    assert len(frames) == 12
    assert min(comb for _, comb in raw) > 10
    assert max(combing(frame.image) for frame in frames) < 3
    # The picture is that of the first field.
    assert [int(np.flatnonzero(frame.image[1, :, 0] > 128)[0]) for frame in frames] == [16 * i for i in range(12)]


def test_pictures_that_are_not_interlaced_pass_unchanged_and_at_once(tmp_path):
    write_moving_bar(tmp_path / "film.mpg", 3, interlaced=False)
    deinterlacer = Deinterlacer()
    with av.open(str(tmp_path / "film.mpg")) as container:
        pictures = list(container.decode(video=0))
    for picture in pictures:
        assert deinterlacer.update(picture)[0] is picture
    assert deinterlacer.rest() == []


def test_no_picture_is_lost_where_the_size_changes(tmp_path):
    write_moving_bar(tmp_path / "film.mpg", 4, interlaced=True)
    with av.open(str(tmp_path / "film.mpg")) as container:
        wide = list(container.decode(video=0))
    narrow = [picture.reformat(width=128) for picture in wide[2:]]
    deinterlacer = Deinterlacer()
    ready = [done for picture in [*wide[:2], *narrow] for done in deinterlacer.update(picture)] + deinterlacer.rest()
    assert [(done.width, done.time) for done in ready] == [
        (256, wide[0].time),
        (256, wide[1].time),
        (128, wide[2].time),
        (128, wide[3].time),
    ]
