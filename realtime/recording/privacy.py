"""Covers faces in pictures, so that neither a person nor a face detector finds them."""

from collections import deque
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

import cv2
import numpy as np

from realtime.base.geometry import box_distance, width
from realtime.config import PrivacySettings
from realtime.values import Box, Reading

ROUNDS = 3
"""How often a picture is searched and covered again: a face that shows through is covered by one colour, and under that is none."""
SAME = 0.5
"""Two boxes whose centres are less than this share of a width apart cover the same face."""


@dataclass(frozen=True)
class Shot:
    """One picture of a recording: (h, w, 3) BGR uint8, its readings, and its time in seconds since the recording began."""

    image: np.ndarray
    readings: list[Reading]
    t: float


class Search(Protocol):
    """`realtime.faces.detector.Detector`."""

    def find(self, gray: np.ndarray, short_side: float) -> list[Box]: ...


@dataclass(frozen=True)
class _Place:
    """A place to cover; `id` is that of the face that is followed there, None for one that a search found."""

    box: Box
    id: int | None

    def is_of_one_of(self, others: "tuple[_Place, ...]") -> bool:
        """Whether this face is among others that are covered where they are now."""
        return any((self.id is not None and self.id == other.id) or box_distance(self.box, other.box) <= SAME for other in others)


@dataclass(frozen=True)
class _Held:
    """A shot that waits, its places covered already."""

    shot: Shot
    places: tuple[_Place, ...]


class FaceBlur:
    """Covers every face that is followed, and every other one that a search of the covered picture still finds.

    A place stays covered for a while after its face was lost, and is covered for a while before it was found: shots come out later than
    they go in.
    """

    def __init__(self, search: Search, settings: PrivacySettings, live: bool):
        self.search, self.settings = search, settings
        self._near_s = settings.near_live_s if live else settings.near_s
        self._far_s = settings.far_live_s if live else settings.far_s
        self._near_t = self._far_t = -np.inf
        self._waiting: deque[_Held] = deque()
        self._seen: deque[tuple[float, tuple[_Place, ...]]] = deque()

    def update(self, shot: Shot) -> list[Shot]:
        """Takes a shot and gives those whose time has come, covered."""
        image = shot.image.copy()
        places = tuple(_Place(wider(reading.face.box, self.settings.wider), reading.face.id) for reading in shot.readings)
        for place in places:
            cover(image, place.box, self.settings.cells)
        sides = self._due(shot.t, min(image.shape[:2]))
        for n in count() if sides else ():
            gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            left = tuple(_Place(wider(box, self.settings.wider), None) for side in sides for box in self.search.find(gray, side))
            if not left or n == ROUNDS:
                break
            for place in left:
                cover(image, place.box, self.settings.cells if n == 0 else 1)
            places += left
        self._waiting.append(_Held(replace(shot, image=image), places))
        self._seen.append((shot.t, places))
        return self._ready(shot.t - self.settings.ahead_s)

    def rest(self) -> list[Shot]:
        """The shots that still wait."""
        return self._ready(np.inf)

    def _due(self, t: float, short_side: int) -> list[float]:
        """The short sides at which the picture of time `t` is to be searched."""
        near, far = t - self._near_t >= self._near_s, t - self._far_t >= self._far_s
        self._near_t, self._far_t = (t if near else self._near_t), (t if far else self._far_t)
        return [side for side, wanted in ((short_side, near), (2 * short_side, far)) if wanted]

    def _ready(self, until: float) -> list[Shot]:
        ready = []
        while self._waiting and self._waiting[0].shot.t <= until:
            held = self._waiting.popleft()
            t = held.shot.t
            while self._seen and self._seen[0][0] < t - self.settings.hold_s:
                self._seen.popleft()
            for seen_t, places in self._seen:
                for place in places if seen_t <= t + self.settings.ahead_s else ():
                    # A face that is seen in this picture is covered where it is, not along its way.
                    if not place.is_of_one_of(held.places):
                        cover(held.shot.image, place.box, self.settings.cells)
            ready.append(held.shot)
        return ready


def wider(box: Box, factor: float) -> Box:
    """The box `factor` times as large around its middle."""
    more = (factor - 1) / 2 * width(box)
    return Box(box.x0 - more, box.y0 - more, box.x1 + more, box.y1 + more)


def cover(image: np.ndarray, place: Box, cells: int) -> None:
    """Leaves of a place in (h, w, 3) BGR uint8 the colours of `cells` by `cells` cells, flowing into each other; in place."""
    height, wide = image.shape[:2]
    x0, y0 = max(0, int(place.x0)), max(0, int(place.y0))
    x1, y1 = min(wide, int(place.x1) + 1), min(height, int(place.y1) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    part = image[y0:y1, x0:x1]
    few = cv2.resize(part, (min(cells, x1 - x0), min(cells, y1 - y0)), interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(few, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
