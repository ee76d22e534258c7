import io
import json
from dataclasses import replace

import numpy as np
import pytest
from command_line import call

from realtime.base.machine import Heat
from realtime.base.output import TextConsole
from realtime.commands import doctor
from realtime.commands.doctor import Check, describe_check, draw_sample, probe_disk, probe_encoder, probe_speed
from realtime.config import ClassifierSettings, RecorderSettings, Settings
from realtime.sources.cameras import Format, Measurement

GOOD = Measurement(Format("MJPG", 640, 480, 30), (640, 480), 29.9)
DISK = RecorderSettings(warn_free_mb=500, stop_free_mb=16)
REQUIREMENTS = """# a remark
av>=18.0,<20; platform_machine not in "armv6l"

rich>=14,<16
nothing>=1; sys_platform == "nowhere"
"""


def one_colour(text: str) -> np.ndarray:
    return np.full((2, 2), 7)


CASES = {
    "python": (doctor.check_python((3, 11), 64), "ok", "3.11, 64-bit"),
    "python, old": (doctor.check_python((3, 10), 64), "fault", "install Python 3.11"),
    "python, 32-bit": (doctor.check_python((3, 11), 32), "fault", "64-bit Raspberry Pi OS"),
    "packages": (doctor.check_packages(REQUIREMENTS, {"av": "18.1.0", "rich": "15.0.0"}.get), "ok", "all 2 of"),
    "packages, old": (doctor.check_packages(REQUIREMENTS, {"av": "17.9", "rich": "15.0.0"}.get), "fault", "av 17.9 (needs"),
    "packages, missing": (doctor.check_packages(REQUIREMENTS, {"av": "18.1.0"}.get), "fault", "rich missing"),
    "packages, both OpenCVs": (
        doctor.check_packages("opencv-python>=5", {"opencv-python": "5.0", "opencv-python-headless": "5.0"}.get),
        "warning",
        "opencv-python and opencv-python-headless are installed",
    ),
    "processor": (doctor.check_processor("SSE *AVX2 *AVX512-SKX?", "x86_64", 4), "ok", "x86_64, 4 cores, AVX2"),
    "processor, old": (doctor.check_processor("SSE SSE3 *AVX2?", "x86_64", 2), "warning", "no AVX2"),
    "processor, Arm": (doctor.check_processor("NEON *NEON_DOTPROD", "aarch64", 4), "ok", "NEON, NEON_DOTPROD"),
    "camera": (doctor.check_camera("C920", GOOD, None, 30), "ok", "C920: 640x480 MJPG, 29.9 frames a second"),
    "camera, none": (doctor.check_camera(None, None, None, 30, "linux"), "warning", "group `video`"),
    "camera, busy": (doctor.check_camera("C920", None, "camera 0 cannot be opened", 30), "fault", "camera 0 cannot be opened"),
    "camera, dark": (doctor.check_camera("C920", replace(GOOD, rate=15.0), None, 30), "warning", "more light"),
    "display": (doctor.check_display(True), "ok", "a window"),
    "display, none": (doctor.check_display(False), "warning", "not over ssh"),
    "fonts": (doctor.check_fonts(draw_sample), "ok", "Chinese"),
    "fonts, Latin only": (doctor.check_fonts(one_colour), "warning", "no Chinese letters"),
    "fonts, none": (doctor.check_fonts(lambda text: np.zeros((2, 2))), "fault", "no text"),
    "encoder": (doctor.check_encoder("libx264", 10, 10, None), "ok", "libx264"),
    "encoder, lossy": (doctor.check_encoder("h264_v4l2m2m", 10, 7, None), "fault", "7 of 10 frames"),
    "encoder, fails": (doctor.check_encoder("libx264", 10, 0, "no such codec"), "fault", "no such codec"),
    "model, damaged": (doctor.check_model(None, "model x is damaged"), "fault", "model x is damaged"),
    "runtime": (doctor.check_delegate("ai_edge_litert", True), "ok", "with XNNPACK"),
    "runtime, slow": (doctor.check_delegate("tflite_runtime", False), "warning", "without XNNPACK"),
    "speed": (doctor.check_speed(20.0, 40.0, 30), "ok", "20.0 ms a frame (95 % below 40.0), 33 ms between two"),
    "speed, tight": (doctor.check_speed(25.0, 40.0, 30), "warning", "--model nano"),
    "speed, too slow": (doctor.check_speed(34.0, 40.0, 30), "fault", "left out"),
    "disk": (doctor.check_disk("x", 64_400.0, None, DISK), "ok", "64.4 GB"),
    "disk, short": (doctor.check_disk("x", 400.0, None, DISK), "warning", "make room"),
    "disk, full": (doctor.check_disk("x", 10.0, None, DISK), "fault", "end at once"),
    "disk, not ours": (doctor.check_disk("x", 0.0, "permission denied", DISK), "fault", "cannot be written to (permission denied)"),
    "heat": (doctor.check_heat(Heat(51.2, ())), "ok", "51 °C, never throttled"),
    "heat, unknown": (doctor.check_heat(Heat(None, None)), "ok", "no sensor"),
    "heat, hot": (doctor.check_heat(Heat(84.0, None)), "warning", "cool it"),
    "heat, slowed": (doctor.check_heat(Heat(60.0, ("throttled since the start",))), "warning", "cool it"),
    "power, weak": (doctor.check_heat(Heat(50.0, ("under-voltage now",))), "warning", "power supply"),
    "profiles": (doctor.check_profiles("people", ["ann", "bob"], []), "ok", "people/ has ann, bob"),
    "profiles, none": (doctor.check_profiles("people", [], []), "ok", "nobody's yet"),
    "profiles, damaged": (doctor.check_profiles("people", ["ann"], ["ann.json is damaged"]), "warning", "ann.json is damaged"),
}


@pytest.mark.parametrize(("check", "state", "text"), CASES.values(), ids=CASES)
def test_every_finding_has_its_state_and_its_remedy(check: Check, state, text):
    assert check.state == state
    assert text in f"{check.said} {check.remedy}"
    assert (check.remedy == "") == (state == "ok")
    assert "\n" not in check.said + check.remedy


@pytest.mark.parametrize("width", [40, 60, 80, 200, None])
def test_a_check_fits_into_any_terminal_and_hangs_under_its_finding(width):
    check = doctor.check_camera(None, None, None, 30, "linux")
    lines = describe_check(check, width).plain.splitlines()
    column = 24 if width is None or width >= 72 else 8
    assert max(map(len, lines)) <= (width or 1000)
    assert lines[0].startswith("warning camera") and all(line.startswith(" " * column) and line[column] != " " for line in lines[1:])
    assert "".join(lines).count("group") == 1 and (len(lines) == 2) == (width is None)


@pytest.mark.parametrize(("name", "code"), [("python", "32"), ("camera, none", "33"), ("python, old", "1;31")])
def test_the_state_has_its_colour_unless_nobody_wants_it(name, code, monkeypatch):
    def printed(**options) -> str:
        out = io.StringIO()
        TextConsole(file=out, color_system="standard", **options).print(describe_check(CASES[name][0], None))
        return out.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    state = CASES[name][1]
    assert printed(force_terminal=True).startswith(f"\x1b[{code}m{state}\x1b[0m")
    monkeypatch.setenv("NO_COLOR", "1")
    assert code[-2:] + "m" not in printed(force_terminal=True)


def test_the_real_encoder_speed_and_disk_are_looked_at(tmp_path):
    assert probe_encoder(RecorderSettings()).state == "ok"
    assert probe_speed(Settings(), 0.001).state == "ok"
    assert probe_speed(Settings(), 100_000.0).state == "fault"
    assert probe_disk(tmp_path / "recordings", replace(DISK, stop_free_mb=0.001, warn_free_mb=0.001)).state == "ok"
    assert probe_disk(tmp_path / "recordings", replace(DISK, stop_free_mb=1e12)).state == "fault"
    assert list(tmp_path.iterdir()) == []


def test_the_model_runs_in_the_fast_kernels(classifier):
    assert doctor.check_model(classifier, None).state == "ok"
    assert classifier.fast


def test_doctor_prints_a_line_for_each_check_and_ends_with_its_exit_code(tmp_path):
    """Which faults this machine has cannot be known; that the exit code follows them can."""
    result = call("doctor", cwd=tmp_path)
    assert result.stderr == ""
    states = [line[:8].strip() for line in result.stdout.splitlines() if line[:8].strip()]
    names = [line[8:24].strip() for line in result.stdout.splitlines() if line[:8].strip()]
    assert set(states) <= {"ok", "warning", "fault"} and states[names.index("Python")] == states[names.index("model")] == "ok"
    assert names == [
        *("Python", "packages", "processor", "camera", "display", "fonts", "encoder", "model", "runtime", "speed", "profiles", "disk"),
        "heat and power",
    ]
    assert result.returncode == int("fault" in states)


def test_doctor_as_json_fails_with_a_damaged_model(tmp_path):
    model = ClassifierSettings().model
    card = json.loads(model.with_suffix(".json").read_text())
    (tmp_path / "mine.json").write_text(json.dumps(card))
    (tmp_path / "mine.tflite").write_bytes(model.read_bytes()[:-8] + b"damaged!")
    result = call("doctor", "--json", "--model", tmp_path / "mine.tflite", cwd=tmp_path)
    assert result.returncode == 1
    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert checks["model"]["state"] == "fault"
    assert "sha256" in checks["model"]["said"]
    assert checks["model"]["remedy"]
    assert "speed" not in checks
