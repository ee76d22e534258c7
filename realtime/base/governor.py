"""Sets the effort for each frame: less when the machine does not keep up with the camera, more when it has time again."""

from collections.abc import Sequence

from realtime.base.timing import Clock
from realtime.config import Effort, GovernorSettings


class FixedEffort:
    """Always the same effort: for files, whose frames wait and are never dropped."""

    level = 0

    def __init__(self, effort: Effort):
        self.effort = effort

    def update(self, index: int) -> Effort:
        return self.effort


class Governor:
    """Lowers the effort while frames are lost or too much processor time is used, and raises it again after a time without either.

    It decides at the end of each window of `window_s`. Frames were lost where their numbers jump. After lowering the effort it waits
    `patience_s` before raising it. If the raised effort is too much at once, it waits twice as long before the next attempt.

    Attributes:
        level: 0 for the full effort, up to `len(efforts) - 1` for the least.
    """

    def __init__(self, settings: GovernorSettings, efforts: Sequence[Effort], clock: Clock, cpu_clock: Clock):
        """`clock()` is the time in seconds, `cpu_clock()` the processor time in seconds that all threads of this process have used."""
        self.settings, self.efforts, self.clock, self.cpu_clock = settings, efforts, clock, cpu_clock
        self.level = 0
        self._window: tuple[float, float, int] | None = None
        self._frames = 0
        self._calm_since = clock()
        self._raised_t: float | None = None
        self._patience_s = settings.patience_s

    @property
    def effort(self) -> Effort:
        return self.efforts[self.level]

    def update(self, index: int) -> Effort:
        """Takes the number of the next frame and returns the effort for it."""
        now = self.clock()
        if self._window is None:
            self._start_window(now, index)
        self._frames += 1
        assert self._window is not None, "started above"
        started, cpu, first = self._window
        if now - started >= self.settings.window_s:
            self._set_level(now, now - started, index - first, self.cpu_clock() - cpu)
            self._start_window(now, index)
        return self.effort

    def _start_window(self, now: float, index: int) -> None:
        self._window, self._frames = (now, self.cpu_clock(), index), 0

    def _set_level(self, now: float, elapsed: float, delivered: int, cpu_s: float) -> None:
        """Sets the level after a window of `elapsed` seconds in which the source delivered so many frames."""
        target = delivered / self.effort.frame_every
        if self.settings.target_fps is not None:
            target = min(target, self.settings.target_fps * elapsed)
        late = self._frames < self.settings.enough * target
        costly = self.settings.max_cpu is not None and cpu_s / elapsed > self.settings.max_cpu / 100
        if late or costly:
            if self._raised_t is not None and now - self._raised_t < self.settings.patience_s:
                self._patience_s = min(2 * self._patience_s, self.settings.most_patience_s)
            self.level = min(self.level + 1, len(self.efforts) - 1)
            self._calm_since, self._raised_t = now, None
        elif self.level and now - self._calm_since >= self._patience_s:
            self.level -= 1
            self._calm_since = self._raised_t = now
