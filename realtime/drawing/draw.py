"""Draws boxes, cards and status lines onto a copy of the picture. Pure: (image, readings) -> annotated image."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from realtime.drawing.history import SPAN_S, Span
from realtime.drawing.layout import Area, Size, area_of, beside, corners, free, least, nearby
from realtime.drawing.text import draw_text, text_width
from realtime.drawing.words import ENGLISH, KEYS, Words
from realtime.values import LABELS, Reading

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
WHITE: Colour = (245, 245, 245)
RED: Colour = (60, 60, 230)
TRACK: Colour = (78, 78, 78)
"""Background of the bars and of the strip."""
EDGE: Colour = (30, 30, 30)


@dataclass(frozen=True)
class Rec:
    """A running recording: length in seconds, size in MB, and frames dropped because the encoder was too slow."""

    elapsed_s: float
    size_mb: float
    dropped: int = 0


@dataclass(frozen=True)
class Hud:
    """Everything that is drawn beside the faces.

    Attributes:
        fps: frames a second; None while no frames come, then no rate and latency are drawn.
        latency_ms: from capture to shown.
        rec: the running recording; None when there is none.
        message: a line for the user.
        help: whether the keys are shown.
        dropped: frames that were too old to be shown.
        saving: the governor's level; 0 when all work is done.
        profile: whose profile is applied; None for nobody's.
        paused: whether the picture stands still.
        hidden: whether faces are shown without their labels.
        strip: the labels of the last seconds, one row for each face.
    """

    fps: float | None
    latency_ms: float
    rec: Rec | None = None
    message: str | None = None
    help: bool = False
    dropped: int = 0
    saving: int = 0
    profile: str | None = None
    paused: bool = False
    hidden: bool = False
    strip: tuple[tuple[Span, ...], ...] = ()


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
        occupied += _draw_first(picture, hud, unit, occupied, words)
    if hud is None or not hud.hidden:
        for reading in readings:
            _draw_box(picture, reading, unit)
        for reading in readings:
            occupied.append(_draw_card(picture, reading, unit, size, occupied, words))
    if hud is not None:
        _draw_rest(picture, hud, unit, occupied, words)


def waiting(image: np.ndarray, why: str, hud: Hud, words: Words = ENGLISH) -> np.ndarray:
    """A dimmed copy of the last picture (h, w, 3) BGR uint8, with a card that says why no new one comes, and the HUD."""
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    picture = cv2.addWeighted(image, 0.2, gray, 0.25, 0)
    unit = _unit(picture)
    occupied = [_draw_notice(picture, why, unit)]
    occupied += _draw_first(picture, hud, unit, occupied, words)
    _draw_rest(picture, hud, unit, occupied, words)
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
    _shade(picture, left, top, wide, height)
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


def _draw_notice(picture: np.ndarray, text: str, unit: float) -> Area:
    """A card with one line in the middle of the picture; a long line is cut at its beginning. Gives the area that it covers."""
    height, width = picture.shape[:2]
    size, pad = round(18 * unit), round(16 * unit)
    text = shortened(text, size, 500, width - 4 * pad)
    wide, tall = text_width(text, size, 500) + 2 * pad, size + 2 * pad
    left, top = (width - wide) // 2, (height - tall) // 2
    cv2.rectangle(picture, (left, top), (left + wide, top + tall), (40, 40, 40), cv2.FILLED)
    draw_text(picture, text, left + pad, top + pad + round(size * 0.85), size, WHITE, 500)
    return left, top, wide, tall


def _draw_first(picture: np.ndarray, hud: Hud, unit: float, faces: Sequence[Area], words: Words) -> list[Area]:
    """Draws what must always be visible: strip, recording, pause, hidden labels. Gives the areas that they cover."""
    height, width = picture.shape[:2]
    occupied: list[Area] = []
    if hud.strip and not hud.hidden:
        row = max(3, round(6 * unit))
        tall = len(hud.strip) * (row + 1)
        place = free([(0, height - tall, width, tall), (0, 0, width, tall)], (width, height), faces)
        if place:
            _draw_strip(picture, hud.strip, place, row)
            occupied.append(place)
    if hud.rec is not None:
        minutes, seconds = divmod(int(hud.rec.elapsed_s), 60)
        pieces = [f"REC {minutes}:{seconds:02d}", f"{hud.rec.size_mb:.1f} MB"]
        pieces += [words.continues] if hud.paused else []
        pieces += [f"{hud.rec.dropped} {words.dropped}"] if hud.rec.dropped else []
        occupied += _draw_pieces(picture, pieces, unit, "tr tl br bl", [*faces, *occupied], dot=True, must=True)
    if hud.paused:
        occupied += _draw_pieces(picture, [words.paused], unit, "tm bl br tl tr bm", [*faces, *occupied], must=True, size=20)
    if hud.hidden:
        occupied += _draw_pieces(picture, [words.hidden], unit, "bl br tl tr", [*faces, *occupied], must=True)
    return occupied


def _draw_rest(picture: np.ndarray, hud: Hud, unit: float, occupied: Sequence[Area], words: Words) -> None:
    """Draws what may be left out if there is no room: message, numbers, the key for help."""
    occupied = list(occupied)
    if hud.message:
        occupied += _draw_pieces(picture, [hud.message], unit, "br bl bm tm tl tr", occupied, must=True)
    if hud.fps is not None and not hud.hidden:
        pieces = [f"{hud.fps:.0f} fps", f"{hud.latency_ms:.0f} ms"]
        pieces += [f"{words.profile} {hud.profile}"] if hud.profile else []
        pieces += [f"{words.saving} {hud.saving}"] if hud.saving else []
        pieces += [f"{hud.dropped} {words.dropped}"] if hud.dropped else []
        occupied += _draw_pieces(picture, pieces, unit, "bl br tl tr", occupied)
    if hud.help:
        _draw_help(picture, unit, words)
    elif not hud.message:
        _draw_pieces(picture, [f"{KEYS['help']} {words.actions['help']}"], unit, "br tr tl bl", occupied)


def _draw_pieces(
    picture: np.ndarray,
    pieces: Sequence[str],
    unit: float,
    order: str,
    occupied: Sequence[Area],
    dot: bool = False,
    must: bool = False,
    size: int = 15,
) -> list[Area]:
    """Draws a line of pieces in the first free corner of `order`; the last pieces are left out if the picture is too narrow.

    With `must` the line is drawn in any case: in another place, shortened, or where it covers the least. Gives the area that it covers,
    if any.
    """
    height, width = picture.shape[:2]
    letters, pad = round(size * unit), round(8 * unit)
    sign = letters + pad if dot else 0
    pieces = list(pieces)
    while len(pieces) > 1 and text_width("   ".join(pieces), letters, 500) + sign + 2 * pad > width:
        pieces.pop()
    # Places above and below the strip count as well.
    strip = sum(area[3] for area in occupied if area[2] == width and area[3] < letters)
    text = "   ".join(pieces)
    shares = (1.0, 0.8, 0.6, 0.45) if must else (1.0,)
    # In the corners first, then anywhere.
    for share, anywhere in [(share, anywhere) for anywhere in ((False, True) if must else (False,)) for share in shares]:
        line = shortened(text, letters, 500, round(share * (width - sign - 2 * pad)))
        card = (text_width(line, letters, 500) + sign + 2 * pad, letters + 2 * pad)
        places = corners(card, (width, height), order)
        places = [one for x, y, w, h in places for one in ((x, y, w, h), (x, y - strip if y else strip, w, h))]
        place = free(nearby(places[0], card, (width, height)) if anywhere else places, (width, height), occupied)
        if place:
            break
    else:
        if not must:
            return []
    left, top, wide, tall = place or least(places, (width, height), occupied)
    _shade(picture, left, top, wide, tall)
    if dot:
        cv2.circle(picture, (left + pad + letters // 2, top + tall // 2), letters // 2, RED, cv2.FILLED, cv2.LINE_AA)
    draw_text(picture, line, left + pad + sign, top + pad + round(letters * 0.85), letters, WHITE, 500)
    return [(left, top, wide, tall)]


def shortened(text: str, size: int, weight: int, room: int) -> str:
    """Text of at most `room` px. A longer text loses its beginning, because the end of a path or address says more."""
    if text_width(text, size, weight) <= room:
        return text
    return next((f"…{text[i:]}" for i in range(1, len(text)) if text_width(f"…{text[i:]}", size, weight) <= room), "")


def _draw_strip(picture: np.ndarray, strip: Sequence[Sequence[Span]], place: Area, row: int) -> None:
    """Rows of colours: now is at the right edge, `SPAN_S` ago at the left edge."""
    left, top, width, tall = place
    picture[top : top + tall, left : left + width] = EDGE
    for i, spans in enumerate(strip):
        y = top + i * (row + 1)
        for span in spans:
            x0, x1 = (round(width * (1 - age / SPAN_S)) for age in (span.start, span.end))
            picture[y : y + row, left + x0 : left + max(x1, x0 + 1)] = COLOURS[span.label] if span.label else QUIET


def _draw_help(picture: np.ndarray, unit: float, words: Words) -> None:
    """A card in the middle with keys and colours. The user opened it, so it may cover a face."""
    height, width = picture.shape[:2]
    keys = [(key, words.actions[action]) for action, key in KEYS.items()]
    colours = [(words.labels[name], COLOURS[name]) for name in LABELS]
    for scale in (unit, 0.85 * unit, 0.7 * unit, 0.55 * unit, 0.45 * unit):
        letters = max(6, round(15 * scale))
        pad, step = letters, round(letters * 1.55)
        first = max(text_width(key, letters) for key, _ in keys) + pad
        second = max(text_width(text, letters) for _, text in keys) + 2 * pad
        third = max(text_width(text, letters) for text, _ in colours) + round(1.5 * pad)
        wide, tall = first + second + third + 2 * pad, len(keys) * step + 2 * pad - (step - letters)
        if wide <= width and tall <= height:
            break
    left, top = max(0, (width - wide) // 2), max(0, (height - tall) // 2)
    part = picture[top : top + tall, left : left + wide]
    part[:] = cv2.convertScaleAbs(part, alpha=0.15)
    for i, (key, text) in enumerate(keys):
        baseline = top + pad + round(0.85 * letters) + i * step
        draw_text(picture, key, left + pad, baseline, letters, QUIET)
        draw_text(picture, text, left + pad + first, baseline, letters, WHITE)
    for i, (text, colour) in enumerate(colours):
        baseline, x = top + pad + round(0.85 * letters) + i * step, left + pad + first + second
        cv2.rectangle(picture, (x, baseline - letters + 3), (x + letters - 3, baseline), colour, cv2.FILLED)
        draw_text(picture, text, x + round(1.3 * letters), baseline, letters, WHITE)


def _shade(picture: np.ndarray, left: int, top: int, width: int, height: int) -> None:
    """Darkens a rectangle in place, so that light text can be read on it."""
    part = picture[max(top, 0) : top + height, max(left, 0) : left + width]
    if part.size:
        part[:] = cv2.convertScaleAbs(part, alpha=0.35)
