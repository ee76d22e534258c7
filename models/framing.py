"""Frames a data set's face crop as the camera's chain frames a face: the five points at the same place in every chip.

FER2013's crops come from another detector and from many hands: the face is up to 1.5 times too large or too small and turned by up to
30 degrees. No detector is needed to put that right: the points' predictor is started where the crops have their faces on average.
"""

import math
from functools import cache

import cv2
import numpy as np

from models.public import public_predictor_path
from realtime.align import CHIP, CROP, TEMPLATE, similarity
from realtime.geometry import box_around
from realtime.landmarks import PointPredictor

ZOOM = 4
"""The predictor wants faces of about 150 pixels."""

RIM = 32
"""Pixels added around the enlarged crop, so that a box may stand out."""

ROUNDS = 2
"""Predictions, each in the box that the one before gives; a third moves the points by less than 1 % of the eye distance (median)."""

SCALES, TURN = (0.65, 1.6), 32.0
"""Placements beyond these (the crop's enlargement; degrees) are mistakes more often than not: such a crop stays as it is (6 %)."""


@cache
def _predictor() -> PointPredictor:
    """dlib's: ours learned from sharp faces, puts every tenth coarse one 0.29 eye distances or more off, and 1 % fewer are read right."""
    return PointPredictor(public_predictor_path())


def points_in_crop(face48: np.ndarray) -> np.ndarray:
    """The five points (5, 2) in pixels of a (48, 48) uint8 crop, beginning where FER2013's faces have theirs on average."""
    side = CROP * ZOOM
    large = cv2.resize(face48, (side, side), interpolation=cv2.INTER_CUBIC)
    large = cv2.copyMakeBorder(large, RIM, RIM, RIM, RIM, cv2.BORDER_REPLICATE)
    points = TEMPLATE * side + RIM
    for _ in range(ROUNDS):
        points = _predictor().points(large, box_around(points))
    # Enlarging keeps the corners in place, not the pixels' centres.
    return (points - RIM + 0.5) / ZOOM - 0.5


def placement_of(face48: np.ndarray) -> np.ndarray:
    """(2, 3) similarity from a (48, 48) uint8 crop to the framed crop, both in pixels; the identity where the points are not believable."""
    matrix = similarity(points_in_crop(face48))
    scale, turn = math.hypot(matrix[0, 0], matrix[1, 0]), math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return matrix if SCALES[0] < scale < SCALES[1] and abs(turn) < TURN else np.eye(2, 3)


def framed_chip(face48: np.ndarray) -> np.ndarray:
    """The (64, 64) uint8 chip of a (48, 48) uint8 crop, sampled once; a placement that changes nothing gives `realtime.align.enlarge`."""
    matrix = placement_of(face48) * (CHIP / CROP)
    matrix[:, 2] += 0.5 * CHIP / CROP - 0.5
    return cv2.warpAffine(face48, matrix, (CHIP, CHIP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def sampling_matrix(placement: np.ndarray) -> np.ndarray:
    """A placement as torch samples: (2, 3) from the framed crop to the crop, both with corners at -1 and 1."""
    half = CROP / 2
    pixels = np.array([[half, 0, half - 0.5], [0, half, half - 0.5], [0, 0, 1]])
    return (np.linalg.inv(pixels) @ np.linalg.inv(np.vstack([placement, [0, 0, 1]])) @ pixels)[:2].astype(np.float32)
