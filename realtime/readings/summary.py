"""Pure arithmetic over a recording's readings: how long each expression was shown, how often it changed, and lines thin enough to draw."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from realtime.readings.file import Person, Readings

GAP_S = 1.0
"""A frame counts until the next one, but for no longer: what happened in a gap nobody has seen."""


@dataclass(frozen=True)
class Run:
    """What was shown of a face without a change, from `start` to `end` in seconds: a label, and why it was unsure or None."""

    start: float
    end: float
    label: str
    unsure: str | None


@dataclass(frozen=True)
class Summary:
    """One person in one recording.

    Attributes:
        id: the number on the screen.
        first, last: seconds; when the face was seen first and last.
        seen_s: how long it was seen in all.
        shown_s: how long each expression was shown; without the unsure time.
        switches: how often each expression took over from another one; pauses without a face or in doubt do not count.
        unsure_s: how long it was unsure, by reason.
        runs: all that was shown, in order.
    """

    id: int
    first: float
    last: float
    seen_s: float
    shown_s: dict[str, float]
    switches: dict[str, int]
    unsure_s: dict[str, float]
    runs: tuple[Run, ...]

    @property
    def unsure_share(self) -> float:
        """Of the time in which the face was seen, 0 to 1."""
        return sum(self.unsure_s.values()) / self.seen_s if self.seen_s else 0.0

    def share(self, label: str) -> float:
        """Of the time in which the face was seen, 0 to 1."""
        return self.shown_s[label] / self.seen_s if self.seen_s else 0.0


def lasting(t: np.ndarray) -> np.ndarray:
    """How long each frame is on the screen: until the next one, at most `GAP_S`; the last one as long as is usual."""
    if len(t) == 0:
        return np.zeros(0)
    steps = np.clip(np.diff(t), 0, GAP_S)
    return np.append(steps, np.median(steps) if len(steps) else 0.0)


def summarise(readings: Readings, person: Person) -> Summary:
    """What one person showed."""
    t, each = readings.t[person.rows], lasting(readings.t)[person.rows]
    shown_s, unsure_s = dict.fromkeys(readings.labels, 0.0), Counter[str]()
    switches, before = dict.fromkeys(readings.labels, 0), None
    runs: list[Run] = []
    columns = (t.tolist(), each.tolist(), person.shown.tolist(), person.unsure)
    for start, s, place, unsure in zip(*columns, strict=True):
        label = readings.labels[place]
        if unsure is None:
            shown_s[label] += s
            switches[label] += before not in (None, label)
            before = label
        else:
            unsure_s[unsure] += s
        goes_on = runs and start - runs[-1].end < 1e-6
        if goes_on and runs[-1].unsure == unsure and (unsure is not None or runs[-1].label == label):
            runs[-1] = Run(runs[-1].start, start + s, runs[-1].label, unsure)
        else:
            runs.append(Run(start, start + s, label, unsure))
    return Summary(person.id, float(t[0]), float(t[-1]), float(each.sum()), shown_s, switches, dict(unsure_s.most_common()), tuple(runs))


def thinned(t: np.ndarray, values: np.ndarray, rows: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Lines with at most about `most` points, and a row of NaN where the face was away.

    Of each stretch of time the lowest and the highest value are kept, in the order in which they mostly came, so that no peak is lost.

    Args:
        t: (n,) seconds, not falling.
        values: (n, k).
        rows: (n,) numbers of the frames; a jump means that the face was away between.
        most: points to be left.
    """
    if len(t) == 0:
        return t, values
    away = (np.diff(rows) > 1) | (np.diff(t) > GAP_S)
    if len(t) > most:
        width = max((t[-1] - t[0]) / max(1, most // 2), 1e-9)
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
        # Only the first point of a stretch follows upon an absence.
        breaks[1:] &= np.diff(np.repeat(np.arange(len(starts)), 2).reshape(-1, 2)[keep]) > 0
        gaps = np.flatnonzero(breaks)
    else:
        gaps = np.flatnonzero(away) + 1
    middles = (t[gaps - 1] + t[gaps]) / 2
    return np.insert(t, gaps, middles), np.insert(values.astype(np.float64), gaps, np.nan, axis=0)
