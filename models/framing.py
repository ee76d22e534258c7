"""Frames a data set's face crop as the camera's chain frames a face: the five points lie at the same places in every chip.

FER2013's crops were cut by another detector and by many people: the face is up to 1.5 times too large or too small and turned by up to
30 degrees. A small network that learned from such crops finds the points (`models/train_crop_points.py`).
"""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from realtime.base.tflite import small_network
from realtime.faces.align import TEMPLATE, similarity
from realtime.faces.landmarks import MIRRORED
from realtime.values import CHIP, CROP

CROP_POINTS = Path(__file__).parent / "crop_points.tflite"

SCALES, TURN = (0.65, 1.6), 32.0
"""Limits of a placement: enlargement of the crop, and degrees. Most placements beyond these are mistakes: the crop stays as it is."""

LOOKS = (0.9, 1.1)
"""Sizes at which the network sees a framed crop for a second look. The mean of both is off by 2.5 % of the eyes' distance (median of 1,102
crops of photos), the first look alone by 2.9 %."""


@cache
def _network() -> Callable[[np.ndarray], np.ndarray]:
    """The network of `CROP_POINTS`, (48, 48) uint8 -> (10,) float32. It is loaded at the first crop.

    Raises:
        Trouble: the file is missing or damaged.
    """
    network = small_network(CROP_POINTS, "the crop points' file")
    return lambda crop: network((crop.astype(np.float32) / 128 - 1)[None, None])[0]


def believable(matrix: np.ndarray) -> bool:
    """Whether a (2, 3) similarity from a crop to the framed crop is within `SCALES` and `TURN`."""
    scale, turn = math.hypot(matrix[0, 0], matrix[1, 0]), math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return SCALES[0] < scale < SCALES[1] and abs(turn) < TURN


def _one_look(crop: np.ndarray) -> np.ndarray:
    """The five points (5, 2) in pixels of a (48, 48) uint8 crop: the mean of the network's answers to it and to its mirror image."""
    plain, mirror = ((_network()(side).reshape(5, 2) + TEMPLATE) * CROP - 0.5 for side in (crop, crop[:, ::-1]))
    return (plain + mirror[MIRRORED] * [-1, 1] + [CROP - 1, 0]) / 2


def crop_points(face48: np.ndarray) -> np.ndarray:
    """The five points (5, 2) in pixels of a (48, 48) uint8 crop, predicted in the crop and then again in the framed crop."""
    points = _one_look(face48)
    framing = similarity(points)
    if not believable(framing):
        return points
    again = []
    for scale in LOOKS:
        matrix = framing * scale
        matrix[:, 2] += CROP / 2 * (1 - scale)
        framed = cv2.warpAffine(face48, matrix, (CROP, CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        back = cv2.invertAffineTransform(matrix)
        again.append(_one_look(framed) @ back[:, :2].T + back[:, 2])
    return np.mean(again, axis=0)


def placement_of(face48: np.ndarray) -> np.ndarray:
    """(2, 3) similarity from a (48, 48) uint8 crop to the framed crop, both in pixels; the identity where the points are not believable."""
    matrix = similarity(crop_points(face48))
    return matrix if believable(matrix) else np.eye(2, 3)


def framed_chip(face48: np.ndarray) -> np.ndarray:
    """The framed (64, 64) uint8 chip of a (48, 48) uint8 crop, sampled once; with the identity as placement it is
    `realtime.faces.align.enlarge`."""
    matrix = placement_of(face48) * (CHIP / CROP)
    matrix[:, 2] += 0.5 * CHIP / CROP - 0.5
    return cv2.warpAffine(face48, matrix, (CHIP, CHIP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


_PIXELS = np.array([[CROP / 2, 0, CROP / 2 - 0.5], [0, CROP / 2, CROP / 2 - 0.5], [0, 0, 1]])
"""From coordinates with corners at -1 and 1 to pixels of a crop."""


def sampling_matrix(placement: np.ndarray) -> np.ndarray:
    """A placement as torch needs it: (2, 3) from the framed crop to the crop, in coordinates with corners at -1 and 1."""
    return (np.linalg.inv(_PIXELS) @ np.linalg.inv(np.vstack([placement, [0, 0, 1]])) @ _PIXELS)[:2].astype(np.float32)


def placement_of_sampling(framing: np.ndarray) -> np.ndarray:
    """The placement (2, 3) of which this is the `sampling_matrix`."""
    return np.linalg.inv(_PIXELS @ np.vstack([framing, [0, 0, 1]]) @ np.linalg.inv(_PIXELS))[:2]
