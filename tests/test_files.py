"""A file is replaced as a whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.base.errors import Trouble
from realtime.base.files import (
    Exists,
    make_private_folder,
    open_regular,
    open_to_write,
    publish,
    read_regular,
    refuse_inputs,
    replace_file,
    replacing,
)
from realtime.base.json_values import is_number, parse_json

ROOT = Path(__file__).parent.parent


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "a.json"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.json"
    replace_file(path, b"old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half of the")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_missing_folder_is_told_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "nowhere" / "a.json", b"new")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_private_file_is_for_its_owner_alone(tmp_path):
    replace_file(tmp_path / "private.json", b"", private=True)
    replace_file(tmp_path / "public.json", b"")
    assert (tmp_path / "private.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "public.json").stat().st_mode & 0o700 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="a kill as of POSIX")
def test_a_kill_while_the_file_is_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    program = f"""
import os, signal
from pathlib import Path
from realtime.base.files import replacing
with replacing(Path({str(path)!r})) as file:
    file.write(b"new, but not all")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_file_is_opened_for_its_owner_alone_and_only_once(tmp_path):
    path = tmp_path / "a.mp4"
    with os.fdopen(open_to_write(path, replace=False), "wb") as file:
        file.write(b"mine")
        file.flush()
        with pytest.raises(Trouble, match=r"another run is writing .*a\.mp4"):
            open_to_write(path, replace=True)
        assert path.read_bytes() == b"mine"
    assert mode_of(path) == 0o600
    with pytest.raises(Exists, match="exists and is kept"):
        open_to_write(path, replace=False)
    path.chmod(0o644)
    with os.fdopen(open_to_write(path, replace=True), "wb") as file:
        file.write(b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o644)


def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "a.mp4"
    program = f"import os, signal; from realtime.base.files import *; open_to_write(Path({str(path)!r}), False)"
    program += "; print('open', flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(Trouble, match="another run"):
            open_to_write(path, replace=True)
        other.kill()
        other.wait()
        os.close(open_to_write(path, replace=True))


@pytest.mark.parametrize("links", [True, False])
def test_files_get_new_names_all_or_none(tmp_path, monkeypatch, links):
    def without_links(*_args, **_options):
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", without_links)
    parts, names = [tmp_path / "1.part", tmp_path / "2.part"], [tmp_path / "1", tmp_path / "2"]
    for path in (*parts, names[1]):
        path.write_text(path.name)
    with pytest.raises(Exists, match="2 exists and is kept"):
        publish(parts, names, replace=False)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"1.part": "1.part", "2.part": "2.part", "2": "2"}
    publish(parts, names, replace=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"1": "1.part", "2": "2.part"}
    publish(names, parts, replace=False)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"1.part": "1.part", "2.part": "2.part"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_new_folders_are_private_and_old_ones_are_left(tmp_path):
    (tmp_path / "old").mkdir(mode=0o755)
    make_private_folder(tmp_path / "old" / "new" / "newer")
    assert [mode_of(tmp_path / name) for name in ("old", "old/new", "old/new/newer")] == [0o755, 0o700, 0o700]
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        make_private_folder(tmp_path / "file")


def test_no_output_is_an_input_under_any_name(tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    for name, link in (("hard.mp4", os.link), ("soft.mp4", os.symlink)):
        link(film, tmp_path / name)
        with pytest.raises(Trouble, match=rf"{name} is the same file as .*film\.mp4, which is read: choose another name"):
            refuse_inputs([tmp_path / "other.mp4", tmp_path / name], [tmp_path / "gone.mp4", film])
    with pytest.raises(Trouble, match="is the file to be read"):
        refuse_inputs([film], [film])
    refuse_inputs([tmp_path / "other.mp4"], [film])


@pytest.mark.timeout(10)
def test_only_a_regular_file_is_opened(tmp_path):
    path, pipe, link = tmp_path / "a.json", tmp_path / "pipe", tmp_path / "link"
    path.write_bytes(b"12345")
    os.mkfifo(pipe)
    link.symlink_to(path)
    assert read_regular(path, 5) == read_regular(link, 5) == b"12345"
    for wrong, words in ((pipe, "no regular file"), (Path("/dev/zero"), "no regular file"), (tmp_path, "directory")):
        with pytest.raises(OSError, match=words):
            open_regular(wrong)
    with pytest.raises(OSError, match="it is a link"):
        open_regular(link, follow=False)
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_regular(path, 4)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "9" * 5000, "NaN", "[1e999]", '"\\ud800"', "-Infinity", "{", "", b"\xff\xfe\xfd"],
    ids=lambda text: repr(text[:9]),
)
def test_json_that_cannot_be_written_again_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_numbers_are_told_from_what_is_none():
    assert [is_number(value, 100.0) for value in (5, -100.0, 100.1, 10**400, float("nan"), True, None, "5", [5])] == [True] * 2 + [
        False
    ] * 7
