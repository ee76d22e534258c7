"""Looks for faces in the whole picture, now and then: tracking needs it only for who is new.

Large faces are looked for often, in a small copy of the picture (a few milliseconds); small ones seldom, in a large copy (tens of
milliseconds). `Finder` does it in step with the frames, so that a file gives the same readings every time; `BackgroundFinder` in a thread
of its own, so that no camera's frame waits.
"""

import math
import threading
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from realtime.base.geometry import scaled
from realtime.config import Effort, FinderSettings
from realtime.values import Box


@dataclass(frozen=True)
class Found:
    """Where faces were in the frame of time `t` (seconds)."""

    boxes: tuple[Box, ...]
    t: float


FAR_PATIENCE = 5
"""How many times longer a search for small faces may take; it costs six times as much."""


class Search(Protocol):
    """Finds faces of 80 px and more in a picture (h, w) reduced or enlarged to `short_side` px: `realtime.faces.detector.Detector`."""

    def find(self, gray: np.ndarray, short_side: float) -> list[Box]: ...


class Schedule:
    """Says when to search, and at which size.

    Without a face to follow every search comes twice as often as with one: somebody is expected. With one, a far search stands for the
    near one, because it sees large faces too, though later.
    """

    def __init__(self, settings: FinderSettings):
        self.settings = settings
        self.restart()

    @property
    def far_side(self) -> float:
        """Short side in px of the picture in which small faces are searched."""
        return self.settings.smallest_px / self.settings.min_face

    def restart(self) -> None:
        """As at the start: all is due."""
        self._near_t = self._far_t = -math.inf

    def due(self, t: float, calm: bool, effort: Effort) -> list[float]:
        """The short sides in px at which to search the frame of time `t`; `calm` says that faces are being followed.

        A clock that goes back makes everything due.
        """
        if t < max(self._near_t, self._far_t):
            self.restart()
        slower = 2.0 if calm else 1.0
        # Times of frames are not exact: 0.6 - 0.4 is less than 0.2.
        far = t - self._far_t >= effort.far_s * slower - 1e-6 and self.far_side > effort.near_side
        near = t - self._near_t >= effort.near_s * slower - 1e-6
        if far:
            self._far_t = t
        if near or far:
            self._near_t = t
        return [side for side, wanted in ((effort.near_side, near and not (far and calm)), (self.far_side, far)) if wanted]


def boxes_in(search: Search, gray: np.ndarray, small: np.ndarray | None, side: float) -> tuple[Box, ...]:
    """The faces of a frame (h, w) that is searched with a short side of `side` px, in px of the frame.

    `small` is the same picture in a smaller size, where the camera gives one. It is taken if it is large enough: less is to be reduced.
    """
    if small is None or min(small.shape) < side:
        return tuple(search.find(gray, side))
    return tuple(scaled(box, gray.shape[0] / small.shape[0]) for box in search.find(small, side))


class Finder:
    """Searches in step: what is due for a frame is done before it goes on."""

    def __init__(self, search: Search, settings: FinderSettings):
        self.search, self.schedule = search, Schedule(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def restart(self) -> None:
        """After a shot cut: search at once."""
        self.schedule.restart()

    def update(self, gray: np.ndarray, t: float, calm: bool, effort: Effort, small: np.ndarray | None = None) -> list[Found]:
        """Takes a gray frame (h, w) uint8 and gives what has been found since the last call; `small`: see `boxes_in`."""
        return [Found(boxes_in(self.search, gray, small, side), t) for side in self.schedule.due(t, calm, effort)]


class BackgroundFinder:
    """Searches in a thread: `update` hands over a frame when a search is due and gives what is ready.

    What the search raises, the next `update` raises.
    """

    def __init__(self, search: Search, settings: FinderSettings, patience_s: float = math.inf):
        """`update` waits for a search that was begun more than `patience_s` of the frames' time ago.

        A camera's frames never wait. A film that is played faster than it was taken would leave all searches behind. For small faces,
        whose search takes so much longer, it waits later: beside one that is followed only when the next such search would be due.
        """
        self.patience_s = patience_s
        self.search, self.schedule = search, Schedule(settings)
        self._changed = threading.Condition()
        self._asked: tuple[np.ndarray, np.ndarray | None, float, list[float]] | None = None
        self._asked_t = -math.inf
        self._shot = 0
        self._found: list[Found] = []
        self._error: Exception | None = None
        self._ended = False
        self._busy = self._far = False
        self._thread = threading.Thread(target=self._run, name="finder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(timeout=2.0)

    def restart(self) -> None:
        """After a shot cut: what was found before it is of no use, and a search is due."""
        self.schedule.restart()
        with self._changed:
            self._found, self._asked = [], None
            self._shot += 1

    def update(self, gray: np.ndarray, t: float, calm: bool, effort: Effort, small: np.ndarray | None = None) -> list[Found]:
        """Takes a gray frame (h, w) uint8 and gives what has been found since the last call; `small`: see `boxes_in`.

        Neither picture may be written to later.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._may_go_on(t - self._asked_t, calm, effort) or self._error is not None)
            if self._error is not None:
                raise self._error
            if not self._busy and self._asked is None:
                sides = self.schedule.due(t, calm, effort)
                if sides:
                    self._asked, self._asked_t = (gray, small, t, sides), t
                    self._changed.notify()
            found, self._found = self._found, []
        return found

    def _may_go_on(self, age_s: float, calm: bool, effort: Effort) -> bool:
        """Whether frames may go on while the search that was begun `age_s` ago is not done."""
        idle = not self._busy and self._asked is None
        far_patience_s = effort.far_s if calm else FAR_PATIENCE * self.patience_s
        return idle or age_s <= (far_patience_s if self._far else self.patience_s)

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._asked is not None or self._ended)
                    if self._ended or self._asked is None:
                        return
                    gray, small, t, sides = self._asked
                    shot, self._asked, self._busy = self._shot, None, True
                for side in sides:
                    with self._changed:
                        self._far = side == self.schedule.far_side
                        self._changed.notify()
                    boxes = boxes_in(self.search, gray, small, side)
                    with self._changed:
                        if shot == self._shot:
                            self._found.append(Found(boxes, t))
                with self._changed:
                    self._busy = self._far = False
                    self._changed.notify()
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify()
