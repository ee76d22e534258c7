"""How the program ends when somebody or something ends it, and when nobody reads what it prints: in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from recordings import cut

from realtime.readings.verify import verify
from realtime.sources.films import DEMO

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(os.name == "nt", reason="signals and devices of POSIX")]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "FORCE_COLOR", "COLUMNS")}
PROGRAM = [sys.executable, str(ROOT / "run.py")]


def start(*args: object, **streams) -> subprocess.Popen:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    # Under nohup the tests ignore a closed terminal, and so would the program.
    return subprocess.Popen([*PROGRAM, *map(str, args)], text=True, env=ENVIRONMENT, preexec_fn=heed_a_closed_terminal, **streams)


def heed_a_closed_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert_whole(tmp_path / "out.mp4")


def test_a_film_that_is_interrupted_is_said_to_be_partial(tmp_path):
    process = start("record", "demo", tmp_path / "out.mp4")
    wait_for_lines(tmp_path / "out.jsonl", 20)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
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


@pytest.fixture
def clips(tmp_path):
    """A folder of four films: two of five seconds, which two processes record first, in seconds, and two of half a second."""
    (tmp_path / "clips").mkdir()
    for names, seconds in (("ab", 5.0), ("cd", 0.5)):
        for name in names:
            cut(DEMO, tmp_path / "clips" / f"{name}.mp4", seconds)
    return tmp_path / "clips"


def test_a_second_run_into_a_folder_ends_at_once_and_damages_nothing(clips, tmp_path):
    first = start("record", clips, "--out-dir", tmp_path / "out")
    wait_for_lines(tmp_path / "out" / "a.part.jsonl", 20)
    second = start("record", clips, "--out-dir", tmp_path / "out", "--overwrite")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert err.startswith("run.py: another run is writing here") and err.count("\n") == 1
    _, err = first.communicate(timeout=100)
    assert (first.returncode, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"{n}.{e}" for n in "abcd" for e in ("mp4", "jsonl"))
    for name in "abcd":
        assert_whole(tmp_path / "out" / f"{name}.mp4")


def test_a_batch_keeps_the_files_of_the_user_and_records_the_others(clips, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.mp4").write_text("another film")
    (clips / "deep").mkdir()
    (clips / "b.mp4").rename(clips / "deep" / "b.mp4")
    (clips / "._c.mp4").write_text("what macOS leaves")
    (out / "c.part.mp4").write_text("of the user")
    for due in (4, 1):
        process = start("record", clips, "--out-dir", out, "--seconds", "0.3")
        told, err = process.communicate(timeout=60)
        assert process.returncode == 1 and err == f"run.py: 1 of {due} films failed, for reasons told above: {clips / 'a.mp4'}\n"
        assert f"{clips / 'a.mp4'} is not recorded: {out / 'a.mp4'} exists and is kept" in told
        assert (out / "a.mp4").read_text() == "another film" and (out / "c.part.mp4").read_text() == "of the user"
        made = {path.relative_to(out).as_posix() for path in out.rglob("*.jsonl")}
        assert made == {"c.jsonl", "d.jsonl", "deep/b.jsonl"}


def test_a_second_ctrl_c_ends_a_batch_without_a_traceback(clips, tmp_path):
    process = start("record", clips, "--out-dir", tmp_path / "out", start_new_session=True)
    wait_for_lines(tmp_path / "out" / "a.part.jsonl", 20)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err and "BrokenPipe" not in err
    assert not list((tmp_path / "out").glob("?.mp4"))


def test_a_batch_that_is_killed_leaves_no_process_and_the_next_run_goes_on(clips, tmp_path):
    process = start("record", clips, "--out-dir", tmp_path / "out")
    wait_for_lines(tmp_path / "out" / "a.part.jsonl", 20)
    process.kill()
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    again = start("record", clips, "--out-dir", tmp_path / "out")
    _, err = again.communicate(timeout=100)
    assert (again.returncode, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"{n}.{e}" for n in "abcd" for e in ("mp4", "jsonl"))


def test_a_batch_whose_film_hangs_ends_within_ten_seconds(clips, tmp_path):
    process = start("record", clips / "a.mp4", "--out-dir", tmp_path / "out")
    wait_for_lines(tmp_path / "out" / "a.part.jsonl", 20)
    # As where a disk does not answer any more.
    for child in processes_of(process.pid):
        os.kill(child, signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 1 and "a.mp4" in err
    assert "did not end within 8 s and was killed" in out


def processes_of(parent: int) -> list[int]:
    """The processes in which a batch records its films."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    found = [int(pid) for pid, ppid, args in rows if int(ppid) == parent and "spawn_main" in args]
    assert found
    return found
