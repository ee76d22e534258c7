"""One frame in, readings out: every stage is a line of `Pipeline.read`. And the loop that all commands share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from realtime.align import CHIP, align
from realtime.classifier import EmotionClassifier, Opinion
from realtime.config import LabelSettings, Settings
from realtime.detector import Detector
from realtime.landmarks import PointPredictor, predictor_path
from realtime.sinks import Sink
from realtime.smoothing import Smoothed, Smoother
from realtime.sources import Source
from realtime.timing import Clock, StageTimer
from realtime.tracker import Track, Tracker
from realtime.values import LABELS, Face, Frame, Reading


def to_gray(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) BGR uint8 -> (h, w) uint8."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def unsure(tie: bool, reject: float, settings: LabelSettings) -> str | None:
    """Why a label should not be relied on, in one word, or None."""
    if reject >= settings.reject:
        return "unclear"
    return "tie" if tie else None


@dataclass
class Pipeline:
    """The chain from a frame to its readings. Stages are handed in; none opens a file."""

    detector: Detector
    tracker: Tracker
    predictor: PointPredictor
    classifier: EmotionClassifier
    smoother: Smoother
    label: LabelSettings
    timer: StageTimer

    def read(self, frame: Frame) -> list[Reading]:
        """The faces of one frame with their expressions, in the order of their ids."""
        stage = self.timer.run
        gray = stage("gray", to_gray, frame.image)
        boxes = stage("detect", self.detector.find, gray)
        tracks = stage("track", self.tracker.update, boxes, frame.t)
        faces = stage("points", self._faces, gray, tracks)
        chips = stage("align", self._chips, gray, faces)
        opinion = stage("classify", self.classifier.read, chips)
        smoothed = stage("smooth", self._smooth, faces, opinion, frame.t)
        return stage("label", self._label, tracks, faces, smoothed, opinion, frame.t)

    def _faces(self, gray: np.ndarray, tracks: list[Track]) -> list[Face]:
        return [Face(track.id, track.box, self.predictor.points(gray, track.box)) for track in tracks]

    def _chips(self, gray: np.ndarray, faces: list[Face]) -> np.ndarray:
        return np.stack([align(gray, face.points) for face in faces]) if faces else np.zeros((0, CHIP, CHIP), np.uint8)

    def _smooth(self, faces: list[Face], opinion: Opinion, t: float) -> list[Smoothed]:
        return self.smoother.update([face.id for face in faces], opinion.probs, opinion.reject < self.label.reject, t)

    def _label(self, tracks: list[Track], faces: list[Face], smoothed: list[Smoothed], opinion: Opinion, t: float) -> list[Reading]:
        """A face that the detector has lost is shown only while its place still looks like one."""
        return [
            Reading(face, now.probs, now.label, float(now.probs[now.shown]), unsure(now.tie, float(reject), self.label))
            for track, face, now, reject in zip(tracks, faces, smoothed, opinion.reject, strict=True)
            if track.seen_t == t or reject < self.label.reject
        ]


def build_pipeline(settings: Settings, clock: Clock) -> Pipeline:
    """The real parts, loaded and ready.

    Raises:
        Trouble: a model file or package is missing or damaged.
    """
    classifier = EmotionClassifier(settings.classifier.model, settings.classifier.threads)
    return Pipeline(
        detector=Detector(settings.detector),
        tracker=Tracker(settings.tracker),
        predictor=PointPredictor(predictor_path()),
        classifier=classifier,
        smoother=Smoother(settings.smoothing, settings.tracker.forget_s, classifier.prior),
        label=settings.label,
        timer=StageTimer(clock),
    )


def fresh(pipeline: Pipeline, settings: Settings) -> Pipeline:
    """The same parts with nothing remembered: for a picture that has nothing to do with the one before."""
    smoother = Smoother(settings.smoothing, settings.tracker.forget_s, pipeline.smoother.prior)
    return replace(pipeline, tracker=Tracker(settings.tracker), smoother=smoother)


def readings_header(source_name: str, pipeline: Pipeline) -> dict[str, Any]:
    """What the first line of a readings file says about where its numbers come from."""
    classifier = pipeline.classifier
    return {"source": source_name, "model": {"name": classifier.path.name, "sha256": classifier.sha256}, "labels": list(LABELS)}


def run_loop(source: Source, pipeline: Pipeline, sinks: Sink, stopped: Callable[[], bool]) -> None:
    """The program: until the source ends or `stopped()`, each frame is read and written. Both ends are closed whatever happens."""
    with source, sinks:
        for frame in source:
            sinks.write(frame, pipeline.read(frame))
            if stopped():
                break
