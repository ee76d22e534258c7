import tracemalloc
from contextlib import contextmanager, suppress

import av
import numpy as np
import pytest

from realtime.base.errors import Trouble
from realtime.config import RecorderSettings
from realtime.readings.verify import decode_film
from realtime.recording.journal import Journal
from realtime.recording.video import VideoWriter, best_encoder, works

try:
    import resource
except ImportError:
    resource = None


@pytest.fixture
def small_files():
    """Makes files that are larger than so many bytes impossible, as a full disk does."""

    @contextmanager
    def limited(size: int):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


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


@pytest.mark.parametrize(("suffix", "first"), [("mp4", 1), ("mov", 1), ("mkv", 7)])
def test_a_file_plays_almost_at_once_and_never_lacks_more_than_half_a_second(tmp_path, suffix, first):
    out, killed = tmp_path / f"out.{suffix}", tmp_path / f"killed.{suffix}"
    writer = VideoWriter(out, RecorderSettings())
    for i in range(100):
        writer.write(np.full((48, 64, 3), i, np.uint8), i / 30)
        if i >= first:
            killed.write_bytes(out.read_bytes())
            assert times_of(killed)[-1] >= i / 30 - 0.5, i
    assert not decode_film(killed).is_finished
    writer.close()
    assert len(times_of(out)) == 100
    film = decode_film(out)
    assert (film.is_finished, film.missing_bytes) == (True, 0)
    out.write_bytes(out.read_bytes()[:-1000])
    with suppress(Trouble):
        assert decode_film(out).missing_bytes == 1000


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


def test_an_odd_column_is_cut_off_and_the_others_stay_as_they_are(tmp_path):
    image = np.zeros((49, 65, 3), np.uint8)
    image[:, 64] = 255
    writer = VideoWriter(tmp_path / "out.mp4", RecorderSettings())
    writer.write(image, 0.0)
    writer.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).to_ndarray(format="bgr24").max() < 20


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 7), (7681, 3)])
def test_a_single_column_or_row_is_stretched(tmp_path, size_wh):
    write(tmp_path / "out.mp4", [0.0, 0.1], size_wh)
    with av.open(str(tmp_path / "out.mp4")) as container:
        sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert sizes == [tuple(max(2, side // 2 * 2) for side in size_wh)] * 2


def test_only_an_encoder_whose_pictures_come_back_is_used():
    settings = RecorderSettings()
    assert works("libx264", (64, 48), settings)
    # No such encoder; one that needs a chip; one that is no H.264; one that spoils what it is given.
    assert not works("h264_nonesuch", (64, 48), settings)
    assert not works("h264_v4l2m2m", (64, 48), RecorderSettings())
    assert not works("rawvideo", (64, 48), settings)
    assert not works("libx264", (64, 48), RecorderSettings(crf=51))
    encoder = best_encoder((64, 48), settings)
    assert works(encoder, (64, 48), settings)


def test_the_self_test_of_an_encoder_takes_the_memory_of_a_few_pictures():
    tracemalloc.start()
    try:
        assert works("libx264", (1600, 1200), RecorderSettings())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 7 * 1600 * 1200 * 3


def test_a_journal_puts_what_it_gets_on_disk_whole_or_not_at_all(tmp_path):
    journal = Journal(tmp_path / "file")
    journal.write(b"head")
    journal.write(b"-body")
    assert (tmp_path / "file").read_bytes() == b""
    journal.commit()
    assert (tmp_path / "file").read_bytes() == b"head-body"
    journal.seek(0)
    journal.write(b"HEAD")
    journal.seek(0, 2)
    journal.write(b"-tail")
    assert journal.tell() == 14
    journal.commit()
    assert (tmp_path / "file").read_bytes() == b"HEAD-body-tail"
    assert journal.size == 14


@pytest.mark.skipif(resource is None, reason="needs a limit on the size of files")
def test_a_file_that_cannot_grow_plays_up_to_its_last_fragment(tmp_path, small_files):
    draw = np.random.default_rng(0)
    writer = VideoWriter(tmp_path / "out.mp4", RecorderSettings())
    with (
        small_files(100_000),
        pytest.raises(Trouble, match=r"cannot write .*out\.mp4 \(file too large\) after (1 frame|(?!1 )\d+ frames): a limit"),
    ):
        for i in range(300):
            writer.write(draw.integers(0, 255, (48, 64, 3), np.uint8), i / 30)
    times = times_of(tmp_path / "out.mp4")
    assert writer.frames - 16 <= len(times) <= writer.frames
    assert times == pytest.approx([i / 30 for i in range(len(times))], abs=1e-3)
    assert atoms(tmp_path / "out.mp4")[-1] == "mdat"
    writer.close()


@pytest.mark.skipif(resource is None, reason="needs a limit on the size of files")
def test_an_index_that_does_not_fit_leaves_the_fragments(tmp_path, small_files):
    writer = VideoWriter(tmp_path / "out.mp4", RecorderSettings())
    for i in range(60):
        writer.write(np.full((48, 64, 3), i, np.uint8), i / 30)
    with small_files(writer.size + 500), pytest.raises(Trouble, match="file too large"):
        writer.close()
    assert len(times_of(tmp_path / "out.mp4")) >= 45


def test_no_frame_no_file(tmp_path):
    VideoWriter(tmp_path / "out.mp4", RecorderSettings()).close()
    assert not (tmp_path / "out.mp4").exists()


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    with pytest.raises(Trouble, match=r"cannot write .*gone.*no such file or directory.*: check that its folder is still there"):
        write(tmp_path / "gone" / "out.mp4", [0.0])
