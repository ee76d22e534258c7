"""Box arithmetic. Pure."""

import math

from realtime.values import Box


def scaled(box: Box, factor: float) -> Box:
    """The box in a picture that is `factor` times as large."""
    return Box(box.x0 * factor, box.y0 * factor, box.x1 * factor, box.y1 * factor)


def width(box: Box) -> float:
    return box.x1 - box.x0


def apart(a: Box, b: Box) -> float:
    """Distance between two boxes' centres in widths of the larger one; infinite when one is over twice as wide as the other."""
    small, large = sorted((width(a), width(b)))
    if small <= 0 or large > 2 * small:
        return math.inf
    return math.hypot(a.x0 + a.x1 - b.x0 - b.x1, a.y0 + a.y1 - b.y0 - b.y1) / 2 / large


def mirrored(box: Box, picture_width: int) -> Box:
    """The box in the picture flipped left to right."""
    return Box(picture_width - box.x1, box.y0, picture_width - box.x0, box.y1)
