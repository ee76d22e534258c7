"""Files whose names are hard: for FFmpeg, for terminals, for code pages. What decodes and prints names is a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import call
from conftest import ROOT

pytestmark = pytest.mark.timeout(120)
DEMO = ROOT / "realtime" / "sources" / "demo" / "demo.mp4"


def run(*args: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    """Runs the program in `cwd`; gives bytes."""
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "FORCE_COLOR", "COLUMNS")} | variables
    command = [sys.executable, str(ROOT / "run.py"), *args]
    return subprocess.run(command, capture_output=True, cwd=cwd, env=environment | {"PYTHONPATH": str(ROOT)}, timeout=100)


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids such names")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"-x 12:30 100%d #1", b"-x 12:30 100%d #1"),
        (b"Title [abc] :smile:", b"Title [abc] :smile:"),
        (b"caf\xe9", b"caf\\xe9"),
        (b"red \x1b[31m\n", b"red \\x1b[31m\\n"),
    ],
)
def test_a_film_with_a_hard_name_is_recorded_verified_and_reported(tmp_path, name, told):
    film = os.fsdecode(name + b".mp4")
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    shutil.copy(DEMO, tmp_path / "in" / film)
    done = run("record", "--seconds", "0.3", "--", f"../in/{film}", film, cwd=tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"wrote " + told + b".mp4" in done.stdout.replace(b"\n", b"\\n")
    assert b"\x1b" not in done.stdout
    for command in ("verify", "report"):
        done = call(command, "--", film, cwd=tmp_path / "out")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout and "\x1b" not in done.stdout


def test_letters_that_the_code_page_lacks_are_replaced(tmp_path):
    shutil.copy(DEMO, tmp_path / "Привет 笑.mp4")
    done = run("record", "--seconds", "0.3", "Привет 笑.mp4", "Привет.mp4", cwd=tmp_path, PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"wrote ??????.mp4" in done.stdout
    gone = run("record", "笑.mp4", "笑2.mp4", cwd=tmp_path, PYTHONIOENCODING="cp1252")
    assert gone.returncode == 1
    assert gone.stderr.startswith(b"run.py: ?.mp4: there is no such file")


def test_no_command_writes_over_what_it_reads(tmp_path):
    film, readings = tmp_path / "a_clean.mp4", tmp_path / "r.html"
    shutil.copy(DEMO, film)
    (tmp_path / "b.mp4").symlink_to(film)
    os.link(film, tmp_path / "c.csv")
    os.link(film, tmp_path / "d.mp4")
    readings.write_text("the page would go here")
    before = film.read_bytes()
    for command in (
        ("record", "--overwrite", "--clean", "--overlay", film.name, "a.mp4"),
        ("record", "--overwrite", film.name, "b.mp4"),
        ("record", "--overwrite", "--csv", film.name, "c.mp4"),
        ("record", "--overwrite", film.as_uri(), "d.mp4"),
        ("live", "--no-window", "--overwrite", "--source", film.name, "--record", "d.mp4"),
        ("bench", "--source", film.name, "--json", "b.mp4"),
        ("report", readings.name, "--out", readings.name, "--overwrite"),
    ):
        done = call(*command, cwd=tmp_path)
        assert done.returncode == 1, command
        assert "choose another name to write to" in done.stderr, (command, done.stderr)
    assert film.read_bytes() == before
    assert readings.read_text() == "the page would go here"
