"""Practice: how well the model recognises the expressions that a person tries to show, stored over the days.

An expression was asked for and is held, so the face is compared with the same person's resting face (`calibration.rest`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.observation import Observation
from calibration.plan import Prompt
from calibration.rest import choose_shown, match_target
from calibration.words import CaptureWords
from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular
from realtime.base.json_values import parse_json
from realtime.config import CaptureSettings
from realtime.values import LABELS

FILE = "practice.jsonl"
MOST_BYTES = 20_000_000
"""Of that file; an attempt has some 80."""


@dataclass(frozen=True)
class Attempt:
    """One take of practice.

    Attributes:
        expression: the one that was asked for.
        answer: the expression that was recognised.
        match: how far the face went from the own rest towards the expression that was asked for, 0 to 1: `calibration.rest.match_target`;
            where no rest was known, the mean probability of that expression.
        rest_known: whether the own rest was known; else the answer is the most probable expression.
    """

    expression: str
    answer: str
    match: float
    rest_known: bool = False


def score_attempt(prompt: Prompt, frames: Sequence[Observation], rest: np.ndarray | None, settings: CaptureSettings) -> Attempt:
    """The attempt of a take's frames; one at least must have a face. `rest`: mean log-probabilities (7,) of the resting face, if known."""
    target, probs = prompt.expression, [frame.probs for frame in frames if frame.probs is not None]
    answer, match = choose_shown(target, probs, rest, settings), match_target(target, probs, rest, settings)
    return Attempt(target, answer, round(match, 4), rest is not None)


def describe_attempt(attempt: Attempt, words: CaptureWords) -> str:
    """An attempt in one line; says where the own rest was not known."""
    line = words.text("attempt", asked=attempt.expression, answer=attempt.answer, match=f"{attempt.match:.0%}")
    if attempt.rest_known:
        return line
    return f"{line} ({words.text('rest_learned' if attempt.expression == 'neutral' else 'rest_unknown')})"


def store_attempt(person: Path, attempt: Attempt) -> None:
    """Adds an attempt to those that a person's folder holds.

    Raises:
        Trouble: it cannot be written.
    """
    path = person / FILE
    line = {"asked": attempt.expression, "shown": attempt.answer, "match": attempt.match, "rest_known": attempt.rest_known}
    try:
        with path.open("a", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise Trouble(f"cannot write {path} ({reason(error)}): free the place; the tries before are kept") from error


def read_attempts(person: Path) -> list[Attempt]:
    """The attempts that a person's folder holds, oldest first; damaged lines are left out. Lines of 0.9.0 do not know of a rest.

    Raises:
        Trouble: the file cannot be read.
    """
    path, attempts = person / FILE, []
    try:
        lines = read_regular(path, MOST_BYTES).splitlines() if path.exists() else []
    except OSError as error:
        raise Trouble(f"cannot read {path} ({reason(error)}): make it readable") from error
    for text in lines:
        try:
            line = parse_json(text)
            target, answer = (LABELS[LABELS.index(line[name])] for name in ("asked", "shown"))
            attempts.append(Attempt(target, answer, float(line["match"]), line.get("rest_known") is True))
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
    return attempts


def tabulate(attempts: Sequence[Attempt], words: CaptureWords) -> list[tuple[str, ...]]:
    """A row for each expression that was asked for: how often each of `LABELS` was the answer, and the mean match.

    The mean is over the attempts with a known rest, as the others' match is a probability; empty where there are none.
    """
    table = []
    for expression in LABELS:
        mine = [attempt for attempt in attempts if attempt.expression == expression]
        if mine:
            counts = (sum(attempt.answer == answer for attempt in mine) for answer in LABELS)
            matches = [attempt.match for attempt in mine if attempt.rest_known]
            mean = f"{np.mean(matches):.0%}" if matches else ""
            table.append((words.label(expression), *(str(count) if count else "" for count in counts), mean))
    return table
