"""Cuts the classifier's chip out of a gray picture, after the landmarks: five points -> similarity transform -> (64, 64) gray.

The classifier was trained on 48x48 crops. Faces from a camera are therefore sampled at 48x48 too, and `enlarge` makes the chip from both:
so training and running have the same sharpness and the same framing. Pure functions: arrays in, new arrays out.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from realtime.values import CHIP, CROP

TEMPLATE = np.array([[0.751, 0.378], [0.609, 0.382], [0.249, 0.378], [0.391, 0.382], [0.500, 0.658]])
"""Where the five points of `realtime.faces.landmarks` lie in a crop, as shares of its side.

The shape is the median of 806 faces of the faces_wild photos, made symmetric. Its size and place are those of 938 faces of FER2013's public
test, measured with the same detector and points: eyes 36 % of the side apart (median 0.362) and 38 to 40 % from the top (0.398).
"""


_MIDDLE = complex(*TEMPLATE.mean(0)) * CROP
_SHAPE = [complex(x, y) for x, y in (TEMPLATE - TEMPLATE.mean(0)) * CROP]
_SIZE = sum(abs(point) ** 2 for point in _SHAPE)
"""`TEMPLATE` in crop pixels as complex numbers: its middle, its points relative to the middle, and the sum of their squares.
For five points plain Python is faster than numpy."""


class _Fit(NamedTuple):
    """Sums for the best similarity z -> a z + b from five points to `TEMPLATE`, by linear least squares: a = product / spread."""

    middle: complex  # mean of the points
    product: complex  # sum of the conjugate points times the template's points, both relative to their middles
    spread: float  # sum of the squared distances from the middle


def _fit(points: np.ndarray) -> _Fit:
    z = [complex(x, y) for x, y in points.tolist()]
    middle = sum(z) / len(z)
    centred = [point - middle for point in z]
    product = sum(point.conjugate() * target for point, target in zip(centred, _SHAPE, strict=True))
    return _Fit(middle, product, sum(abs(point) ** 2 for point in centred))


def similarity(points: np.ndarray) -> np.ndarray:
    """The similarity transform that brings five face points closest to `TEMPLATE`, in the least-squares sense.

    Args:
        points: (5, 2) positions in picture pixels, in the order of `TEMPLATE`; at least two must differ.

    Returns:
        (2, 3) float64 matrix from picture pixels to crop pixels.
    """
    middle, product, spread = _fit(points)
    a = product / spread
    b = _MIDDLE - a * middle
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def misfit(points: np.ndarray) -> float:
    """How far five points (5, 2) are from the shape of a frontal face: root mean square distance, as a share of the crop's side.

    Measured after the best similarity transform, so the face may be rotated, moved and scaled in the picture. The squared residual of a
    least-squares fit is the template's sum of squares less the part that the fit explains. Infinite if all points are the same.
    """
    _, product, spread = _fit(points)
    if spread == 0:
        return math.inf
    return math.sqrt(max(_SIZE - abs(product) ** 2 / spread, 0.0) / len(points)) / CROP


def sample(gray: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Samples the crop of a face.

    Sampling is bilinear. A face larger than the crop is first sampled at a whole multiple of the crop's size and then averaged down,
    because bilinear samples far apart would skip pixels and turn sensor noise into texture. Samples up to two pixels apart skip none and
    cost a quarter of samples one pixel apart (0.05 ms instead of 0.12; chips differ by 0.2 gray levels). Outside the picture, its edge
    pixels are repeated.

    Args:
        gray: (h, w) uint8.
        matrix: (2, 3) similarity, picture pixels to crop pixels (pixel centres at whole numbers).

    Returns:
        (48, 48) uint8.
    """
    zoom = 1.0 / math.hypot(matrix[0, 0], matrix[1, 0])
    times = 1 if zoom <= 1.25 else min(max(math.ceil(zoom / 2), 2), 8)
    # Enlarging a pixel grid k times keeps its corners in place, not the pixel centres: x' = (x + 0.5) k - 0.5.
    enlarged = matrix * times
    enlarged[:, 2] += 0.5 * times - 0.5
    crop = cv2.warpAffine(gray, enlarged, (CROP * times, CROP * times), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crop if times == 1 else cv2.resize(crop, (CROP, CROP), interpolation=cv2.INTER_AREA)


def enlarge(crop: np.ndarray) -> np.ndarray:
    """The (64, 64) uint8 chip from a (48, 48) uint8 crop of a camera or a dataset."""
    return cv2.resize(crop, (CHIP, CHIP), interpolation=cv2.INTER_LINEAR)


def align(gray: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The (64, 64) uint8 chip of the face with these five points (5, 2) in a gray picture (h, w) uint8."""
    return enlarge(sample(gray, similarity(points)))
