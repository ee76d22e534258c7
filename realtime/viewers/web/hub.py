"""Hands the newest picture from the loop's thread to the browsers. It is encoded once, and only while somebody looks."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from realtime.drawing.draw import annotate
from realtime.drawing.fitting import mirrored
from realtime.drawing.words import Words
from realtime.values import Reading


@dataclass(frozen=True, eq=False)
class View:
    """A frame as it is shown. Two views are the same only if they are one object.

    Attributes:
        image: (h, w, 3) BGR uint8 as the source gave it, or None before the first.
        readings: of the faces in it.
        line: what a readings file would have of it.
        mirrored: whether it is shown as in a mirror.
        labels: whether boxes and labels are drawn.
    """

    image: np.ndarray | None
    readings: list[Reading]
    line: dict[str, Any]
    mirrored: bool = False
    labels: bool = True

    def drawn(self, words: Words) -> np.ndarray | None:
        """A copy of the picture as the viewers see it; None before the first."""
        if self.image is None:
            return None
        image, readings = mirrored(self.image, self.readings) if self.mirrored else (self.image, self.readings)
        return annotate(image, readings if self.labels else [], words=words)


@dataclass(frozen=True)
class PagePicture:
    """What the loop gives the viewers for one frame.

    Attributes:
        number: counts up by one a picture.
        shown: what the page shows, which stands still during a pause.
        newest: the newest frame, with its labels.
        status: what the page shows beside it.
    """

    number: int
    shown: View
    newest: View
    status: dict[str, Any]


NOTHING = View(None, [], {})
"""Before the first frame."""


def as_jpeg(view: View, quality: int, words: Words) -> bytes:
    """The picture as the viewers see it; nothing before the first."""
    picture = view.drawn(words)
    return b"" if picture is None else cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


class Hub:
    """One slot: the loop's thread overwrites it and never waits, the server's event loop reads it."""

    def __init__(self, quality: int, words: Words, places: int):
        """`quality` of the JPEGs, 1 to 100; `words` on them; `places` for viewers."""
        self.quality, self.words, self.places, self.newest = quality, words, places, PagePicture(0, NOTHING, NOTHING, {})
        self.watching = 0
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        # Those encoded last: during a pause, what is shown and the newest differ.
        self._jpegs: list[tuple[View, asyncio.Task[bytes]]] = []
        self._lock = threading.Lock()

    def put(self, make: Callable[[int], PagePicture]) -> None:
        """Takes the newest picture from the loop's thread; `make` gets its number. Wakes the viewers, if there are any."""
        self.newest = make(self.newest.number + 1)
        with self._lock:
            if self._event_loop is not None and self.watching:
                self._event_loop.call_soon_threadsafe(self._wake)

    def open(self) -> None:
        """Called in the server's event loop before the first viewer."""
        self._changed = asyncio.Event()
        with self._lock:
            self._event_loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Wakes no viewer any more; from any thread."""
        with self._lock:
            self._event_loop = None

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = asyncio.Event()

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A viewer's place while the `with` block runs; False if all are taken. It is counted before the viewer waits for anything."""
        free = self.watching < self.places
        self.watching += free
        try:
            yield free
        finally:
            self.watching -= free

    async def after(self, number: int, patience_s: float) -> PagePicture:
        """The newest picture, once there is a newer one than `number`; after `patience_s` the newest that there is."""
        if self.newest.number <= number and self._changed is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), patience_s)
        return self.newest

    async def jpeg(self, view: View) -> bytes:
        """The picture as a JPEG, encoded once for all who ask, in a thread of its own."""
        task = next((task for known, task in self._jpegs if known is view), None)
        if task is None:
            task = asyncio.ensure_future(asyncio.to_thread(as_jpeg, view, self.quality, self.words))
            self._jpegs = [*self._jpegs[-1:], (view, task)]
        # If one viewer leaves, the others still get the picture.
        return await asyncio.shield(task)
