"""docs/map.md leads to places that exist, and leaves out no module."""

import ast
import re
from pathlib import Path

import pytest
from conftest import ROOT

MAP = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([^`]+/)` \| (.+) \|$", MAP, re.M))
"""What the map says of each folder."""
QUESTIONS = re.findall(r"^\| (.+\?) \| `([^`]+)` \| (.+) \|$", MAP, re.M)


def modules_of(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}


def definitions_in(file: Path) -> set[str]:
    """Names of functions, classes, methods and constants that a module defines."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("folder", sorted(folder for folder in ROWS if folder.startswith(("realtime/", "calibration/"))))
def test_the_map_names_every_module_of_a_room_and_no_other(folder):
    names = set(re.findall(r"`([a-z_]+)`", ROWS[folder]))
    assert modules_of(folder) - names == set(), "modules that the map does not name"
    commands = {"live", "cameras", "doctor"} if folder == "realtime/commands/" else set()
    assert names - modules_of(folder) - commands == set(), "modules that do not exist"


def test_the_map_has_every_room():
    rooms = {f"realtime/{path.parent.name}/" for path in (ROOT / "realtime").glob("*/__init__.py")}
    assert rooms <= set(ROWS)
    assert len([*(ROOT / "realtime").glob("*.py"), *rooms]) <= 16


def test_there_are_ten_questions():
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize(("question", "place", "names"), QUESTIONS, ids=[question for question, _, _ in QUESTIONS])
def test_each_answer_is_where_the_map_says(question, place, names):
    places = [place, *re.findall(r"`([a-z_/]+\.py)`", names)]
    defined = set().union(*(definitions_in(ROOT / path) for path in places), definitions_in(ROOT / "realtime" / "config.py"))
    wanted = set(re.findall(r"`([A-Za-z_]+)`", names))
    assert wanted and wanted - defined == set()
    assert wanted & definitions_in(ROOT / place), "the first place holds none of the names"
