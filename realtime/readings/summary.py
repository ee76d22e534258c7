"""Arithmetic over readings: when each expression was shown, mean and peak of each second, curves with fewer points."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from realtime.readings.file import Person, Readings

GAP_S = 1.0
"""A frame counts until the next one, but for no longer than this: nobody knows what happened in a gap."""

MOST_RUNS = 20_000
"""Of one person: a change of label every second and a half in eight hours. Of more, the longest are kept."""


@dataclass(frozen=True)
class Run:
    """A time in which the label of a face did not change, from `start` to `end` in seconds; `unsure` is why it is not reliable, or None."""

    start: float
    end: float
    label: str
    unsure: str | None


def durations(t: np.ndarray) -> np.ndarray:
    """(n,) seconds for which each frame counts: until the next one, at most `GAP_S`; the last one for the median of the others."""
    if len(t) == 0:
        return np.zeros(0)
    steps = np.clip(np.diff(t), 0, GAP_S)
    return np.append(steps, np.median(steps) if len(steps) else 0.0)


def seen_s(readings: Readings, frames_s: np.ndarray) -> list[float]:
    """For how many seconds each person was detected; `frames_s` are the `durations` of all frames."""
    return [float(frames_s[person.rows].sum()) for person in readings.people]


def runs_of(readings: Readings, person: Person, frames_s: np.ndarray) -> tuple[Run, ...]:
    """The runs of a person in order, the longest `MOST_RUNS`; `frames_s` are the `durations` of all frames. While a label is unsure, it is
    the reason that counts.
    """
    t, names = readings.t[person.rows], readings.labels
    ends = t + frames_s[person.rows]
    kinds = np.where(person.reason_indices == 0, person.label_indices, len(names) + person.reason_indices)
    firsts = np.flatnonzero(np.concatenate([[True], (np.diff(kinds) != 0) | (t[1:] - ends[:-1] >= 1e-6)]))
    lasts = np.append(firsts[1:], len(t)) - 1
    if len(firsts) > MOST_RUNS:
        longest = np.sort(np.argsort(t[firsts] - ends[lasts], kind="stable")[:MOST_RUNS])
        firsts, lasts = firsts[longest], lasts[longest]
    label_indices, reason_indices = person.label_indices[firsts].tolist(), person.reason_indices[firsts].tolist()
    columns = zip(t[firsts].tolist(), ends[lasts].tolist(), label_indices, reason_indices, strict=True)
    return tuple(Run(start, end, names[label], person.reasons[why]) for start, end, label, why in columns)


class Seconds(NamedTuple):
    """Probabilities second by second, of the m seconds in which a face was there.

    Attributes:
        second: (m,) whole seconds.
        weight: (m,) seconds for which the face was there, 0 to 1.
        mean: (m, labels), each frame by its time.
        peak: (m, labels) the highest.
    """

    second: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    peak: np.ndarray


def by_second(t: np.ndarray, probs: np.ndarray, each: np.ndarray) -> Seconds:
    """Mean and peak of each second: t (n,) seconds, not falling; probs (n, labels); each (n,) seconds for which a frame counts."""
    second = np.floor(t).astype(np.int64)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(second) > 0]))
    # The last frame of a recording may count for nothing.
    each = np.maximum(each, 1e-6)
    weight = np.add.reduceat(each, starts)
    # Column by column: eight hours at once would take 50 MB more.
    mean = np.stack([np.add.reduceat(column * each, starts) / weight for column in probs.T], axis=1)
    return Seconds(second[starts], weight.clip(0, 1), mean, np.maximum.reduceat(probs, starts))


def thin_curves(t: np.ndarray, values: np.ndarray, rows: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Curves with a few times `most` points at most, and a row of NaN where the face was away: at its `most` / 2 longest absences.

    Time is divided into equal stretches. Of each the lowest and the highest value stay, in rising or falling order as the stretch rises
    or falls, so that no peak is lost.

    Args:
        t: (n,) seconds, not falling.
        values: (n, k), one column for each curve.
        rows: (n,) indices of the frames; a jump means that the face was away in between.
        most: the number of points to keep.

    Returns:
        Times (m,) and values (m, k).
    """
    if len(t) == 0:
        return t, values
    away = (np.diff(rows) > 1) | (np.diff(t) > GAP_S)
    if len(t) > most:
        width = max((t[-1] - t[0]) / max(1, most // 2), 1e-9)
        # Each absence costs points, and a face may be away in every other frame.
        absences = np.flatnonzero(away)
        if len(absences) > most // 2:
            away[absences[np.argsort(-np.diff(t)[absences], kind="stable")[most // 2 :]]] = False
        stretch = np.floor((t - t[0]) / width)
        starts = np.flatnonzero(np.concatenate([[True], away | (np.diff(stretch) > 0)]))
        ends = np.append(starts[1:], len(t)) - 1
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        rising = values[ends] >= values[starts]
        pairs = np.stack([np.where(rising, low, high), np.where(rising, high, low)], axis=1)
        keep = np.stack([np.ones(len(starts), bool), ends > starts], axis=1)
        away = np.concatenate([[False], away])[starts]
        breaks = np.repeat(away, 2).reshape(-1, 2)[keep]
        t, values = np.stack([t[starts], t[ends]], axis=1)[keep], pairs[keep]
        # Only the first point of a stretch follows an absence.
        breaks[1:] &= np.diff(np.repeat(np.arange(len(starts)), 2).reshape(-1, 2)[keep]) > 0
        gaps = np.flatnonzero(breaks)
    else:
        gaps = np.flatnonzero(away) + 1
    middles = (t[gaps - 1] + t[gaps]) / 2
    return np.insert(t, gaps, middles), np.insert(values.astype(np.float64), gaps, np.nan, axis=0)


def at_moments(t: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of `most` frames at most, evenly chosen, as they are: no mean and no extreme, so that probabilities still add up to 1.

    Args:
        t: (n,) seconds.
        values: (n, k).
        most: the number of frames to keep.

    Returns:
        Times (m,) and values (m, k).
    """
    keep = np.arange(len(t)) if len(t) <= most else np.unique(np.linspace(0, len(t) - 1, most).astype(np.int64))
    return t[keep], values[keep]
