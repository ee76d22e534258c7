"""A made head for tests of what the face mesh is used for."""

import numpy as np

from models.face_mesh import CHIN, FOREHEAD, LEFT_CHEEK, POINTS, RIGHT_CHEEK, UPPER_LIP
from models.turning import FIVE, Head
from realtime.base.geometry import box_around, width
from realtime.faces.align import TEMPLATE

FACE = (TEMPLATE * 120 + 100).astype(np.float32)
"""The five points of a face that looks ahead, in a picture of 320 px."""


def ball(five: np.ndarray) -> np.ndarray:
    """(468, 3) points on the front half of a ball around a face, whose five points stand before it, the nose farthest."""
    draw = np.random.default_rng(0)
    middle, radius = five.mean(0), np.linalg.norm(five[0] - five[2])
    xy = draw.uniform(-0.9, 0.9, (POINTS, 2))
    xy = xy / np.maximum(np.linalg.norm(xy, axis=1, keepdims=True), 1)
    places = {FOREHEAD: (0, -0.9), CHIN: (0, 0.9), LEFT_CHEEK: (-0.9, 0), RIGHT_CHEEK: (0.9, 0)}
    for point, place in (places | {70: (-0.5, -0.4), 300: (0.5, -0.4), UPPER_LIP: (0, 0.6)}).items():
        xy[point] = place
    mesh = np.hstack([middle + xy * radius, -radius * np.sqrt(1.001 - (xy**2).sum(1, keepdims=True))])
    mesh[FIVE, :2], mesh[FIVE, 2] = five, -radius * np.array([0.8, 0.9, 0.8, 0.9, 1.2])
    return mesh


def head() -> Head:
    return Head(ball(FACE), width(box_around(FACE)))


class SureMesh:
    """A face mesh that takes every place for a face, or none."""

    def __init__(self, score: float):
        self.score = score

    def points_in(self, gray: np.ndarray, five: np.ndarray) -> tuple[np.ndarray, float]:
        return ball(five), self.score
