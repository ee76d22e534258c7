"""Finds five points of a face in its box: a shape predictor of dlib's kind, trained by `models/train_landmarks.py`."""

import hashlib
import json
from pathlib import Path

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.config import POINTS
from realtime.values import Box

MIRRORED = [2, 3, 0, 1, 4]
"""The order of the five points in a mirrored picture: the eyes change places."""


def corners(box: Box) -> tuple[int, int, int, int]:
    """The box as dlib takes it: left, top, right and bottom pixel, the last two still inside."""
    return round(box.x0), round(box.y0), round(box.x1) - 1, round(box.y1) - 1


class PointPredictor:
    """Eye corners and nose base. Order: right of the picture outer, inner; left of the picture outer, inner; nose base."""

    def __init__(self, path: Path = POINTS):
        """Loads a predictor's file. One that has a .json beside it must be the file that this describes.

        Raises:
            Trouble: the file is missing or damaged.
        """
        import dlib

        remedy = "restore it from the release that this program came from"
        try:
            content, card = path.read_bytes(), path.with_suffix(".json")
            # dlib trusts what it reads: a damaged table gives wrong points or ends the program.
            if card.is_file() and hashlib.sha256(content).hexdigest() != json.loads(card.read_bytes())["sha256"]:
                raise Trouble(f"the face points' file {path} is damaged: its sha256 is not the one in {card.name}; {remedy}")
            self._predict = dlib.shape_predictor(str(path))
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise Trouble(f"cannot read the face points' file {path} or its .json ({reason(error)}): {remedy}") from error
        self._rectangle = dlib.rectangle

    def points(self, gray: np.ndarray, box: Box) -> np.ndarray:
        """(5, 2) float32 positions in pixels of the gray picture (h, w) uint8."""
        shape = self._predict(gray, self._rectangle(*corners(box)))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float32)
