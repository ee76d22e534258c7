"""Time measurement: seconds of each stage, frames a second, latency from capture to drawn. The clock is passed in."""

import math
import statistics
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from realtime.base.messages import counted
from realtime.values import Frame

T = TypeVar("T")
Clock = Callable[[], float]
MOST_DURATIONS = 20_000
"""Durations stored per stage, the newest ones: 10 minutes at full camera rate. A limit keeps a session of days from growing."""


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
        self.seconds.setdefault(stage, deque(maxlen=MOST_DURATIONS)).append(elapsed_s)

    def clear(self) -> None:
        """Forgets what was measured, as at the end of a warm-up."""
        self.seconds.clear()


class RateMeter:
    """Frames a second over the last `window_s` seconds: n time stamps make n - 1 intervals."""

    def __init__(self, window_s: float = 1.0):
        self.window_s = window_s
        self._times: deque[float] = deque()

    def update(self, t: float) -> float:
        """Takes a frame's time in seconds and returns the rate; 0 for the first frame."""
        self._times.append(t)
        while len(self._times) > 2 and t - self._times[0] > self.window_s:
            self._times.popleft()
        elapsed = t - self._times[0]
        return (len(self._times) - 1) / elapsed if elapsed > 0 else 0.0


class LatencyMeter:
    """Counts frames and measures the age of each when it is finished: from `frame.t` to now, on the clock of the source's times.

    Dropped frames are counted by the jumps of `frame.index`.
    """

    def __init__(self, clock: Clock):
        self.clock = clock
        self.frames = self.dropped = 0
        self._next_index = 0
        self._ages: deque[float] = deque(maxlen=MOST_DURATIONS)
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
        """Frames, seconds, rate and dropped frames as a short text."""
        elapsed = self._last - self._first
        rate = (self.frames - 1) / elapsed if elapsed > 0 else 0.0
        return f"{counted(self.frames, 'frame')} in {elapsed:.1f} s, {rate:.1f} fps, {self.dropped} dropped"

    def latency(self) -> str:
        """Median, 95th and 99th percentile of the latency as a short text."""
        age = summary_ms(list(self._ages))
        return f"{age['median_ms']:.0f} ms (p95 {age['p95_ms']:.0f}, p99 {age['p99_ms']:.0f})"


class Countdown:
    """Whether `seconds` have passed since the first frame; as long as there was none, since the first call of `over`."""

    def __init__(self, clock: Clock, seconds: float | None):
        """`seconds` is None for a countdown that is never over."""
        self.clock, self.seconds = clock, seconds
        self._since: float | None = None
        self._started = False

    def update(self, frame: Frame, _readings: object = None) -> None:
        if not self._started:
            self._started, self._since = True, frame.t

    def over(self) -> bool:
        if self.seconds is None:
            return False
        now = self.clock()
        self._since = now if self._since is None else self._since
        return now - self._since >= self.seconds


def percentile(values: list[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed, interpolated; 0 for an empty list."""
    return float(np.quantile(values, share)) if values else 0.0


def summary_ms(seconds: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile in milliseconds, and the number of values."""
    return {
        "median_ms": round(statistics.median(seconds) * 1000, 3) if seconds else 0.0,
        "p95_ms": round(percentile(seconds, 0.95) * 1000, 3),
        "p99_ms": round(percentile(seconds, 0.99) * 1000, 3),
        "n": len(seconds),
    }


def decay(elapsed_s: float, time_constant_s: float) -> float:
    """The weight of an old value in an exponential average after a time: exp(-elapsed / time constant), 0 to 1."""
    return math.exp(-elapsed_s / time_constant_s)
