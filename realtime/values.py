"""The values that pass from stage to stage: small, frozen, named by their format."""

from dataclasses import dataclass

import numpy as np

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The seven expressions, in the order of every probability vector."""


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        image: (h, w, 3) BGR uint8.
        t: when it was taken, in seconds on the source's monotonic clock.
        index: its number in the source, from 0; a jump means that frames between were dropped.
        small: the same picture, smaller and gray, (h', w') uint8, where the camera itself gives one; else None.
    """

    image: np.ndarray
    t: float
    index: int
    small: np.ndarray | None = None


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the full frame; may reach beyond its edges."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Face:
    """A face in one frame: who it is over time (`id`, from 1), where it is, and its five points (5, 2) float32 in pixels."""

    id: int
    box: Box
    points: np.ndarray


@dataclass(frozen=True)
class Reading:
    """What is shown for one face in one frame.

    Attributes:
        face: the face.
        probs: (7,) float32, smoothed over time, in the order of `LABELS`.
        label: the shown expression, one of `LABELS`.
        confidence: the probability of `label`, 0 to 1.
        unsure: None, or in one word why the label should not be relied on: "small", "dark" (or drowned in noise), "blurred", "turned"
            (to the side), "covered" (the model sees no readable face) or "tie" (no expression stands out).
    """

    face: Face
    probs: np.ndarray
    label: str
    confidence: float
    unsure: str | None
