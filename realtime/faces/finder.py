"""Schedules the search for faces in the whole picture, between the detector and the tracker, which needs it only for new faces.

Large faces are searched often, in a small copy of the picture (a few milliseconds); small faces seldom, in a large copy (tens of
milliseconds). `Finder` searches in step with the frames, so that a file always gives the same readings. `BackgroundFinder` searches in a
thread of its own, so that no frame of a camera waits.
"""

import math
import threading
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from realtime.base.geometry import scale_box
from realtime.config import Effort, FinderSettings
from realtime.values import Box


@dataclass(frozen=True)
class Detections:
    """The faces that a search found in the frame of time `t` in seconds.

    Attributes:
        boxes: one a face.
        t: seconds.
        points: (5, 2) of each face, where the search has found them and is sure of its faces; None: both is left to the tracker.
    """

    boxes: tuple[Box, ...]
    t: float
    points: tuple[np.ndarray, ...] | None = None


FAR_PATIENCE = 5
"""How many times as long a frame waits for a search for small faces; such a search costs six times as much."""


class FaceSearch(Protocol):
    """Finds faces of 80 px and more in a picture (h, w) that is scaled to a short side of `short_side` px, such as
    `realtime.faces.detector.Detector`.
    """

    def find(self, gray: np.ndarray, short_side: float) -> list[Box]: ...


class SearchSchedule:
    """Decides for each frame whether to search it, and in which sizes. "Near" is the search for large faces, "far" that for small ones.

    While no face is tracked, searches are twice as frequent, because a new face is to be found soon. While faces are tracked, a far search
    replaces the near search of the same frame: it finds large faces too, only later.
    """

    def __init__(self, settings: FinderSettings):
        self.settings = settings
        self.restart()

    @property
    def far_side(self) -> float:
        """Short side in px of the picture in which small faces are searched."""
        return self.settings.smallest_px / self.settings.min_face

    def restart(self) -> None:
        """Makes all searches due, as at the start."""
        self._near_t = self._far_t = -math.inf

    def due(self, t: float, tracking: bool, effort: Effort) -> list[float]:
        """The short sides in px in which to search the frame of time `t` in seconds; `tracking` is whether faces are tracked.

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
        return [side for side, is_due in ((effort.near_side, near and not (far and tracking)), (self.far_side, far)) if is_due]


def boxes_in(search: FaceSearch, gray: np.ndarray, small: np.ndarray | None, side: float) -> tuple[Box, ...]:
    """The faces of a gray frame (h, w), in px of the frame; it is searched in a size with a short side of `side` px.

    `small` is a smaller copy of the frame, if the camera gives one. It is used if it is large enough, because scaling it costs less.
    """
    if small is None or min(small.shape) < side:
        return tuple(search.find(gray, side))
    return tuple(scale_box(box, gray.shape[0] / small.shape[0]) for box in search.find(small, side))


class Finder:
    """Searches in step with the frames: a frame waits for its searches."""

    def __init__(self, search: FaceSearch, settings: FinderSettings):
        self.search, self.schedule = search, SearchSchedule(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def restart(self) -> None:
        """Makes all searches due, as after a shot cut."""
        self.schedule.restart()

    def update(self, gray: np.ndarray, t: float, tracking: bool, effort: Effort, small: np.ndarray | None = None) -> list[Detections]:
        """Takes a gray frame (h, w) uint8 of time `t` and returns the detections since the last call; `small`: see `boxes_in`."""
        return [Detections(boxes_in(self.search, gray, small, side), t) for side in self.schedule.due(t, tracking, effort)]


class BackgroundFinder:
    """Searches in a thread: `update` passes a frame to it when a search is due, and returns the finished detections.

    An error in the thread is raised by the next `update`.
    """

    def __init__(self, search: FaceSearch, settings: FinderSettings, patience_s: float = math.inf):
        """`update` waits for a search that was started more than `patience_s` ago, in seconds of the frames' times.

        For cameras it is infinite: their frames never wait. Films that are played faster than in real time need a limit, or searches would
        finish long after their frames. For a search for small faces, which takes longer, `update` waits later: after `FAR_PATIENCE` times
        `patience_s`, and while faces are tracked only when the next such search would be due.
        """
        self.patience_s = patience_s
        self.search, self.schedule = search, SearchSchedule(settings)
        self._changed = threading.Condition()
        self._request: tuple[np.ndarray, np.ndarray | None, float, list[float]] | None = None
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

    def update(self, gray: np.ndarray, t: float, tracking: bool, effort: Effort, small: np.ndarray | None = None) -> list[Detections]:
        """Takes a gray frame (h, w) uint8 of time `t` and returns the detections since the last call; `small`: see `boxes_in`.

        The thread reads both pictures later: they must not be changed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._may_go_on(t - self._request_t, tracking, effort) or self._error is not None)
            if self._error is not None:
                raise self._error
            if not self._searching and self._request is None:
                sides = self.schedule.due(t, tracking, effort)
                if sides:
                    self._request, self._request_t = (gray, small, t, sides), t
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
                    gray, small, t, sides = self._request
                    shot, self._request, self._searching = self._shot_number, None, True
                for side in sides:
                    with self._changed:
                        self._searching_far = side == self.schedule.far_side
                        self._changed.notify()
                    boxes = boxes_in(self.search, gray, small, side)
                    with self._changed:
                        if shot == self._shot_number:
                            self._results.append(Detections(boxes, t))
                with self._changed:
                    self._searching = self._searching_far = False
                    self._changed.notify()
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify()
