"""A file is replaced as a whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.base.files import open_regular, read_regular, replace_file, replacing
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
