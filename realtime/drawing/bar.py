"""The bar of buttons for the mouse: where it is, which button is where, and how it looks. Pure. Areas are (x, y, width, height) in px."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from realtime.drawing.layout import Area, Size, free, least
from realtime.drawing.palette import QUIET, RED, TRACK, WHITE, Colour, fill
from realtime.drawing.symbols import SYMBOLS, symbol
from realtime.drawing.text import draw_text, text_width
from realtime.drawing.words import KEYS, Words

Button = tuple[str, Area]
"""An action of `realtime.drawing.words.KEYS`, and where its button is."""
SIDE = 40
"""Side of a button on a picture 480 px high: wide enough for a finger."""
EDGE_GAP = 46
"""Between bar and edge of a picture 480 px high: the lines at the edge stay free."""
GROUND: Colour = (40, 37, 35)
SIGN: Colour = (70, 160, 110)
"""Behind the symbol of an action that is in effect."""


@dataclass(frozen=True)
class Bar:
    """The bar as it is shown.

    Attributes:
        buttons: all buttons, see `place_buttons`.
        on: the actions that are in effect, such as a pause.
        pointed: the action under the mouse; its words are shown.
    """

    buttons: tuple[Button, ...]
    on: frozenset[str] = frozenset()
    pointed: str | None = None


def place_buttons(picture: Size, unit: float, faces: Sequence[Area]) -> tuple[Button, ...]:
    """The buttons in a row at the lower or upper edge, or in a column at a side: where no face is, else where they cover the least of one.

    Args:
        picture: width and height.
        unit: scale of what is drawn, `realtime.drawing.draw.unit_of`.
        faces: what is not to be covered.
    """
    count, (width, height), gap = len(SYMBOLS), picture, round(EDGE_GAP * unit)
    row, column = (max(8, min(round(SIDE * unit), length // count)) for length in picture)
    across, down = (row * count, row), (column, column * count)
    lower, upper = height - gap - row, gap
    beside = (height - down[1]) // 2
    places = [(x, y, *across) for y in (lower, upper) for x in ((width - across[0]) // 2, 0, width - across[0])]
    places += [(width - column, beside, *down), (0, beside, *down), (0, height - row, *across), (0, 0, *across)]
    x, y, wide, tall = free(places, picture, faces) or least(places, picture, faces)
    step = (row, 0) if wide > tall else (0, column)
    side = row if wide > tall else column
    return tuple((action, (x + i * step[0], y + i * step[1], side, side)) for i, action in enumerate(SYMBOLS))


def outline(buttons: Sequence[Button]) -> Area:
    """The area of all buttons together."""
    (_, (x, y, _, _)), (_, (last_x, last_y, wide, tall)) = buttons[0], buttons[-1]
    return x, y, last_x + wide - x, last_y + tall - y


def action_at(buttons: Sequence[Button], point: tuple[int, int]) -> str | None:
    """The action whose button has a point."""
    return next((action for action, (x, y, w, h) in buttons if 0 <= point[0] - x < w and 0 <= point[1] - y < h), None)


def draw_bar(picture: np.ndarray, bar: Bar, unit: float, words: Words) -> None:
    """Draws the bar onto (h, w, 3) BGR uint8 in place, and beside the button under the mouse its words and its key."""
    height, width = picture.shape[:2]
    for action, (x, y, side, _) in bar.buttons:
        button = _draw_button(action, action in bar.on, action == bar.pointed, side)
        # In a window that is hardly larger than its title some buttons lie beyond the edge.
        picture[y : y + side, x : x + side] = button[: max(height - y, 0), : max(width - x, 0)]
    if bar.pointed is not None:
        _draw_words(picture, bar, unit, words)


@lru_cache(64)
def _draw_button(action: str, on: bool, pointed: bool, side: int) -> np.ndarray:
    """A button, (side, side, 3) BGR uint8. All callers share it."""
    inset, margin = max(1, side // 20), side // 5
    ground = (RED if action == "record" else SIGN) if on else TRACK if pointed else GROUND
    button = np.full((side, side, 3), GROUND, np.uint8)
    fill(button, inset, inset, side - 2 * inset, side - 2 * inset, ground)
    if pointed:
        cv2.rectangle(button, (inset, inset), (side - 1 - inset, side - 1 - inset), WHITE, max(1, side // 40))
    share = symbol(action, on, side - 2 * margin)[:, :, None]
    ink = RED if action == "record" and not on else WHITE
    inner = button[margin : side - margin, margin : side - margin]
    inner[:] = (share * np.array(ink, np.float32) + (1 - share) * inner).round()
    return button


def _draw_words(picture: np.ndarray, bar: Bar, unit: float, words: Words) -> None:
    """The words of the button under the mouse, towards the middle of the picture."""
    height, width = picture.shape[:2]
    x, y, side, _ = dict(bar.buttons)[str(bar.pointed)]
    key, text = KEYS[str(bar.pointed)], words.actions[str(bar.pointed)]
    letters, pad = round(15 * unit), round(8 * unit)
    first = text_width(text, letters, 500)
    wide, tall = first + text_width(key, letters) + 4 * pad, letters + 2 * pad
    _, _, row, column = outline(bar.buttons)
    if row > column:
        left, top = x + (side - wide) // 2, (y - tall - pad // 2 if y > height // 2 else y + side + pad // 2)
    else:
        left, top = (x - wide - pad // 2 if x > width // 2 else x + side + pad // 2), y + (side - tall) // 2
    left, top = min(max(left, 0), max(width - wide, 0)), min(max(top, 0), max(height - tall, 0))
    fill(picture, left, top, wide, tall, GROUND)
    draw_text(picture, text, left + pad, top + pad + round(letters * 0.85), letters, WHITE, 500)
    draw_text(picture, key, left + 3 * pad + first, top + pad + round(letters * 0.85), letters, QUIET)
