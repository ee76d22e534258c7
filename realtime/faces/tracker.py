"""Who is who over time: follows known faces by their points, checks several times a second that they are still there, adds new ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from realtime.base.geometry import apart, box_around, moved, width
from realtime.base.timing import StageTimer
from realtime.config import Effort, TrackerSettings
from realtime.faces.align import misfit
from realtime.faces.finder import Found
from realtime.values import Box


class Points(Protocol):
    """Finds the five points of a face in its box: `realtime.faces.landmarks.PointPredictor`."""

    def points(self, gray: np.ndarray, box: Box) -> np.ndarray: ...


class Witness(Protocol):
    """Says whether there is a face at five points: `realtime.faces.detector.Detector`."""

    def confirms(self, gray: np.ndarray, points: np.ndarray) -> bool: ...


@dataclass(frozen=True)
class Track:
    """A face over time.

    Attributes:
        id: counts from 1 and is never used twice.
        box: where it is, by its points.
        points: (5, 2) float32, in px.
        velocity: (2,) of the box in px a second.
        t: when it was last followed, in seconds of `frame.t`.
        confirmed_t: when it was last confirmed that there is a face.
        checked_t: when that was last asked.
        strayed: how far the points were from where they were expected, in face widths.
    """

    id: int
    box: Box
    points: np.ndarray
    velocity: np.ndarray
    t: float
    confirmed_t: float
    checked_t: float
    strayed: float = 0.0

    def expected(self, t: float) -> Box:
        """Where the box should be at another time, if the face goes on as it went; at most half a width away."""
        shift = self.velocity * (t - self.t)
        most = 0.5 * width(self.box)
        return moved(self.box, *(shift * min(1.0, most / max(math.hypot(*shift), 1e-9))))


class Tracker:
    """Follows faces.

    The life of an id: it begins where a search finds a face that nobody is followed at and that a second look confirms; it follows its
    points from frame to frame; every so often a look at its place confirms it, and when none does for `hold_s` it is gone from sight;
    until `forget_s` a face near the place where it left, or where it was going, brings the same id back. A shot cut and a clock that
    goes back end all of them.
    """

    def __init__(self, settings: TrackerSettings, predictor: Points, witness: Witness, timer: StageTimer):
        self.settings, self.predictor, self.witness, self.timer = settings, predictor, witness, timer
        self._tracks: list[Track] = []
        self._gone: list[Track] = []
        self._next_id = 1
        self._t = -math.inf

    @property
    def following(self) -> int:
        """How many faces are being followed."""
        return len(self._tracks)

    def restart(self) -> None:
        """Ends all tracks, as at a shot cut; ids go on counting."""
        self._tracks, self._gone = [], []

    def update(self, gray: np.ndarray, found: Sequence[Found], t: float, effort: Effort) -> list[Track]:
        """The faces of the gray frame (h, w) uint8 of time `t`, in the order of their ids; `found` is what searches saw lately."""
        if t < self._t:
            self.restart()
        self._t = t
        before = {track.id: track for track in self._tracks}
        followed = [self._checked(gray, self._followed(gray, track, t), effort) for track in self._tracks]
        self._tracks = without_doubles([track for track in followed if self._holds(track)])
        for search in found:
            for box in search.boxes:
                self._meet(gray, box, search.t, t)
        self._tracks.sort(key=lambda track: track.id)
        present = {track.id for track in self._tracks}
        self._gone += [track for id, track in before.items() if id not in present]
        self._gone = [track for track in self._gone if t - track.t <= self.settings.forget_s]
        return list(self._tracks)

    def _followed(self, gray: np.ndarray, track: Track, t: float) -> Track:
        """The track in a new frame; where the points there cannot be a face's it goes on blindly and is to be checked at once."""
        expected = track.expected(t)
        points = self.timer.run("points", self.predictor.points, gray, expected)
        box = box_around(points)
        strayed = apart(box, expected)
        if strayed > self.settings.stray or misfit(points) > self.settings.misfit:
            drift = np.array([expected.x0 - track.box.x0, expected.y0 - track.box.y0])
            return replace(track, box=expected, points=track.points + drift.astype(np.float32), t=t, checked_t=-math.inf, strayed=math.inf)
        elapsed = t - track.t
        velocity = track.velocity
        if elapsed > 0:
            step = np.array([box.x0 + box.x1 - track.box.x0 - track.box.x1, box.y0 + box.y1 - track.box.y0 - track.box.y1]) / 2
            velocity = velocity + (step / elapsed - velocity) * (1 - math.exp(-elapsed / self.settings.velocity_s))
        return replace(track, box=box, points=points, velocity=velocity, t=t, strayed=strayed)

    def _checked(self, gray: np.ndarray, track: Track, effort: Effort) -> Track:
        """The track after a look at its place, if one is due: seldom while all is well, often after a look in vain."""
        missed = track.checked_t > track.confirmed_t
        if track.t - track.checked_t < (self.settings.recheck_s if missed else effort.check_s):
            return track
        if self.timer.run("check", self.witness.confirms, gray, track.points):
            return replace(track, confirmed_t=track.t, checked_t=track.t)
        return replace(track, checked_t=track.t)

    def _holds(self, track: Track) -> bool:
        return track.checked_t <= track.confirmed_t or track.t - track.confirmed_t <= self.settings.hold_s

    def _meet(self, gray: np.ndarray, box: Box, seen_t: float, t: float) -> None:
        """Takes up a face found at time `seen_t`, unless it is one that is being followed or it is no longer there."""
        if any(apart(track.expected(seen_t), box) <= self.settings.reach for track in self._tracks):
            return
        points = self.timer.run("points", self._settled, gray, box)
        if misfit(points) > self.settings.misfit or not self.timer.run("check", self.witness.confirms, gray, points):
            return
        place = box_around(points)
        if any(apart(track.box, place) <= self.settings.reach for track in self._tracks):
            return
        back = min(self._gone, key=lambda gone: self._missing(gone, place), default=None)
        if back is not None and self._missing(back, place) <= self.settings.reach:
            self._gone.remove(back)
            id = back.id
        else:
            id, self._next_id = self._next_id, self._next_id + 1
        self._tracks.append(Track(id, place, points, np.zeros(2), t, t, t))

    def _settled(self, gray: np.ndarray, box: Box) -> np.ndarray:
        """The points of a face that is new, (5, 2): looked for again in their own box, because the detector's lies now here, now there."""
        return self.predictor.points(gray, box_around(self.predictor.points(gray, box)))

    def _missing(self, gone: Track, place: Box) -> float:
        """How far a place is from where a track left, or from where it was going, in face widths."""
        shift = gone.velocity * (self._t - gone.t)
        return min(apart(gone.box, place), apart(moved(gone.box, *shift), place))


def without_doubles(tracks: list[Track]) -> list[Track]:
    """The tracks without those that slipped onto another one's face: of two at one place, the one that came there as expected stays."""
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda track: (track.strayed, track.id)):
        if all(apart(track.box, other.box) > SAME for other in kept):
            kept.append(track)
    return sorted(kept, key=lambda track: track.id)


SAME = 0.3
"""Two boxes whose centres are less than this share of a width apart hold the same face."""
