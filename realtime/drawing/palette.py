"""The colours of the screen, BGR."""

import cv2
import numpy as np

Colour = tuple[int, int, int]

# Palette of Okabe and Ito (2008), whose colours colour-blind people can tell apart; BGR.
COLOURS: dict[str, Colour] = {
    "anger": (0, 94, 213),
    "disgust": (115, 158, 0),
    "fear": (167, 121, 204),
    "happiness": (66, 228, 240),
    "sadness": (200, 130, 20),
    "surprise": (0, 159, 230),
    "neutral": (215, 215, 215),
}
QUIET: Colour = (150, 150, 150)
PALE: Colour = (215, 215, 215)
"""For letters that stand back behind white ones on a shaded ground: readable also where the picture itself is white."""
WHITE: Colour = (245, 245, 245)
RED: Colour = (60, 60, 230)
TRACK: Colour = (78, 78, 78)
"""Background of the bars and of the strip."""
EDGE: Colour = (30, 30, 30)


def shade(picture: np.ndarray, left: int, top: int, width: int, height: int) -> None:
    """Darkens a rectangle in place, so that light text can be read on it."""
    part = picture[max(top, 0) : top + height, max(left, 0) : left + width]
    if part.size:
        part[:] = cv2.convertScaleAbs(part, alpha=0.35)


def fill(picture: np.ndarray, left: int, top: int, width: int, height: int, colour: Colour) -> None:
    """Fills a rectangle in place; parts beyond the picture are left out. Some times faster than an assignment to a slice."""
    if width > 0 and height > 0:
        cv2.rectangle(picture, (left, top), (left + width - 1, top + height - 1), colour, cv2.FILLED)
