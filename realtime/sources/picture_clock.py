"""Pure: times of a film that always grow, from the times in its file, which may be missing, repeat, go back or jump."""

SQUEEZE_S = 0.001
"""Seconds after the picture before, for a single picture whose time repeats or is a little too early."""
BACK_S = 0.2
"""Seconds. A clock that goes back by more has begun anew: two films were glued together."""
BROADCAST_JUMP_S = 10.0
"""Seconds. In MPEG streams clocks may begin anew at any moment; FFmpeg's own programs take a longer step for that, too."""
JUMP_S = 12 * 3600.0
"""Seconds. MP4 cannot hold a step of 2^32 ticks, which are 13 hours."""


def begins_anew(step_s: float, jump_s: float) -> bool:
    """Whether a film's clock that makes such a step, in seconds, has begun anew; `jump_s` is the longest step that is believed."""
    return step_s <= -BACK_S or step_s > jump_s


class PictureClock:
    """The time of each picture, in seconds, one by one in the order in which they are shown."""

    def __init__(self, step_s: float, jump_s: float):
        """
        Args:
            step_s: usual seconds between two pictures.
            jump_s: a longer step between two pictures is not believed: the clock has begun anew.
        """
        self.jump_s = jump_s
        self.step_s = step_s
        self._t: float | None = None
        self._shift = 0.0
        self._former: float | None = None
        self._squeezed = False

    def update(self, stated_s: float | None, duration_s: float | None = None) -> float:
        """The time of the next picture.

        Args:
            stated_s: its time in the file; None if the file has none.
            duration_s: for how long it is shown, if the file says so.
        """
        before, self._t = self._t, self._time(stated_s)
        if duration_s is not None and 0 < duration_s <= self.jump_s:
            self.step_s = duration_s
        elif before is not None and self._t - before > 2 * SQUEEZE_S:
            self.step_s = self._t - before
        return self._t

    def _time(self, stated_s: float | None) -> float:
        if self._t is None:
            return stated_s or 0.0
        if stated_s is None:
            return self._t + self.step_s
        # A single wrong time: the picture after it is again where the clock was before.
        shifts = [self._shift] if self._former is None else [self._former, self._shift]
        self._former = None
        for shift in shifts:
            step_s = stated_s + shift - self._t
            if step_s > 0 and not begins_anew(step_s, self.jump_s):
                self._shift, self._squeezed = shift, False
                return stated_s + shift
        if not self._squeezed and not begins_anew(stated_s + self._shift - self._t, self.jump_s):
            self._squeezed = True
            return self._t + SQUEEZE_S
        self._former, self._squeezed = self._shift, False
        self._shift = self._t + self.step_s - stated_s
        return self._t + self.step_s
