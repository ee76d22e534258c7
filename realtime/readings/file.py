"""Reads a readings file: line by line, or as arrays for each person."""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.version import RELEASE
from realtime.faces.pose import Pose
from realtime.readings.format import SCHEMA, VIDEOS

FEW = 3
"""How many numbers a message lists at most."""
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What a damaged line raises when it is read."""
_FaceValues = tuple[int, list[float], int, str | None, list[float], list[float]]
"""Of one face: id, probabilities, index of the label, reason for being unsure or None, box, pose."""


@dataclass(frozen=True)
class Person:
    """One face over time, in the n frames in which it was detected.

    Attributes:
        id: its number on the screen.
        rows: (n,) indices of these frames among all frames of the recording.
        probs: (n, labels) float32.
        label_indices: (n,) indices of the shown labels.
        unsure: why each label is not reliable, or None; n of them.
        boxes: (n, 4) x0, y0, x1, y1 in pixels of the full frame.
        poses: (n, 4) yaw, pitch, roll in degrees and the eyes' distance in pixels, as `realtime.faces.pose.Pose` has them; NaN in files of
            version 0.9, which have none.
    """

    id: int
    rows: np.ndarray
    probs: np.ndarray
    label_indices: np.ndarray
    unsure: tuple[str | None, ...]
    boxes: np.ndarray
    poses: np.ndarray


@dataclass(frozen=True)
class Readings:
    """The readings of a whole recording.

    Attributes:
        facts: the header, and the entries of later lines without a frame.
        labels: the names of the probabilities, in their order.
        numbers: (m,) the numbers of the frames as written.
        t: (m,) their times in seconds as written.
        people: all people in the order of their ids.
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
    """A person while lines are read."""

    rows: list[int] = field(default_factory=list)
    probs: list[list[float]] = field(default_factory=list)
    label_indices: list[int] = field(default_factory=list)
    unsure: list[str | None] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    poses: list[list[float]] = field(default_factory=list)


def readings_path(path: Path) -> Path:
    """The readings of a recording: the file itself, or those beside a video. A `_clean` video shares those of the annotated one."""
    if path.suffix.lower() not in VIDEOS:
        return path
    beside = path.with_suffix(".jsonl")
    shared = path.with_name(f"{path.stem.removesuffix('_clean')}.jsonl")
    return beside if beside.exists() or not shared.exists() else shared


def video_path(path: Path) -> Path | None:
    """The video of a recording: the file itself, or the one beside the readings, the annotated one first; None where there is none."""
    if path.suffix.lower() in VIDEOS:
        return path if path.is_file() else None
    beside = [path.with_name(f"{path.stem}{clean}{suffix}") for clean in ("", "_clean") for suffix in VIDEOS]
    return next((video for video in beside if video.is_file()), None)


def read(path: Path) -> Readings:
    """Reads a file.

    Raises:
        Trouble: there is no such file, or it is not a readings file.
    """
    with _open_lines(path) as lines:
        return parse(lines, str(path))


def each_line(path: Path) -> Iterator[dict[str, Any]]:
    """The header of a file, then the line of every frame as it was written; damaged lines are left out.

    Raises:
        Trouble: there is no such file, or it is not a readings file.
    """
    with _open_lines(path) as lines:
        facts = _header(next(lines, ""), str(path))
        yield facts
        indices = {label: i for i, label in enumerate(facts["labels"])}
        for line in lines:
            with suppress(*UNREADABLE):
                values = json.loads(line)
                if "frame" in values:
                    _frame(values, indices)
                    yield values


def parse(lines: Iterable[str], name: str) -> Readings:
    """The readings in the lines of a file, which messages call `name`. A damaged line is left out and becomes a problem.

    Raises:
        Trouble: the first line is not the header of a readings file.
    """
    lines = iter(lines)
    facts = _header(next(lines, ""), name)
    labels = tuple(facts["labels"])
    indices = {label: i for i, label in enumerate(labels)}
    numbers: list[int] = []
    times: list[float] = []
    people: dict[int, _Growing] = {}
    broken: list[int] = []
    cut = None
    for at, line in enumerate(lines, 2):
        try:
            values = json.loads(line)
            if "frame" not in values:
                facts.update(values)
                continue
            number, t, faces = _frame(values, indices)
        except UNREADABLE:
            if line.endswith("\n"):
                broken.append(at)
            else:
                cut = at
            continue
        for id, probs, label_index, unsure, box, pose in faces:
            person = people.setdefault(id, _Growing())
            person.rows.append(len(times))
            person.probs.append(probs)
            person.label_indices.append(label_index)
            person.unsure.append(unsure)
            person.boxes.append(box)
            person.poses.append(pose)
        numbers.append(number)
        times.append(t)
    problems = []
    if broken:
        problems.append(f"{name}: {quantity(len(broken), 'line')} cannot be read ({first_few(broken)})")
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


def quantity(n: int, what: str) -> str:
    """A number with its noun: "1 line", "3 lines"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def first_few(values: list[int]) -> str:
    """The first of many numbers: "3, 4, 5, ..."."""
    return ", ".join(map(str, values[:FEW])) + (", ..." if len(values) > FEW else "")


@contextmanager
def _open_lines(path: Path) -> Iterator[TextIO]:
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
        valid = isinstance(labels, list) and bool(labels) and all(isinstance(label, str) for label in labels)
    except (ValueError, KeyError, TypeError):
        schema, valid = "", False
    if schema and schema != SCHEMA:
        program = facts.get("program")
        writer = program.get("version") if isinstance(program, dict) else None
        remedy = f"use release {writer}, which wrote it" if writer else "use the release that wrote it"
        raise Trouble(f"{name} is of the kind {schema!r}, {RELEASE} reads {SCHEMA!r}: {remedy}")
    if not valid:
        raise Trouble(f"{name} is no readings file: its first line is not the header; name a .jsonl file that `run.py record` wrote")
    return facts


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a finite number")
    return number


def _frame(values: dict[str, Any], indices: dict[str, int]) -> tuple[int, float, list[_FaceValues]]:
    """The number, time and faces of a line; raises one of `UNREADABLE`."""
    return int(values["frame"]), _finite(values["t"]), [_face(face, indices) for face in values["faces"]]


def _face(face: dict[str, Any], indices: dict[str, int]) -> _FaceValues:
    probs, box, unsure = [_finite(p) for p in face["probs"]], [_finite(v) for v in face["box"]], face["unsure"]
    if len(probs) != len(indices) or len(box) != 4:
        raise ValueError("probabilities or box have a wrong length")
    _finite(face["confidence"])
    pose = [_finite(face[name]) if name in face else math.nan for name in Pose._fields]
    return int(face["id"]), probs, indices[face["label"]], None if unsure is None else str(unsure), box, pose


def _person(id: int, grown: _Growing, labels: int) -> Person:
    return Person(
        id,
        np.array(grown.rows, np.int64),
        np.array(grown.probs, np.float32).reshape(-1, labels),
        np.array(grown.label_indices, np.int64),
        tuple(grown.unsure),
        np.array(grown.boxes, np.float32).reshape(-1, 4),
        np.array(grown.poses, np.float32).reshape(-1, len(Pose._fields)),
    )
