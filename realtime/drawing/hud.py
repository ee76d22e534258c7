"""Draws what is beside the faces: status line, recording sign, messages, the strip of the last seconds, the help."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from realtime.base.messages import message
from realtime.drawing.bar import Bar, outline
from realtime.drawing.history import SPAN_S, Span
from realtime.drawing.layout import Area, corners, free, least, nearby
from realtime.drawing.palette import COLOURS, EDGE, QUIET, RED, WHITE, fill, shade
from realtime.drawing.text import draw_text, text_width
from realtime.drawing.words import KEYS, Words
from realtime.values import LABELS

PANEL = (32, 29, 27)
"""Background of the help, BGR."""
READABLE = 11
"""Letters smaller than this, in px, cannot be read: the help then leaves its explanations out."""


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
        fps: frames a second; None while no frames come, then no status line is drawn.
        latency_ms: from capture to shown.
        rec: the running recording; None when there is none.
        message: a line for the user about what was just done.
        notice: a line for the user about what the picture lacks, such as a face.
        source: what the picture is, where that is not obvious, such as the demo clip.
        help: whether the help is shown.
        numbers: whether rate and latency are shown.
        dropped: frames that were too old to be shown.
        saving: the governor's level; 0 when all work is done.
        profile: whose profile is applied; None for nobody's.
        paused: whether the picture stands still.
        hidden: whether faces are shown without their labels.
        strip: the labels of the last seconds, one row for each face.
        bar: the buttons for the mouse; None while they are not shown.
    """

    fps: float | None
    latency_ms: float
    rec: Rec | None = None
    message: str | None = None
    notice: str | None = None
    source: str | None = None
    help: bool = False
    numbers: bool = False
    dropped: int = 0
    saving: int = 0
    profile: str | None = None
    paused: bool = False
    hidden: bool = False
    strip: tuple[tuple[Span, ...], ...] = ()
    bar: Bar | None = None


def draw_notice(picture: np.ndarray, text: str, unit: float) -> Area:
    """A card with one line in the middle of the picture; a long line is cut at its beginning. Gives the area that it covers."""
    height, width = picture.shape[:2]
    size, pad = round(18 * unit), round(16 * unit)
    text = shortened(text, size, 500, width - 4 * pad)
    wide, tall = text_width(text, size, 500) + 2 * pad, size + 2 * pad
    left, top = (width - wide) // 2, (height - tall) // 2
    cv2.rectangle(picture, (left, top), (left + wide, top + tall), (40, 40, 40), cv2.FILLED)
    draw_text(picture, text, left + pad, top + pad + round(size * 0.85), size, WHITE, 500)
    return left, top, wide, tall


def draw_first(picture: np.ndarray, hud: Hud, unit: float, faces: Sequence[Area], words: Words) -> list[Area]:
    """Draws what must always be visible: strip, recording, pause, hidden labels. Gives the areas that they and the bar cover."""
    height, width = picture.shape[:2]
    occupied: list[Area] = []
    if hud.strip and not hud.hidden:
        row = max(3, round(6 * unit))
        tall = len(hud.strip) * (row + 1)
        place = free([(0, height - tall, width, tall), (0, 0, width, tall)], (width, height), faces)
        if place:
            _draw_strip(picture, hud.strip, place, row)
            occupied.append(place)
    if hud.bar is not None:
        # It is drawn last, so that it is whole in any case.
        occupied.append(outline(hud.bar.buttons))
    if hud.rec is not None:
        minutes, seconds = divmod(int(hud.rec.elapsed_s), 60)
        pieces = [f"REC {minutes}:{seconds:02d}", f"{hud.rec.size_mb:.1f} MB"]
        pieces += [words.continues] if hud.paused else []
        pieces += [words.sentence(message("skipped", count=hud.rec.dropped))] if hud.rec.dropped else []
        occupied += _draw_pieces(picture, pieces, unit, "tr tl br bl", [*faces, *occupied], dot=True, must=True)
    if hud.paused:
        occupied += _draw_pieces(picture, [words.paused], unit, "tm bl br tl tr bm", [*faces, *occupied], must=True, size=20)
    if hud.hidden:
        occupied += _draw_pieces(picture, [words.hidden], unit, "bl br tl tr", [*faces, *occupied], must=True)
    return occupied


def draw_rest(picture: np.ndarray, hud: Hud, unit: float, occupied: Sequence[Area], words: Words) -> None:
    """Draws what may be left out if there is no room: messages, status line, the key for help."""
    if hud.help:
        # Above the bar, where that is below the middle.
        height, bar_top = picture.shape[0], outline(hud.bar.buttons)[1] if hud.bar is not None else 0
        _draw_help(picture[:bar_top] if bar_top > height // 2 else picture, unit, words)
        return
    occupied = list(occupied)
    if hud.message:
        occupied += _draw_pieces(picture, [hud.message], unit, "br bl bm tm tl tr", occupied, must=True)
    if hud.notice:
        occupied += _draw_pieces(picture, [hud.notice], unit, "tm bm tl tr bl br", occupied, must=True, size=18)
    if hud.fps is not None and not hud.hidden and (status := _status(hud, words)):
        occupied += _draw_pieces(picture, status, unit, "bl br tl tr", occupied)
    if not hud.message and hud.bar is None:
        _draw_pieces(picture, [f"{KEYS['help']}  {words.actions['help']}"], unit, "br tr tl bl", occupied)


def _status(hud: Hud, words: Words) -> list[str]:
    """The pieces of the status line, the most important first: the last are left out where there is no room."""
    pieces = [hud.source] if hud.source else []
    pieces += [f"{words.profile} {hud.profile}"] if hud.profile else []
    pieces += [words.sentence(message("slower"))] if hud.saving else []
    pieces += [words.sentence(message("skipped", count=hud.dropped))] if hud.dropped else []
    pieces += [f"{hud.fps:.0f} fps", f"{hud.latency_ms:.0f} ms"] if hud.numbers else []
    return pieces


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
    shade(picture, left, top, wide, tall)
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
    fill(picture, left, top, width, tall, EDGE)
    for i, spans in enumerate(strip):
        y = top + i * (row + 1)
        for span in spans:
            x0, x1 = (round(width * (1 - age / SPAN_S)) for age in (span.start, span.end))
            fill(picture, left + x0, y, max(x1 - x0, 1), row, COLOURS[span.label] if span.label else QUIET)


def _draw_help(picture: np.ndarray, unit: float, words: Words) -> None:
    """A card in the middle with keys, colours and what is on the screen. The user opened it, so it may cover a face."""
    height, width = picture.shape[:2]
    keys = [(key, words.actions[action]) for action, key in KEYS.items()]
    colours = [(words.labels[name], COLOURS[name]) for name in LABELS]
    sentences = [words.sentence(message(key)) for key in ("help_box", "help_strip", "help_unsure", "help_mouse", "help_close")]
    for scale in (unit, 0.85 * unit, 0.7 * unit, 0.55 * unit, 0.45 * unit):
        letters = max(6, round(15 * scale))
        lines = sentences if letters >= READABLE else []
        pad, step = letters, round(letters * 1.55)
        first = max(text_width(key, letters) for key, _ in keys) + pad
        second = max(text_width(text, letters) for _, text in keys) + 2 * pad
        third = max(text_width(text, letters) for text, _ in colours) + round(1.5 * pad)
        wide = max([first + second + third] + [text_width(line, letters) for line in lines]) + 2 * pad
        tall = (len(keys) + len(lines)) * step + (pad if lines else 0) + 2 * pad - (step - letters)
        if wide < width and tall < height:
            break
    left, top = max(0, (width - wide) // 2), max(0, (height - tall) // 2)
    fill(picture, left, top, wide, tall, PANEL)
    baseline = top + pad + round(0.85 * letters)
    for i, (key, text) in enumerate(keys):
        draw_text(picture, key, left + pad, baseline + i * step, letters, QUIET)
        draw_text(picture, text, left + pad + first, baseline + i * step, letters, WHITE)
    for i, (text, colour) in enumerate(colours):
        y, x = baseline + i * step, left + pad + first + second
        cv2.rectangle(picture, (x, y - letters + 3), (x + letters - 3, y), colour, cv2.FILLED)
        draw_text(picture, text, x + round(1.3 * letters), y, letters, WHITE)
    for i, line in enumerate(lines, len(keys)):
        draw_text(picture, line, left + pad, baseline + pad + i * step, letters, WHITE)
