"""What sessions of the first schema, session/1, lack: the face crops that their chips were made of, and which takes were simultaneous."""

from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np

from realtime.values import CHIP, CROP

SCHEMA = "session/1"
CHIPS = "chips"
"""Folder of the pictures that the model reads: chips, (64, 64) gray PNG, where newer sessions hold face crops."""


def restore_face_crop(chip: np.ndarray) -> np.ndarray:
    """The (48, 48) uint8 face crop that `enlarge` made a (64, 64) uint8 chip of; it makes the same chip again, to one grey level."""
    inverse = _inverse_of_enlarge()
    return np.clip(np.rint(inverse @ chip @ inverse.T), 0, 255).astype(np.uint8)


@cache
def _inverse_of_enlarge() -> np.ndarray:
    """(48, 64): the least-squares inverse of one direction of `enlarge`, which is linear but for its rounding."""
    return np.linalg.pinv(cv2.resize(np.eye(CROP), (CROP, CHIP), interpolation=cv2.INTER_LINEAR))


def guess_moments(takes: Iterable[tuple[str, str, str]]) -> list[int]:
    """Guesses which takes of a session several cameras took at the same time: numbers, equal for simultaneous takes.

    Args:
        takes: expression, light and camera of each, in the order in which they were stored. Takes that follow each other belong to one
            moment as long as expression and light are the same and no camera comes twice.
    """
    moments: list[int] = []
    cameras: set[str] = set()
    previous = None
    for expression, light, camera in takes:
        if (expression, light) != previous or camera in cameras:
            cameras, previous = set(), (expression, light)
            moments.append(moments[-1] + 1 if moments else 0)
        else:
            moments.append(moments[-1])
        cameras.add(camera)
    return moments
