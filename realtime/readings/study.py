"""Tables for studies: a row for each film and person, and one for each interval in which a person was seen; and what the columns mean."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realtime.drawing.words import DOUBTS
from realtime.readings.file import Person, Readings
from realtime.readings.tracks import likely_same
from realtime.values import LABELS

ANGLES = ("yaw", "pitch", "roll")
MISSING = "NA"
"""What R and pandas read as a missing value."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet takes for a formula (owasp.org/www-community/attacks/CSV_Injection)."""


class Column(NamedTuple):
    """A column of a table, for the codebook; `unit` is "" for texts."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Stretch:
    """What one person showed in one stretch of time.

    Attributes:
        first_s, last_s: when the person was first and last seen in it, in seconds of the film.
        values: the numbers by the names of `value_columns`; NaN where there is none.
    """

    first_s: float
    last_s: float
    values: dict[str, float]


def film_columns(labels: tuple[str, ...] = LABELS) -> list[Column]:
    """The columns of the table with a row for each film and person."""
    return [
        Column("film", "", "path of the readings file below the folder that was named, without its ending"),
        Column("source", "", "what was filmed or read: the name of the original film or camera"),
        Column("model", "", "the model's file"),
        Column("started", "", "date and time at which the recording began, with its time zone"),
        Column("film_s", "s", "length of the film"),
        Column("person", "number", "the smallest of the person's numbers on the screen; it has a meaning within one film only"),
        Column("tracks", "", "all numbers that are likely this person, judged by time, place and size of the face; in order, with spaces"),
        Column("first_s", "s", "time at which the person was first seen"),
        Column("last_s", "s", "end of the last frame in which the person was seen"),
        *value_columns(labels),
    ]


def interval_columns(labels: tuple[str, ...] = LABELS) -> list[Column]:
    """The columns of the table with a row for each film, person and interval."""
    return [
        Column("film", "", "as in people.csv"),
        Column("person", "number", "as in people.csv"),
        Column("from_s", "s", "beginning of the interval; a frame belongs to the interval in which it begins"),
        Column("to_s", "s", "end of the interval; there is no row where the person was not seen"),
        *value_columns(labels),
    ]


def value_columns(labels: tuple[str, ...] = LABELS) -> list[Column]:
    """The columns that both tables have: what a person showed in a stretch of time."""
    unsure = [Column(f"unsure_{reason}_s", "s", f'of unsure_s: the reason is "{reason}"; docs/limits.md says more') for reason in DOUBTS]
    shown = [
        column
        for name in labels
        for column in (
            Column(f"{name}_s", "s", f"time in which the label was {name}, without doubt"),
            Column(f"{name}_share", "0 to 1", f"{name}_s divided by seen_s"),
            Column(f"{name}_mean", "0 to 1", f"mean probability of {name} over seen_s, with doubt and without"),
            Column(f"{name}_peak", "0 to 1", f"highest probability of {name}"),
        )
    ]
    pose = [
        column
        for name in ANGLES
        for column in (
            Column(f"{name}_mean", "degrees", f"mean {name} of the head over seen_s; its errors are in docs/accuracy.md"),
            Column(f"{name}_sd", "degrees", f"standard deviation of {name} over seen_s"),
        )
    ]
    return [
        Column("seen_s", "s", "time in which the face was detected; each frame counts until the next one, for 1 s at most"),
        Column("unsure_s", "s", "of seen_s: time in which the label should not be relied on"),
        *unsure,
        *shown,
        Column("switches", "number", "changes from one label to another, both without doubt"),
        *pose,
        Column("eyes_mean", "px", "mean distance between the eyes: how large the face is"),
    ]


def people_of(readings: Readings) -> list[tuple[list[int], list[Person]]]:
    """The people of a film, each with the ids of the tracks that are likely hers or his, and the tracks, in the order of time."""
    groups = ([readings.people[i] for i in group] for group in likely_same(readings))
    return [([person.id for person in group], group) for group in groups]


def film_s(readings: Readings, frames_s: np.ndarray) -> float:
    """The length of a film in seconds: up to the end of its last frame; `frames_s` are the `durations` of all frames."""
    return float(readings.t[-1] + frames_s[-1]) if len(frames_s) else 0.0


def whole(readings: Readings, tracks: list[Person], frames_s: np.ndarray) -> Stretch:
    """What a person showed in the whole film; `tracks` are never there at once, `frames_s` are the `durations` of all frames."""
    [(_, stretch)] = in_intervals(readings, tracks, frames_s, None)
    return stretch


def in_intervals(readings: Readings, tracks: list[Person], frames_s: np.ndarray, interval_s: float | None) -> Iterator[tuple[int, Stretch]]:
    """What a person showed in each interval of `interval_s` seconds (None: one that holds the film) in which the person was seen, in order,
    each with the interval's number: interval k goes from k to k + 1 times `interval_s`. The times do not fall; `frames_s` as in `whole`.
    """
    rows = np.concatenate([person.rows for person in tracks])
    t, each = readings.t[rows], frames_s[rows]
    labels = np.concatenate([person.label_indices for person in tracks])
    reasons = np.concatenate([person.reason_indices for person in tracks])
    probs = np.concatenate([person.probs for person in tracks])
    poses = np.concatenate([person.poses for person in tracks])
    switched = _switches(labels, reasons)
    numbers = np.zeros(len(t), np.int64) if interval_s is None else np.floor(t / interval_s + 1e-9).astype(np.int64)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(numbers) > 0]))
    for start, end in zip(starts, np.append(starts[1:], len(t)), strict=True):
        part = slice(start, end)
        seconds = each[part]
        values: dict[str, float] = {"seen_s": float(seconds.sum()), "switches": float(switched[part].sum())}
        values |= _unsure(reasons[part], tracks[0].reasons, seconds)
        values |= _shown(labels[part], reasons[part], probs[part], seconds, readings.labels)
        values |= _pose(poses[part], seconds)
        yield int(numbers[start]), Stretch(float(t[start]), float(t[end - 1] + seconds[-1]), values)


def _switches(labels: np.ndarray, reasons: np.ndarray) -> np.ndarray:
    """(n,) whether the label of a frame is without doubt, and another than the last one without doubt before it."""
    sure = np.flatnonzero(reasons == 0)
    switched = np.zeros(len(labels), bool)
    switched[sure[1:]] = np.diff(labels[sure]) != 0
    return switched


def _unsure(reasons: np.ndarray, names: tuple[str | None, ...], seconds: np.ndarray) -> dict[str, float]:
    by_reason = np.bincount(reasons, seconds, minlength=len(names))
    known = {f"unsure_{reason}_s": float(by_reason[names.index(reason)]) if reason in names else 0.0 for reason in DOUBTS}
    return {"unsure_s": float(by_reason[1:].sum()), **known}


def _shown(labels: np.ndarray, reasons: np.ndarray, probs: np.ndarray, seconds: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    shown = np.bincount(labels, seconds * (reasons == 0), minlength=len(names))
    mean, peak, seen = _mean(probs, seconds), probs.max(axis=0), seconds.sum()
    values: dict[str, float] = {}
    for i, name in enumerate(names):
        share = float(shown[i] / seen) if seen else np.nan
        values |= {f"{name}_s": float(shown[i]), f"{name}_share": share, f"{name}_mean": float(mean[i]), f"{name}_peak": float(peak[i])}
    return values


def _pose(poses: np.ndarray, seconds: np.ndarray) -> dict[str, float]:
    mean = _mean(poses, seconds)
    sd = np.sqrt(_mean((poses - mean) ** 2, seconds))
    values = {f"{name}_{kind}": float(of[i]) for i, name in enumerate(ANGLES) for kind, of in (("mean", mean), ("sd", sd))}
    return {**values, "eyes_mean": float(mean[len(ANGLES)])}


def _mean(values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """The mean of (n, k) values by time; of a single frame that counts for nothing, its values."""
    weight = seconds if seconds.sum() > 0 else np.ones(len(seconds))
    return np.average(values.astype(np.float64), axis=0, weights=weight)


def cell(value: Any) -> str:
    """A value as a cell of a table: six decimals at most, `MISSING` for None and NaN, "./" before what looks like a formula."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    text = str(value)
    return f"./{text}" if isinstance(value, str) and text.startswith(FORMULA) else text
