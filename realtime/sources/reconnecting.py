"""A source around a camera or stream, which opens it again when it fails or sends nothing for too long."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Self

from realtime.base.errors import Trouble
from realtime.base.messages import Message, message
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.sources.newest import NewestFrame
from realtime.sources.patience import Patience
from realtime.sources.source import TICK_S, Source, SourceWrapper
from realtime.values import Frame

RECONNECTING = "reconnecting"
MESSAGE_AFTER_S = 1.0
"""After this time without a frame the user gets a message."""
MOST_HANGING = 3
"""At most this many readers may hang in their drivers at a time. Another one would hang too, and each occupies a thread."""


class _OpenInReader(SourceWrapper):
    """Opens its source when the first frame is requested: in the reading thread, so that a slow opening does not block the window."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        with self.source:
            yield from self.source


def pauses(first_s: float, most_s: float) -> Iterator[float]:
    """Seconds to wait before each attempt, without end: each twice the one before, at most `most_s`."""
    while True:
        yield first_s
        first_s = min(2 * first_s, most_s)


class Reconnecting(SourceWrapper):
    """The newest frames of a camera or stream. If it fails or sends nothing for too long, it is opened again and the session goes on.

    A source that cannot be opened at the start raises its Trouble at once. Later, a Trouble or a time without frames only ends the
    connection. New connections are tried until one gives frames or the user stops. `index` and `t` go on over the gap.

    A device that hangs in its driver cannot be interrupted. Its thread is left alone, and a new connection is opened beside it. No frame
    of the old connection is used any more; if its driver call ever returns, its thread closes it.
    """

    def __init__(
        self,
        make_source: Callable[[], Source],
        settings: CameraSettings,
        clock: Clock,
        stopped: Callable[[], bool],
        idle: Callable[[Message | None], None],
        tell: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        networked: bool = False,
        usual_pause_s: Callable[[], float] = lambda: 0.0,
    ):
        """
        Args:
            make_source: makes the source, not yet opened; called for each connection.
            settings: the times without frames after which a connection is lost, and the pauses between attempts.
            clock: seconds, the clock of the frames' times.
            stopped: the frames end when it is true, also while no frame comes.
            idle: called every `TICK_S` seconds while no frame comes, with a message for the user or None.
            tell: gets a line when the camera gives another format than requested, when the connection is lost and when it is back.
            networked: whether the source is in the network, where some give a picture only every ten seconds; see `Patience`.
            usual_pause_s: for how long the source that was made last may send nothing by what it states, in seconds.
        """
        super().__init__(make_source())
        self.make_source, self.settings, self.clock, self.stopped = make_source, settings, clock, stopped
        self.idle, self.tell, self.sleep = idle, tell, sleep
        self._patience, self._usual_pause_s = Patience(settings, networked), usual_pause_s
        self._activity: str | None = "waiting"
        self._hanging: list[NewestFrame] = []

    def __enter__(self) -> Self:
        # The first opening stays in this thread: macOS asks the user for permission only from the main thread.
        self._connect(self.source)
        self._last_frame_t = self._connected_t
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
                    if self._activity == RECONNECTING:
                        self.tell(f"{self.name} is back after {self.clock() - self._last_frame_t:.0f} s")
                        waits = self._waits()
                    self._activity, self._last_frame_t = None, self.clock()
                    self._patience.update(self._last_frame_t)
                    index = first + frame.index + 1
                    yield replace(frame, index=first + frame.index)
                return
            except Trouble as trouble:
                if self._activity != RECONNECTING:
                    self.tell(f"{trouble}; {RECONNECTING}")
                self._activity = RECONNECTING
            self._reconnect(next(waits))

    def _waits(self) -> Iterator[float]:
        return pauses(self.settings.retry_s, self.settings.retry_most_s)

    def _connect(self, source: Source) -> None:
        self._patience.connect()
        self._reader = NewestFrame(source, self.stopped, self._watch)
        self._reader.__enter__()
        self._connected_t = self.clock()

    def _watch(self) -> None:
        """Ends the connection, by raising Trouble, if no frame has come for too long."""
        patience_s = self._patience.seconds(self._usual_pause_s())
        if self.clock() - max(self._connected_t, self._last_frame_t) >= patience_s:
            raise Trouble(f"{self.name} has given no picture for {patience_s:g} s")
        self._idle()

    def _idle(self) -> None:
        silence_s = self.clock() - self._last_frame_t
        self.idle(
            message(self._activity, source=self.name, seconds=int(silence_s)) if self._activity and silence_s >= MESSAGE_AFTER_S else None
        )

    def _reconnect(self, wait_s: float) -> None:
        """Leaves the reader, and starts a new one after at least `wait_s`."""
        self._reader.leave()
        self._hanging.append(self._reader)
        until = self.clock() + wait_s
        while self.clock() < until or len(self._hanging) >= MOST_HANGING:
            if self.stopped():
                return
            self._idle()
            self.sleep(TICK_S)
            self._hanging = [reader for reader in self._hanging if reader.reading]
        self.source = self.make_source()
        self._connect(_OpenInReader(self.source))
