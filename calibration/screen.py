"""Draws the guided capture: the camera's picture and, beside it, what to do. Pure: (picture, view) -> picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from calibration.icons import icon, pasted
from calibration.plan import FRONT, HOW
from calibration.session import COUNTDOWN, DONE, LIGHT, REVIEW, TAKE, View
from realtime.base.geometry import mirror_box, scale_box
from realtime.drawing.draw import COLOURS, QUIET, WHITE, Colour
from realtime.drawing.text import draw_text, text_width

TALL = 600
"""Height of the whole; the picture is made as tall."""
PANEL = 400
"""Width of the panel beside the picture."""
PAD = 28
GROUND: Colour = (38, 35, 33)
LINE: Colour = (84, 78, 74)
GOOD: Colour = (150, 200, 80)
ASKED: Colour = (60, 160, 240)
DARK: Colour = (24, 22, 20)
BAND = 64
"""Height of the line that says what to do: room for two rows."""
KEYS = "r  again     s  skip     q  leave, go on later"


def guide(image: np.ndarray, view: View, mirror: bool, title: str, practice: bool = False) -> np.ndarray:
    """The screen, (600, w, 3) BGR uint8, for a picture (h, w, 3) BGR uint8.

    Args:
        mirror: whether the picture is shown as in a mirror.
        title: whose calibration this is, and which plan.
        practice: whether the match is shown.
    """
    factor = TALL / image.shape[0]
    wide = max(1, round(image.shape[1] * factor))
    shown = cv2.resize(cv2.flip(image, 1) if mirror else image, (wide, TALL), interpolation=cv2.INTER_LINEAR)
    if view.box is not None:
        box = scale_box(mirror_box(view.box, image.shape[1]) if mirror else view.box, factor)
        well = all(check.met for check in view.checks)
        corners = [round(v) for v in (box.x0, box.y0, box.x1, box.y1)]
        cv2.rectangle(shown, corners[:2], corners[2:], GOOD if well else WHITE, 2, cv2.LINE_AA)
    if view.step == COUNTDOWN:
        _count(shown, view)
    elif view.step == TAKE:
        cv2.rectangle(shown, (0, TALL - 10), (round(wide * (1 - view.left)), TALL), _accent(view), cv2.FILLED)
    elif view.step == REVIEW:
        _strip(shown, view.chips)
    panel = np.full((TALL, PANEL, 3), GROUND, np.uint8)
    _panel(panel, view, title, practice)
    return np.hstack([shown, panel])


def _accent(view: View) -> Colour:
    return COLOURS[view.prompt.expression] if view.prompt else WHITE


def _panel(panel: np.ndarray, view: View, title: str, practice: bool) -> None:
    draw_text(panel, title, PAD, 38, 16, QUIET)
    _progress(panel, view)
    if view.step == LIGHT:
        draw_text(panel, "Another light", PAD, 130, 34, WHITE, 600)
        y = paragraph(panel, "Switch a lamp on or off, or turn your chair to the window, so that your face is lit differently.", 168, 19)
    elif view.prompt is not None:
        mark = icon(view.prompt.expression, 150, view.prompt.pose != FRONT)
        pasted(panel, mark, (PANEL - 150) // 2, 84)
        draw_text(panel, view.prompt.expression.capitalize(), PAD, 278, 34, WHITE, 600)
        where = "" if view.prompt.pose == FRONT else " Turn your head to one side, until one ear is hidden."
        y = paragraph(panel, HOW[view.prompt.expression] + where, 312, 19)
    else:
        draw_text(panel, "Done", PAD, 130, 34, WHITE, 600)
        y = paragraph(panel, "Thank you. Your takes are being compared with what the program knows.", 168, 19)
    if practice and view.prompt is not None:
        _match(panel, view, y + 6)
    else:
        _checks(panel, view, y + 12)
    if view.step != DONE:
        met = view.step == REVIEW or all(check.met for check in view.checks)
        cv2.rectangle(panel, (0, TALL - BAND - 40), (PANEL, TALL - 40), GOOD if met else ASKED, cv2.FILLED)
        lines = wrapped(view.say, 18, PANEL - 2 * PAD, 600)
        for i, line in enumerate(lines):
            draw_text(panel, line, PAD, TALL - 40 - BAND // 2 + 6 + round((i - (len(lines) - 1) / 2) * 24), 18, DARK, 600)
        draw_text(panel, KEYS, PAD, TALL - 16, 14, QUIET)


def _progress(panel: np.ndarray, view: View) -> None:
    """A bar of as many pieces as there are takes."""
    room, gap = PANEL - 2 * PAD, 3 if view.of > 20 else 5
    step = (room + gap) / view.of
    for i in range(view.of):
        left, right = round(PAD + i * step), round(PAD + (i + 1) * step) - gap
        done = i < view.number - 1 or view.step == DONE
        tone = GOOD if done else WHITE if i == view.number - 1 else LINE
        cv2.rectangle(panel, (left, 54), (max(right, left + 1), 60), tone, cv2.FILLED)


def _checks(panel: np.ndarray, view: View, top: int) -> None:
    """The conditions in two columns: a filled dot where one is met."""
    for i, check in enumerate(view.checks):
        x, y = PAD + 8 + (i % 2) * (PANEL // 2 - PAD), top + 14 + (i // 2) * 28
        cv2.circle(panel, (x, y - 5), 7, GOOD if check.met else QUIET, cv2.FILLED if check.met else 2, cv2.LINE_AA)
        draw_text(panel, check.what, x + 18, y, 16, WHITE if check.met else QUIET)


def _match(panel: np.ndarray, view: View, top: int) -> None:
    share = view.match or 0.0
    draw_text(panel, "match", PAD, top + 22, 16, QUIET)
    number = f"{share:.0%}" if view.match is not None else "no face"
    draw_text(panel, number, PANEL - PAD - text_width(number, 22, 600), top + 24, 22, WHITE, 600)
    full = PANEL - 2 * PAD
    cv2.rectangle(panel, (PAD, top + 36), (PAD + full, top + 50), LINE, cv2.FILLED)
    cv2.rectangle(panel, (PAD, top + 36), (PAD + round(full * share), top + 50), _accent(view), cv2.FILLED)


def _count(shown: np.ndarray, view: View) -> None:
    """The seconds left, large in a corner, with a ring that runs out: the face stays free."""
    middle, radius = (92, 92), 60
    part = shown[middle[1] - 72 : middle[1] + 72, middle[0] - 72 : middle[0] + 72]
    part[:] = cv2.convertScaleAbs(part, alpha=0.4)
    cv2.ellipse(shown, middle, (radius, radius), -90, 0, 360 * view.left, _accent(view), 8, cv2.LINE_AA)
    number = str(max(1, int(np.ceil(view.left_s))))
    draw_text(shown, number, middle[0] - text_width(number, 64, 600) // 2, middle[1] + 23, 64, WHITE, 600)


def _strip(shown: np.ndarray, chips: Sequence[np.ndarray]) -> None:
    """The chips that were taken, along the lower edge; as many as fit, spread over the take."""
    side, gap = 96, 6
    fits = max(1, (shown.shape[1] - gap) // (side + gap))
    picked = [chips[i] for i in np.linspace(0, len(chips) - 1, min(fits, len(chips))).round().astype(int)] if chips else []
    top = TALL - side - gap
    shown[top - gap :] = cv2.convertScaleAbs(shown[top - gap :], alpha=0.4)
    left = (shown.shape[1] - len(picked) * (side + gap) + gap) // 2
    for chip in picked:
        large = cv2.resize(chip, (side, side), interpolation=cv2.INTER_CUBIC)
        shown[top : top + side, left : left + side] = large[:, :, None]
        left += side + gap


def paragraph(picture: np.ndarray, text: str, baseline: int, size: int) -> int:
    """Draws text in lines that fit into the panel; gives the baseline of a line after the last one."""
    for line in wrapped(text, size, PANEL - 2 * PAD):
        draw_text(picture, line, PAD, baseline, size, WHITE)
        baseline += round(size * 1.4)
    return baseline


def wrapped(text: str, size: int, room: int, weight: int = 400) -> list[str]:
    """Text in lines of at most `room` px, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, weight) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
