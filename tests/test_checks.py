"""What the checks themselves promise: one command in the README and in CI, a list of slow tests that does not rot, names that exist."""

import re
import runpy
import subprocess
import sys

import pytest
from conftest import (
    CALM,
    NAMES,
    PAGE_FILES,
    PROCESS,
    ROOT,
    SLOW,
    WAITS,
    WINDOWS,
    absent,
    needs_calm,
    pytest_report_header,
    slow_because,
    unused,
)
from typer.testing import CliRunner

import run

COMMANDS = {"live", "cameras", "doctor", "record", "bench", "calibrate", "verify", "report", "study", "image"}


def test_the_readme_and_ci_run_the_same_command():
    readme = (ROOT / "README.md").read_text()
    start = readme.split("## Start")[1].split("The first installs")[0]
    program, checks = re.findall(r"^```bash\n(.+)\n```$", start, re.M)
    assert program == "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt && .venv/bin/python run.py live"
    assert checks == "bash scripts/test"
    assert checks in (ROOT / ".ci" / "run").read_text().splitlines()


def test_ci_calls_scripts_that_exist_and_stops_at_the_first_failure():
    ci = (ROOT / ".ci" / "run").read_text()
    scripts = re.findall(r"^bash (\S+)$", ci, re.M)
    assert scripts == ["scripts/test", "scripts/test-training"]
    for script in [".ci/run", *scripts]:
        assert "set -euo pipefail" in (ROOT / script).read_text()
        assert subprocess.run(["bash", "-n", ROOT / script], check=False).returncode == 0


def test_the_whole_check_runs_every_tool_and_every_test_and_the_fast_one_leaves_the_slow_out():
    steps = runpy.run_path(str(ROOT / "scripts" / "check"))["steps"]
    whole, fast = steps(True), steps(False)
    tools = ["format", "style", "imports", "types"]
    assert (list(whole), list(fast)) == ([*tools, "tests", "calm tests"], [*tools, "tests"])
    # Without --check it would change the files instead.
    assert whole["format"][1:] == ["format", "--check", "."]
    pytest = [sys.executable, "-m", "pytest", "-m"]
    assert whole["tests"][:5] == [*pytest, "not calm and not hardware"]
    assert whole["calm tests"][:5] == [*pytest, "calm and not hardware"]
    assert "not slow and not hardware" in fast["tests"]
    assert [whole[name] for name in tools] == [fast[name] for name in tools]
    assert ".venv/bin/python scripts/check --all" in (ROOT / "scripts" / "test").read_text()


def test_the_check_stops_at_the_first_step_that_fails(tmp_path):
    """The tools lie beside a Python of their own: ruff is a script that fails in its second step, and there is no other tool."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    (tools / "ruff").write_text('#!/bin/sh\n[ "$1" = format ]\n')
    (tools / "ruff").chmod(0o755)
    command = [tools / "python", ROOT / "scripts" / "check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 1
    assert re.findall(r"(\w+): (passed|FAILED) in", done.stdout) == [("format", "passed"), ("style", "FAILED")]
    assert "imports" not in done.stdout
    (tools / "ruff").write_text("#!/bin/sh\nexit 0\n")
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 1
    assert "check: lint-imports is not installed beside" in done.stdout


def test_tests_that_measure_or_look_at_windows_and_the_moving_page_run_on_a_calm_machine():
    assert {"test_window.py::*", "test_memory.py::*"} <= {pattern for pattern, reason in SLOW.items() if reason in CALM}
    assert set(SLOW.values()) >= CALM
    assert all("browser" in (ROOT / "tests" / name).read_text() for name in PAGE_FILES)
    assert needs_calm("test_window.py", WINDOWS, browser=False) and needs_calm("test_web.py", None, browser=True)
    for file, reason, browser in (("test_web.py", WAITS, False), ("test_report.py", None, True), ("test_run.py", PROCESS, False)):
        assert not needs_calm(file, reason, browser)


@pytest.mark.parametrize(
    ("name", "slow"),
    [
        ("test_memory.py::test_memory_does_not_grow", True),
        ("test_window.py::test_anything", True),
        ("test_films.py::test_the_demo_clip_is_what_the_readme_says", True),
        ("test_films.py::test_the_demo_clip_is_short", False),
        ("test_checks.py::test_memory_does_not_grow", False),
    ],
)
def test_slow_tests_are_known_by_file_or_name(name, slow):
    assert (slow_because(name) is not None) == slow


def test_a_pattern_that_fits_no_test_is_found():
    names, files = ["test_a.py::test_one", "test_b.py::test_two"], ["test_a.py", "test_b.py", "test_skipped.py"]
    assert unused(["test_a.py::test_one*", "test_b.py::*", "test_*.py::test_two"], names, files) == []
    assert unused(["test_skipped.py::*", "test_skipped.py::test_any"], names, files) == []
    stale = ["test_a.py::test_two", "test_gone.py::*", "test_*.py::test_three"]
    assert unused(["test_a.py::*", *stale], names, files) == stale


def test_every_pattern_of_slow_tests_fits_a_test(pytestconfig):
    if pytestconfig.args_source is not pytest.Config.ArgsSource.TESTPATHS or pytestconfig.getoption("ignore"):
        pytest.skip("only a run of all test files can tell")
    files = [path.name for path in (ROOT / "tests").glob("test_*.py")]
    assert len(pytestconfig.stash[NAMES]) > 1000
    assert unused(SLOW, pytestconfig.stash[NAMES], files) == [], "patterns of SLOW in tests/conftest.py that fit no test"


def test_the_header_names_what_is_absent():
    lines = pytest_report_header()
    assert len(lines) == max(len(absent()), 1)
    assert all(line.startswith("absent: ") for line in lines)
    assert all(any(name in line and tests in line for line in lines) for name, tests in absent().items())


def test_the_tests_that_the_emulated_pi_leaves_out_exist():
    script = (ROOT / "tests" / "pi" / "run.sh").read_text()
    ignored, deselected = re.findall(r"--ignore (\S+)", script), re.findall(r"--deselect (\S+)::(\w+)", script)
    assert ignored and deselected
    assert all((ROOT / file).is_file() for file in ignored)
    assert [name for file, name in deselected if f"def {name}(" not in (ROOT / file).read_text()] == []


def test_every_command_has_its_help_and_a_line_among_the_commands():
    names = {command.name or command.callback.__name__ for command in run.app.registered_commands}
    assert names == COMMANDS
    described, readme = (ROOT / "docs" / "commands.md").read_text(), (ROOT / "README.md").read_text()
    for name in names:
        result = CliRunner().invoke(run.app, [name, "--help"])
        assert result.exit_code == 0 and name in result.output
        assert f"`run.py {name}" in described and f"`{name}`" in readme


def test_the_step_of_training_runs_the_test_files_that_need_torch():
    script = (ROOT / "scripts" / "test-training").read_text()
    [requirements] = re.findall(r"-r (\S+)", script)
    assert (ROOT / requirements).is_file()
    selection = re.search(r"\$\((grep .*)\)", script)[1]
    files = subprocess.run(["bash", "-c", selection], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    mentions = [path for path in (ROOT / "tests").glob("test_*.py") if re.search(r"importorskip\(\s*.torch\b", path.read_text())]
    assert sorted(files) == sorted(str(path.relative_to(ROOT)) for path in mentions) != []


@pytest.mark.parametrize("command", ["", *sorted(COMMANDS)])
def test_h_is_help(command):
    done = CliRunner().invoke(run.app, [*command.split(), "-h"])
    assert (done.exit_code, "Usage:" in done.output) == (0, True)


def test_the_help_of_live_is_in_groups():
    text = CliRunner().invoke(run.app, ["live", "--help"]).output
    assert re.findall(r"─ ([A-Z][a-z ]+?) ─", text) == ["Options", "Source", "Recording", "Screen and page", "Speed", "Other programs"]


@pytest.mark.parametrize("command", ["live", "bench"])
def test_a_source_without_its_option_is_answered_with_it(command):
    done = CliRunner().invoke(run.app, [command, "film.mp4"])
    assert done.exit_code == 2
    assert f"--source: {command} --source film.mp4" in " ".join(done.output.replace("│", " ").split())
