"""Reads a readings file back: what `realtime.sinks.Recording` wrote, line by line or as arrays for each person. Reports begin here."""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from realtime.base.errors import Trouble, reason

SCHEMA = "readings/1"
NAMED = 3
"""So many lines are named one by one in a message; the others are counted."""
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What a line that is not one of ours raises on being read."""
_Seen = tuple[int, list[float], int, str | None, list[float]]
"""Of one face: id, probabilities, the label's place, why unsure, box."""


@dataclass(frozen=True)
class Person:
    """One face over time, in the n frames in which it was seen.

    Attributes:
        id: its number on the screen.
        rows: (n,) which of the recording's frames these are.
        probs: (n, labels) float32.
        shown: (n,) the label's place among the labels.
        unsure: why each label should not be relied on, or None; n of them.
        boxes: (n, 4) x0, y0, x1, y1 in pixels of the full frame.
    """

    id: int
    rows: np.ndarray
    probs: np.ndarray
    shown: np.ndarray
    unsure: tuple[str | None, ...]
    boxes: np.ndarray


@dataclass(frozen=True)
class Readings:
    """A whole recording's numbers.

    Attributes:
        facts: the header, and what lines without a frame add to it.
        labels: the order of all probabilities.
        numbers: (m,) the frames' numbers as written.
        t: (m,) their times in seconds, as written.
        people: in the order of their ids.
        problems: what could not be read, a line each.
    """

    facts: dict[str, Any]
    labels: tuple[str, ...]
    numbers: np.ndarray
    t: np.ndarray
    people: tuple[Person, ...]
    problems: tuple[str, ...]


@dataclass
class _Growing:
    """A person while the lines come in."""

    rows: list[int] = field(default_factory=list)
    probs: list[list[float]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    unsure: list[str | None] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)


def readings_path(path: Path) -> Path:
    """The readings that belong to a file: itself, or those beside a video; a clean picture shares those of the labelled one."""
    if path.suffix.lower() != ".mp4":
        return path
    beside = path.with_suffix(".jsonl")
    shared = path.with_name(f"{path.stem.removesuffix('_clean')}.jsonl")
    return beside if beside.exists() or not shared.exists() else shared


def read(path: Path) -> Readings:
    """The readings in a file.

    Raises:
        Trouble: there is no such file, or it is none of readings.
    """
    with _opened(path) as lines:
        return parse(lines, str(path))


def each_line(path: Path) -> Iterator[dict[str, Any]]:
    """A file's header, then every frame as it was written, for `realtime.recording.exports`; lines that cannot be read are left out.

    Raises:
        Trouble: there is no such file, or it is none of readings.
    """
    with _opened(path) as lines:
        facts = _header(next(lines, ""), str(path))
        yield facts
        places = {label: i for i, label in enumerate(facts["labels"])}
        for line in lines:
            with suppress(*UNREADABLE):
                said = json.loads(line)
                if "frame" in said:
                    _frame(said, places)
                    yield said


def parse(lines: Iterable[str], name: str) -> Readings:
    """The readings in the lines of a file that messages call `name`. A line that cannot be read is a problem, and left out.

    Raises:
        Trouble: the first line is not the header of a readings file.
    """
    lines = iter(lines)
    facts = _header(next(lines, ""), name)
    labels = tuple(facts["labels"])
    places = {label: i for i, label in enumerate(labels)}
    numbers: list[int] = []
    times: list[float] = []
    people: dict[int, _Growing] = {}
    broken: list[int] = []
    cut = None
    for at, line in enumerate(lines, 2):
        try:
            said = json.loads(line)
            if "frame" not in said:
                facts.update(said)
                continue
            number, t, faces = _frame(said, places)
        except UNREADABLE:
            if line.endswith("\n"):
                broken.append(at)
            else:
                cut = at
            continue
        for id, probs, shown, unsure, box in faces:
            person = people.setdefault(id, _Growing())
            person.rows.append(len(times))
            person.probs.append(probs)
            person.shown.append(shown)
            person.unsure.append(unsure)
            person.boxes.append(box)
        numbers.append(number)
        times.append(t)
    problems = []
    if broken:
        problems.append(f"{name}: {counted(len(broken), 'line')} cannot be read ({listed(broken)})")
    if cut:
        problems.append(f"{name}: the last line ({cut}) is cut off: the recording was ended from outside")
    return Readings(
        facts,
        labels,
        np.array(numbers, np.int64),
        np.array(times, np.float64),
        tuple(_person(id, grown, len(labels)) for id, grown in sorted(people.items())),
        tuple(problems),
    )


def counted(n: int, what: str) -> str:
    """A number with its noun: "1 line", "3 lines"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def listed(values: list[int]) -> str:
    """The first few of many numbers."""
    return ", ".join(map(str, values[:NAMED])) + (", ..." if len(values) > NAMED else "")


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            yield lines
    except FileNotFoundError as error:
        raise Trouble(f"{path}: there is no such file; name a .jsonl file that `run.py record` wrote") from error
    except OSError as error:
        raise Trouble(f"{path} cannot be read ({reason(error)}); name a .jsonl file that you may read") from error


def _header(line: str, name: str) -> dict[str, Any]:
    if not line.strip():
        raise Trouble(f"{name} is empty: its recording ended before the first frame; record again")
    try:
        facts = json.loads(line)
        schema, labels = facts["schema"], facts["labels"]
        right = isinstance(labels, list) and bool(labels) and all(isinstance(label, str) for label in labels)
    except (ValueError, KeyError, TypeError):
        schema, right = "", False
    if schema and schema != SCHEMA:
        raise Trouble(f"{name} is of the kind {schema!r}, this program reads {SCHEMA!r}: use the release that wrote it")
    if not right:
        raise Trouble(f"{name} is no readings file: its first line is not the header; name a .jsonl file that `run.py record` wrote")
    return facts


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is no time")
    return number


def _frame(said: dict[str, Any], places: dict[str, int]) -> tuple[int, float, list[_Seen]]:
    """A line's number, time and faces; raises one of `UNREADABLE`."""
    return int(said["frame"]), _finite(said["t"]), [_face(face, places) for face in said["faces"]]


def _face(face: dict[str, Any], places: dict[str, int]) -> _Seen:
    probs, box, unsure = [_finite(p) for p in face["probs"]], [_finite(v) for v in face["box"]], face["unsure"]
    if len(probs) != len(places) or len(box) != 4:
        raise ValueError("probabilities or box of a wrong length")
    _finite(face["confidence"])
    return int(face["id"]), probs, places[face["label"]], None if unsure is None else str(unsure), box


def _person(id: int, grown: _Growing, labels: int) -> Person:
    return Person(
        id,
        np.array(grown.rows, np.int64),
        np.array(grown.probs, np.float32).reshape(-1, labels),
        np.array(grown.shown, np.int64),
        tuple(grown.unsure),
        np.array(grown.boxes, np.float32).reshape(-1, 4),
    )
