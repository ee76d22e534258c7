"""What is printed is text, and output that fails does not stop the work."""

import io
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from rich.cells import cell_len

from realtime.base.output import EnduringStream, TextConsole, folded, one_line, shown, tell, tell_trouble, terminal_width


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


class Screen(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


def test_lines_are_broken_between_words_and_what_follows_hangs():
    said = "    1920x1080 MJPG, 30 frames a second, which is what was asked for"
    assert folded(said, None) == said
    assert folded(said, 30).splitlines() == ["    1920x1080 MJPG, 30 frames", "        a second, which is", "        what was asked for"]
    assert folded("one two three", 8, 2).splitlines() == ["one two", "  three"]
    # A path stays whole: it can be copied.
    assert folded("wrote /home/ada/recordings/film.mp4 today", 12).splitlines() == [
        "wrote",
        "    /home/ada/recordings/film.mp4",
        "    today",
    ]
    for width in (1, 10, 40, 60, 80, 200):
        assert folded(said, width).split() == said.split()


def test_chinese_and_japanese_break_between_letters_but_not_before_punctuation():
    lines = folded("「喜び」に見えます。求めているのは「無表情」です。", 20, 0).splitlines()
    assert "".join(lines) == "「喜び」に見えます。求めているのは「無表情」です。"
    assert all(cell_len(line) <= 20 for line in lines) and len(lines) == 3
    assert not any(line[0] in "」。" or line[-1] == "「" for line in lines)


def test_only_terminals_have_a_width(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width(io.StringIO()) is None
    assert terminal_width(Screen()) >= 1
    said = "no camera is found: check the cable"
    tell(said)
    monkeypatch.setenv("COLUMNS", "20")
    assert terminal_width(Screen()) == 20
    # Programs that read lines may have been started from a terminal, or by one that tells its width.
    assert terminal_width(io.StringIO()) is None
    tell(said)
    tell_trouble(said)
    out, err = capsys.readouterr()
    assert (out, err) == (f"{said}\n{said}\n", f"{said}\n")
    for name, say in (("sys.stdout", tell), ("sys.stderr", tell_trouble)):
        screen = Screen()
        monkeypatch.setattr(name, screen)
        say(said)
        assert screen.getvalue().splitlines() == ["no camera is found:", "    check the cable"]
    out = Screen()
    TextConsole(file=out).print(said)
    assert out.getvalue().splitlines() == ["no camera is found:", "    check the cable"]


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
