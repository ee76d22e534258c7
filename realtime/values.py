"""The values that pass between the stages, from frame to reading: small and frozen."""

from dataclasses import dataclass

import numpy as np

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The seven expressions, in the order of every probability vector."""

CHIP = 64
"""Side of a chip in pixels: the classifier's input."""

CROP = 48
"""Side of the square in which a face is sampled, in pixels: the side of the training pictures."""


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: (h, w, 3) BGR uint8.
        t: its time in seconds, on the source's monotonic clock.
        index: its number in the source, from 0; after a jump, the frames between were dropped.
        small: a smaller gray copy (h', w') uint8, if the camera gives one; else None.
        duration: for how many seconds it is shown, if a film says so; else None.
    """

    image: np.ndarray
    t: float
    index: int
    small: np.ndarray | None = None
    duration: float | None = None


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the full frame, from (x0, y0) to (x1, y1). It may reach beyond the frame's edges."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Face:
    """A face in one frame: the id of its track (from 1), its box, and its five points (5, 2) float32 in pixels.

    `realtime.faces.pose.head_pose` gives yaw, pitch, roll and the size of a face from its points.
    """

    id: int
    box: Box
    points: np.ndarray


@dataclass(frozen=True)
class Reading:
    """The expression that is shown for one face in one frame.

    Attributes:
        face: the face.
        probs: (7,) float32, smoothed over time, in the order of `LABELS`.
        label: the shown expression, one of `LABELS`.
        confidence: the probability of `label`, 0 to 1.
        unsure: None, or in one word why the label is not reliable: "small", "dark" (or too noisy), "blurred", "turned" (to the side),
            "covered" (the model sees no readable face) or "tie" (no expression stands out).
    """

    face: Face
    probs: np.ndarray
    label: str
    confidence: float
    unsure: str | None
