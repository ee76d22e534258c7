"""Pure: how large a picture may be, and how a decoded one is shown: with square pixels, turned and mirrored as its matrix says."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from realtime.base.errors import Trouble

MOST_PIXELS = 110_000_000
"""Of a picture in a file of its own: those of the largest usual cameras have 108 million, and take 0.8 GB."""
MOST_FILM_PIXELS = 36_000_000
"""Of a film's picture: 8K films have 33 million, cinema's 35 million. Decoders keep up to 17 pictures: more would take over 1 GB."""
MOST_ASPECT = 4
"""A pixel that is more stretched than this is a damaged header: of films even the widest have 2."""


def refuse_large(what: str, size_wh: tuple[int, int], most_pixels: int) -> None:
    """Raises Trouble where a picture has more pixels; the message calls it `what`."""
    width, height = size_wh
    if width * height > most_pixels:
        raise Trouble(f"{what} is too large a picture, {width}x{height} px; {most_pixels / 1e6:g} megapixels are the most: make it smaller")


def square_wh(size_wh: tuple[int, int], pixel_aspect: Fraction | None) -> tuple[int, int]:
    """The size in which a picture's pixels are square. The shorter side of a pixel is stretched, so that no detail is lost. A picture that
    would become too large stays as it is.

    Args:
        size_wh: width and height of the picture in its own pixels.
        pixel_aspect: width of a pixel over its height; None or 0 if the film states none.
    """
    width, height = size_wh
    if not pixel_aspect or not Fraction(1, MOST_ASPECT) <= pixel_aspect <= MOST_ASPECT:
        return size_wh
    square = (round(width * pixel_aspect), height) if pixel_aspect > 1 else (width, round(height / pixel_aspect))
    return square if square[0] * square[1] <= MOST_FILM_PIXELS else size_wh


class Orientation(NamedTuple):
    """How a decoded picture becomes upright: rows and columns exchanged first, then mirrored left-right, then upside down."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False


def orientation(matrix: bytes | None) -> Orientation:
    """The nearest of the eight orientations to a display matrix: 9 int32 in native order, as FFmpeg gives it; None means upright.

    The first four entries a, b, _, c, d map a pixel (x, y) to (a x + c y, b x + d y).
    """
    if matrix is None or len(matrix) != 36:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, mirrored=c < 0, flipped=b < 0)
    return Orientation(False, mirrored=a < 0, flipped=d < 0)


def oriented(image: np.ndarray, how: Orientation) -> np.ndarray:
    """The picture (h, w, 3) turned as `how` says, contiguous; the image itself if nothing is to be done."""
    if not any(how):
        return image
    turned = image.transpose(1, 0, 2) if how.transposed else image
    turned = turned[:, ::-1] if how.mirrored else turned
    return np.ascontiguousarray(turned[::-1] if how.flipped else turned)
