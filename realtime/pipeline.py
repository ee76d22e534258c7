"""One frame in, readings out: every stage is a line of `Pipeline.read`."""

import math
import time
from dataclasses import dataclass, field, replace
from typing import Self

import cv2
import numpy as np

from realtime.base.governor import FixedEffort, Governor
from realtime.base.timing import Clock, StageTimer
from realtime.config import PHOTO, Effort, QualitySettings, Settings
from realtime.expression.classifier import EmotionClassifier, Opinion
from realtime.expression.people import ProfileSwitch
from realtime.expression.profile import load
from realtime.expression.quality import doubt
from realtime.expression.smoothing import FaceState, Smoother
from realtime.faces.align import align
from realtime.faces.cuts import CutDetector
from realtime.faces.detector import Detector
from realtime.faces.finder import BackgroundFinder, Finder
from realtime.faces.judge import FaceJudge
from realtime.faces.landmarks import PointPredictor
from realtime.faces.photo_finder import PhotoFinder
from realtime.faces.tracker import Track, Tracker
from realtime.values import CHIP, LABELS, Face, Frame, Reading


def to_gray(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) BGR uint8 -> (h, w) uint8."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def unsure(doubted: str | None, tie: bool) -> str | None:
    """Why a label should not be relied on, in one word, or None. A defect of the chip comes before a tie between expressions."""
    return doubted or ("tie" if tie else None)


@dataclass(frozen=True)
class Assessment:
    """What the last classified chip of a track gave.

    Attributes:
        probs: (7,) float32.
        doubt: why the chip is not believed, in one word, or None.
        t: the chip's time in seconds.
    """

    probs: np.ndarray
    doubt: str | None
    t: float


@dataclass
class Pipeline:
    """The stages from a frame to its readings. They are handed in; none opens a file."""

    governor: Governor | FixedEffort
    cuts: CutDetector
    finder: Finder | BackgroundFinder | PhotoFinder
    tracker: Tracker
    classifier: EmotionClassifier
    profiles: ProfileSwitch
    smoother: Smoother
    quality: QualitySettings
    timer: StageTimer
    _assessments: dict[int, Assessment] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.finder.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.finder.__exit__(*error)

    def read(self, frame: Frame) -> list[Reading]:
        """The faces of one frame with their expressions, in the order of their ids."""
        stage = self.timer.run
        effort = self.governor.update(frame.index)
        gray = stage("gray", to_gray, frame.image)
        shot = stage("cut", self.cuts.update, gray, frame.t)
        if shot.begins:
            self.tracker.enter(shot.number, shot.alike)
            self.finder.restart()
        detections = stage("find", self.finder.update, gray, frame.t, self.tracker.boxes, effort, frame.small)
        tracks = stage("track", self.tracker.update, gray, detections, frame.t, effort, shot)
        due = self._due(tracks, frame.t, effort)
        chips = stage("align", self._chips, gray, due)
        opinion = stage("classify", self.classifier.read, chips)
        self.tracker.confirm(dict(zip((track.id for track in due), opinion.reject.tolist(), strict=True)))
        opinion = stage("personalise", self.profiles.apply, opinion)
        stage("quality", self._assess, tracks, due, chips, opinion)
        smoothed = stage("smooth", self._smooth, tracks, due, frame.t)
        return stage("label", self._label, tracks, smoothed)

    def _due(self, tracks: list[Track], t: float, effort: Effort) -> list[Track]:
        """The tracks to classify in the frame of time `t` in seconds: new ones at once, others again after `classify_s` of the effort."""
        # The tolerance is for rounding: 0.15 - 0.1 is less than 0.05.
        latest = t - effort.classify_s + 1e-6
        return [track for track in tracks if track.id not in self._assessments or self._assessments[track.id].t <= latest]

    def _chips(self, gray: np.ndarray, due: list[Track]) -> np.ndarray:
        return np.stack([align(gray, track.points) for track in due]) if due else np.zeros((0, CHIP, CHIP), np.uint8)

    def _assess(self, tracks: list[Track], due: list[Track], chips: np.ndarray, opinion: Opinion) -> None:
        for track, chip, probs, reject in zip(due, chips, opinion.probs, opinion.reject, strict=True):
            self._assessments[track.id] = Assessment(probs, doubt(chip, track.points, float(reject), self.quality), track.t)
        present = {track.id for track in tracks}
        self._assessments = {id: assessment for id, assessment in self._assessments.items() if id in present}

    def _smooth(self, tracks: list[Track], due: list[Track], t: float) -> list[FaceState]:
        fresh = {track.id for track in due}
        assessments = [self._assessments[track.id] for track in tracks]
        trusted = [track.id in fresh and one.doubt is None for track, one in zip(tracks, assessments, strict=True)]
        probs = np.array([one.probs for one in assessments], np.float32).reshape(-1, len(LABELS))
        return self.smoother.update([track.id for track in tracks], probs, np.array(trusted, bool), t)

    def _label(self, tracks: list[Track], smoothed: list[FaceState]) -> list[Reading]:
        readings = []
        for track, state in zip(tracks, smoothed, strict=True):
            face, probs, doubted = Face(track.id, track.box, track.points), state.probs, self._assessments[track.id].doubt
            readings.append(Reading(face, probs, state.label, float(probs[state.label_index]), unsure(doubted, state.tie)))
        return readings


def build_pipeline(settings: Settings, clock: Clock, live: bool = False, patience_s: float = math.inf) -> Pipeline:
    """The real stages, loaded and ready.

    Args:
        settings: what each part is built with.
        clock: times the stages; seconds.
        live: search in a thread of its own and spend less when the machine does not keep up; otherwise all is done in step, and the
            same frames always give the same readings.
        patience_s: for a film that is played as if it were live, but faster: see `realtime.faces.finder.BackgroundFinder`.

    Raises:
        Trouble: a model file or package is missing or damaged, or the profile is not for this model.
    """
    # OpenCV's own threads gain nothing on small pictures and spin while they wait: a tenth of the processor time before a camera.
    cv2.setNumThreads(1)
    timer = StageTimer(clock)
    classifier = EmotionClassifier(settings.classifier.model, settings.classifier.threads)
    profile = None if settings.profile is None else load(settings.profile, classifier.sha256, classifier.embedding)
    search = Detector(settings.detector, step=settings.finder.step)
    finder = BackgroundFinder(search, settings.finder, patience_s) if live else Finder(search, settings.finder)
    return Pipeline(
        governor=Governor(settings.governor, settings.efforts, clock, time.process_time) if live else FixedEffort(settings.efforts[0]),
        cuts=CutDetector(settings.cuts),
        finder=finder,
        tracker=Tracker(settings.tracker, PointPredictor(), FaceJudge(lambda chips: classifier.read(chips).reject), timer),
        classifier=classifier,
        profiles=ProfileSwitch(classifier, profile=profile),
        smoother=Smoother(settings.smoothing, settings.tracker.forget_s),
        quality=settings.quality,
        timer=timer,
    )


def build_photo_pipeline(settings: Settings, clock: Clock) -> Pipeline:
    """The real stages for photos, which are searched longer than the frames of a film: beyond their edges, and turned.

    Raises:
        Trouble: as `build_pipeline`.
    """
    pipeline = build_pipeline(settings, clock)
    search = Detector(settings.detector)
    finder = PhotoFinder(search, pipeline.tracker.predictor, pipeline.tracker.judge, settings.photo)
    effort = replace(PHOTO, near_side=round(settings.finder.smallest_px / settings.photo.min_face))
    return replace(pipeline, governor=FixedEffort(effort), finder=finder)


def fresh(pipeline: Pipeline, settings: Settings) -> Pipeline:
    """The same stages without memory: for a picture that has nothing to do with the one before."""
    tracker, finder = pipeline.tracker, pipeline.finder
    return replace(
        pipeline,
        cuts=CutDetector(settings.cuts),
        finder=finder if isinstance(finder, PhotoFinder) else Finder(finder.search, settings.finder),
        tracker=Tracker(settings.tracker, tracker.predictor, tracker.judge, pipeline.timer),
        smoother=Smoother(settings.smoothing, settings.tracker.forget_s),
        _assessments={},
    )


def read_photo(pipeline: Pipeline, settings: Settings, photo: Frame) -> list[Reading]:
    """The faces of a photo from left to right, numbered in this order from 1.

    Args:
        pipeline: as `build_photo_pipeline` gives it for the same settings.
    """
    readings = sorted(fresh(pipeline, settings).read(photo), key=lambda reading: reading.face.box.x0 + reading.face.box.x1)
    return [replace(reading, face=replace(reading.face, id=number)) for number, reading in enumerate(readings, 1)]
