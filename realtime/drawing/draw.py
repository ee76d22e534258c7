"""Draws boxes, cards and status lines onto a copy of the picture. Pure: (image, readings) -> annotated image."""

import cv2
import numpy as np

from realtime.drawing.bar import draw_bar
from realtime.drawing.cards import draw_cards
from realtime.drawing.hud import Hud, draw_first, draw_notice, draw_rest
from realtime.drawing.layout import area_of
from realtime.drawing.words import ENGLISH, Words
from realtime.values import Reading


def annotate(image: np.ndarray, readings: list[Reading], hud: Hud | None = None, words: Words = ENGLISH) -> np.ndarray:
    """A copy of (h, w, 3) BGR uint8 with a box and a card for every face, and the HUD if there is one.

    Nothing covers a face: a part that has no room is drawn smaller or left out.
    """
    picture = image.copy()
    draw(picture, readings, hud, words)
    return picture


def draw(picture: np.ndarray, readings: list[Reading], hud: Hud | None = None, words: Words = ENGLISH) -> None:
    """As `annotate`, on the picture itself."""
    unit = unit_of(picture)
    occupied = [area_of(reading.face.box) for reading in readings]
    if hud is not None:
        occupied += draw_first(picture, hud, unit, occupied, words)
    if hud is None or not hud.hidden:
        occupied += draw_cards(picture, readings, unit, occupied[len(readings) :], words)
    if hud is not None:
        draw_rest(picture, hud, unit, occupied, words)
        if hud.bar is not None:
            draw_bar(picture, hud.bar, unit, words)


def waiting(image: np.ndarray, why: str, hud: Hud, words: Words = ENGLISH) -> np.ndarray:
    """A dimmed copy of the last picture (h, w, 3) BGR uint8, with a card that says why no new one comes, and the HUD."""
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    picture = cv2.addWeighted(image, 0.2, gray, 0.25, 0)
    unit = unit_of(picture)
    occupied = [draw_notice(picture, why, unit)]
    occupied += draw_first(picture, hud, unit, occupied, words)
    draw_rest(picture, hud, unit, occupied, words)
    if hud.bar is not None:
        draw_bar(picture, hud.bar, unit, words)
    return picture


def unit_of(picture: np.ndarray) -> float:
    """Scale of everything that is drawn; 1 for a picture 480 px high. At least 0.7, because smaller letters cannot be read."""
    return max(0.7, min(picture.shape[:2]) / 480)
