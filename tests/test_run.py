"""The command line as a user runs it, with what it prints and the exit code: where a process matters, in one of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from benchmarks.killed import kill_recording
from command_line import call
from conftest import DATA, ROOT
from fakes import NetworkCamera

from realtime.commands.benchmark import STAGES
from realtime.commands.choose import choose_model
from realtime.config import EFFORTS, SHIPPED, SMALL_EFFORTS, ClassifierSettings
from realtime.values import LABELS
from run import not_installed

pytestmark = pytest.mark.timeout(120)


def environment() -> dict[str, str]:
    """This process's, without a display and without settings that change what is printed."""
    return {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "FORCE_COLOR", "COLUMNS")}


def run(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "run.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment(), timeout=100)


def trouble(*args: object) -> str:
    """The one line of a command that must fail."""
    done = call(*args)
    assert done.returncode == 1, done
    assert done.stderr.startswith("run.py: "), done
    assert done.stderr.count("\n") == 1, done
    return done.stderr


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for_lines(path: Path, n: int) -> float:
    """Waits until a growing file has more than `n` lines; gives the time when it had."""
    until = time.monotonic() + 60
    while not (path.exists() and path.read_text().count("\n") > n):
        assert time.monotonic() < until, f"{path} did not grow"
        time.sleep(0.05)
    return time.monotonic()


def test_help_names_every_command():
    done = run("--help")
    assert done.returncode == 0
    # A row of the table of commands: its frame, the name, what it does.
    names = ["live", "cameras", "record", "bench", "calibrate", "doctor", "verify", "report", "image"]
    assert [name for name in names if not re.search(rf"^\W+{name} +\w", done.stdout, re.M)] == []


def test_image_reads_a_line_a_face():
    done = run("image", *(DATA / f"{name}.jpg" for name in ("obama", "obama2", "biden", "astronaut")))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    # The second face speaks: what that looks like, nobody can say.
    said = [re.sub(r"\d+%", "", line.split(": ")[1]) for line in (lines[0], lines[2], lines[3])]
    assert said == ["1 happiness  (middle)", "1 neutral  (middle)", "1 happiness  (middle)"]


def test_image_goes_on_after_broken_files_and_says_which(tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((1, 1, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((333, 77), 200, np.uint8))
    turned = cv2.rotate(cv2.imread(str(DATA / "obama.jpg")), cv2.ROTATE_90_COUNTERCLOCKWISE)
    _, content = cv2.imencode(".jpg", turned)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    head, rest = content.tobytes()[:2], content.tobytes()[2:]
    (tmp_path / "turned.jpg").write_bytes(head + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + rest)
    alpha = cv2.cvtColor(cv2.imread(str(DATA / "biden.jpg")), cv2.COLOR_BGR2BGRA)
    cv2.imwrite(str(tmp_path / "alpha.png"), alpha)
    cv2.imwrite(str(tmp_path / "gray.png"), cv2.imread(str(DATA / "astronaut.jpg"), cv2.IMREAD_GRAYSCALE))
    names = ("broken.png", "one.png", "wall.png", "turned.jpg", "gone.jpg", "alpha.png", "gray.png")
    done = call("image", *(tmp_path / name for name in names))
    assert done.returncode == 1
    assert [line.split(":")[1].strip().split(" ")[0] for line in done.stderr.splitlines()] == [
        str(tmp_path / "broken.png"),
        str(tmp_path / "gone.jpg"),
    ]
    said = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())
    assert said[str(tmp_path / "one.png")] == said[str(tmp_path / "wall.png")] == "no face"
    assert said[str(tmp_path / "turned.jpg")].startswith("1 happiness")
    assert said[str(tmp_path / "alpha.png")].startswith("1 ")
    assert said[str(tmp_path / "gray.png")].startswith("1 happiness")


def test_image_as_json(tmp_path):
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300), 200, np.uint8))
    done = call("image", "--json", DATA / "obama.jpg", tmp_path / "wall.png")
    assert (done.returncode, done.stderr) == (0, "")
    face, nobody = map(json.loads, done.stdout.splitlines())
    assert face["face"]["label"] == "happiness"
    assert len(face["face"]["probs"]) == len(LABELS)
    assert nobody["face"] is None
    assert face["labels"] == nobody["labels"] == list(LABELS)


def test_record_writes_every_frame_and_its_line(tmp_path):
    done = run("record", "demo", tmp_path / "out.mp4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "300 frames" in done.stdout
    head, *rest = lines_of(tmp_path / "out.jsonl")
    assert head["schema"] == "readings/1"
    assert head["labels"] == list(LABELS)
    assert head["source"] == "demo.mp4"
    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == len(rest) == 300
    assert [line["t"] for line in rest] == pytest.approx(times, abs=1e-3)
    again = trouble("record", "demo", tmp_path / "out.mp4")
    assert "exists and is kept" in again
    assert call("record", "demo", tmp_path / "out.mp4", "--seconds", 1, "--overwrite").returncode == 0
    assert len(lines_of(tmp_path / "out.jsonl")) == 31


def test_a_film_is_never_written_over_by_its_own_recording(tmp_path):
    film = tmp_path / "film.mp4"
    shutil.copy(ROOT / "realtime" / "sources" / "demo" / "demo.mp4", film)
    before = film.read_bytes()
    assert "is the file to be read" in trouble("record", film, film, "--overwrite")
    assert "is the file to be read" in trouble("live", "--source", film, "--record", film, "--overwrite")
    assert film.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_that_is_told_to_stop_is_whole(tmp_path, number):
    command = [sys.executable, str(ROOT / "run.py"), "live", "--source", "demo", "--record", str(tmp_path / "out.mp4")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    readings = tmp_path / "out.jsonl"
    wait_for_lines(readings, 20)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "wrote" in out
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == len(lines_of(readings)) - 1 >= 20


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL to send")
@pytest.mark.parametrize(("after_s", "sound"), [(0.5, False), (1.7, False), (0.5, True)])
def test_a_recording_that_is_killed_plays_to_within_half_a_second(tmp_path, after_s, sound):
    killed = kill_recording(tmp_path, after_s, sound)
    # Against the readings, not against this machine's clock: their last line is written with its frame, however busy the machine is.
    assert killed.readings_s >= after_s
    assert killed.readings_s - 0.5 <= killed.video_s <= killed.readings_s + 0.001
    assert killed.sound_s is None or killed.sound_s > 0


def test_record_takes_the_sound_and_the_choices(tmp_path):
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        video, audio = film.add_stream("libx264", rate=30), film.add_stream("aac", rate=44_100, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for i in range(30):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * i, np.uint8), format="bgr24")
            film.mux(video.encode(picture))
            sound = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.1, np.float32), format="fltp", layout="mono")
            sound.rate = 44_100
            film.mux(audio.encode(sound))
        film.mux(video.encode(None))
        film.mux(audio.encode(None))
    done = call(
        "record", tmp_path / "film.mp4", tmp_path / "out.mp4", "--size", "128x64", "--fps", 10, "--overlay", "--clean", "--seconds", 0.5
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"wrote {tmp_path / 'out.mp4'}, {tmp_path / 'out_clean.mp4'} and {tmp_path / 'out.jsonl'}: 5 frames" in done.stdout
    for name in ("out.mp4", "out_clean.mp4"):
        with av.open(str(tmp_path / name)) as made:
            assert (made.streams.video[0].width, made.streams.video[0].height) == (128, 64)
            times = [frame.time for frame in made.decode(video=0)]
        with av.open(str(tmp_path / name)) as made:
            assert made.duration / 1e6 == pytest.approx(0.5, abs=0.1)
            assert sum(1 for _ in made.decode(audio=0)) > 15
        assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=1e-3)
    assert [line["t"] for line in lines_of(tmp_path / "out.jsonl")[1:]] == pytest.approx(times, abs=1e-3)


def test_many_films_in_one_call(tmp_path):
    (tmp_path / "clips").mkdir()
    shutil.copy(ROOT / "realtime" / "sources" / "demo" / "demo.mp4", tmp_path / "clips" / "a.mp4")
    (tmp_path / "clips" / "broken.mp4").write_text("no film")
    command = ("record", tmp_path / "clips", "--out-dir", tmp_path / "out", "--seconds", 0.5, "--privacy", "numbers")
    done = call(*command)
    assert done.returncode == 1
    broken = tmp_path / "clips" / "broken.mp4"
    assert done.stderr == f"run.py: 1 of 2 films failed, for reasons told above: {broken}\n"
    assert f"{broken} is not a video" in done.stdout
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.jsonl"]
    assert len(lines_of(tmp_path / "out" / "a.jsonl")) == 16
    broken.unlink()
    again = call(*command)
    assert (again.returncode, again.stderr) == (0, "")
    assert "skipped: 1 of 1 films are recorded already" in again.stdout


def test_live_goes_on_without_a_microphone_and_says_so(tmp_path):
    done = call("live", "--source", "demo", "--seconds", 1, "--no-window", "--record", tmp_path / "out.mp4", "--mic", "nonesuch")
    assert (done.returncode, done.stderr) == (0, "")
    assert len([line for line in done.stdout.splitlines() if "no microphone can be opened" in line]) == 1
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert not made.streams.audio
        assert sum(1 for _ in made.decode(video=0)) > 10


def test_live_without_a_display_prints_readings_and_says_how_to_see_more():
    done = run("live", "--source", "demo", "--seconds", 3)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No display" in done.stdout
    assert "--record FILE.mp4" in done.stdout
    assert "1 happiness" in done.stdout
    assert "dropped, latency to drawn" in done.stdout.splitlines()[-1]
    assert "p99" in done.stdout.splitlines()[-1]


def test_a_recording_of_some_seconds_ends_in_time_though_the_camera_falls_silent(tmp_path):
    with NetworkCamera() as camera:
        command = [sys.executable, str(ROOT / "run.py"), "record", camera.address, str(tmp_path / "out.mp4"), "--seconds", "5"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        began = wait_for_lines(tmp_path / "out.jsonl", 10)
        camera.silent.set()
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert 1.5 < time.monotonic() - began < 15
    assert "has given no picture for 2 s; reconnecting" in out
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert f"{frames} frames" in out
    assert frames == len(lines_of(tmp_path / "out.jsonl")) - 1 >= 9


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_a_silent_camera_can_be_interrupted(tmp_path):
    with NetworkCamera() as camera:
        command = [sys.executable, str(ROOT / "run.py"), "live", "--source", camera.address, "--record", str(tmp_path / "out.mp4")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        wait_for_lines(tmp_path / "out.jsonl", 10)
        camera.die()
        assert any("reconnecting (" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "latency to drawn" in out
    assert "to written" in out
    assert len(lines_of(tmp_path / "out.jsonl")) > 10


@pytest.mark.skipif(Path("/dev/video0").exists(), reason="this machine has a camera")
def test_live_without_a_camera_plays_the_demo_clip_and_says_so():
    done = call("live", "--seconds", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert "camera 0 cannot be opened" in done.stdout
    assert "Playing demo.mp4 instead" in done.stdout


@pytest.mark.skipif(Path("/dev/video0").exists(), reason="this machine has a camera")
def test_cameras_says_what_to_check_where_there_is_none():
    assert "no camera is found: check the cable" in trouble("cameras")
    assert call("cameras", "--json").stdout == "[]\n"


def test_live_reads_raw_pictures_from_a_pipe(tmp_path):
    picture = cv2.resize(cv2.imread(str(DATA / "obama.jpg")), (320, 240)).tobytes()
    command = [sys.executable, str(ROOT / "run.py"), "live", "--source", "-", "--raw", "320x240", "--record", str(tmp_path / "out.mp4")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    for _ in range(20):
        process.stdin.write(picture)
        process.stdin.flush()
        time.sleep(0.02)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert b"the pipe" not in out
    head, *frames = lines_of(tmp_path / "out.jsonl")
    assert head["source"] == "the pipe"
    assert "camera" not in head
    assert frames


def test_a_small_board_gets_the_small_model_unless_another_is_named():
    told = []
    board = "Raspberry Pi 4 Model B Rev 1.4"
    assert choose_model(None, board, told.append) == (SHIPPED["nano"], SMALL_EFFORTS)
    assert len(told) == 1
    assert told[0].startswith(board)
    assert "--model emotion" in told[0]
    assert choose_model(SHIPPED["emotion"], board, told.append) == (SHIPPED["emotion"], EFFORTS)
    assert choose_model(None, None, told.append) == (SHIPPED["emotion"], EFFORTS)
    assert len(told) == 1
    # Fewer searches than all, from the start.
    assert SMALL_EFFORTS[0].far_s > EFFORTS[0].far_s


def test_bench_reports_the_stages(tmp_path):
    done = call("bench", "--source", "demo", "--seconds", 2, "--json", tmp_path / "bench.json")
    assert (done.returncode, done.stderr) == (0, "")
    made = json.loads((tmp_path / "bench.json").read_text())
    assert set(STAGES) < set(made["stages"])
    # Only "check" may have had nothing to do within two seconds: it runs when a face is new or doubtful.
    assert all(times["n"] > 0 for stage, times in made["stages"].items() if stage != "check")
    # However slow the machine is.
    assert all(times["p99_ms"] >= times["p95_ms"] >= times["median_ms"] for times in made["stages"].values())
    assert made["fps"] > 1
    assert made["model"]["sha256"] == json.loads(ClassifierSettings().model.with_suffix(".json").read_text())["sha256"]
    assert made["peak_memory_mb"] > 50
    assert "frames a second" in done.stdout
    assert "find" in done.stdout


def test_troubles_are_one_line(tmp_path):
    (tmp_path / "text.mp4").write_text("no film " * 100)
    (tmp_path / "model.tflite").write_bytes(b"no model")
    done = run("live", "--source", 97)
    assert (done.returncode, done.stderr.count("\n"), done.stderr.startswith("run.py: camera 97 cannot be opened")) == (1, 1, True)
    assert "there is no such file" in trouble("record", tmp_path / "gone.mp4", tmp_path / "out.mp4")
    assert "is not a video" in trouble("live", "--source", tmp_path / "text.mp4")
    assert "is not a video" in trouble("bench", "--source", tmp_path / "text.mp4")
    assert "bench measures a film" in trouble("bench", "--source", 0)
    assert "cannot make the folder" in trouble("record", "demo", tmp_path / "text.mp4" / "out.mp4")
    (tmp_path / "folder.mp4").mkdir()
    assert "is a directory" in trouble("record", "demo", tmp_path / "folder.mp4", "--overwrite")
    assert "must end in .mp4" in trouble("record", "demo", tmp_path / "out.avi")
    assert "cannot read model file" in trouble("image", DATA / "obama.jpg", "--model", tmp_path / "gone.tflite")
    assert "cannot read model file" in trouble("live", "--source", "demo", "--model", tmp_path / "model.tflite")
    assert "no display" in trouble("live", "--source", "demo", "--window")
    assert "--out-dir" in trouble("record", "demo")
    assert "there is no folder" in trouble("bench", "--json", tmp_path / "gone" / "bench.json")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line(tmp_path):
    (tmp_path / "out.mp4").symlink_to("/dev/full")
    message = trouble("record", "demo", tmp_path / "out.mp4", "--overwrite", "--seconds", 1)
    assert "no space left on device" in message
    assert "make room on the disk" in message


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ((32, "Linux", "aarch64"), "64-bit Raspberry Pi OS"),
        ((64, "Darwin", "x86_64"), "Intel Macs have no wheels"),
        ((64, "Linux", "x86_64"), "pip install -r requirements.txt"),
    ],
)
def test_what_to_do_about_a_missing_wheel(place, said):
    assert said in not_installed("dlib", *place)
    assert "\n" not in not_installed("dlib", *place)


def test_a_library_of_the_system_that_is_missing_is_one_line(tmp_path):
    text = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({text!r})")
    command = [sys.executable, str(ROOT / "run.py"), "image", str(DATA / "obama.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, env={**environment(), "PYTHONPATH": str(tmp_path)}, timeout=60)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "libgl.so.1" in done.stderr.lower() and "apt install libgl1" in done.stderr


def test_a_missing_package_is_one_line(tmp_path):
    # A module that raises as if it were not installed, before all others.
    for module in ("typer", "dlib"):
        folder = tmp_path / module
        folder.mkdir()
        (folder / f"{module}.py").write_text(f"raise ModuleNotFoundError('no module', name={module!r})")
        command = [sys.executable, str(ROOT / "run.py"), "image", str(DATA / "obama.jpg")]
        done = subprocess.run(command, capture_output=True, text=True, env={**environment(), "PYTHONPATH": str(folder)}, timeout=60)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert f"module {module!r} is not installed" in done.stderr
        assert "pip install -r requirements.txt" in done.stderr
