"""Frames that a recording lacks, and why; and the watch that notices when the program itself stood still."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from realtime.base.messages import counted
from realtime.base.timing import Clock

CHECK_S = 0.5
"""Seconds between two looks at the clock."""
STOPPED_S = 3.0
"""Seconds by which a look must be late before the program counts as stopped: a busy machine delays a thread by less."""
CATCH_UP_S = 10.0
"""Seconds after a stop in which dropped frames are due to it: cameras and paced films deliver then what has waited."""


@dataclass
class Losses:
    """Frames that were dropped from a live recording.

    Attributes:
        slow: because the encoder did not keep up.
        stopped: in the seconds after the program had stood still.
        ended: because the program had to end before they were encoded.
        stopped_s: how long the program stood still, in seconds.
    """

    slow: int = 0
    stopped: int = 0
    ended: int = 0
    stopped_s: float = 0.0

    @property
    def total(self) -> int:
        return self.slow + self.stopped + self.ended

    def facts(self) -> dict[str, Any]:
        """What the last line of the readings says besides the number of frames; empty where nothing was lost."""
        dropped = {"dropped": self.total} if self.total else {}
        return dropped | ({"stopped_s": round(self.stopped_s, 1)} if self.stopped_s else {})

    def __str__(self) -> str:
        """What was lost and why, for the user; empty where nothing was."""
        parts = [f"{counted(self.slow, 'frame')} dropped: the encoder did not keep up"] if self.slow else []
        if self.stopped_s:
            dropped = f"; {counted(self.stopped, 'frame')} after it dropped" if self.stopped else ""
            parts.append(f"the program stood still for {self.stopped_s:.0f} s (the computer slept, or it was suspended){dropped}")
        if self.ended:
            parts.append(f"{counted(self.ended, 'frame')} dropped: the program was ended before they were encoded")
        return "; ".join(parts)


def clock_with_sleep() -> float:
    """Seconds since some moment, on a clock that goes on while the computer sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.time()


class StopWatch:
    """A thread that notices when the program stood still: a suspended process, a laptop that slept."""

    def __init__(self, tell: Callable[[float], None], clock: Clock = clock_with_sleep):
        """`tell` gets the seconds that the program stood still, from this thread."""
        self.tell, self.clock = tell, clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stop watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        before = self.clock()
        while not self._over.wait(CHECK_S):
            now = self.clock()
            if now - before - CHECK_S > STOPPED_S:
                self.tell(now - before - CHECK_S)
            before = now
