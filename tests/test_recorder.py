import av
import numpy as np
import pytest

from realtime.config import RecorderSettings
from realtime.errors import Trouble
from realtime.recorder import VideoWriter


def write(path, times, size_wh=(64, 48), writer=None):
    writer = writer or VideoWriter(path, RecorderSettings())
    for i, t in enumerate(times):
        writer.write(np.full((size_wh[1], size_wh[0], 3), (10 * i) % 250, np.uint8), t)
    writer.close()
    return writer


def times_of(path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def atoms(path) -> list[str]:
    """The names of an MP4 file's top-level boxes."""
    content, at, names = path.read_bytes(), 0, []
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        size = int.from_bytes(content[at + 8 : at + 16], "big") if size == 1 else size
        names.append(content[at + 4 : at + 8].decode())
        at += size
    return names


def test_every_frame_stands_at_its_own_time(tmp_path):
    draw = np.random.default_rng(3)
    times = np.concatenate([[0.0], np.cumsum(draw.uniform(0.04, 0.1, 80))])
    write(tmp_path / "out.mp4", times)
    assert times_of(tmp_path / "out.mp4") == pytest.approx(times, abs=1e-3)


def test_browsers_can_play_it(tmp_path):
    write(tmp_path / "out.mp4", [i / 30 for i in range(10)])
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.frames) == ("h264", "yuv420p", 10)
    # An ordinary file, not a fragmented one: at the top level an index and no fragments.
    assert "moov" in atoms(tmp_path / "out.mp4")
    assert "moof" not in atoms(tmp_path / "out.mp4")


def test_what_stands_in_the_file_before_it_is_closed_plays(tmp_path):
    writer = VideoWriter(tmp_path / "out.mp4", RecorderSettings())
    for i in range(700):
        writer.write(np.full((48, 64, 3), i % 250, np.uint8), i / 30)
    assert "moof" in atoms(tmp_path / "out.mp4")
    (tmp_path / "crash.mp4").write_bytes((tmp_path / "out.mp4").read_bytes())
    writer.close()
    # All but the last second.
    assert len(times_of(tmp_path / "crash.mp4")) >= 670
    assert len(times_of(tmp_path / "out.mp4")) == 700


@pytest.mark.parametrize("size_wh", [(65, 49), (64, 49), (2, 2), (641, 361)])
def test_odd_sizes_lose_a_row_or_column(tmp_path, size_wh):
    write(tmp_path / "out.mp4", [0.0, 0.1], size_wh)
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (size_wh[0] // 2 * 2, size_wh[1] // 2 * 2)


def test_times_that_repeat_or_go_back_still_give_every_frame(tmp_path):
    write(tmp_path / "out.mp4", [0.0, 0.1, 0.1, 0.05, 0.2])
    times = times_of(tmp_path / "out.mp4")
    assert len(times) == 5
    assert times == sorted(times)


def test_no_frame_no_file(tmp_path):
    VideoWriter(tmp_path / "out.mp4", RecorderSettings()).close()
    assert not (tmp_path / "out.mp4").exists()


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    with pytest.raises(Trouble, match=r"cannot write .*gone.*no such file or directory"):
        write(tmp_path / "gone" / "out.mp4", [0.0])
