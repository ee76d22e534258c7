"""How the program ends when somebody or something ends it, and when nobody reads what it prints: in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from realtime.readings.verify import verify

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(os.name == "nt", reason="signals and devices of POSIX")]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "FORCE_COLOR", "COLUMNS")}
PROGRAM = [sys.executable, str(ROOT / "run.py")]


def start(*args: object, **streams) -> subprocess.Popen:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen([*PROGRAM, *map(str, args)], text=True, env=ENVIRONMENT, **streams)


def wait_for_lines(path: Path, n: int) -> None:
    until = time.monotonic() + 60
    while not (path.exists() and path.read_text().count("\n") > n):
        assert time.monotonic() < until, f"{path} did not grow"
        time.sleep(0.05)


def assert_whole(video: Path) -> None:
    problems, _ = verify(video)
    assert problems == []


def test_a_terminal_that_closes_leaves_finished_files(tmp_path):
    process = start("live", "--source", "demo", "--no-window", "--record", tmp_path / "out.mp4")
    wait_for_lines(tmp_path / "out.jsonl", 20)
    for _ in range(2):
        process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert_whole(tmp_path / "out.mp4")


def test_a_film_that_is_interrupted_is_said_to_be_partial(tmp_path):
    process = start("record", "demo", tmp_path / "out.mp4")
    wait_for_lines(tmp_path / "out.jsonl", 20)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "stopped before the end of demo.mp4: the recording is whole up to there" in out
    assert_whole(tmp_path / "out.mp4")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_does_not_stop_a_recording(tmp_path):
    with Path("/dev/full").open("w") as full:
        process = start("record", "demo", tmp_path / "out.mp4", "--seconds", 1, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == "run.py: standard output cannot be written (no space left on device): what was to be read there is lost, files are not\n"
    assert_whole(tmp_path / "out.mp4")


def test_a_reader_that_leaves_does_not_stop_a_recording(tmp_path):
    process = start("live", "--source", "demo", "--no-window", "--seconds", 4, "--record", tmp_path / "out.mp4")
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(60) == 1
    assert err == "run.py: standard output cannot be written (broken pipe): what was to be read there is lost, files are not\n"
    assert_whole(tmp_path / "out.mp4")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) > 60


def test_closed_streams_damage_nothing(tmp_path):
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *PROGRAM, "record", "demo", str(tmp_path / "out.mp4"), "--seconds", "1"]
    assert subprocess.run(command, env=ENVIRONMENT, timeout=60).returncode == 0
    assert_whole(tmp_path / "out.mp4")


@pytest.mark.parametrize("place", ["import", "work"])
def test_too_little_memory_is_named(tmp_path, place):
    raised = "ImportError('libblas.so.3: failed to map segment from shared object')" if place == "import" else "MemoryError"
    (tmp_path / "cv2.py").write_text(f"raise {raised}")
    command = [*PROGRAM, "image", "a.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT | {"PYTHONPATH": str(tmp_path)}, timeout=60)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "there is too little memory" in done.stderr and "apt" not in done.stderr
