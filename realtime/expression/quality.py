"""Decides whether a chip is good enough for its reading to be used, and if not, why, in one word. Pure functions.

The limits are in `realtime.config.QualitySettings`; `tests/benchmarks/quality.py` measures them.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from realtime.config import QualitySettings

MIDDLE = np.s_[10:58, 10:54]
"""Rows and columns of a chip from brows to mouth, without background, which may be brighter and sharper than the face."""

DOWN = 0.75
"""Weight of vertical detail relative to horizontal detail. Brows, eyes and mouth are horizontal lines, so a sharp face has more detail
from top to bottom than from left to right: horizontal to vertical is 0.70 in the faces_wild photos and 0.82 in FER2013's public
test (medians).
"""


class Texture(NamedTuple):
    """Measures of the pixels in the middle of a chip.

    Attributes:
        contrast: standard deviation in grey levels.
        detail: root mean square of the second differences between pixels two apart, as a share of the contrast; the smaller one of both
            directions, because a lens out of focus removes detail in both, movement in one. Neighbours would show more noise than face.
        grain: root mean square of the second differences between neighbours in both directions at once, as a share of the contrast. A
            face has little of it, the noise of a sensor in little light has much.
    """

    contrast: float
    detail: float
    grain: float


def texture(chip: np.ndarray) -> Texture:
    """The texture of a (64, 64) uint8 chip. A chip without contrast has no detail and no grain."""
    face = chip[MIDDLE].astype(np.int16)
    contrast = float(cv2.meanStdDev(face)[1][0, 0])
    if contrast == 0:
        return Texture(0.0, 0.0, 0.0)
    detail = min(_rms(_second_differences(face.T, 2)), DOWN * _rms(_second_differences(face, 2)))
    return Texture(contrast, detail / contrast, _rms(_second_differences(_second_differences(face, 1).T, 1)) / contrast)


def eye_distance(points: np.ndarray) -> float:
    """Distance in px between the middles of the eyes, from points (5, 2) in the order of `realtime.faces.landmarks`."""
    eyes = points[:2] - points[2:4]
    return math.hypot(*eyes.sum(0)) / 2


def turn(points: np.ndarray) -> float:
    """How far a head is turned to the side: 0 when it faces the camera, positive to one side and negative to the other.

    The nose is in front of the eyes, so it moves along the line through them when the head turns. The measure is the distance of the nose's
    base from the middle between the eyes along that line, in eye distances. The base is some 0.49 eye distances in front of the eyes
    (`realtime.faces.pose.FRONT`), so this gives 0.2 at 22 degrees and 0.35 at 36. The points hardly show how far a head is raised or
    lowered: a wrinkled nose and an open mouth move them as much.

    Args:
        points: (5, 2) in the order of `realtime.faces.landmarks`; the eyes must be at different places.
    """
    outer_right, inner_right, outer_left, inner_left, nose = (complex(x, y) for x, y in points.tolist())
    right_eye, left_eye = (outer_right + inner_right) / 2, (outer_left + inner_left) / 2
    return ((nose - (right_eye + left_eye) / 2) / (right_eye - left_eye)).real


def doubt(chip: np.ndarray, points: np.ndarray, reject: float, settings: QualitySettings) -> str | None:
    """Why the reading of a chip should not be used, in one word, or None.

    The first reason that holds is returned. A reason comes before those that it may cause: a small face has no detail, a dark one has noise
    instead, in a blurred one the points are inexact, and all of these may make the model reject the chip.

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
    """For each row of (h, w): the sum of the rows `apart` above and below it, less twice the row; (h - 2 apart, w)."""
    return rows[2 * apart :] + rows[: -2 * apart] - 2 * rows[apart:-apart]


def _rms(values: np.ndarray) -> float:
    return cv2.norm(values) / math.sqrt(values.size)
