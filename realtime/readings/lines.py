"""The lines of a readings file, checked one by one: schema, types, ranges and sizes. All that read readings read them through this."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from realtime.base.errors import Trouble, reason
from realtime.base.files import open_regular
from realtime.base.json_values import parse_json
from realtime.base.version import RELEASE
from realtime.faces.pose import Pose
from realtime.readings.format import SCHEMA

MOST_BYTES = 8_000_000_000
"""Of a file; a day of ten people is 7 GB at 30 frames a second."""
MOST_LINE = 1_000_000
"""Bytes of a line; a face has some 250."""
MOST_FACTS = 100_000
"""Bytes of the header and the other lines without a frame, in all; they have some 2,000."""
MOST_DEPTH = 10
"""Levels of nesting in the header, which has three."""
MOST_LABELS = 32
MOST_TEXT = 100
"""Letters of a label or of a reason for being unsure."""
MOST_PIXELS = 1e6
"""Furthest place of a box, and the largest number of a pose."""
MOST_COUNT = 2**53
"""Ids and numbers of frames are smaller: a browser's numbers are exact up to here."""
MOST_S = 1e9
"""Largest time in seconds."""
TOO_LONG = b"too long\n"
"""Stands for a line of more than `MOST_LINE` bytes; it cannot be read either."""
DAMAGE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What a damaged line raises when it is read."""


class FaceValues(NamedTuple):
    """One face of a line: probabilities in the order of the labels, index of the label, reason for being unsure, box, pose."""

    id: int
    probs: list[float]
    label_index: int
    unsure: str | None
    box: list[float]
    pose: list[float]


@dataclass
class Lines:
    """A readings file while it is read.

    Attributes:
        name: what messages call it.
        facts: the header, and the entries of later lines without a frame as they come.
        labels: the names of the probabilities, in their order.
        problems: by its name, a line about each entry of the facts that was left out.
    """

    name: str
    facts: dict[str, Any]
    labels: tuple[str, ...]
    problems: dict[str, str]
    file: BinaryIO
    broken: int = 0
    broken_first: list[int] = field(default_factory=list)
    cut: int | None = None
    facts_bytes: int = 0

    def frames(self, few: int) -> Iterator[tuple[dict[str, Any], list[FaceValues]]]:
        """The line of every frame as it was written, and its faces. Damaged lines are counted; the numbers of the first `few` are noted."""
        indices = {label: i for i, label in enumerate(self.labels)}
        for at, line in _numbered(self.file, 2):
            try:
                values = json.loads(line.decode("utf-8", "replace"))
                if not isinstance(values, dict):
                    raise TypeError("a line is an object")
                if "frame" not in values:
                    self._add_facts(line)
                    continue
                faces = _frame(values, indices)
            except DAMAGE:
                if line.endswith(b"\n"):
                    self.broken += 1
                    if len(self.broken_first) < few:
                        self.broken_first.append(at)
                else:
                    self.cut = at
                continue
            yield values, faces

    def _add_facts(self, line: bytes) -> None:
        """Raises one of `DAMAGE` for a line that cannot be taken."""
        self.facts_bytes += len(line)
        if self.facts_bytes > MOST_FACTS:
            raise ValueError("too many facts")
        self.facts.update(_possible(_facts_of(line), self.name, self.problems))


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """Opens a readings file and reads its header.

    Raises:
        Trouble: there is no such file, it is no regular one or too large, or it is not a readings file.
    """
    name = str(path)
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise Trouble(
                    f"{name} has more than {MOST_BYTES:,} bytes, more than a day's recording; name a file that `run.py record` wrote"
                )
            _, line = next(_numbered(file, 1), (1, b""))
            problems: dict[str, str] = {}
            facts = _header(line, name)
            yield Lines(name, _possible(facts, name, problems), tuple(facts["labels"]), problems, file, facts_bytes=len(line))
    except FileNotFoundError as error:
        raise Trouble(f"{name}: there is no such file; name a .jsonl file that `run.py record` wrote") from error
    except OSError as error:
        raise Trouble(f"{name} cannot be read ({reason(error)}); name a .jsonl file that you may read") from error


def _numbered(file: BinaryIO, first: int) -> Iterator[tuple[int, bytes]]:
    """The lines of a file from here on, with their numbers; `TOO_LONG` for those that are."""
    for at in count(first):
        line = file.readline(MOST_LINE)
        if not line:
            return
        too_long = False
        while len(line) == MOST_LINE and not line.endswith(b"\n"):
            too_long, line = True, file.readline(MOST_LINE)
        yield at, TOO_LONG if too_long else line


def _facts_of(line: bytes) -> dict[str, Any]:
    """The entries of a line without a frame; raises one of `DAMAGE`."""
    values = parse_json(line.decode("utf-8", "replace")) if len(line) <= MOST_FACTS else None
    if not isinstance(values, dict) or _depth(values) > MOST_DEPTH:
        raise ValueError("it is no object, or is too long or nested too deeply")
    return values


def _header(line: bytes, name: str) -> dict[str, Any]:
    if not line.strip():
        raise Trouble(f"{name} is empty: its recording ended before the first frame; record again")
    try:
        facts = _facts_of(line)
    except DAMAGE:
        facts = {}
    schema, labels = facts.get("schema"), facts.get("labels")
    if schema and schema != SCHEMA:
        program = facts.get("program")
        writer = program.get("version") if isinstance(program, dict) else None
        remedy = f"use release {writer}, which wrote it" if _is_text(writer, 20) else "use the release that wrote it"
        raise Trouble(f"{name} is of the kind {schema!r:.60}, {RELEASE} reads {SCHEMA!r}: {remedy}")
    texts = isinstance(labels, list) and 0 < len(labels) <= MOST_LABELS and all(_is_text(label, MOST_TEXT) for label in labels)
    if schema != SCHEMA or not isinstance(labels, list) or not texts or len(set(labels)) != len(labels):
        raise Trouble(f"{name} is no readings file: its first line is not the header; name a .jsonl file that `run.py record` wrote")
    return facts


def _depth(value: Any) -> int:
    """Levels of nesting; the value itself is one that `parse_json` took, so that they are not too many to count."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inside), default=0)


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most and value.isprintable()


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value < 65_536


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST_COUNT


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= MOST_S


def _possible(facts: dict[str, Any], name: str, problems: dict[str, str]) -> dict[str, Any]:
    """The entries without those that cannot be, of which `problems` gets a line each."""
    kinds = {
        **dict.fromkeys(("width", "height"), _is_size),
        **dict.fromkeys(("dropped", "lost", "covered", "doubtful"), _is_count),
        **dict.fromkeys(("stopped_s", "ended_s", "stated_s"), _is_time),
        "privacy": lambda value: isinstance(value, str),
        "started": lambda value: isinstance(value, str),
    }
    taken = {}
    for key, value in facts.items():
        if key in kinds and not kinds[key](value):
            problems[key] = f"{name}: its {key} is {value!r:.40}, which cannot be"
            # Who is hidden stays hidden.
            if key == "privacy":
                taken[key] = "unknown"
        else:
            taken[key] = value
    return taken


def _number(value: Any, low: float, high: float) -> float:
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError("it is no number, or too large or small")
    return value


def _frame(values: dict[str, Any], indices: Mapping[str, int]) -> list[FaceValues]:
    """The faces of a line, whose number and time are checked too; raises one of `DAMAGE`."""
    if type(values["frame"]) is not int:
        raise ValueError("a frame's number is whole")
    _number(values["frame"], 0, MOST_COUNT)
    _number(values["t"], -MOST_S, MOST_S)
    faces = [_face(face, indices) for face in values["faces"]]
    if len({face.id for face in faces}) != len(faces):
        raise ValueError("two faces have one id")
    return faces


def _face(face: dict[str, Any], indices: Mapping[str, int]) -> FaceValues:
    probs, box, unsure, id = face["probs"], face["box"], face["unsure"], face["id"]
    if not isinstance(probs, list) or not isinstance(box, list) or len(probs) != len(indices) or len(box) != 4:
        raise ValueError("probabilities or box have a wrong length")
    if type(id) is not int or (unsure is not None and not _is_text(unsure, MOST_TEXT)):
        raise ValueError("the id is no number, or the reason no text")
    _number(id, 0, MOST_COUNT)
    _number(face["confidence"], 0, 1)
    for p in probs:
        _number(p, 0, 1)
    for v in box:
        _number(v, -MOST_PIXELS, MOST_PIXELS)
    pose = [_number(face[name], -MOST_PIXELS, MOST_PIXELS) if name in face else math.nan for name in Pose._fields]
    return FaceValues(id, probs, indices[face["label"]], unsure, box, pose)
