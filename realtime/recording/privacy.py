"""Covers faces in pictures, so that neither a person nor a face detector finds them."""

from collections import deque
from dataclasses import dataclass, replace
from itertools import count

import cv2
import numpy as np

from realtime.base.geometry import box_distance, width
from realtime.config import PrivacySettings
from realtime.faces.finder import FaceSearch
from realtime.values import Box, Reading

ROUNDS = 3
"""How often a picture is searched and covered again. From the second round on a single colour covers a face: no search finds one in it."""
SAME = 0.5
"""Two boxes whose centres are less than this share of a width apart cover the same face."""


@dataclass(frozen=True)
class RecordedFrame:
    """One frame of a recording: (h, w, 3) BGR uint8, its readings, its time in seconds since the recording began, and for how many seconds
    it is shown, if its source says so."""

    image: np.ndarray
    readings: list[Reading]
    t: float
    duration: float | None = None


@dataclass(frozen=True)
class _Place:
    """A place to cover; `id` is that of its track, None for a face that only the search found."""

    box: Box
    id: int | None

    def is_of_one_of(self, others: "tuple[_Place, ...]") -> bool:
        """Whether this face is among `others`."""
        return any((self.id is not None and self.id == other.id) or box_distance(self.box, other.box) <= SAME for other in others)


@dataclass(frozen=True)
class _WaitingFrame:
    """A frame that waits, its own places covered already."""

    frame: RecordedFrame
    places: tuple[_Place, ...]


class FaceBlur:
    """Covers the face of every track, and every other face that a search of the covered picture still finds.

    A place stays covered for a while after its face was lost, and is covered for a while before it was found. For that frames are
    returned later than they are taken.
    """

    def __init__(self, search: FaceSearch, settings: PrivacySettings, live: bool):
        self.search, self.settings = search, settings
        self._near_s = settings.near_live_s if live else settings.near_s
        self._far_s = settings.far_live_s if live else settings.far_s
        self._near_t = self._far_t = -np.inf
        self._waiting: deque[_WaitingFrame] = deque()
        self._recent: deque[tuple[float, tuple[_Place, ...]]] = deque()

    def update(self, frame: RecordedFrame) -> list[RecordedFrame]:
        """Takes a frame and returns those that have waited long enough, covered."""
        image = frame.image.copy()
        places = tuple(_Place(wider(reading.face.box, self.settings.wider), reading.face.id) for reading in frame.readings)
        for place in places:
            cover(image, place.box, self.settings.cells)
        sides = self._due_sides(frame.t, min(image.shape[:2]))
        for n in count() if sides else ():
            gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            uncovered = tuple(_Place(wider(box, self.settings.wider), None) for side in sides for box in self.search.find(gray, side))
            if not uncovered or n == ROUNDS:
                break
            for place in uncovered:
                cover(image, place.box, self.settings.cells if n == 0 else 1)
            places += uncovered
        self._waiting.append(_WaitingFrame(replace(frame, image=image), places))
        self._recent.append((frame.t, places))
        return self._ready(frame.t - self.settings.ahead_s)

    def rest(self) -> list[RecordedFrame]:
        """The frames that still wait."""
        return self._ready(np.inf)

    def _due_sides(self, t: float, short_side: int) -> list[float]:
        """The short sides at which the picture of time `t` is to be searched."""
        near, far = t - self._near_t >= self._near_s, t - self._far_t >= self._far_s
        self._near_t, self._far_t = (t if near else self._near_t), (t if far else self._far_t)
        return [side for side, due in ((short_side, near), (2 * short_side, far)) if due]

    def _ready(self, until: float) -> list[RecordedFrame]:
        """The frames up to time `until`, covered also where a face is shortly before or after."""
        ready = []
        while self._waiting and self._waiting[0].frame.t <= until:
            waiting = self._waiting.popleft()
            t = waiting.frame.t
            while self._recent and self._recent[0][0] < t - self.settings.hold_s:
                self._recent.popleft()
            for places_t, places in self._recent:
                for place in places if places_t <= t + self.settings.ahead_s else ():
                    # A face that is found in this picture is covered where it is, not along its way.
                    if not place.is_of_one_of(waiting.places):
                        cover(waiting.frame.image, place.box, self.settings.cells)
            ready.append(waiting.frame)
        return ready


def wider(box: Box, factor: float) -> Box:
    """The box `factor` times as large around its middle."""
    more = (factor - 1) / 2 * width(box)
    return Box(box.x0 - more, box.y0 - more, box.x1 + more, box.y1 + more)


def cover(image: np.ndarray, place: Box, cells: int) -> None:
    """Replaces a place in (h, w, 3) BGR uint8 by the mean colours of `cells` by `cells` cells, blended into each other; in place."""
    height, wide = image.shape[:2]
    x0, y0 = max(0, int(place.x0)), max(0, int(place.y0))
    x1, y1 = min(wide, int(place.x1) + 1), min(height, int(place.y1) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    part = image[y0:y1, x0:x1]
    few = cv2.resize(part, (min(cells, x1 - x0), min(cells, y1 - y0)), interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(few, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
