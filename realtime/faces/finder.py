"""Schedules the search for faces in the whole picture, between the detector and the tracker, which needs it only for new faces.

Large faces are searched often, in a small copy of the picture (a few milliseconds); small faces seldom, in a large copy (tens of
milliseconds). `Finder` searches in step with the frames, so that a file always gives the same readings. `BackgroundFinder` searches in a
thread of its own, so that no frame of a camera waits.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import cv2
import numpy as np

from realtime.base.geometry import move_box, scale_box
from realtime.config import Effort, FinderSettings
from realtime.faces.changes import SearchMemory
from realtime.faces.detector import Candidate
from realtime.values import Box


@dataclass(frozen=True)
class Detections:
    """The places that a search found in the frame of time `t` in seconds. They may be faces: which of them are is decided by the tracker.

    Attributes:
        boxes: one a place, in px of the frame.
        t: seconds.
        points: (5, 2) of each, where the search has found them and is sure of its faces; None: both is left to the tracker.
        scores: the detector's score of each.
        degrees: how far the faces lean clockwise; the boxes are upright, around the same middles.
    """

    boxes: tuple[Box, ...]
    t: float
    points: tuple[np.ndarray, ...] | None = None
    scores: tuple[float, ...] = ()
    degrees: float = 0.0


class Look(NamedTuple):
    """One search of a frame: in a size with a short side of `side` px, turned so that faces that lean by `degrees` are upright."""

    side: float
    degrees: float = 0.0


FAR_PATIENCE = 5
"""How many times as long a frame waits for a search for small faces; such a search costs six times as much."""


class FaceSearch(Protocol):
    """Finds faces of 80 px and more in a picture (h, w) that is scaled to a short side of `short_side` px, such as
    `realtime.faces.detector.Detector`.
    """

    def find(self, gray: np.ndarray, short_side: float) -> list[Box]: ...


class CandidateSearch(FaceSearch, Protocol):
    """Finds also places that may be faces, those with a score above a threshold, such as `realtime.faces.detector.Detector`."""

    def candidates(self, gray: np.ndarray, short_side: float, threshold: float) -> list[Candidate]: ...


class SearchSchedule:
    """Decides for each frame whether to search it, and how. "Near" is the search for large faces, "far" that for small ones.

    While no face is tracked, searches are twice as frequent, because a new face is to be found soon. While faces are tracked, a far search
    replaces the near search of the same frame: it finds large faces too, only later. Leaning faces are looked for to the left and to the
    right in turn, and seldom while faces are tracked; where that is possible in frames without another search, so that none waits for two.
    """

    def __init__(self, settings: FinderSettings):
        self.settings = settings
        self._lean = -settings.lean
        self.restart()

    @property
    def far_side(self) -> float:
        """Short side in px of the picture in which small faces are searched."""
        return self.settings.smallest_px / self.settings.min_face

    def restart(self) -> None:
        """Makes all searches due, as at the start."""
        self._near_t = self._far_t = self._tilted_t = -math.inf
        self._searched = True

    def due(self, t: float, tracking: bool, effort: Effort) -> list[Look]:
        """The searches of the frame of time `t` in seconds; `tracking` is whether faces are tracked.

        If the time goes back, all searches are due.
        """
        if t < max(self._near_t, self._far_t):
            self.restart()
        slower = 2.0 if tracking else 1.0
        # The tolerance is for rounding: 0.6 - 0.4 is less than 0.2.
        far = t - self._far_t >= effort.far_s * slower - 1e-6 and self.far_side > effort.near_side
        near = t - self._near_t >= effort.near_s * slower - 1e-6
        if far:
            self._far_t = t
        if near or far:
            self._near_t = t
        tilted = self._is_tilted_due(t, near or far, effort.tilted_s * (self.settings.tilted_seldom if tracking else 1.0))
        looks = [
            (Look(effort.near_side), near and not (far and tracking)),
            (Look(effort.near_side, self._lean), tilted),
            (Look(self.far_side), far),
        ]
        return [look for look, is_due in looks if is_due]

    def _is_tilted_due(self, t: float, searches: bool, every_s: float) -> bool:
        """Whether leaning faces are looked for now, which is noted; `searches` is whether the frame is searched otherwise.

        A frame with another search leaves it to the next one, unless the frame before was searched too: then all frames may be.
        """
        due = t - self._tilted_t > every_s - 1e-6 and (self._searched or not searches)
        if due:
            self._tilted_t, self._lean = t, -self._lean
        self._searched = searches
        return due


@dataclass(frozen=True)
class Request:
    """One frame to search.

    Attributes:
        gray: (h, w) uint8.
        small: a smaller copy of it, if the camera gives one. It is used if it is large enough, because scaling it costs less.
        t: its time in seconds.
        tracked: the boxes of the tracked faces, in px of the frame.
        shot: number of its shot; what was searched in another shot does not count.
    """

    gray: np.ndarray
    small: np.ndarray | None
    t: float
    tracked: tuple[Box, ...]
    shot: int


class ChangedSearch:
    """Searches frames where they have changed since the last look of the same kind. One `update` a look."""

    def __init__(self, search: CandidateSearch, settings: FinderSettings):
        self.search, self.settings = search, settings
        self._shot = 0
        self._memories: dict[Look, SearchMemory] = {}

    def update(self, request: Request, look: Look) -> Detections:
        """What one look finds, in px of the frame."""
        if request.shot != self._shot:
            self._shot, self._memories = request.shot, {}
        picture = request.gray if request.small is None or min(request.small.shape) < look.side else request.small
        factor = request.gray.shape[0] / picture.shape[0]
        memory = self._memories.setdefault(look, SearchMemory(self.settings.changes))
        part = memory.update(picture, tuple(scale_box(box, 1 / factor) for box in request.tracked))
        found: list[Candidate] = []
        if part is not None and look.degrees:
            found = _places_in_turned(self.search, picture, look, self.settings.threshold)
        elif part is not None:
            found = _places_in_part(self.search, picture, part, look, self.settings.threshold)
        boxes = tuple(scale_box(one.box, factor) for one in found)
        return Detections(boxes, request.t, None, tuple(one.score for one in found), look.degrees)


def _places_in_part(search: CandidateSearch, picture: np.ndarray, part: Box, look: Look, threshold: float) -> list[Candidate]:
    """The candidates in a part of the picture, in px of the picture; the part is scaled as the whole would be."""
    cut = picture[int(part.y0) : int(part.y1), int(part.x0) : int(part.x1)]
    side = look.side * min(cut.shape) / min(picture.shape)
    return [Candidate(move_box(box, part.x0, part.y0), score) for box, score in search.candidates(cut, side, threshold)]


def _places_in_turned(search: CandidateSearch, picture: np.ndarray, look: Look, threshold: float) -> list[Candidate]:
    """Leaning faces, in px of the picture: it is searched turned about its middle, and loses its corners by that."""
    factor = min(look.side / min(picture.shape), 1.0)
    size_wh = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
    small = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA) if factor < 1 else picture
    turn = cv2.getRotationMatrix2D((size_wh[0] / 2, size_wh[1] / 2), look.degrees, 1.0)
    back = cv2.invertAffineTransform(turn)
    found = search.candidates(cv2.warpAffine(small, turn, size_wh), look.side, threshold)
    return [Candidate(scale_box(_around(back, box), 1 / factor), score) for box, score in found]


def _around(matrix: np.ndarray, box: Box) -> Box:
    """The box moved so that its middle is where a transform (2, 3) brings it."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    new_x, new_y = (float(value) for value in matrix @ [x, y, 1.0])
    return move_box(box, new_x - x, new_y - y)


class Finder:
    """Searches in step with the frames: a frame waits for its searches."""

    def __init__(self, search: CandidateSearch, settings: FinderSettings):
        self.search, self.schedule = search, SearchSchedule(settings)
        self._changed_search = ChangedSearch(search, settings)
        self._shot = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def restart(self) -> None:
        """Makes all searches due, as after a shot cut."""
        self.schedule.restart()
        self._shot += 1

    def update(
        self, gray: np.ndarray, t: float, tracked: Sequence[Box], effort: Effort, small: np.ndarray | None = None
    ) -> list[Detections]:
        """Takes a gray frame (h, w) uint8 of time `t` and returns the detections since the last call.

        `tracked` are the boxes of the faces that are tracked; `small`: see `Request`.
        """
        request = Request(gray, small, t, tuple(tracked), self._shot)
        return [self._changed_search.update(request, look) for look in self.schedule.due(t, bool(tracked), effort)]


class BackgroundFinder:
    """Searches in a thread: `update` passes a frame to it when a search is due, and returns the finished detections.

    An error in the thread is raised by the next `update`.
    """

    def __init__(self, search: CandidateSearch, settings: FinderSettings, patience_s: float = math.inf):
        """`update` waits for a search that was started more than `patience_s` ago, in seconds of the frames' times.

        For cameras it is infinite: their frames never wait. Films that are played faster than in real time need a limit, or searches would
        finish long after their frames. For a search for small faces, which takes longer, `update` waits later: after `FAR_PATIENCE` times
        `patience_s`, and while faces are tracked only when the next such search would be due.
        """
        self.patience_s = patience_s
        self.search, self.schedule = search, SearchSchedule(settings)
        self._changed_search = ChangedSearch(search, settings)
        self._changed = threading.Condition()
        self._request: tuple[Request, list[Look]] | None = None
        self._request_t = -math.inf
        self._shot_number = 0
        self._results: list[Detections] = []
        self._error: Exception | None = None
        self._stopping = False
        self._searching = self._searching_far = False
        self._thread = threading.Thread(target=self._run, name="finder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout=2.0)

    def restart(self) -> None:
        """Drops all detections and makes all searches due, as after a shot cut."""
        self.schedule.restart()
        with self._changed:
            self._results, self._request = [], None
            self._shot_number += 1

    def update(
        self, gray: np.ndarray, t: float, tracked: Sequence[Box], effort: Effort, small: np.ndarray | None = None
    ) -> list[Detections]:
        """As `Finder.update`, but the detections are those of earlier frames.

        The thread reads both pictures later: they must not be changed.
        """
        tracking = bool(tracked)
        with self._changed:
            self._changed.wait_for(lambda: self._may_go_on(t - self._request_t, tracking, effort) or self._error is not None)
            if self._error is not None:
                raise self._error
            if not self._searching and self._request is None:
                looks = self.schedule.due(t, tracking, effort)
                if looks:
                    self._request, self._request_t = (Request(gray, small, t, tuple(tracked), self._shot_number), looks), t
                    self._changed.notify()
            results, self._results = self._results, []
        return results

    def _may_go_on(self, age_s: float, tracking: bool, effort: Effort) -> bool:
        """Whether the next frame may go on although the search that was started `age_s` ago is not finished."""
        idle = not self._searching and self._request is None
        far_patience_s = effort.far_s if tracking else FAR_PATIENCE * self.patience_s
        return idle or age_s <= (far_patience_s if self._searching_far else self.patience_s)

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._request is not None or self._stopping)
                    if self._stopping or self._request is None:
                        return
                    request, looks = self._request
                    self._request, self._searching = None, True
                for look in looks:
                    with self._changed:
                        self._searching_far = look.side == self.schedule.far_side
                        self._changed.notify()
                    places = self._changed_search.update(request, look)
                    with self._changed:
                        if request.shot == self._shot_number:
                            self._results.append(places)
                with self._changed:
                    self._searching = self._searching_far = False
                    self._changed.notify()
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify()
