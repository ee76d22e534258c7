"""Tracking, after detection: follows each face by its landmarks, confirms it several times a second, and starts tracks for new faces."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from realtime.base.geometry import box_distance, move_box, wider, width
from realtime.base.timing import StageTimer
from realtime.config import Effort, TrackerSettings
from realtime.faces.align import align, misfit
from realtime.faces.cuts import Shot, change, normalize_contrast
from realtime.faces.finder import Detections
from realtime.faces.tilt import LandmarkPredictor, TiltedPoints, roll
from realtime.values import Box


class Judge(Protocol):
    """Says how likely there are faces at five points each (5, 2): (n,) logits, such as `realtime.faces.judge.FaceJudge`. `of_places` asks a
    network alone, `with_model` the model too.
    """

    def of_places(self, gray: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray: ...

    def with_model(self, gray: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray: ...


SAME_FACE = 0.3
"""Two boxes whose centres are no further apart than this, in face widths, hold the same face."""

SHOTS = 4
"""Number of earlier shots whose tracks are kept: a flash has a few different pictures at most."""

LATEST_S = 5.0
"""A search that takes longer than this many seconds is of no use to a moving camera."""

STILL = Shot(0, begins=False)
"""A shot that goes on, with a camera at rest."""


@dataclass(frozen=True)
class Track:
    """The state of a tracked face. Times are in seconds of `frame.t`.

    Attributes:
        id: counts from 1; no id is used twice.
        box: the box around its points.
        points: (5, 2) float32, in px of the frame.
        velocity: (2,) of the box, in px a second, without the camera's movement where that is known.
        t: the last frame in which it was tracked.
        confirmed_t: the last time at which the model or the judge confirmed that there is a face.
        checked_t: the last time at which the judge looked, or the model confirmed the face.
        seen: the box at the time `confirmed_t`; it moves with the camera.
        deviation: distance of the box from the place where it was expected, in face widths.
    """

    id: int
    box: Box
    points: np.ndarray
    velocity: np.ndarray
    t: float
    confirmed_t: float
    checked_t: float
    seen: Box
    deviation: float = 0.0

    @property
    def is_doubted(self) -> bool:
        """Whether the last look did not confirm that there is a face."""
        return self.checked_t > self.confirmed_t

    def predict_box(self, t: float) -> Box:
        """The box at time `t` in seconds if the face moves on at its velocity, but at most half a width away."""
        shift = self.velocity * (t - self.t)
        longest = 0.5 * width(self.box)
        return move_box(self.box, *(shift * min(1.0, longest / max(math.hypot(*shift), 1e-9))))

    def moved(self, x: float, y: float) -> "Track":
        """The track after the camera's movement moved the picture by (x, y) px."""
        if x == y == 0:
            return self
        points = self.points + np.array([x, y], np.float32)
        return replace(self, box=move_box(self.box, x, y), points=points, seen=move_box(self.seen, x, y))

    def confirmed(self) -> "Track":
        """The track after its face was seen at its points in the frame of its time."""
        return replace(self, confirmed_t=self.t, checked_t=self.t, seen=self.box)


@dataclass(frozen=True)
class Place:
    """A place where a search found something: see `realtime.faces.finder.Detections`."""

    box: Box
    score: float
    degrees: float
    t: float


class Tracker:
    """Tracks faces from frame to frame.

    A track starts where a search found a place, no track is near, and the judge takes it for a face. It follows its points from frame to
    frame, also those of a face that leans. It lasts as long as the model takes its chips for a face (`confirm`). Where the model does not,
    the judge looks after `check_s` of the effort, and after `hold_s` without a confirmation by either the track is lost. If a new face
    appears within `forget_s` near the place where a track was lost, or where it was moving to, it gets the same id. A shot cut, and a time
    that goes back, end all tracks. A shot that goes on after a flash has its tracks again.
    """

    def __init__(self, settings: TrackerSettings, predictor: LandmarkPredictor, judge: Judge, timer: StageTimer):
        self.settings, self.judge, self.timer = settings, judge, timer
        self.predictor, self.tilted = predictor, TiltedPoints(predictor, settings.tilted)
        self._tracks: list[Track] = []
        self._lost_tracks: list[Track] = []
        self._shot = 0
        self._interrupted: dict[int, tuple[list[Track], list[Track]]] = {}
        self._gray: np.ndarray | None = None
        self._before_cut: list[tuple[Track, np.ndarray]] = []
        self._shifts: list[tuple[float, tuple[float, float]]] = []
        self._next_id = 1
        self._t = -math.inf

    @property
    def boxes(self) -> list[Box]:
        """The boxes of the faces that are tracked now, as in the last frame."""
        return [track.box for track in self._tracks]

    def restart(self) -> None:
        """Ends all tracks, as when the time goes back. Their ids are not used again."""
        self._tracks, self._lost_tracks, self._interrupted, self._shifts, self._before_cut = [], [], {}, [], []

    def enter(self, shot: int, alike: bool = False) -> None:
        """Ends all tracks, because the shot of this number begins; if it is one of the last few shots, its tracks go on.

        With `alike`, the next frame may show the same faces: those that stand where they stood, as large as before and not unlike, keep
        their tracks.
        """
        gray = self._gray
        self._before_cut = [(track, align(gray, track.points)) for track in self._tracks] if alike and gray is not None else []
        self._interrupted[self._shot] = self._tracks, self._lost_tracks
        self._tracks, self._lost_tracks = self._interrupted.pop(shot, ([], []))
        self._interrupted = dict(list(self._interrupted.items())[-SHOTS:])
        self._shot = shot

    def update(self, gray: np.ndarray, detections: Sequence[Detections], t: float, effort: Effort, shot: Shot = STILL) -> list[Track]:
        """The tracks in the gray frame (h, w) uint8 of time `t` in seconds, by id.

        `detections` are the new results of searches. Tracks move with the camera, by `shot.shift`. In a flash, only the tracks are returned
        whose faces the judge sees; the others go on after it.
        """
        if t < self._t:
            self.restart()
        earlier_t, self._t, shift = self._t, t, shot.shift
        if any(shift):
            self._shifts = [(at, step) for at, step in self._shifts if t - at <= LATEST_S] + [(t, shift)]
            self._lost_tracks = [track.moved(*shift) for track in self._lost_tracks]
        before = {track.id: track.moved(*shift) for track in self._tracks}
        if shot.flash:
            tracks = [self._see(gray, track, t) for track in self._tracks]
        else:
            tracks = [self._advance(gray, track, shift, t, effort) for track in self._tracks]
        tracks += [track for before in self._before_cut if (track := self._same_after_cut(gray, *before, t)) is not None]
        self._gray, self._before_cut = gray, []
        self._tracks = remove_duplicates([track for track in tracks if self._is_present(track)])
        present = {track.id for track in self._tracks}
        # A face that was there in the last frame is not forgotten yet, however long ago that was.
        since = min(t - self.settings.forget_s, earlier_t)
        self._lost_tracks += [track for id, track in before.items() if id not in present]
        self._lost_tracks = [track for track in self._lost_tracks if track.t >= since]
        for search in detections:
            if search.points is None:
                for box, score in zip(search.boxes, search.scores, strict=True):
                    self._start_track(gray, Place(self._now(box, search.t), score, search.degrees, search.t), t)
            else:
                for box, points in zip(search.boxes, search.points, strict=True):
                    self._add_track(box, points, t)
        self._tracks.sort(key=lambda track: track.id)
        return [track for track in self._tracks if not shot.flash or track.confirmed_t == t]

    def confirm(self, rejects: Mapping[int, float]) -> None:
        """Takes the model's reject probabilities of tracks of the last frame, by id: a low one confirms that there is a face."""
        self._tracks = [track.confirmed() if rejects.get(track.id, 1.0) <= self.settings.reject else track for track in self._tracks]

    def _same_after_cut(self, gray: np.ndarray, track: Track, chip: np.ndarray, t: float) -> Track | None:
        """The track of a face with this chip (64, 64) in the first frame after a cut; None if the face there may be another."""
        after = self._follow(gray, track, t)
        ratio = width(after.box) / width(track.box)
        if (
            box_distance(after.box, track.box) > self.settings.same_place
            or not 1 / self.settings.same_size < ratio < self.settings.same_size
        ):
            return None
        if 1 - change(normalize_contrast(chip), normalize_contrast(align(gray, after.points))) < self.settings.same_chip:
            return None
        # Only here: what lies where the face was seen before has not been compared with it.
        return after.confirmed() if self._judged(gray, after.points) > self.settings.judged_again else None

    def _see(self, gray: np.ndarray, track: Track, t: float) -> Track:
        """The track in a flash: as before, if the judge does not see its face."""
        seen = self._look(gray, self._follow(gray, track, t))
        return seen if seen.confirmed_t == t else track

    def _now(self, box: Box, detected_t: float) -> Box:
        """Where the camera's movement has brought a box since time `detected_t`."""
        for t, shift in self._shifts:
            if t > detected_t:
                box = move_box(box, *shift)
        return box

    def _advance(self, gray: np.ndarray, track: Track, shift: tuple[float, float], t: float, effort: Effort) -> Track:
        """The track in a new frame, after the camera moved the picture by `shift` px.

        If it moved far, the judge looks for the face at its place in the scene, and then at its old place in the picture: a camera may
        follow a face.
        """
        with_scene = self._follow(gray, track.moved(*shift), t)
        if math.hypot(*shift) <= self.settings.carried * width(track.box):
            return self._check(gray, with_scene, effort)
        with_scene = self._look(gray, with_scene)
        if with_scene.confirmed_t == t:
            return with_scene
        with_camera = self._look(gray, self._follow(gray, track, t))
        return with_camera if with_camera.confirmed_t == t else with_scene

    def _follow(self, gray: np.ndarray, track: Track, t: float) -> Track:
        """The track in a new frame. If its points there do not have the shape of a face or lie too far away, it moves to the expected place
        instead and is checked at once.
        """
        expected = track.predict_box(t)
        points = self.timer.run("points", self.tilted.points, gray, expected, roll(track.points))
        box = self._steady(self.tilted.box(points), track, t)
        deviation = box_distance(box, expected)
        if deviation > self.settings.stray or misfit(points) > self.settings.misfit:
            drift = np.array([expected.x0 - track.box.x0, expected.y0 - track.box.y0])
            return replace(
                track, box=expected, points=track.points + drift.astype(np.float32), t=t, checked_t=-math.inf, deviation=math.inf
            )
        elapsed = t - track.t
        velocity = track.velocity
        if elapsed > 0:
            step = np.array([box.x0 + box.x1 - track.box.x0 - track.box.x1, box.y0 + box.y1 - track.box.y0 - track.box.y1]) / 2
            velocity = velocity + (step / elapsed - velocity) * (1 - math.exp(-elapsed / self.settings.velocity_s))
        return replace(track, box=box, points=points, velocity=velocity, t=t, deviation=deviation)

    def _steady(self, box: Box, track: Track, t: float) -> Box:
        """The box of a track at time `t`, with no other size than a face can have by then.

        The points of a head that turns far draw together, and in a box that shrinks with them they are not found again.
        """
        if width(box) <= 0 or width(track.box) <= 0:
            return box
        elapsed, change = t - track.t, math.log(width(box) / width(track.box))
        possible = min(max(change, -self.settings.shrinking * elapsed), self.settings.growing * elapsed)
        return wider(box, math.exp(possible - change))

    def _check(self, gray: np.ndarray, track: Track, effort: Effort) -> Track:
        """The track after the judge looked at its place, if that is due: soon after a look that found no face, else later."""
        if track.t - track.checked_t < (self.settings.recheck_s if track.is_doubted else effort.check_s):
            return track
        return self._look(gray, track)

    def _look(self, gray: np.ndarray, track: Track) -> Track:
        """The track after the judge looked at its place, and if there is no face, where it was last seen: its points may have slid away."""
        if self._judged(gray, track.points) > self.settings.judged_again:
            return track.confirmed()
        again = self._placed(gray, track, track.seen)
        if misfit(again.points) <= self.settings.misfit and self._judged(gray, again.points) > self.settings.judged_again:
            return again.confirmed()
        return replace(track, checked_t=track.t)

    def _judged(self, gray: np.ndarray, points: np.ndarray) -> float:
        """The judge's logit that there is a face at these points (5, 2)."""
        return float(self.timer.run("check", self.judge.of_places, gray, [points])[0])

    def _placed(self, gray: np.ndarray, track: Track, box: Box) -> Track:
        """The track as if its face were found anew in this box, at rest."""
        points = self.timer.run("points", self.tilted.new_points, gray, box, roll(track.points))
        return replace(track, box=self.tilted.box(points), points=points, velocity=np.zeros(2))

    def _is_present(self, track: Track) -> bool:
        return not track.is_doubted or track.t - track.confirmed_t <= self.settings.hold_s

    def _start_track(self, gray: np.ndarray, place: Place, t: float) -> None:
        """Starts a track at a place, unless it is no face, or the face is no longer there at time `t`. Where a face is tracked already, its
        track is brought back if it has slid away.
        """
        of_it = [track for track in self._tracks if self._is_of(track, place)]
        if of_it:
            nearest = min(of_it, key=lambda track: box_distance(track.predict_box(place.t), place.box))
            self._tracks = [self._corrected(gray, track, place) if track is nearest else track for track in self._tracks]
            return
        points = self.timer.run("points", self.tilted.new_points, gray, place.box, place.degrees)
        if misfit(points) > self.settings.misfit or not self._is_face(gray, points, place):
            return
        new_box = self.tilted.box(points)
        if any(box_distance(track.box, new_box) <= self.settings.reach for track in self._tracks):
            return
        self._add_track(new_box, points, t)

    def _is_sure(self, place: Place) -> bool:
        """Whether the detector is sure of an upright face."""
        return place.score > self.settings.sure and not place.degrees

    def _is_of(self, track: Track, place: Place) -> bool:
        """Whether a place is that of a track's face."""
        if box_distance(track.predict_box(place.t), place.box) <= self.settings.reach:
            return True
        return self._is_sure(place) and track.is_doubted and contains(track.box, place.box)

    def _corrected(self, gray: np.ndarray, track: Track, place: Place) -> Track:
        """The track, brought to the place of its face where the detector is sure of another one and the judge agrees."""
        expected = track.predict_box(place.t)
        apart, ratio = box_distance(expected, place.box), width(expected) / max(width(place.box), 1e-9)
        same = apart <= self.settings.slid and 1 / self.settings.swollen <= ratio <= self.settings.swollen
        if same or not self._is_sure(place):
            return track
        there = self._placed(gray, track, place.box)
        if misfit(there.points) > self.settings.misfit:
            return track
        better = self._judged(gray, there.points) > self._judged(gray, track.points) + self.settings.surer
        return there.confirmed() if better else track

    def _is_face(self, gray: np.ndarray, points: np.ndarray, place: Place) -> bool:
        """Whether five points (5, 2) at a place are those of a face. Of what the detector is not sure, a part of a face is none."""
        sure = self._is_sure(place)
        if not sure and any(contains(track.box, place.box) for track in self._tracks):
            return False
        if sure:
            # Without the model, which takes longer than everything before it: all the faces of a new shot start in one frame.
            return self._judged(gray, points) > self.settings.judged_sure
        limit = self.settings.judged_leaning if place.degrees else self.settings.judged
        return bool(self.timer.run("check", self.judge.with_model, gray, [points])[0] > limit)

    def _add_track(self, new_box: Box, points: np.ndarray, t: float) -> None:
        """Adds the track of a new face, with its old id if it is one that was lost a moment ago."""
        returning = min(self._lost_tracks, key=lambda lost_track: self._distance_to_lost(lost_track, new_box), default=None)
        if returning is not None and self._distance_to_lost(returning, new_box) <= self.settings.reach:
            self._lost_tracks.remove(returning)
            id = returning.id
        else:
            id, self._next_id = self._next_id, self._next_id + 1
        self._tracks.append(Track(id, new_box, points, np.zeros(2), t, t, t, new_box))

    def _distance_to_lost(self, lost_track: Track, new_box: Box) -> float:
        """The distance of a box from where a track was lost, was moving to, or was seen last, in face widths; the smallest one."""
        shift = lost_track.velocity * (self._t - lost_track.t)
        places = lost_track.box, move_box(lost_track.box, *shift), lost_track.seen
        return min(box_distance(place, new_box) for place in places)


def contains(box: Box, other: Box) -> bool:
    """Whether the middle of the other box lies in this one."""
    return box.x0 <= (other.x0 + other.x1) / 2 <= box.x1 and box.y0 <= (other.y0 + other.y1) / 2 <= box.y1


def remove_duplicates(tracks: list[Track]) -> list[Track]:
    """The tracks without duplicates: of two tracks on the same face, the one stays that is nearer to the place where it was expected."""
    unique: list[Track] = []
    for track in sorted(tracks, key=lambda track: (track.deviation, track.id)):
        if all(box_distance(track.box, other.box) > SAME_FACE for other in unique):
            unique.append(track)
    return sorted(unique, key=lambda track: track.id)
