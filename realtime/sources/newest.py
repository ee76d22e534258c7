"""Reads a live source in a thread and keeps only its newest frame."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

from realtime.sources.source import TICK_S, Source, _Wrapper
from realtime.values import Frame


class NewestFrame(_Wrapper):
    """Reads a live source in a thread and hands out only its newest frame: what comes too fast is dropped and counted.

    One slot under a condition: the reader overwrites, the loop takes. What the reader raises, the loop raises. The thread also
    closes the source: a camera that hangs in its driver must not be released under its reader.
    """

    def __init__(self, source: Source, stopped: Callable[[], bool], idle: Callable[[], None] = lambda: None):
        """`stopped()` ends the frames; `idle()` is called every `TICK_S` while none comes."""
        super().__init__(source)
        self.stopped, self.idle = stopped, idle
        self.dropped = 0
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._ended = False
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
        """Ends the reading without waiting for it: the thread closes the source after the frame that it waits for."""
        self._ended = True

    @property
    def reading(self) -> bool:
        """Whether the thread still holds the source."""
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
                    if self._ended:
                        break
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._slot is not None or self._ended, timeout=TICK_S)
                frame, self._slot = self._slot, None
                ended = self._ended
            if self.stopped():
                return
            if frame is not None:
                yield frame
            elif ended:
                if self._error is not None:
                    raise self._error
                return
            else:
                self.idle()
