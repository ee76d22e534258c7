"""Measures: time a stage, rate of frames, latency from capture to drawn. The clock is passed in."""

import math
import statistics
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from realtime.values import Frame

T = TypeVar("T")
Clock = Callable[[], float]
KEPT = 20_000
"""Durations kept per stage: 10 minutes at full camera rate, so that a session of days does not grow."""


class StageTimer:
    """Runs stages and remembers how long each took."""

    def __init__(self, clock: Clock):
        self.clock = clock
        self.seconds: dict[str, deque[float]] = {}

    def run(self, stage: str, function: Callable[..., T], *args: object) -> T:
        """`function(*args)`, timed under the name `stage`."""
        started = self.clock()
        result = function(*args)
        self.add(stage, self.clock() - started)
        return result

    def add(self, stage: str, elapsed_s: float) -> None:
        self.seconds.setdefault(stage, deque(maxlen=KEPT)).append(elapsed_s)

    def clear(self) -> None:
        """Forgets what was measured, as at the end of a warm-up."""
        self.seconds.clear()


class RateMeter:
    """Frames a second over the last `window_s` seconds: n time stamps make n - 1 intervals."""

    def __init__(self, window_s: float = 1.0):
        self.window_s = window_s
        self._times: deque[float] = deque()

    def update(self, t: float) -> float:
        """Takes a time in seconds and gives the rate; 0 before the second one."""
        self._times.append(t)
        while len(self._times) > 2 and t - self._times[0] > self.window_s:
            self._times.popleft()
        elapsed = t - self._times[0]
        return (len(self._times) - 1) / elapsed if elapsed > 0 else 0.0


class LatencyMeter:
    """Counts frames and how old each is when it is done: from `frame.t` to now, on the clock that the source's times come from.

    Frames that never came, because newer ones took their place, are counted by the jumps of `frame.index`.
    """

    def __init__(self, clock: Clock):
        self.clock = clock
        self.frames = self.dropped = 0
        self._next_index = 0
        self._ages: deque[float] = deque(maxlen=KEPT)
        self._first = self._last = 0.0

    def update(self, frame: Frame, _readings: object = None) -> None:
        now = self.clock()
        self._first = now if self.frames == 0 else self._first
        self._last = now
        self.frames += 1
        self.dropped += frame.index - self._next_index
        self._next_index = frame.index + 1
        self._ages.append(now - frame.t)

    def summary(self) -> str:
        """Frames, seconds, rate and drops in a few words."""
        elapsed = self._last - self._first
        rate = (self.frames - 1) / elapsed if elapsed > 0 else 0.0
        return f"{self.frames} frames in {elapsed:.1f} s, {rate:.1f} fps, {self.dropped} dropped"

    def latency(self) -> str:
        """Median, 95th and 99th percentile in a few words."""
        age = summary_ms(list(self._ages))
        return f"{age['median_ms']:.0f} ms (p95 {age['p95_ms']:.0f}, p99 {age['p99_ms']:.0f})"


class Countdown:
    """Tells when `seconds` have passed since the first frame; while none has come, since it was first asked."""

    def __init__(self, clock: Clock, seconds: float | None):
        """Without `seconds` it is never over."""
        self.clock, self.seconds = clock, seconds
        self._since: float | None = None
        self._seen = False

    def update(self, frame: Frame, _readings: object = None) -> None:
        if not self._seen:
            self._seen, self._since = True, frame.t

    def over(self) -> bool:
        if self.seconds is None:
            return False
        now = self.clock()
        self._since = now if self._since is None else self._since
        return now - self._since >= self.seconds


def percentile(values: list[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed, interpolated; 0 for none."""
    return float(np.quantile(values, share)) if values else 0.0


def summary_ms(seconds: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile in milliseconds, and how many were measured."""
    return {
        "median_ms": round(statistics.median(seconds) * 1000, 3) if seconds else 0.0,
        "p95_ms": round(percentile(seconds, 0.95) * 1000, 3),
        "p99_ms": round(percentile(seconds, 0.99) * 1000, 3),
        "n": len(seconds),
    }


def decay(elapsed_s: float, time_constant_s: float) -> float:
    """What is left of an old value after a time: exp(-elapsed / time constant), 0 to 1."""
    return math.exp(-elapsed_s / time_constant_s)
