"""What is printed is text, and output that fails does not stop the work."""

import io
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from realtime.base.output import EnduringStream, TextConsole, one_line, shown


def test_nothing_in_a_name_is_obeyed_by_the_terminal():
    assert shown("a\x1b[31m\x9b.mp4\tb\nc") == "a\\x1b[31m\\x9b.mp4\tb\nc"
    assert shown(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
    assert shown("gpj.\u202e4pm") == "gpj.\\u202e4pm"
    assert shown("Привет 笑 👨‍👩‍👧 é") == "Привет 笑 👨‍👩‍👧 é"
    assert one_line("a\nb") == "a\\nb"


@pytest.mark.parametrize("name", ["Title [abc].mp4", "a[/b].mp4", "a :smile: b", "[red]a[/red]"])
def test_a_console_prints_names_as_they_are(name):
    out = io.StringIO()
    TextConsole(file=out).print(f"wrote {name}")
    assert out.getvalue() == f"wrote {name}\n"


class Lost(io.StringIO):
    """A stream whose reader is gone."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")

    def fileno(self):
        return self.number


def test_a_stream_that_fails_keeps_the_reason_and_takes_all_that_follows(tmp_path):
    lost = Lost()
    lost.number = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    stream = EnduringStream(lost)
    assert stream.failure is None
    assert stream.write("a") == 1
    stream.write("b")
    stream.flush()
    assert stream.failure == "broken pipe"
    os.write(lost.number, b"what a library prints")
    os.close(lost.number)
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.skipif(os.name == "nt", reason="shells of POSIX close streams")
def test_a_file_does_not_get_the_number_of_a_stream_that_was_closed(tmp_path):
    program = f"""
from realtime.base.output import make_output_endure, tell_trouble
make_output_endure()
with open({str(tmp_path / "file")!r}, "w") as file:
    assert file.fileno() > 2, file.fileno()
    tell_trouble("nobody reads this")
"""
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, program], cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b""
