"""Pure: how long a source may give no frame before its connection counts as lost, by the rate at which its frames came so far."""

from collections import deque

from realtime.config import CameraSettings

TIMES = 3
"""A connection is lost after so many times the longest pause that is usual for its source."""
FEW = 5
"""Frames. The first ones of a stream may be a burst, which FFmpeg read to find out the format: fewer tell no rate."""
WINDOW_S = 60.0
"""Seconds for which a pause counts as usual: a camera that sends when something moves pauses for 3 s and for 10."""


class Patience:
    """How long to wait for the next frame of a source, in seconds.

    A camera of this machine has a constant rate, and pauses no longer than `stale_s`. One in the network may send a picture every ten
    seconds, or some in a burst and then none for a while: the pauses of the last minute tell what is usual.
    """

    def __init__(self, settings: CameraSettings, networked: bool):
        self.settings, self.networked = settings, networked
        self._pauses: deque[tuple[float, float]] = deque()
        self._last: float | None = None
        self._frames = 0
        self._fresh = True

    def connect(self) -> None:
        """A new connection begins; what is usual for the source stays."""
        self._last, self._fresh = None, True

    def update(self, t: float) -> None:
        """A frame has come at the time `t`, in seconds on a clock that only grows."""
        pause_s = 0.0 if self._last is None else t - self._last
        # Only the pauses that could still be the longest are stored.
        while self._pauses and self._pauses[-1][1] <= pause_s:
            self._pauses.pop()
        self._pauses.append((t, pause_s))
        while t - self._pauses[0][0] > WINDOW_S:
            self._pauses.popleft()
        self._last, self._fresh = t, False
        self._frames += 1

    def seconds(self, usual_pause_s: float = 0.0) -> float:
        """For how long the next frame may be awaited, from a source that may send nothing for `usual_pause_s` seconds by what it states."""
        if self.networked and self._frames < FEW:
            return self.settings.unknown_s
        longest_s = max(usual_pause_s, self._pauses[0][1]) if self.networked else 0.0
        return max(self.settings.first_s if self._fresh else self.settings.stale_s, TIMES * longest_s)
