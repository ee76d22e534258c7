"""Reads a live source in a thread, between the source and the loop, so that the loop always gets the newest frame."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

from realtime.sources.source import TICK_S, Source, SourceWrapper
from realtime.values import Frame


class NewestFrame(SourceWrapper):
    """The newest frames of a live source; frames that the loop has no time for are dropped and counted in `dropped`.

    The thread writes each frame into one slot, guarded by a condition variable, and the loop empties it. An error in the thread is raised
    in the loop. The thread also closes the source, because a camera must not be released while a call into its driver still hangs.
    """

    def __init__(self, source: Source, stopped: Callable[[], bool], idle: Callable[[], None] = lambda: None):
        """The frames end when `stopped()` is true; `idle()` is called every `TICK_S` seconds while no frame comes."""
        super().__init__(source)
        self.stopped, self.idle = stopped, idle
        self.dropped = 0
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._finished = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def __enter__(self) -> Self:
        self.source.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()
        self._thread.join(timeout=2.0)

    def leave(self) -> None:
        """Ends the reading without waiting: the thread closes the source after the frame that it is waiting for."""
        self._finished = True

    @property
    def reading(self) -> bool:
        """Whether the thread still runs, and so has the source open."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            with ExitStack() as opened:
                opened.push(self.source)
                for frame in self.source:
                    with self._changed:
                        self.dropped += self._slot is not None
                        self._slot = frame
                        self._changed.notify()
                    if self._finished:
                        break
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._slot is not None or self._finished, timeout=TICK_S)
                frame, self._slot = self._slot, None
                finished = self._finished
            if self.stopped():
                return
            if frame is not None:
                yield frame
            elif finished:
                if self._error is not None:
                    raise self._error
                return
            else:
                self.idle()
