"""Faces that lean: the detector and the point predictor know upright ones, so such a face is looked at in a copy that is turned back."""

import math
from typing import Protocol

import cv2
import numpy as np

from realtime.base.geometry import box_around, width
from realtime.faces.detector import CANVAS_PX, FACE_PX, upright_matrix
from realtime.values import Box


class LandmarkPredictor(Protocol):
    """Finds the five points of an upright face in its box, such as `realtime.faces.landmarks.PointPredictor`."""

    def points(self, gray: np.ndarray, box: Box) -> np.ndarray: ...


def roll(points: np.ndarray) -> float:
    """How far the line through the eyes of five points (5, 2) leans, in degrees from -180 to 180, positive clockwise."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy), _ = points.tolist()
    return math.degrees(math.atan2(ay + by - cy - dy, ax + bx - cx - dx))


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (n, 2) after a transform (2, 3); float32."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The transform (2, 3) that does the first and then the second."""
    return second @ np.vstack([first, [0, 0, 1]])


def box_of(points: np.ndarray) -> Box:
    """The box of a face with five points (5, 2), which may be turned: as large as the detector's would be if it were upright."""
    to_picture = cv2.invertAffineTransform(upright_matrix(points))
    x, y = (float(value) for value in to_picture @ [CANVAS_PX / 2, CANVAS_PX / 2, 1])
    half = FACE_PX / 2 * math.hypot(to_picture[0, 0], to_picture[1, 0])
    return Box(x - half, y - half, x + half, y + half)


class TiltedPoints:
    """Finds the five points of a face, upright or not.

    Args:
        predictor: finds those of upright faces.
        tilted: degrees; faces that lean by less are upright for it.
    """

    def __init__(self, predictor: LandmarkPredictor, tilted: float):
        self.predictor, self.tilted = predictor, tilted

    def points(self, gray: np.ndarray, box: Box, degrees: float) -> np.ndarray:
        """The points (5, 2) float32, in px of the gray picture (h, w) uint8, of a face in this box that leans by so many degrees."""
        if abs(degrees) <= self.tilted:
            return self.predictor.points(gray, box)
        middle, half = CANVAS_PX / 2, FACE_PX / 2
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        matrix = cv2.getRotationMatrix2D((x, y), degrees, FACE_PX / width(box)) + np.array([[0, 0, middle - x], [0, 0, middle - y]])
        upright = cv2.warpAffine(gray, matrix, (CANVAS_PX, CANVAS_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        points = self.predictor.points(upright, Box(middle - half, middle - half, middle + half, middle + half))
        return transform(points, cv2.invertAffineTransform(matrix))

    def box(self, points: np.ndarray) -> Box:
        """The box in which the face of five points (5, 2) is looked for next."""
        return box_around(points) if abs(roll(points)) <= self.tilted else box_of(points)

    def new_points(self, gray: np.ndarray, box: Box, degrees: float) -> np.ndarray:
        """The points of a new face. Predicted again in the box around them, because the place of the detector's box varies."""
        first = self.points(gray, box, degrees)
        return self.points(gray, self.box(first), roll(first))
