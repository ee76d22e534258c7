"""Reads a readings file: line by line, or as arrays for each person."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from realtime.base.errors import Trouble
from realtime.faces.pose import Pose
from realtime.readings.format import VIDEOS
from realtime.readings.lines import FaceValues, open_lines

FEW = 3
"""How many numbers a message lists at most."""
MOST_FRAMES, MOST_FACES, MOST_PEOPLE, MOST_REASONS = 3_000_000, 4_000_000, 20_000, 32
"""Of a file that is read as a whole: 27 hours at 30 frames a second, which take 350 MB of memory."""


@dataclass(frozen=True)
class Person:
    """One face over time, in the n frames in which it was detected.

    Attributes:
        id: its number on the screen.
        rows: (n,) indices of these frames among all frames of the recording.
        probs: (n, labels) float32.
        label_indices: (n,) indices of the shown labels.
        reasons: None, then all reasons of the file why a label is not reliable.
        reason_indices: (n,) indices of each label's reason.
        boxes: (n, 4) x0, y0, x1, y1 in pixels of the full frame.
        poses: (n, 4) yaw, pitch, roll in degrees and the eyes' distance in pixels, as `realtime.faces.pose.Pose` has them; NaN in files of
            version 0.9, which have none.
    """

    id: int
    rows: np.ndarray
    probs: np.ndarray
    label_indices: np.ndarray
    reasons: tuple[str | None, ...]
    reason_indices: np.ndarray
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
class _Table:
    """All faces while lines are read, a row each. Arrays of machine numbers: as Python's, eight hours would take a gigabyte."""

    ids: dict[int, int] = field(default_factory=dict)
    reasons: dict[str | None, int] = field(default_factory=lambda: {None: 0})
    people: array = field(default_factory=lambda: array("i"))
    rows: array = field(default_factory=lambda: array("i"))
    probs: array = field(default_factory=lambda: array("f"))
    label_indices: array = field(default_factory=lambda: array("b"))
    reason_indices: array = field(default_factory=lambda: array("h"))
    boxes: array = field(default_factory=lambda: array("f"))
    poses: array = field(default_factory=lambda: array("f"))

    def add(self, row: int, face: FaceValues) -> None:
        self.people.append(self.ids.setdefault(face.id, len(self.ids)))
        self.rows.append(row)
        self.probs.extend(face.probs)
        self.label_indices.append(face.label_index)
        self.reason_indices.append(self.reasons.setdefault(face.unsure, len(self.reasons)))
        self.boxes.extend(face.box)
        self.poses.extend(face.pose)

    def split(self, labels: int) -> tuple[Person, ...]:
        """The people in the order of their ids. The table is empty afterwards, so that nothing is in memory twice."""
        people = np.asarray(self.people)
        counts = np.bincount(people, minlength=len(self.ids))
        ends = np.cumsum(counts)
        order = np.argsort(people, kind="stable") if len(self.ids) > 1 else None
        widths = {"rows": 0, "probs": labels, "label_indices": 0, "reason_indices": 0, "boxes": 4, "poses": len(Pose._fields)}
        columns = {}
        for name, width in widths.items():
            values = np.asarray(getattr(self, name))
            delattr(self, name)
            values = values.reshape(-1, width) if width else values
            columns[name] = values if order is None else values[order]
        made = []
        for id, index in sorted(self.ids.items()):
            mine = slice(ends[index] - counts[index], ends[index])
            made.append(Person(id, reasons=tuple(self.reasons), **{name: values[mine] for name, values in columns.items()}))
        return tuple(made)


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
        return path if path.exists() else None
    beside = [path.with_name(f"{path.stem}{clean}{suffix}") for clean in ("", "_clean") for suffix in VIDEOS]
    return next((video for video in beside if video.is_file()), None)


def read(path: Path) -> Readings:
    """Reads a file. A damaged line is left out and becomes a problem.

    Raises:
        Trouble: there is no such file, it is not a readings file, or it holds more than can be kept in memory.
    """
    numbers, times, table = array("q"), array("d"), _Table()
    with open_lines(path) as lines:
        for values, faces in lines.frames(FEW + 1):
            for face in faces:
                table.add(len(times), face)
            numbers.append(values["frame"])
            times.append(values["t"])
            if (
                len(times) > MOST_FRAMES
                or len(table.rows) > MOST_FACES
                or len(table.ids) > MOST_PEOPLE
                or len(table.reasons) > MOST_REASONS
            ):
                raise Trouble(
                    f"{path} holds too much to be read at once: {MOST_FRAMES:,} frames, {MOST_FACES:,} faces, {MOST_PEOPLE:,} people and "
                    f"{MOST_REASONS} reasons for being unsure are the most; record in shorter parts"
                )
    problems = list(lines.problems.values())
    if lines.broken:
        problems.append(f"{path}: {quantity(lines.broken, 'line')} cannot be read ({first_few(lines.broken_first)})")
    if lines.cut:
        problems.append(f"{path}: the last line ({lines.cut}) is cut off: the recording was ended from outside")
    return Readings(lines.facts, lines.labels, np.asarray(numbers), np.asarray(times), table.split(len(lines.labels)), tuple(problems))


def each_line(path: Path) -> Iterator[dict[str, Any]]:
    """The header of a file, then the line of every frame as it was written; damaged lines are left out.

    Raises:
        Trouble: there is no such file, or it is not a readings file.
    """
    with open_lines(path) as lines:
        yield lines.facts
        for values, _ in lines.frames(FEW):
            yield values


def quantity(n: int, what: str) -> str:
    """A number with its noun: "1 line", "3 lines"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def first_few(values: list[int]) -> str:
    """The first of many numbers: "3, 4, 5, ..."."""
    return ", ".join(map(str, values[:FEW])) + (", ..." if len(values) > FEW else "")
