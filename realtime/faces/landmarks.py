"""Landmarks: finds the five points of a face in its box, with a dlib shape predictor that `models/train_landmarks.py` trained."""

from pathlib import Path

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import read_checked
from realtime.base.version import RELEASE
from realtime.config import POINTS
from realtime.values import Box

MOST_BYTES = 50_000_000
"""Of a predictor's file, and of the .json beside it."""
WHAT = "the face points' file"
"""For messages."""
MIRRORED = [2, 3, 0, 1, 4]
"""Indices that put the five points of a mirrored picture into the usual order: the eyes change places."""


def corners(box: Box) -> tuple[int, int, int, int]:
    """The box in dlib's form: left, top, right and bottom pixel, right and bottom still inside the box."""
    return round(box.x0), round(box.y0), round(box.x1) - 1, round(box.y1) - 1


class PointPredictor:
    """Finds eye corners and nose base. Order: outer and inner corner of the eye at the right of the picture, then of the eye at the left,
    then the base of the nose.
    """

    def __init__(self, path: Path = POINTS):
        """Loads a predictor's file. If there is a .json beside it, the sha256 in it must be that of the file.

        Raises:
            Trouble: the file is missing or damaged.
        """
        import dlib

        # dlib does not check what it reads: a damaged file gives wrong points or ends the program.
        read_checked(path, WHAT, MOST_BYTES, needs_card=False)
        try:
            self._predict = dlib.shape_predictor(str(path))
        except RuntimeError as error:
            raise Trouble(f"cannot read {WHAT} {path} ({reason(error)}): restore it from {RELEASE}") from error
        self._rectangle = dlib.rectangle

    def points(self, gray: np.ndarray, box: Box) -> np.ndarray:
        """The five points (5, 2) float32 in pixels of the gray picture (h, w) uint8, of the face in this box."""
        shape = self._predict(gray, self._rectangle(*corners(box)))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float32)
