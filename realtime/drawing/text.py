"""Draws text in a real font. Each text is rendered once and kept as a mask, so that drawing it again is fast.

OpenCV 5 carries its fonts within: Rubik for Latin letters, WenQuanYi Micro Hei for Chinese and Japanese. Its wheel for 64-bit Arm Linux
lacks the latter: there a font of the system's is used.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

FONT = "sans"
EASTERN = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
)
"""Where Debian's packages put fonts with Chinese and Japanese letters (fonts-wqy-microhei, fonts-noto-cjk, fonts-droid-fallback)."""
SHORT = 16
"""Letters of a text up to which it counts as short."""
KEPT_SHORT, KEPT_LONG = 1024, 64
"""Number of texts whose masks are kept. A window shows about thirty at a time, and numbers repeat. Long ones take up to 100 kB each, and
many of them name a file and never come again."""


def text_width(text: str, size: int, weight: int = 400) -> int:
    """Width of a text in px. `size` is the font size in px, `weight` is 100 (thin) to 900 (bold)."""
    return _ink(text, size, weight).wide


def draw_text(picture: np.ndarray, text: str, x: int, baseline: int, size: int, colour: tuple[int, int, int], weight: int = 400) -> None:
    """Draws text onto (h, w, 3) BGR uint8 in place, from `x` to the right. Parts beyond the picture are cut off."""
    ink = _ink(text, size, weight)
    height, width = ink.share.shape
    left, top = x + ink.right, baseline + ink.down
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, picture.shape[1]), min(top + height, picture.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part, rows, columns = picture[y0:y1, x0:x1], slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    full = np.empty_like(part)
    cv2.rectangle(full, (0, 0), (x1 - x0, y1 - y0), colour, cv2.FILLED)
    cv2.blendLinear(part, full, ink.rest[rows, columns], ink.share[rows, columns], part)


class _Ink(NamedTuple):
    """A rendered text, without empty edges. All callers share the arrays.

    Attributes:
        share: the coverage of each pixel, (h, w) float32 from 0 to 1.
        rest: 1 - share.
        right, down: where the corner of `share` lies from the start of the baseline, in px.
        wide: the text's width in px.
    """

    share: np.ndarray
    rest: np.ndarray
    right: int
    down: int
    wide: int


def _ink(text: str, size: int, weight: int) -> _Ink:
    return (_short_ink if len(text) <= SHORT else _long_ink)(text, size, weight)


def _render(text: str, size: int, weight: int) -> _Ink:
    face = cv2.FontFace(eastern_font() if any(letter >= "\u2e80" for letter in text) else FONT)
    wide = cv2.getTextSize((0, 0), text, (0, 0), face, size, weight)[2]
    canvas = np.zeros((3 * size, wide + 2 * size, 3), np.uint8)
    cv2.putText(canvas, text, (size, 2 * size), (255, 255, 255), face, size, weight)
    x, y, width, height = cv2.boundingRect(canvas[:, :, 0])
    share = canvas[y : y + height, x : x + width, 0].astype(np.float32) / 255
    return _Ink(share, 1 - share, x - size, y - 2 * size, wide)


_short_ink, _long_ink = lru_cache(KEPT_SHORT)(_render), lru_cache(KEPT_LONG)(_render)


@lru_cache(1)
def eastern_font() -> str:
    """The font for Chinese and Japanese letters: OpenCV's own if it has them, else one of the system's."""

    def rendered(text: str) -> np.ndarray:
        canvas = np.zeros((60, 120, 3), np.uint8)
        cv2.putText(canvas, text, (10, 40), (255, 255, 255), cv2.FontFace(FONT), 30, 400)
        return canvas

    # OpenCV draws a question mark for a letter that the font lacks.
    if not np.array_equal(rendered("\u9ad8\u5174"), rendered("??")):
        return FONT
    return next((path for path in EASTERN if Path(path).is_file()), FONT)
