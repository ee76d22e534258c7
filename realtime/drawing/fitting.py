"""Brings pictures with their faces to another size, or turns them as in a mirror."""

from dataclasses import replace

import cv2
import numpy as np

from realtime.base.geometry import mirror_box, move_box, scale_box
from realtime.values import Face, Reading


def mirrored(image: np.ndarray, readings: list[Reading]) -> tuple[np.ndarray, list[Reading]]:
    """Picture and boxes flipped left to right. The five points stay as they are, since they are not drawn."""
    width = image.shape[1]
    flipped = [replace(r, face=replace(r.face, box=mirror_box(r.face.box, width))) for r in readings]
    return cv2.flip(image, 1), flipped


def fitted(image: np.ndarray, readings: list[Reading], size_wh: tuple[int, int]) -> tuple[np.ndarray, list[Reading]]:
    """A new picture (size_wh, BGR uint8) with the whole image on it without distortion, with black bars; boxes and points moved with it."""
    height, width = image.shape[:2]
    if (width, height) == size_wh:
        return image.copy(), readings
    factor = min(size_wh[0] / width, size_wh[1] / height)
    inner_w, inner_h = max(1, round(width * factor)), max(1, round(height * factor))
    x, y = (size_wh[0] - inner_w) // 2, (size_wh[1] - inner_h) // 2
    inner = _resized(image, (inner_w, inner_h))
    if (inner_w, inner_h) == size_wh:
        picture = inner
    else:
        picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
        picture[y : y + inner_h, x : x + inner_w] = inner
    return picture, [replace(r, face=_fitted_face(r.face, factor, x, y)) for r in readings]


def _resized(image: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """The image in another size. Averages halves first, so that thin lines stay: `cv2.INTER_AREA` for any size takes ten times as long."""
    while image.shape[1] >= 2 * size_wh[0] and image.shape[0] >= 2 * size_wh[1]:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR)


def _fitted_face(face: Face, factor: float, x: float, y: float) -> Face:
    points = (face.points * factor + (x, y)).astype(np.float32)
    return replace(face, box=move_box(scale_box(face.box, factor), x, y), points=points)
