"""`verify` and `report` with files and folders: a line each, and how many failed."""

import shutil

import pytest
from recordings import as_lines, even_times, write_film, write_readings

from realtime.base.errors import Trouble
from realtime.commands.files import default_page, files_in, recordings_in, report_recordings, verify_recordings

TIMES = even_times(20)


@pytest.fixture
def folder(tmp_path):
    """Two whole recordings, the second in a subfolder, one with a clean video too; a damaged one, and files of other kinds."""
    (tmp_path / "inside").mkdir()
    for path in (tmp_path / "a.mp4", tmp_path / "inside" / "b.mov"):
        write_readings(path.with_suffix(".jsonl"), as_lines(TIMES))
        write_film(path, TIMES)
    shutil.copy(tmp_path / "a.mp4", tmp_path / "a_clean.mp4")
    (tmp_path / "c.jsonl").write_text("damaged")
    (tmp_path / "notes.txt").write_text("no recording")
    (tmp_path / "._a.mp4").write_text("what another system notes of a file")
    return tmp_path


def test_a_folder_stands_for_the_files_of_a_kind_in_it(folder):
    assert [path.name for path in files_in(folder, (".jsonl",))] == ["a.jsonl", "c.jsonl", "b.jsonl"]
    assert files_in(folder / "notes.txt", (".jsonl",)) == [folder / "notes.txt"]
    with pytest.raises(Trouble, match=r"holds no file of the kind \.png"):
        files_in(folder, (".png",))
    assert [path.name for path in recordings_in(folder)] == ["a.mp4", "a_clean.mp4", "c.jsonl", "b.mov"]
    assert recordings_in(folder / "a.jsonl") == [folder / "a.jsonl"]


def test_each_recording_of_a_folder_is_verified(folder, capsys):
    assert verify_recordings([folder / "inside", folder, folder / "none.mp4"]) == 2
    said = capsys.readouterr()
    assert [line.split(": ")[0] for line in said.out.splitlines()] == [
        str(folder / name) for name in ("inside/b.mov", "a.mp4", "a_clean.mp4", "inside/b.mov")
    ]
    assert [line for line in said.err.splitlines() if "c.jsonl is no readings file" in line and line.startswith("run.py: ")]
    (folder / "empty").mkdir()
    assert verify_recordings([folder / "empty", folder / "a.mp4"]) == 1


def test_a_page_has_all_recordings_of_a_folder_that_can_be_read(folder, capsys):
    assert report_recordings([folder], None, overwrite=False) == 1
    said = capsys.readouterr()
    assert said.out == f"wrote {folder / 'report.html'}\n"
    assert said.err.count("\n") == 1 and "c.jsonl is no readings file" in said.err
    page = (folder / "report.html").read_text()
    assert [f'id="s{i}" aria-label="{name}"' in page for i, name in enumerate("ab")] == [True, True]
    assert 'src="inside/b.mov"' in page


def test_nothing_that_can_be_read_leaves_the_old_page(folder, capsys):
    page = folder / "report.html"
    page.write_text("the old one")
    with pytest.raises(Trouble, match="exists and is kept"):
        report_recordings([folder], None, overwrite=False)
    assert report_recordings([folder / "c.jsonl"], page, overwrite=True) == 1
    assert page.read_text() == "the old one"
    assert capsys.readouterr().out == ""


def test_the_page_lies_beside_what_it_is_about(folder):
    assert default_page([folder]) == folder / "report.html"
    assert default_page([folder / "a.mp4"]) == folder / "a.html"
    assert default_page([folder / "a.mp4", folder / "inside"]) == folder / "report.html"
