"""What one frame tells of the person in it: face, crop, probabilities, and the measures that a take must meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime.config import CaptureSettings
from realtime.expression.quality import MIDDLE, eye_distance, texture, turn
from realtime.faces.align import enlarge, sample, similarity
from realtime.values import Box, Face, Frame, Reading


@dataclass(frozen=True)
class Observation:
    """The person in one frame.

    Attributes:
        t: the frame's, in seconds.
        other_faces: how many other faces there are that are about as large.
        image: (h, w, 3) BGR uint8, the frame's.
        face, face_crop, probs: of the largest face: the face, its crop (48, 48) uint8 and its shown probabilities (7,); None without one.
        doubt: why the face's chip should not be believed, in one word.
        measures: of the largest face, by name: see `measure`.
    """

    t: float
    other_faces: int
    image: np.ndarray
    face: Face | None = None
    face_crop: np.ndarray | None = None
    probs: np.ndarray | None = None
    doubt: str | None = None
    measures: dict[str, float] | None = None


def observe(frame: Frame, gray: np.ndarray, readings: Sequence[Reading], settings: CaptureSettings) -> Observation:
    """The person in a frame, of its gray picture (h, w) uint8 and its readings: the person's face is the largest one."""
    by_size = sorted(readings, key=lambda reading: _area(reading.face.box), reverse=True)
    if not by_size:
        return Observation(frame.t, 0, frame.image)
    largest, *others = by_size
    similar = sum(_area(reading.face.box) * settings.alone > _area(largest.face.box) for reading in others)
    points = largest.face.points
    crop = sample(gray, similarity(points))
    # A tie is a doubt about the label, not about the chip.
    doubt = None if largest.unsure == "tie" else largest.unsure
    return Observation(frame.t, similar, frame.image, largest.face, crop, largest.probs, doubt, measure(gray, enlarge(crop), points))


def measure(gray: np.ndarray, chip: np.ndarray, points: np.ndarray) -> dict[str, float]:
    """Quality measures of one frame of a take.

    Args:
        gray: (h, w) uint8, the frame.
        chip: (64, 64) uint8.
        points: (5, 2) in pixels of the frame.

    Returns:
        - brightness: of the face, mean grey level.
        - contrast, detail, grain: of the chip, as in `realtime.expression.quality.Texture`.
        - turn: of the head, as in `realtime.expression.quality.turn`.
        - eyes_px: distance between the eyes.
        - balance: mean grey level of the chip's left half minus that of its right half: where the light comes from.
        - room: mean grey level of the whole frame.
    """
    face = chip[MIDDLE].astype(np.float32)
    half = face.shape[1] // 2
    contrast, detail, grain = texture(chip)
    return {
        "brightness": float(face.mean()),
        "contrast": contrast,
        "detail": detail,
        "grain": grain,
        "turn": turn(points),
        "eyes_px": eye_distance(points),
        "balance": float(face[:, :half].mean() - face[:, half:].mean()),
        "room": float(gray[::8, ::8].mean()),
    }


def average_measures(frames: Sequence[Observation]) -> dict[str, float]:
    """Means of the measures of frames, by name; one frame at least must have a face."""
    measures = [frame.measures for frame in frames if frame.measures is not None]
    return {name: float(np.mean([values[name] for values in measures])) for name in measures[0]}


def light_changed(now: dict[str, float], before: dict[str, float], settings: CaptureSettings, darker: bool = False) -> bool:
    """Whether two takes are lit differently: face, frame, or one side of the face against the other. `darker`: only less light counts.

    A camera that sets its own exposure hides part of a change of strength. It cannot hide from which side the light comes.
    """
    if darker:
        return before["room"] - now["room"] >= settings.change or before["brightness"] - now["brightness"] >= settings.change
    limits = {"brightness": settings.change, "room": settings.change, "balance": settings.change_side}
    return any(abs(now[name] - before[name]) >= limit for name, limit in limits.items())


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
