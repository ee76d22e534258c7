"""Decides how much is spent on each frame, by what the machine has kept up with lately."""

from collections.abc import Sequence

from realtime.base.timing import Clock
from realtime.config import Effort, GovernorSettings


class Steady:
    """Always the same effort: for files, where no frame is ever dropped."""

    level = 0

    def __init__(self, effort: Effort):
        self.effort = effort

    def update(self, index: int) -> Effort:
        return self.effort


class Governor:
    """Spends less while frames are lost or processor time is short, and more again once there has been room for a while.

    It looks at windows of `window_s`. Frames are lost where their numbers jump. After going down it stays for `patience_s`; when going
    up again proves too much at once, it waits twice as long before the next attempt.

    Attributes:
        level: 0 for the full effort, up to `len(efforts) - 1`.
    """

    def __init__(self, settings: GovernorSettings, efforts: Sequence[Effort], clock: Clock, cpu_clock: Clock):
        """`clock()` is the time in seconds, `cpu_clock()` the processor time that this process has used, all its threads together."""
        self.settings, self.efforts, self.clock, self.cpu_clock = settings, efforts, clock, cpu_clock
        self.level = 0
        self._window: tuple[float, float, int] | None = None
        self._taken = 0
        self._calm_since = clock()
        self._rose_t: float | None = None
        self._patience_s = settings.patience_s

    @property
    def effort(self) -> Effort:
        return self.efforts[self.level]

    def update(self, index: int) -> Effort:
        """Takes the number of the frame that is about to be read and gives the effort for it."""
        now = self.clock()
        if self._window is None:
            self._open(now, index)
        self._taken += 1
        assert self._window is not None, "opened above"
        started, cpu, first = self._window
        if now - started >= self.settings.window_s:
            self._judge(now, now - started, index - first, self.cpu_clock() - cpu)
            self._open(now, index)
        return self.effort

    def _open(self, now: float, index: int) -> None:
        self._window, self._taken = (now, self.cpu_clock(), index), 0

    def _judge(self, now: float, elapsed: float, delivered: int, cpu_s: float) -> None:
        wanted = delivered / self.effort.frame_every
        if self.settings.target_fps is not None:
            wanted = min(wanted, self.settings.target_fps * elapsed)
        late = self._taken < self.settings.enough * wanted
        costly = self.settings.max_cpu is not None and cpu_s / elapsed > self.settings.max_cpu / 100
        if late or costly:
            if self._rose_t is not None and now - self._rose_t < self.settings.patience_s:
                self._patience_s = min(2 * self._patience_s, self.settings.most_patience_s)
            self.level = min(self.level + 1, len(self.efforts) - 1)
            self._calm_since, self._rose_t = now, None
        elif self.level and now - self._calm_since >= self._patience_s:
            self.level -= 1
            self._calm_since = self._rose_t = now
