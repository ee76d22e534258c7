"""Draws readings onto a copy of the picture. Pure: (image, readings) -> annotated image."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from realtime.geometry import mirrored as mirrored_box
from realtime.geometry import moved, scaled
from realtime.values import Box, Reading

Colour = tuple[int, int, int]

# Okabe and Ito's palette (2008), made to be told apart by the colour-blind; BGR.
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
WHITE: Colour = (245, 245, 245)
RED: Colour = (60, 60, 230)
HELP = (("q, Esc", "quit"), ("r", "record, stop"), ("s", "snapshot"), ("h", "this help"))


@dataclass(frozen=True)
class Rec:
    """A running recording: its length in seconds, its size in MB, and how many frames its encoder was too slow for."""

    elapsed_s: float
    size_mb: float
    dropped: int = 0


@dataclass(frozen=True)
class Hud:
    """What the window shows beside the faces.

    Attributes:
        fps: frames a second; None while there are none, which leaves out all numbers about them.
        latency_ms: from capture to shown.
        rec: the running recording; None when there is none.
        message: a line for the user.
        help: whether the keys are shown.
        dropped: frames that were too old to be shown.
        saving: the governor's level; 0 when nothing is saved.
    """

    fps: float | None
    latency_ms: float
    rec: Rec | None = None
    message: str | None = None
    help: bool = False
    dropped: int = 0
    saving: int = 0


def mirrored(image: np.ndarray, readings: list[Reading]) -> tuple[np.ndarray, list[Reading]]:
    """Picture and boxes flipped left to right, as in a mirror; points are left out of it, since they are not drawn."""
    width = image.shape[1]
    flipped = [replace(r, face=replace(r.face, box=mirrored_box(r.face.box, width))) for r in readings]
    return cv2.flip(image, 1), flipped


def fitted(image: np.ndarray, readings: list[Reading], size_wh: tuple[int, int]) -> tuple[np.ndarray, list[Reading]]:
    """Picture and boxes at another size, as large as fits without distortion, in the middle between black bars; points are left out."""
    height, width = image.shape[:2]
    factor = min(size_wh[0] / width, size_wh[1] / height)
    inner_wh = [max(1, round(width * factor)), max(1, round(height * factor))]
    x, y = ((whole - inner) // 2 for whole, inner in zip(size_wh, inner_wh, strict=True))
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    picture[y : y + inner_wh[1], x : x + inner_wh[0]] = cv2.resize(image, inner_wh, interpolation=cv2.INTER_AREA)
    return picture, [replace(r, face=replace(r.face, box=moved(scaled(r.face.box, factor), x, y))) for r in readings]


def annotate(image: np.ndarray, readings: list[Reading], hud: Hud | None = None) -> np.ndarray:
    """A copy of (h, w, 3) BGR uint8 with a box, id, label and confidence bar for every face, and the HUD if there is one."""
    picture = image.copy()
    unit = max(0.6, min(picture.shape[:2]) / 480)
    for reading in readings:
        _draw_face(picture, reading, unit)
    if hud is not None:
        _draw_hud(picture, hud, unit)
    return picture


def waiting(image: np.ndarray, why: str, hud: Hud) -> np.ndarray:
    """A dimmed copy of the last picture (h, w, 3) BGR uint8 with a card that says why no other one comes, and the HUD."""
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    picture = cv2.addWeighted(image, 0.2, gray, 0.25, 0)
    unit = max(0.6, min(picture.shape[:2]) / 480)
    _draw_notice(picture, why, unit)
    _draw_hud(picture, hud, unit)
    return picture


def caption(reading: Reading) -> str:
    """What is said of a face: its expression, or that it is unsure and why."""
    return f"unsure ({reading.unsure})" if reading.unsure else f"{reading.label} {reading.confidence:.0%}"


def _draw_face(picture: np.ndarray, reading: Reading, unit: float) -> None:
    colour = QUIET if reading.unsure else COLOURS[reading.label]
    box = reading.face.box
    line = max(1, round(2 * unit))
    corners = [round(v) for v in (box.x0, box.y0, box.x1, box.y1)]
    # A dark line under the coloured one keeps the box visible on any background.
    cv2.rectangle(picture, corners[:2], corners[2:], (30, 30, 30), line + 2, cv2.LINE_AA)
    cv2.rectangle(picture, corners[:2], corners[2:], colour, line, cv2.LINE_AA)

    size, pad = round(18 * unit), round(6 * unit)
    parts = [(f"{reading.face.id}", QUIET, 400), (caption(reading), WHITE, 500)]
    widths = [_text_width(text, size, weight) for text, _, weight in parts]
    card_wh = (sum(widths) + 3 * pad, size + 2 * pad + round(6 * unit))
    left, top = _card_place(box, card_wh, picture, line)
    _shade(picture, left, top, *card_wh)
    x = left + pad
    for (text, ink, weight), width in zip(parts, widths, strict=True):
        _text(picture, text, x, top + pad + round(size * 0.85), size, ink, weight)
        x += width + pad
    bar_y, bar_h, full = top + card_wh[1] - pad, max(2, round(4 * unit)), card_wh[0] - 2 * pad
    cv2.rectangle(picture, (left + pad, bar_y - bar_h), (left + pad + full, bar_y), (90, 90, 90), cv2.FILLED)
    cv2.rectangle(picture, (left + pad, bar_y - bar_h), (left + pad + round(full * reading.confidence), bar_y), colour, cv2.FILLED)


def _card_place(box: Box, card_wh: tuple[int, int], picture: np.ndarray, line: int) -> tuple[int, int]:
    """Where a face's card goes: above its box, below where there is no room above, always inside the picture."""
    height, width = picture.shape[:2]
    left = round(min(max(box.x0 - line, 0), max(width - card_wh[0], 0)))
    above, below = round(box.y0) - card_wh[1] - line - 2, round(box.y1) + line + 2
    top = above if above >= 0 else below
    return left, min(max(top, 0), max(height - card_wh[1], 0))


def _draw_notice(picture: np.ndarray, text: str, unit: float) -> None:
    """A card with one line in the middle; of a line that is too long, the beginning is left out."""
    height, width = picture.shape[:2]
    size, pad = round(18 * unit), round(16 * unit)
    room = width - 4 * pad
    if _text_width(text, size, 500) > room:
        text = next((f"…{text[i:]}" for i in range(1, len(text)) if _text_width(f"…{text[i:]}", size, 500) <= room), "")
    wide, tall = _text_width(text, size, 500) + 2 * pad, size + 2 * pad
    left, top = (width - wide) // 2, (height - tall) // 2
    cv2.rectangle(picture, (left, top), (left + wide, top + tall), (40, 40, 40), cv2.FILLED)
    _text(picture, text, left + pad, top + pad + round(size * 0.85), size, WHITE, 500)


def _draw_hud(picture: np.ndarray, hud: Hud, unit: float) -> None:
    height, width = picture.shape[:2]
    size, pad = round(15 * unit), round(8 * unit)
    if hud.fps is not None:
        rate = f"{hud.fps:.0f} fps   {hud.latency_ms:.0f} ms" + (f"   {hud.dropped} dropped" if hud.dropped else "")
        rate += f"   saving {hud.saving}" if hud.saving else ""
        _shade(picture, 0, height - size - 2 * pad, _text_width(rate, size, 400) + 2 * pad, size + 2 * pad)
        _text(picture, rate, pad, height - pad - round(size * 0.15), size, WHITE, 400)
    if hud.rec is not None:
        minutes, seconds = divmod(int(hud.rec.elapsed_s), 60)
        clock = f"REC {minutes}:{seconds:02d}   {hud.rec.size_mb:.1f} MB" + (f"   {hud.rec.dropped} dropped" if hud.rec.dropped else "")
        wide = _text_width(clock, size, 600) + size + 3 * pad
        _shade(picture, width - wide, 0, wide, size + 2 * pad)
        cv2.circle(picture, (width - wide + pad + size // 2, pad + size // 2), size // 2, RED, cv2.FILLED, cv2.LINE_AA)
        _text(picture, clock, width - wide + 2 * pad + size, pad + round(size * 0.85), size, WHITE, 600)
    rows = HELP if hud.help else (("", hud.message),) if hud.message else (("h", "help"),)
    keys, said = (max(_text_width(row[i], size, 400) for row in rows) for i in (0, 1))
    gap = 2 * pad if keys else 0
    wide, tall = keys + gap + said + 2 * pad, round(len(rows) * size * 1.5) + 2 * pad - round(size * 0.5)
    left, top = max(0, width - wide), height - tall
    _shade(picture, left, top, wide, tall)
    for i, (key, meaning) in enumerate(rows):
        baseline = top + pad + round(size * (0.85 + 1.5 * i))
        _text(picture, key, left + pad, baseline, size, QUIET, 400)
        _text(picture, meaning, left + pad + keys + gap, baseline, size, WHITE, 400)


def _shade(picture: np.ndarray, left: int, top: int, width: int, height: int) -> None:
    """Darkens a rectangle in place, so that light text can be read on it."""
    part = picture[max(top, 0) : top + height, max(left, 0) : left + width]
    if part.size:
        part[:] = cv2.convertScaleAbs(part, alpha=0.35)


def _text(picture: np.ndarray, text: str, x: int, baseline: int, size: int, colour: Colour, weight: int) -> None:
    cv2.putText(picture, text, (x, baseline), colour, cv2.FontFace("sans"), size, weight)


def _text_width(text: str, size: int, weight: int) -> int:
    return cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace("sans"), size, weight)[2]
