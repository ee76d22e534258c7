import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from recordings import a_face, as_lines, even_times

from realtime.base.errors import Trouble
from realtime.recording.exports import CsvFile, Export, SrtFile
from realtime.values import LABELS


def rows_of(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cues_of(path) -> list[tuple[float, float, str]]:
    """Start, end and text of every subtitle; fails where the file is none."""
    cues = []
    for number, block in enumerate(path.read_text().split("\n\n")[:-1], 1):
        first, times, text = block.split("\n")
        assert int(first) == number
        numbers = re.fullmatch(r"(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})", times).groups()
        h, m, s, ms, *end = map(int, numbers)
        cues.append((h * 3600 + m * 60 + s + ms / 1000, end[0] * 3600 + end[1] * 60 + end[2] + end[3] / 1000, text))
    return cues


def write_all(export: Export, lines) -> None:
    for line in lines:
        export.write(line)
    export.close()


def srt(path, lines) -> list[tuple[float, float, str]]:
    write_all(SrtFile(path), lines)
    return cues_of(path)


def test_the_table_has_a_row_a_face_and_frame(tmp_path):
    def faces(i):
        return [[a_face("fear", "tie")], [], [a_face("fear"), a_face("neutral", id=2)]][i]

    write_all(CsvFile(tmp_path / "a.csv", LABELS), as_lines([0.0, 0.04, 0.1], faces))
    rows = rows_of(tmp_path / "a.csv")
    assert list(rows[0]) == [
        "t",
        "frame",
        "id",
        "label",
        "confidence",
        "unsure",
        *LABELS,
        "x0",
        "y0",
        "x1",
        "y1",
        "yaw",
        "pitch",
        "roll",
        "eyes",
    ]
    assert [(r["t"], r["frame"], r["id"], r["label"], r["unsure"]) for r in rows] == [
        ("0.0", "0", "1", "fear", "tie"),
        ("0.1", "2", "1", "fear", ""),
        ("0.1", "2", "2", "neutral", ""),
    ]
    assert (rows[2]["neutral"], rows[2]["anger"], rows[2]["confidence"], rows[2]["x1"]) == ("0.88", "0.02", "0.88", "90.0")
    assert [rows[2][name] for name in ("yaw", "pitch", "roll", "eyes")] == ["10.5", "-3.0", "1.2", "21.7"]


def test_the_table_of_a_recording_without_faces_has_its_head(tmp_path):
    write_all(CsvFile(tmp_path / "a.csv", LABELS), as_lines([0.0, 0.1], lambda i: []))
    assert (tmp_path / "a.csv").read_text().startswith("t,frame,id,label")
    assert rows_of(tmp_path / "a.csv") == []


def test_a_subtitle_lasts_as_long_as_what_is_shown_stays_the_same(tmp_path):
    def faces(i):
        if i < 10:
            return [a_face("happiness", share=0.8 + i / 100)]
        if i < 20:
            return [a_face("happiness"), a_face("anger", "tie", id=2)]
        return [] if i < 25 else [a_face("sadness", id=2)]

    cues = srt(tmp_path / "a.srt", as_lines(even_times(31, 10.0), faces))
    assert cues == [(0.0, 1.0, "1 happiness"), (1.0, 2.0, "1 happiness  2 unsure (tie)"), (2.5, 3.1, "2 sadness")]


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0, 0.0], [0.0, 0.0002, 0.0004, 0.0006], [1.0, 0.5, 2.0], [3599.9996, 3600.0001, 3700.0]])
def test_subtitles_end_after_they_begin_and_never_overlap(tmp_path, times):
    cues = srt(tmp_path / "a.srt", as_lines(times, lambda i: [a_face(LABELS[i])]))
    assert len(cues) == len(times)
    edges = [edge for start, end, _ in cues for edge in (start, end)]
    assert edges == sorted(edges)
    assert all(start < end for start, end, _ in cues)


WRITES_AND_DIES = """
import os, sys
sys.path[:0] = [{root!r}, {tests!r}]
from recordings import a_face, as_lines, even_times
from realtime.recording.exports import CsvFile, SrtFile
from realtime.values import LABELS
exports = [CsvFile("a.csv", LABELS), SrtFile("a.srt")]
for line in as_lines(even_times({n})):
    for export in exports:
        export.write(line)
os._exit(9)
"""


@pytest.mark.parametrize("n", [1, 100])
def test_after_a_kill_both_files_are_whole_up_to_the_last_second(tmp_path, n):
    code = WRITES_AND_DIES.format(root=str(ROOT), tests=str(ROOT / "tests"), n=n)
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=30).returncode == 9
    last = even_times(n)[-1]
    ((start, end, text),) = cues_of(tmp_path / "a.srt")
    assert (start, text) == (0.0, "1 happiness")
    assert last - 1 < end <= last + 0.001
    assert (tmp_path / "a.csv").read_text().endswith("\n")
    assert float(rows_of(tmp_path / "a.csv")[-1]["t"]) == last


@pytest.mark.parametrize("make", [lambda path: CsvFile(path, LABELS), SrtFile])
def test_a_folder_that_is_missing_is_one_line(tmp_path, make):
    with pytest.raises(Trouble, match=r"cannot write .*no such file") as caught:
        make(tmp_path / "none" / "a")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full disk")
@pytest.mark.parametrize("make", [lambda path: CsvFile(path, LABELS), SrtFile])
def test_a_full_disk_is_one_line(tmp_path, make):
    (tmp_path / "a").symlink_to("/dev/full")
    with pytest.raises(Trouble, match=r"cannot write .*no space left"):
        make(tmp_path / "a").write(as_lines([0.0])[0])
