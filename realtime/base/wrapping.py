"""Breaks text into lines between words, for terminals and pictures; Chinese and Japanese, which have no spaces, between letters."""

import re
from collections.abc import Callable

OPENING, CLOSING = r"\u3008\u300a\u300c\u300e\u3010\uff08", r"\u3001\u3002\u3009\u300b\u300d\u300f\u3011\uff01\uff09-\uff1f.,:;!?)”"
"""Eastern punctuation that does not end a line, and such that does not begin one."""
PIECES = re.compile(rf"\s*[{OPENING}]*[\u2e80-\uffef][{CLOSING}]*|\s*[^\s\u2e80-\uffef]+")
"""What is never broken: a word, or an eastern letter with the punctuation around it; each with the spaces before it."""


def wrap(text: str, width: float, measure: Callable[[str], float], hang: str = "") -> list[str]:
    """The lines of a text of one line.

    Spaces at the start are kept. A word that is wider than a line has a line for itself, and is not broken: paths can still be copied.

    Args:
        width: of a line, in the unit of `measure`.
        measure: the width of a text.
        hang: what the lines after the first begin with.
    """
    lines: list[str] = []
    for piece in PIECES.findall(text):
        if not lines:
            lines.append(piece)
        elif measure(lines[-1] + piece) <= width:
            lines[-1] += piece
        else:
            lines.append(hang + piece.lstrip())
    return lines or [""]
