"""Practice: how well the model recognises what a person means to show, kept over the days."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.plan import Prompt
from calibration.session import Seen
from realtime.base.errors import Trouble, reason
from realtime.values import LABELS

FILE = "practice.jsonl"


@dataclass(frozen=True)
class Try:
    """One take of practice: what was asked for, what it was taken for, and the mean probability of the former."""

    asked: str
    shown: str
    match: float


def judged(prompt: Prompt, frames: Sequence[Seen]) -> Try:
    """A try, of the frames of its take; at least one."""
    probs = np.mean([one.probs for one in frames if one.probs is not None], 0)
    return Try(prompt.expression, LABELS[int(probs.argmax())], round(float(probs[LABELS.index(prompt.expression)]), 4))


def note(person: Path, one: Try) -> None:
    """Adds a try to those that a person's folder holds.

    Raises:
        Trouble: it cannot be written.
    """
    path = person / FILE
    try:
        with path.open("a", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(json.dumps({"asked": one.asked, "shown": one.shown, "match": one.match}) + "\n")
    except OSError as error:
        raise Trouble(f"cannot write {path} ({reason(error)}): free the place; the tries before are kept") from error


def past(person: Path) -> list[Try]:
    """The tries that a person's folder holds, oldest first; lines that a crash has cut are left out.

    Raises:
        Trouble: the file cannot be read.
    """
    path, tries = person / FILE, []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    except OSError as error:
        raise Trouble(f"cannot read {path} ({reason(error)}): make it readable") from error
    for line in lines:
        try:
            one = json.loads(line)
            tries.append(Try(LABELS[LABELS.index(one["asked"])], LABELS[LABELS.index(one["shown"])], float(one["match"])))
        except (ValueError, KeyError, TypeError):
            continue
    return tries


def rows(tries: Sequence[Try]) -> list[tuple[str, ...]]:
    """A table: for each expression that was asked for what it was taken for, how often, and the mean match."""
    table = []
    for asked in LABELS:
        mine = [one for one in tries if one.asked == asked]
        if mine:
            counts = (sum(one.shown == shown for one in mine) for shown in LABELS)
            table.append((asked, *(str(count) if count else "" for count in counts), f"{np.mean([one.match for one in mine]):.0%}"))
    return table
