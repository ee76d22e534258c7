"""Is a chip worth believing, and if not, why, in one word. Pure.

The limits are in `realtime.config.QualitySettings`; `tests/benchmarks/quality.py` measures where they belong.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from realtime.config import QualitySettings

MIDDLE = np.s_[10:58, 10:54]
"""Rows and columns of a chip from brows to mouth: no background, which may be brighter and sharper than the face."""

DOWN = 0.75
"""Weight of detail from top to bottom against detail from left to right. Brows, eyes and mouth lie across, so a sharp face has more of
the former: the ratio of the two is 0.70 in the faces_wild photos and 0.82 in FER2013's public test (medians)."""


class Texture(NamedTuple):
    """What the pixels in the middle of a chip tell.

    Attributes:
        contrast: standard deviation in grey levels.
        detail: second differences between pixels two apart, as a share of the contrast, in the direction that has less of them:
            a lens out of focus takes detail from both, movement from one. Between neighbours there is more noise than face.
        grain: second differences between neighbours in both directions at once, a share of the contrast too. A face has little of
            it: it is a dim sensor's noise.
    """

    contrast: float
    detail: float
    grain: float


def texture(chip: np.ndarray) -> Texture:
    """Of a (64, 64) uint8 chip. One without any contrast has no detail and no grain."""
    face = chip[MIDDLE].astype(np.int16)
    contrast = float(cv2.meanStdDev(face)[1][0, 0])
    if contrast == 0:
        return Texture(0.0, 0.0, 0.0)
    detail = min(_rms(_second_differences(face.T, 2)), DOWN * _rms(_second_differences(face, 2)))
    return Texture(contrast, detail / contrast, _rms(_second_differences(_second_differences(face, 1).T, 1)) / contrast)


def eye_distance(points: np.ndarray) -> float:
    """Pixels from the middle of one eye to the middle of the other; of points (5, 2) in the order of `realtime.faces.landmarks`."""
    eyes = points[:2] - points[2:4]
    return math.hypot(*eyes.sum(0)) / 2


def turn(points: np.ndarray) -> float:
    """How far a head is turned to the side: 0 when it faces the camera, negative to the other side.

    The nose stands out from the eyes, so it moves along the line through them: measured is how far it lies from their middle, in eye
    distances. If its base is 0.35 eye distances before the eyes, that is 0.2 at 30 degrees and 0.35 at 45.
    How far a head is raised or lowered, the points do not tell: a wrinkled nose and an open mouth move it as much.

    Args:
        points: (5, 2) in the order of `realtime.faces.landmarks`; the eyes must be apart.
    """
    outer_right, inner_right, outer_left, inner_left, nose = (complex(x, y) for x, y in points.tolist())
    right, left = (outer_right + inner_right) / 2, (outer_left + inner_left) / 2
    return ((nose - (right + left) / 2) / (right - left)).real


def doubt(chip: np.ndarray, points: np.ndarray, reject: float, settings: QualitySettings) -> str | None:
    """Why a chip should not be believed, in one word, or None.

    The first reason that holds is given. They are in the order in which one spoils the next: a face of a few pixels has no detail,
    a dark one shows noise instead, in a blurred one the points are vague, and all of these may make the model reject the chip.

    Args:
        chip: (64, 64) uint8.
        points: (5, 2) in picture pixels, in the order of `realtime.faces.landmarks`.
        reject: the model's probability that the chip shows no readable face, 0 to 1.
        settings: the limits.
    """
    if eye_distance(points) < settings.small:
        return "small"
    contrast, detail, grain = texture(chip)
    if contrast < settings.dark or grain >= settings.grain:
        return "dark"
    if detail < settings.blurred:
        return "blurred"
    if abs(turn(points)) >= settings.turned:
        return "turned"
    return "covered" if reject >= settings.covered else None


def _second_differences(rows: np.ndarray, apart: int) -> np.ndarray:
    """Twice what each row of (h, w) differs from the mean of the rows `apart` above and below it; (h - 2 apart, w)."""
    return rows[2 * apart :] + rows[: -2 * apart] - 2 * rows[apart:-apart]


def _rms(values: np.ndarray) -> float:
    return cv2.norm(values) / math.sqrt(values.size)
