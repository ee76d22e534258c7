"""The program as it is installed: a wheel built from this folder, in an empty venv, used in another folder."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from conftest import DATA, ROOT
from recordings import even_times, write_film

from realtime.base.version import __version__

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
# Without the network, where setuptools can build by itself.
ALONE = [] if int(metadata.version("setuptools").split(".")[0]) < 77 else ["--no-build-isolation"]


class Installation(NamedTuple):
    """A venv with the program: its Python, its command, and the wheel that was installed."""

    python: Path
    command: Path
    wheel: Path


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=100)


def build_wheel(source: Path, out: Path) -> Path:
    done = run(*PIP, "wheel", *ALONE, "--no-deps", "--wheel-dir", out, source, cwd=out.parent)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what git knows of this folder, or would: building leaves files behind."""
    folder = tmp_path_factory.mktemp("source")
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def installed(source, tmp_path_factory) -> Installation:
    folder = tmp_path_factory.mktemp("installed")
    wheel = build_wheel(source, folder / "dist")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder).returncode == 0
    scripts = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / "python"
    done = run(*PIP, "--python", python, "install", "--no-deps", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    # The packages that it needs, from where these tests have them.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip())
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return Installation(python, scripts / "expressions", wheel)


def test_installed_it_is_one_package(installed, tmp_path):
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = wheel.namelist()
        texts = {name: wheel.read(name).decode() for name in names if name.endswith(".py")}
    assert {name.split("/")[0] for name in names} == {"expressions", f"realtime_expressions-{__version__}.dist-info"}
    assert {"expressions/py.typed", "expressions/models/emotion.tflite", "expressions/realtime/sources/demo/demo.mp4"} <= set(names)
    assert [name for name in names if name.startswith("expressions/models/") and name.endswith(".py")] == []
    assert [
        name for name, text in texts.items() if "run.py" in text or re.search(r"^\s*(from|import) (realtime|calibration)\b", text, re.M)
    ] == []
    for module in ("realtime", "calibration", "models", "run"):
        done = run(installed.python, "-c", f"import {module}", cwd=tmp_path)
        assert f"No module named '{module}'" in done.stderr


def test_installed_it_reads_a_photo_and_names_itself_in_messages(installed, tmp_path):
    shutil.copy(DATA / "obama.jpg", tmp_path / "photo.jpg")
    assert run(installed.command, "--version", cwd=tmp_path).stdout == f"{__version__}\n"
    assert "photo.jpg: 1 happiness" in run(installed.command, "image", "photo.jpg", cwd=tmp_path).stdout
    done = run(installed.python, "-m", "expressions", "image", "none.jpg", cwd=tmp_path)
    assert (done.returncode, done.stderr.split(": ")[0], done.stderr.count("\n")) == (1, "expressions", 1)
    code = "from expressions import Reader, analyze; print([reading.label for reading in analyze('photo.jpg')])"
    assert run(installed.python, "-c", code, cwd=tmp_path).stdout == "['happiness']\n"


def test_installed_it_records_films_one_and_many(installed, tmp_path):
    (tmp_path / "films").mkdir()
    for name in ("a", "b"):
        write_film(tmp_path / "films" / f"{name}.mp4", even_times(10))
    done = run(installed.command, "record", "films/a.mp4", "out.mp4", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    done = run(installed.command, "record", "films", "--out-dir", "many", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run(installed.command, "verify", "out.mp4", "many", cwd=tmp_path)
    assert (done.returncode, done.stdout.count("10 frames")) == (0, 3), done.stderr
    assert run(installed.command, "report", "out.jsonl", cwd=tmp_path).stdout == "wrote out.html\n"


def test_installed_doctor_finds_packages_and_model(installed, tmp_path):
    lines = run(installed.command, "doctor", cwd=tmp_path).stdout.splitlines()
    states = {line[8:23].strip(): line[:8].strip() for line in lines if line[:8].strip()}
    assert [states[name] for name in ("packages", "model", "encoder", "fonts")] == ["ok"] * 4, lines


def test_installed_from_a_source_package_it_is_the_same(installed, source, tmp_path):
    done = run(sys.executable, "-c", f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})", cwd=source)
    assert done.returncode == 0, done.stderr
    wheel = build_wheel(next(tmp_path.glob("*.tar.gz")), tmp_path / "dist")
    contents = []
    for path in (wheel, installed.wheel):
        with zipfile.ZipFile(path) as package:
            contents.append({name: package.read(name) for name in package.namelist() if not name.endswith("/RECORD")})
    assert contents[0].keys() == contents[1].keys()
    assert [name for name in contents[0] if contents[0][name] != contents[1][name]] == []


@pytest.fixture
def setup(monkeypatch) -> ModuleType:
    """The module setup.py, in its folder."""
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("setup_of_the_program", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_imports_are_moved_and_texts_stay(setup):
    source = 'from realtime.base import x\nif x:\n    from calibration import (\n        y,\n    )\ntext = "from realtime.base import x"\n'
    moved = setup.moved_imports(source)
    assert moved.splitlines()[:3] == ["from expressions.realtime.base import x", "if x:", "    from expressions.calibration import ("]
    assert moved.splitlines()[3:] == source.splitlines()[3:]
    assert setup.moved_imports("from realtimer import x\nfrom . import realtime\n") == "from realtimer import x\nfrom . import realtime\n"
    assert setup.installed_form('"""python run.py live"""\nprint("run.py: no")\n') == '"""expressions live"""\nprint("expressions: no")\n'


@pytest.mark.parametrize("line", ["import realtime", "import realtime.base.files as files", "import os, run", "import models.card"])
def test_an_import_that_cannot_be_moved_ends_the_build(setup, line):
    with pytest.raises(ValueError, match="line 2: write `from"):
        setup.moved_imports(f"x = 1\n{line}\n")


def test_exactly_one_opencv_is_asked_for(setup):
    needed = setup.requirements()
    assert [line.split(">")[0] for line in needed if line.startswith("opencv")] == ["opencv-python-headless"]
    assert len(needed) == len(re.findall(r"^\w", (ROOT / "requirements.txt").read_text(), re.M))
