import os
import shutil
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
from conftest import ROOT
from recordings import a_face, as_lines, even_times, write_film, write_readings

from realtime.base.errors import Trouble
from realtime.readings.verify import Film, film_problems, verify
from realtime.recording.privacy import cover
from realtime.values import Box

TIMES = even_times(60)


@pytest.fixture
def both(tmp_path):
    """Writes a video and its readings: by default whole ones that belong together."""

    def write(film=TIMES, lines=TIMES, finished=True, **facts):
        write_readings(tmp_path / "a.jsonl", as_lines(lines) if isinstance(lines[0], float) else lines, **facts)
        return write_film(tmp_path / "a.mp4", film, finished)

    return write


def problems(path) -> list[str]:
    lines, _ = verify(path)
    assert all("\n" not in line and str(path.parent) in line for line in lines)
    # The folder is named after the test, whose name has the words that are looked for.
    return [line.replace(str(path.parent), "") for line in lines]


@pytest.mark.parametrize("suffix", [".mp4", ".jsonl"])
def test_a_whole_recording_has_no_problem_whichever_file_is_named(both, suffix):
    assert verify(both().with_suffix(suffix)) == ([], "a.mp4 and a.jsonl: 60 frames, 2.0 s")


def test_uneven_times_are_no_problem(both):
    times = [round(t, 6) for t in np.cumsum(np.random.default_rng(3).uniform(0.04, 0.1, 60)).tolist()]
    assert problems(both([0.0, *times], [0.0, *times])) == []


def test_a_face_that_is_not_covered_is_a_problem_of_a_covered_recording(both, portrait, tmp_path):
    times = even_times(3)
    bare = cv2.resize(portrait("astronaut")[:240, 60:380], (128, 96))
    hidden = bare.copy()
    cover(hidden, Box(10, 0, 118, 96), 4)
    both(times, times, privacy="blur")
    write_film(tmp_path / "a.mp4", times, image=hidden)
    assert problems(tmp_path / "a.mp4") == []
    write_film(tmp_path / "a.mp4", times, image=bare)
    assert problems(tmp_path / "a.mp4") == ["/a.mp4: 3 of 3 searched pictures may show a face that is not covered, the first at 0.0 s"]
    both(times, times, privacy="none")
    write_film(tmp_path / "a.mp4", times, image=bare)
    assert problems(tmp_path / "a.mp4") == []


def test_one_frame_is_a_recording(both):
    assert problems(both([0.0], [0.0])) == []


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_truncated_video_is_a_problem(both, share):
    path = both()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert ["cannot be opened" in line for line in problems(path)] == [True]


def test_a_video_that_was_never_finished_is_reported_and_checked_as_far_as_it_goes(both):
    (problem,) = problems(both(finished=False))
    assert "never finished" in problem


def test_a_crash_within_a_fragment_is_reported(both):
    path = both(finished=False)
    path.write_bytes(path.read_bytes()[:-2000])
    assert any("end of the file is missing" in line for line in problems(path))


@pytest.mark.parametrize(("damage", "message"), [(40, "a.mp4 has 1 damaged picture"), (3000, "a.mp4 cannot be decoded after 16 frames")])
def test_damaged_pictures_are_reported(both, damage, message):
    path = both()
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + len(content) // 3
    content[start : start + damage] = bytes(damage)
    path.write_bytes(content)
    assert any(message in line for line in problems(path))


def test_the_sound_is_read_to_its_end_too(both):
    path = write_film(both(), TIMES, sound=True)
    assert problems(path) == []
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(container.streams.audio[0]) if packet.size]
    content = bytearray(path.read_bytes())
    for at, size in packets[40:50]:
        content[at : at + size] = b"\xff" * size
    path.write_bytes(content)
    (problem,) = problems(path)
    assert "a.mp4 has sound that cannot be decoded" in problem


READS_ON = """
import sys
sys.path.insert(0, {root!r})
from contextlib import suppress
from pathlib import Path
from realtime.base.errors import Trouble
from realtime.sources.films import VideoFile
from realtime.readings.verify import decode_film
for _ in range(15):
    decode_film(Path("a.mp4"))
    with suppress(Trouble), VideoFile(Path("a.mp4")) as film:
        list(film)
"""


def test_closing_a_damaged_film_does_not_wait_for_ever(both):
    path = both()
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + len(content) // 3
    content[start : start + 3000] = bytes(3000)
    path.write_bytes(content)
    # In a process of its own, which can be ended: what would hang holds the interpreter.
    done = subprocess.run(
        [sys.executable, "-c", READS_ON.format(root=str(ROOT))], cwd=path.parent, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cut_last_line_and_the_missing_line_are_reported(both):
    path = both()
    readings = path.with_suffix(".jsonl")
    readings.write_bytes(readings.read_bytes()[:-50])
    cut, fewer = problems(path)
    assert "cut off" in cut
    assert "60 frames, but the readings have 59 lines" in fewer


def test_missing_frames_are_reported(both):
    assert any("57 frames, but the readings have 60 lines" in line for line in problems(both(TIMES[:57])))


def test_a_missing_line_is_reported(both):
    lines = as_lines(TIMES)
    del lines[20]
    lines = problems(both(lines=lines))
    assert any("frame 21 stands where 20 was expected" in line for line in lines)
    assert any("not at the time that the readings say; the first is frame 20" in line for line in lines)


def test_wrong_times_are_reported(both):
    fast = [t * 0.8 for t in TIMES]
    (problem,) = problems(both(fast))
    assert "59 frames not at the time that the readings say; the first is frame 1, 0.027 s against 0.033 s" in problem


@pytest.mark.parametrize(("apart_s", "reported"), [(0.0008, False), (0.003, True)])
def test_a_millisecond_is_the_limit(both, apart_s, reported):
    assert bool(problems(both([0.0, *(t + apart_s for t in TIMES[1:])]))) is reported


def test_times_that_do_not_grow_are_reported(both):
    lines = as_lines(TIMES)
    lines[30]["t"] = lines[29]["t"]
    lines[40]["t"] = 0.5
    assert any("time does not grow at 2 frames (30, 40)" in line for line in problems(both(lines=lines)))


def test_a_video_whose_own_times_are_wrong_is_reported(tmp_path):
    def reported(times, duration_s, last_s=0.0):
        film = Film(np.array(times), duration_s, is_finished=True, missing_bytes=0, damage=None, last_s=last_s)
        return film_problems(film, tmp_path / "a.mp4")

    assert reported([0.0, 0.1, 0.2], 0.3) == reported([0.0, 0.1, 0.2], None) == reported([0.0], 0.03) == []
    assert reported([0.0, 0.1, 0.2], 6.2, last_s=6.0) == []
    assert "time does not grow at 2 frames (2, 3)" in reported([0.0, 0.1, 0.1, np.nan], 0.2)[0]
    assert ["lasts 9.00 s, its last frame is at 0.20 s" in line for line in reported([0.0, 0.1, 0.2], 9.0)] == [True]
    assert "there is no frame" in reported([], 1.0)[0]


def test_a_clock_that_does_not_begin_at_0_is_reported(both):
    late = [t + 0.5 for t in TIMES]
    assert any("time begins at 0.500 s, not at 0" in line for line in problems(both(late, late)))


def test_a_gap_is_reported_with_its_place_and_a_slow_film_is_none(both):
    late = [t + 4.0 * (i >= 30) for i, t in enumerate(TIMES)]
    (problem,) = problems(both(late, late))
    assert "nothing for 4.0 s from 1.0 s on (frame 29)" in problem
    slow = [i * 2.0 for i in range(5)]
    assert problems(both(slow, slow)) == []


def test_a_still_in_a_film_is_no_gap(both):
    late = [t + 4.0 * (i >= 30) for i, t in enumerate(TIMES)]
    assert problems(both(late, late, live=False)) == []
    assert len(problems(both(late, late, live=True))) == 1


def test_what_a_film_lacked_is_reported(both):
    (lost,) = problems(both(lines=[*as_lines(TIMES), {"frames": 60, "lost": 3}]))
    assert "3 pictures of the film could not be decoded" in lost
    (early,) = problems(both(lines=[*as_lines(TIMES), {"frames": 60, "ended_s": 3.3, "stated_s": 19.7}]))
    assert "the film ended after 3 s of 20 s" in early


def test_dropped_frames_are_reported_from_the_header_and_from_a_last_line(both):
    lines = [*as_lines(TIMES), {"dropped": 2}]
    (problem,) = problems(both(lines=lines))
    assert "2 frames dropped while recording" in problem
    assert "1 frame dropped while recording" in problems(both(dropped=1))[0]


def test_a_missing_half_is_reported(both, tmp_path):
    path = both()
    shutil.move(path, tmp_path / "aside")
    assert ["no video beside the readings" in line for line in problems(path)] == [True]
    shutil.move(tmp_path / "aside", path)
    path.with_suffix(".jsonl").unlink()
    assert ["no such file" in line for line in problems(path)] == [True]


def test_numbers_alone_need_no_video(tmp_path):
    path = write_readings(tmp_path / "a.jsonl", as_lines(TIMES, lambda i: [a_face()] * (i % 2)), privacy="numbers")
    assert verify(path) == ([], "a.jsonl: 60 frames, 2.0 s")


@pytest.mark.parametrize("content", [b"", b"no video at all, but some text", bytes(5000)])
def test_what_is_no_video_is_reported(both, content):
    path = both()
    path.write_bytes(content)
    assert any("cannot be opened" in line for line in problems(path))


def test_nothing_to_check_is_trouble(tmp_path):
    with pytest.raises(Trouble, match="no such file"):
        verify(tmp_path / "a.mp4")
    with pytest.raises(Trouble, match="is a folder"):
        verify(tmp_path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("suffix", [".mp4", ".jsonl"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(both, suffix):
    path = both().with_suffix(suffix)
    path.unlink()
    os.mkfifo(path)
    assert len([line for line in problems(path) if "it is no regular file" in line]) == 1
