"""A lesson of a few faces whose expression is plain to see, for tests of training. Needs torch."""

import numpy as np

from models.face_api import FaceApiNet
from models.lesson import Lesson, MeasuredFaces

FEAR, SURPRISE = 2, 5


def half_dark(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 48, 48) uint8 pictures that are dark above, and then surprise, or dark below, and then fear; and their labels (n,) int8."""
    draw = np.random.default_rng(seed)
    above = draw.integers(0, 2, n) == 1
    crops = draw.integers(150, 250, (n, 48, 48)).astype(np.uint8)
    crops[above, :24] //= 5
    crops[~above, 24:] //= 5
    return crops, np.where(above, SURPRISE, FEAR).astype("i1")


def small_lesson() -> Lesson:
    crops, labels = half_dark(160, 0)
    test, truth = half_dark(40, 1)
    eye = np.broadcast_to(np.eye(2, 3, dtype="f4"), (160, 2, 3))
    scenery = np.random.default_rng(2).integers(0, 256, (20, 6, 6), np.uint8).repeat(8, 1).repeat(8, 2)
    adviser = {name: value.numpy() for name, value in FaceApiNet().state_dict().items()}
    return Lesson(
        crops=crops,
        framing=eye,
        distribution=np.eye(8, dtype="f4")[labels],
        weight=np.ones(160, "f4"),
        single=labels,
        prior=np.full(7, 1 / 7, "f4"),
        scenery=scenery,
        tests={"halves": MeasuredFaces(test, eye[:40], truth, truth)},
        starts={"face_api": adviser},
    )
