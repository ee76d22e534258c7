"""Builds the one package that an installation has: `expressions`. What it is called and needs is told in pyproject.toml.

In this folder the parts of the program are packages of their own: `realtime`, `calibration`, `models`. Such names must not land beside the
packages of others. So each part becomes a package within `expressions`, and its absolute imports are changed accordingly. Of `models/` only
the files that running needs are taken, not the code that makes them.
"""

import ast
import re
from pathlib import Path
from shutil import rmtree

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

PACKAGE = "expressions"
PARTS = ("realtime", "calibration")
"""The packages that are moved into `expressions`; so is the module `run`."""
MODELS = f"{PACKAGE}.models"
RUN = re.compile(r"(?:python )?\brun\.py\b")
"""How messages name the program in this folder."""


def requirements() -> list[str]:
    """The packages that requirements.txt names."""
    return [line for line in Path("requirements.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def moved_imports(source: str) -> str:
    """The source of a module with `from realtime.x import y` as `from expressions.realtime.x import y`.

    Raises:
        ValueError: an import of another form, which would need a change where the name is used.
    """
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] in (*PARTS, "run", "models"):
                    raise ValueError(f"line {node.lineno}: write `from {name.name} import ...`: only that form can be moved")
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] in (*PARTS, "run"):
            # An import stands alone on its line, so the column counts spaces.
            line, at = lines[node.lineno - 1], node.col_offset
            lines[node.lineno - 1] = line[:at] + line[at:].replace("from ", f"from {PACKAGE}.", 1)
    return "".join(lines)


def installed_form(source: str) -> str:
    """The source of a module as it is installed: imports from within `expressions`, and messages that name the command."""
    return RUN.sub(PACKAGE, moved_imports(source))


class BuildInOnePackage(build_py):
    """Copies the parts into the package `expressions`, and changes their source on the way."""

    def run(self) -> None:
        package = Path(self.build_lib) / PACKAGE
        # What an earlier build left there may exist no longer.
        rmtree(package, ignore_errors=True)
        super().run()
        self.build_module("run", "run.py", PACKAGE)
        # `doctor` compares with it what is installed.
        (package / "requirements.txt").write_text("\n".join([*requirements(), ""]), encoding="utf-8")

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """No code of `models`."""
        return [] if package == MODELS else super().find_package_modules(package, package_dir)

    def build_module(self, module: str, module_file: str, package: str) -> tuple[str, bool]:
        built, _ = super().build_module(module, module_file, package)
        path = Path(built)
        path.write_text(installed_form(path.read_text(encoding="utf-8")), encoding="utf-8")
        return built, True


class NoLinkToThisFolder(editable_wheel):
    """Refuses `pip install --editable`: it would link to modules whose imports are not those of an installation."""

    def run(self) -> None:
        raise SystemExit("this program is not installed as editable: start run.py in its folder, and use `pip install .` for the command")


def main() -> None:
    rooms = [name for part in PARTS for name in (part, *(f"{part}.{inner}" for inner in find_packages(part)))]
    setup(
        cmdclass={"build_py": BuildInOnePackage, "editable_wheel": NoLinkToThisFolder},
        packages=[PACKAGE, *(f"{PACKAGE}.{room}" for room in rooms), MODELS],
        package_dir={PACKAGE: PACKAGE, MODELS: "models", **{f"{PACKAGE}.{room}": room.replace(".", "/") for room in rooms}},
        install_requires=requirements(),
        package_data={
            PACKAGE: ["py.typed"],
            MODELS: ["emotion*.tflite", "emotion*.json", "five_points.*", "face_detector*.svm", "face_judge.*"],
            f"{PACKAGE}.realtime.readings": ["page/*"],
            f"{PACKAGE}.realtime.sources": ["demo/*"],
            f"{PACKAGE}.realtime.viewers.web": ["*.html", "*.css", "*.js"],
        },
    )


if __name__ == "__main__":
    main()
