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
from realtime.drawing.words import Words
from realtime.values import Reading


@dataclass(frozen=True)
class PagePicture:
    """What the loop gives the viewers for one frame.

    Attributes:
        number: counts up by one a picture.
        image: (h, w, 3) BGR uint8, or None before the first.
        readings: of the faces in it.
        line: what a readings file would have of it.
        status: what the page shows beside it.
    """

    number: int
    image: np.ndarray | None
    readings: list[Reading]
    line: dict[str, Any]
    status: dict[str, Any]


def as_jpeg(picture: PagePicture, quality: int, words: Words) -> bytes:
    """The annotated picture."""
    if picture.image is None:
        return b""
    return cv2.imencode(".jpg", annotate(picture.image, picture.readings, words=words), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


class Hub:
    """One slot: the loop's thread overwrites it and never waits, the server's event loop reads it."""

    def __init__(self, quality: int, words: Words, places: int):
        """`quality` of the JPEGs, 1 to 100; `words` on them; `places` for viewers."""
        self.quality, self.words, self.places, self.newest = quality, words, places, PagePicture(0, None, [], {}, {})
        self.watching = 0
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        self._jpeg: tuple[int, asyncio.Task[bytes]] | None = None
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

    async def jpeg(self, picture: PagePicture) -> bytes:
        """The picture as a JPEG, encoded once for all who ask, in a thread of its own."""
        if self._jpeg is None or self._jpeg[0] != picture.number:
            self._jpeg = picture.number, asyncio.ensure_future(asyncio.to_thread(as_jpeg, picture, self.quality, self.words))
        # If one viewer leaves, the others still get the picture.
        return await asyncio.shield(self._jpeg[1])
