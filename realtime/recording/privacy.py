"""Covers faces in pictures, so that neither a person nor a face detector finds them."""

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import count
from typing import NamedTuple

import cv2
import numpy as np

from realtime.base.geometry import box_distance, wider, without_repeats
from realtime.base.messages import counted
from realtime.config import PrivacySettings
from realtime.faces.cover_search import CoverSearch
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

    def is_of(self, other: "_Place") -> bool:
        """Whether both are places of one face."""
        return (self.id is not None and self.id == other.id) or box_distance(self.box, other.box) <= SAME


@dataclass(frozen=True)
class _WaitingFrame:
    """A frame that waits, its own places covered already; `doubt` is whether a search still finds one."""

    frame: RecordedFrame
    places: tuple[_Place, ...]
    doubt: bool


class Looks(NamedTuple):
    """Which searches of a picture are due: at its own size, at twice its size, and for faces of any direction."""

    near: bool
    far: bool
    all: bool


@dataclass
class Coverage:
    """What was covered so far.

    Attributes:
        frames: how many frames were looked at.
        covered: in how many of them something was covered.
        most: the most places in one of them.
        doubtful: the times in s of frames in which a search still found a place after the last round.
    """

    frames: int = 0
    covered: int = 0
    most: int = 0
    doubtful: list[float] = field(default_factory=list)

    def note(self, t: float, places: int, doubt: bool) -> None:
        """Takes a frame of time `t` in s with so many covered places."""
        self.frames, self.covered, self.most = self.frames + 1, self.covered + (places > 0), max(self.most, places)
        if doubt:
            self.doubtful.append(t)

    def __str__(self) -> str:
        if not self.covered:
            return f"no face was found to cover in {counted(self.frames, 'frame')}: look at the film before you show it"
        told = f"covered places in {self.covered} of {counted(self.frames, 'frame')}, {self.most} at most in one"
        if not self.doubtful:
            return f"{told}; a search of every covered picture found no face any more"
        return f"{told}; {counted(len(self.doubtful), 'frame')} may still show a face, the first at {self.doubtful[0]:.1f} s: look at them"


class FaceBlur:
    """Covers the face of every track, and every other face that a search of the covered picture still finds.

    A place stays covered for a while after its face was lost, and is covered for a while before it was found. For that frames are
    returned later than they are taken.

    Attributes:
        coverage: what was covered so far.
    """

    def __init__(self, search: CoverSearch, settings: PrivacySettings, live: bool):
        self.search, self.settings, self.coverage = search, settings, Coverage()
        self._pauses = (
            (settings.near_live_s, settings.far_live_s, settings.all_live_s) if live else (settings.near_s, settings.far_s, settings.all_s)
        )
        self._last = [-np.inf] * 3
        self._waiting: deque[_WaitingFrame] = deque()
        self._recent: deque[tuple[float, tuple[_Place, ...]]] = deque()

    def update(self, frame: RecordedFrame) -> list[RecordedFrame]:
        """Takes a frame and returns those that have waited long enough, covered."""
        image = frame.image.copy()
        places = tuple(_Place(wider(reading.face.box, self.settings.wider), reading.face.id) for reading in frame.readings)
        for place in places:
            cover(image, place.box, self.settings.cells)
        places, doubt = self._cover_found(image, places, self._due(frame.t))
        self._waiting.append(_WaitingFrame(replace(frame, image=image), places, doubt))
        self._recent.append((frame.t, places))
        return self._ready(frame.t - self.settings.ahead_s)

    def _cover_found(self, image: np.ndarray, places: tuple[_Place, ...], due: Looks) -> tuple[tuple[_Place, ...], bool]:
        """Covers in an image what searches of it find, until they find nothing more. Gives all places, and whether a doubt is left."""
        for n in count() if any(due) else ():
            found = tuple(_Place(wider(box, self.settings.wider), None) for box in self._find(image, due))
            if not found or n == ROUNDS:
                return places, bool(found)
            for place in found:
                cover(image, place.box, self.settings.cells if n == 0 else 1)
            places += found
        return places, False

    def _find(self, image: np.ndarray, due: Looks) -> list[Box]:
        gray, side = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), min(image.shape[:2])
        near = self.search.upright(gray, side) if due.near else []
        far = self.search.upright(gray, 2 * side) if due.far else []
        return [*near, *far, *(self.search.all(gray) if due.all else [])]

    def rest(self) -> list[RecordedFrame]:
        """The frames that still wait."""
        return self._ready(np.inf)

    def _due(self, t: float) -> Looks:
        """The searches that are due in the picture of time `t`."""
        due = Looks(*(t - last >= pause for last, pause in zip(self._last, self._pauses, strict=True)))
        self._last = [t if is_due else last for last, is_due in zip(self._last, due, strict=True)]
        return due

    def _ready(self, until: float) -> list[RecordedFrame]:
        """The frames up to time `until`, covered also where a face is shortly before or after."""
        ready = []
        while self._waiting and self._waiting[0].frame.t <= until:
            waiting = self._waiting.popleft()
            t = waiting.frame.t
            while self._recent and self._recent[0][0] < t - self.settings.hold_s:
                self._recent.popleft()
            near = [place for places_t, places in self._recent if places_t <= t + self.settings.ahead_s for place in places]
            # A face that is found in this picture is covered where it is, not along its way.
            others = [place for place in near if not any(place.is_of(own) for own in waiting.places)]
            for place in others:
                cover(waiting.frame.image, place.box, self.settings.cells)
            self.coverage.note(t, len(without_repeats([*waiting.places, *others], _Place.is_of)), waiting.doubt)
            ready.append(waiting.frame)
        return ready


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
