"""Opens a camera or stream again when it fails or falls silent."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Self

from realtime.base.errors import Trouble
from realtime.base.messages import Message, message
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.sources.newest import NewestFrame
from realtime.sources.source import TICK_S, Source, _Wrapper
from realtime.values import Frame

RECONNECTING = "reconnecting"


TOLD_S = 1.0
"""A shorter silence of a live source is not worth a word."""


HANGING_MOST = 3
"""Readers that hang in their drivers at a time; another one would hang as well, and each keeps a thread."""


class _OpenedByReader(_Wrapper):
    """Opens its source when the first frame is asked for: in the reading thread, so that a slow opening does not stop the window."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        with self.source:
            yield from self.source


def pauses(first_s: float, most_s: float) -> Iterator[float]:
    """Seconds to wait before each attempt: doubled from one to the next, at most `most_s`, without end."""
    while True:
        yield first_s
        first_s = min(2 * first_s, most_s)


class Reconnecting(_Wrapper):
    """The newest frames of a camera or stream which, when it fails or falls silent, is opened again: the same session goes on.

    What cannot be opened at the start raises its Trouble at once. Later on, a Trouble of the source or a time without frames only
    ends the connection, and others are tried until one gives frames or the user stops. `index` and `t` go on over the gap.

    A device that hangs in its driver cannot be interrupted: it is left to its thread, and a new one is opened beside it.
    No frame of the old one comes through, and its thread closes it should it ever return.
    """

    def __init__(
        self,
        make: Callable[[], Source],
        settings: CameraSettings,
        clock: Clock,
        stopped: Callable[[], bool],
        idle: Callable[[Message | None], None],
        tell: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ):
        """
        Args:
            make: gives the source anew, not yet opened; each connection needs its own.
            stopped: ends the frames, also while none comes.
            idle: called every `TICK_S` while no frame comes, with what the user should know meanwhile, if anything.
            tell: gets a line when the connection is lost, and one when it is back.
        """
        super().__init__(make())
        self.make, self.settings, self.clock, self.stopped = make, settings, clock, stopped
        self.idle, self.tell, self.sleep = idle, tell, sleep
        self._doing: str | None = "waiting"
        self._hanging: list[NewestFrame] = []

    def __enter__(self) -> Self:
        # The first opening stays in this thread: macOS asks the user for permission only from the main one.
        self._connect(self.source)
        self._picture_at = self._connected_at
        if self.delivery is not None and self.delivery.differs:
            self.tell(f"{self.name} gives {self.delivery}")
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.__exit__(*error)

    def __iter__(self) -> Iterator[Frame]:
        index, waits = 0, self._waits()
        while not self.stopped():
            first = index
            try:
                for frame in self._reader:
                    if self._doing == RECONNECTING:
                        self.tell(f"{self.name} is back after {self.clock() - self._picture_at:.0f} s")
                        waits = self._waits()
                    self._doing, self._picture_at = None, self.clock()
                    index = first + frame.index + 1
                    yield replace(frame, index=first + frame.index)
                return
            except Trouble as trouble:
                if self._doing != RECONNECTING:
                    self.tell(f"{trouble}; {RECONNECTING}")
                self._doing = RECONNECTING
            self._reconnect(next(waits))

    def _waits(self) -> Iterator[float]:
        return pauses(self.settings.retry_s, self.settings.retry_most_s)

    def _connect(self, source: Source) -> None:
        self._reader = NewestFrame(source, self.stopped, self._watch)
        self._reader.__enter__()
        self._connected_at = self.clock()

    def _watch(self) -> None:
        """Gives the connection up when it is silent for too long."""
        patience_s = self.settings.stale_s if self._doing is None else self.settings.first_s
        if self.clock() - max(self._connected_at, self._picture_at) >= patience_s:
            raise Trouble(f"{self.name} has given no picture for {patience_s:g} s")
        self._idle()

    def _idle(self) -> None:
        silence_s = self.clock() - self._picture_at
        self.idle(message(self._doing, source=self.name, seconds=int(silence_s)) if self._doing and silence_s >= TOLD_S else None)

    def _reconnect(self, wait_s: float) -> None:
        """Leaves the reader, and starts a new one after `wait_s`."""
        self._reader.leave()
        self._hanging.append(self._reader)
        until = self.clock() + wait_s
        while self.clock() < until or len(self._hanging) >= HANGING_MOST:
            if self.stopped():
                return
            self._idle()
            self.sleep(TICK_S)
            self._hanging = [reader for reader in self._hanging if reader.reading]
        self.source = self.make()
        self._connect(_OpenedByReader(self.source))
