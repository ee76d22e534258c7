"""Practice: how well the model recognises the expressions that a person tries to show, stored over the days."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.plan import Prompt
from calibration.session import Observation
from realtime.base.errors import Trouble, reason
from realtime.values import LABELS

FILE = "practice.jsonl"


@dataclass(frozen=True)
class Attempt:
    """One take of practice.

    Attributes:
        expression: the one that was asked for.
        answer: the most probable expression.
        match: mean probability of the expression that was asked for, 0 to 1.
    """

    expression: str
    answer: str
    match: float


def score_attempt(prompt: Prompt, frames: Sequence[Observation]) -> Attempt:
    """The attempt of a take's frames, by their mean probabilities; one frame at least must have a face."""
    probs = np.mean([frame.probs for frame in frames if frame.probs is not None], 0)
    return Attempt(prompt.expression, LABELS[int(probs.argmax())], round(float(probs[LABELS.index(prompt.expression)]), 4))


def store_attempt(person: Path, attempt: Attempt) -> None:
    """Adds an attempt to those that a person's folder holds.

    Raises:
        Trouble: it cannot be written.
    """
    path = person / FILE
    try:
        with path.open("a", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(json.dumps({"asked": attempt.expression, "shown": attempt.answer, "match": attempt.match}) + "\n")
    except OSError as error:
        raise Trouble(f"cannot write {path} ({reason(error)}): free the place; the tries before are kept") from error


def read_attempts(person: Path) -> list[Attempt]:
    """The attempts that a person's folder holds, oldest first; damaged lines are left out.

    Raises:
        Trouble: the file cannot be read.
    """
    path, attempts = person / FILE, []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    except OSError as error:
        raise Trouble(f"cannot read {path} ({reason(error)}): make it readable") from error
    for text in lines:
        try:
            line = json.loads(text)
            attempts.append(Attempt(LABELS[LABELS.index(line["asked"])], LABELS[LABELS.index(line["shown"])], float(line["match"])))
        except (ValueError, KeyError, TypeError):
            continue
    return attempts


def tabulate(attempts: Sequence[Attempt]) -> list[tuple[str, ...]]:
    """A row for each expression that was asked for: how often each of `LABELS` was the answer, and the mean match."""
    table = []
    for expression in LABELS:
        mine = [attempt for attempt in attempts if attempt.expression == expression]
        if mine:
            counts = (sum(attempt.answer == answer for attempt in mine) for answer in LABELS)
            match = np.mean([attempt.match for attempt in mine])
            table.append((expression, *(str(count) if count else "" for count in counts), f"{match:.0%}"))
    return table
