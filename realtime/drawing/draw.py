"""Draws boxes, cards and status lines onto a copy of the picture. Pure: (image, readings) -> annotated image."""

from collections.abc import Sequence

import cv2
import numpy as np

from realtime.drawing.hud import Hud, draw_first, draw_notice, draw_rest
from realtime.drawing.layout import Area, Size, area_of, beside, free, least, nearby
from realtime.drawing.palette import COLOURS, EDGE, QUIET, TRACK, WHITE, Colour, shade
from realtime.drawing.text import draw_text, text_width
from realtime.drawing.words import ENGLISH, Words
from realtime.values import LABELS, Reading


def annotate(image: np.ndarray, readings: list[Reading], hud: Hud | None = None, words: Words = ENGLISH) -> np.ndarray:
    """A copy of (h, w, 3) BGR uint8 with a box and a card for every face, and the HUD if there is one.

    Nothing covers a face: a part that has no room is drawn smaller or left out.
    """
    picture = image.copy()
    draw(picture, readings, hud, words)
    return picture


def draw(picture: np.ndarray, readings: list[Reading], hud: Hud | None = None, words: Words = ENGLISH) -> None:
    """As `annotate`, on the picture itself."""
    unit, size = _unit(picture), (picture.shape[1], picture.shape[0])
    occupied = [area_of(reading.face.box) for reading in readings]
    if hud is not None:
        occupied += draw_first(picture, hud, unit, occupied, words)
    if hud is None or not hud.hidden:
        for reading in readings:
            _draw_box(picture, reading, unit)
        for reading in readings:
            occupied.append(_draw_card(picture, reading, unit, size, occupied, words))
    if hud is not None:
        draw_rest(picture, hud, unit, occupied, words)


def waiting(image: np.ndarray, why: str, hud: Hud, words: Words = ENGLISH) -> np.ndarray:
    """A dimmed copy of the last picture (h, w, 3) BGR uint8, with a card that says why no new one comes, and the HUD."""
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    picture = cv2.addWeighted(image, 0.2, gray, 0.25, 0)
    unit = _unit(picture)
    occupied = [draw_notice(picture, why, unit)]
    occupied += draw_first(picture, hud, unit, occupied, words)
    draw_rest(picture, hud, unit, occupied, words)
    return picture


def caption(reading: Reading, words: Words = ENGLISH) -> str:
    """The text on the card of a face: its expression and confidence, or "unsure" with the reason."""
    if reading.unsure:
        return f"{words.unsure} ({words.doubts[reading.unsure]})"
    return f"{words.labels[reading.label]} {reading.confidence:.0%}"


def _unit(picture: np.ndarray) -> float:
    """Scale of everything that is drawn; 1 for a picture 480 px high. At least 0.7, because smaller letters cannot be read."""
    return max(0.7, min(picture.shape[:2]) / 480)


def _draw_box(picture: np.ndarray, reading: Reading, unit: float) -> None:
    box, line = reading.face.box, max(1, round(2 * unit))
    first, last = (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1))
    # The dark line below the coloured one keeps the box visible on any background.
    cv2.rectangle(picture, first, last, EDGE, line + 2)
    cv2.rectangle(picture, first, last, _colour(reading), line)


def _colour(reading: Reading) -> Colour:
    return QUIET if reading.unsure else COLOURS[reading.label]


def _draw_card(picture: np.ndarray, reading: Reading, unit: float, size: Size, occupied: Sequence[Area], words: Words) -> Area:
    """A face's card: number, label, confidence, and seven bars if there is room. Gives the area that it covers."""
    letters, pad, gap = round(17 * unit), round(7 * unit), max(1, round(2 * unit)) + 2
    parts = [(f"{reading.face.id}", QUIET, 400), (caption(reading, words), WHITE, 500)]
    widths = [text_width(text, letters, weight) for text, _, weight in parts]
    wide = max(sum(widths) + 3 * pad, round(130 * unit))
    bar, between = max(2, round(3.4 * unit)), max(1, round(1.8 * unit))
    title = letters + round(1.4 * pad)
    bars = len(LABELS) * (bar + between) + pad
    # Beside a small face the bars would be larger than the face.
    tall = [title + bars, title] if reading.face.box.x1 - reading.face.box.x0 > bars else [title]
    box = area_of(reading.face.box)
    place = next((spot for height in tall if (spot := free(beside(box, (wide, height), gap), size, occupied))), None)
    place = place or free(nearby(box, (wide, title), size), size, occupied)
    left, top, _, height = place or least(beside(box, (wide, title), gap), size, occupied)
    shade(picture, left, top, wide, height)
    cv2.rectangle(picture, (left, top), (left + max(2, round(3 * unit)) - 1, top + height - 1), _colour(reading), cv2.FILLED)
    x = left + pad + round(2 * unit)
    for (text, ink, weight), part in zip(parts, widths, strict=True):
        draw_text(picture, text, x, top + round(0.6 * pad + 0.86 * letters), letters, ink, weight)
        x += part + pad
    if height > title:
        full, start = wide - 2 * pad, left + pad + round(2 * unit)
        for i, (name, share) in enumerate(zip(LABELS, reading.probs.tolist(), strict=True)):
            y = top + title + i * (bar + between)
            rows = picture[max(y, 0) : y + bar]
            rows[:, start : start + full] = TRACK
            rows[:, start : start + round(full * share)] = COLOURS[name]
    return left, top, wide, height
