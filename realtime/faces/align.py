"""Cuts the classifier's chip out of a gray picture: 5 points -> similarity transform -> (64, 64) gray.

The classifier learned from 48x48 crops. A camera's face is therefore sampled at 48x48 as well, and `enlarge` makes the chip of either:
running and training see the same sharpness and the same framing. Pure: arrays in, new arrays out.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

CHIP = 64
"""Side of a chip in pixels: the classifier's input."""

CROP = 48
"""Side of the square in which a face is sampled, in pixels: what the training pictures have."""

TEMPLATE = np.array([[0.751, 0.378], [0.609, 0.382], [0.249, 0.378], [0.391, 0.382], [0.500, 0.658]])
"""Where the five points of `realtime.faces.landmarks` lie in a crop, as shares of its side.

The shape is the median of 806 faces of the faces_wild photos, made symmetric. Its place is where 938 faces of FER2013's public test have
theirs: eyes 36 % of the side apart (median 0.362) and 38 to 40 % from the top (0.398), measured with the same detector and points.
"""


_MIDDLE = complex(*TEMPLATE.mean(0)) * CROP
_SHAPE = [complex(x, y) for x, y in (TEMPLATE - TEMPLATE.mean(0)) * CROP]
_SIZE = sum(abs(point) ** 2 for point in _SHAPE)
"""`TEMPLATE` in crop pixels as complex numbers: its middle, its points from there, their squares. So few are faster without numpy."""


class _Fit(NamedTuple):
    """What the best similarity z -> a z + b of five points to `TEMPLATE` depends on (linear least squares; a = product / spread)."""

    middle: complex  # of the points
    product: complex  # with the template's, both about their middles
    spread: float  # squares about the middle


def _fit(points: np.ndarray) -> _Fit:
    z = [complex(x, y) for x, y in points.tolist()]
    middle = sum(z) / len(z)
    centred = [point - middle for point in z]
    product = sum(point.conjugate() * wanted for point, wanted in zip(centred, _SHAPE, strict=True))
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
    """How far five points (5, 2) are from those of an upright frontal face, root mean square in shares of the crop's side.

    The face may be turned in the picture, moved and scaled: what the best similarity leaves counts, which is, by Pythagoras, the template
    without what it explains. Infinite if all points are one.
    """
    _, product, spread = _fit(points)
    if spread == 0:
        return math.inf
    return math.sqrt(max(_SIZE - abs(product) ** 2 / spread, 0.0) / len(points)) / CROP


def sample(gray: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Samples a face.

    Sampling is bilinear. A face larger than the crop is first sampled at a whole multiple of the crop's size and then averaged down,
    because a bilinear tap alone would skip pixels and turn sensor noise into texture. Taps up to two pixels apart skip none, and cost a
    quarter of taps one apart (0.05 ms instead of 0.12, chips 0.2 gray levels different). Outside the picture, its edge repeats.

    Args:
        gray: (h, w) uint8.
        matrix: (2, 3) similarity, picture pixels to crop pixels (pixel centres at whole numbers).

    Returns:
        (48, 48) uint8.
    """
    zoom = 1.0 / math.hypot(matrix[0, 0], matrix[1, 0])
    times = 1 if zoom <= 1.25 else min(max(math.ceil(zoom / 2), 2), 8)
    # Enlarging pixel grids keeps the corners in place, not the centres: x' = (x + 0.5) k - 0.5.
    enlarged = matrix * times
    enlarged[:, 2] += 0.5 * times - 0.5
    crop = cv2.warpAffine(gray, enlarged, (CROP * times, CROP * times), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crop if times == 1 else cv2.resize(crop, (CROP, CROP), interpolation=cv2.INTER_AREA)


def enlarge(crop: np.ndarray) -> np.ndarray:
    """The (64, 64) uint8 chip of a (48, 48) uint8 face, from a camera or from a dataset."""
    return cv2.resize(crop, (CHIP, CHIP), interpolation=cv2.INTER_LINEAR)


def align(gray: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The (64, 64) uint8 chip of the face whose five points (5, 2) lie in a gray picture (h, w) uint8."""
    return enlarge(sample(gray, similarity(points)))
