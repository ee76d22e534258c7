"""Draws the guided capture: the camera's picture and, beside it, a panel with what to do. Pure: (picture, view) -> picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from calibration.icons import draw_icon, paste_icon
from calibration.plan import FRONT, HOW
from calibration.session import COUNTDOWN, DONE, LIGHT, REVIEW, TAKE, View
from realtime.base.geometry import mirror_box, scale_box
from realtime.drawing.layout import Area
from realtime.drawing.palette import COLOURS, QUIET, WHITE, Colour
from realtime.drawing.text import draw_text, text_width

HEIGHT = 600
"""Of picture and panel, in px."""
PANEL = 400
"""Width of the panel beside the picture, in px."""
PAD = 28
BACKGROUND: Colour = (38, 35, 33)
LINE: Colour = (84, 78, 74)
GOOD: Colour = (150, 200, 80)
UNMET: Colour = (60, 160, 240)
DARK: Colour = (24, 22, 20)
ICON = 150
"""Side of the drawn face, in px."""
BAND = 64
"""Height of the message, in px: two lines fit."""
KEYS = {"r": "again", "s": "skip", "q": "leave, go on later"}
"""The keys and what their buttons say."""
BUTTON = 28
"""Height of a button, in px."""


def draw_guide(image: np.ndarray, view: View, mirror: bool, title: str, practice: bool = False) -> np.ndarray:
    """The content of the window, (600, w, 3) BGR uint8, for a picture (h, w, 3) BGR uint8.

    Args:
        mirror: whether the picture is shown as in a mirror.
        title: whose calibration this is, and which plan.
        practice: whether the match is shown.
    """
    factor = HEIGHT / image.shape[0]
    width = _picture_width(image)
    picture = cv2.resize(cv2.flip(image, 1) if mirror else image, (width, HEIGHT), interpolation=cv2.INTER_LINEAR)
    if view.box is not None:
        box = scale_box(mirror_box(view.box, image.shape[1]) if mirror else view.box, factor)
        all_met = all(requirement.is_met for requirement in view.requirements)
        corners = [round(v) for v in (box.x0, box.y0, box.x1, box.y1)]
        cv2.rectangle(picture, corners[:2], corners[2:], GOOD if all_met else WHITE, 2, cv2.LINE_AA)
    if view.step == COUNTDOWN:
        _draw_countdown(picture, view)
    elif view.step == TAKE:
        cv2.rectangle(picture, (0, HEIGHT - 10), (round(width * (1 - view.remaining)), HEIGHT), _accent_colour(view), cv2.FILLED)
    elif view.step == REVIEW:
        _draw_chips(picture, view.chips)
    panel = np.full((HEIGHT, PANEL, 3), BACKGROUND, np.uint8)
    _draw_panel(panel, view, title, practice)
    return np.hstack([picture, panel])


def _accent_colour(view: View) -> Colour:
    return COLOURS[view.prompt.expression] if view.prompt else WHITE


def _draw_panel(panel: np.ndarray, view: View, title: str, practice: bool) -> None:
    draw_text(panel, title, PAD, 38, 16, QUIET)
    _draw_progress(panel, view)
    if view.step == LIGHT:
        draw_text(panel, "Another light", PAD, 130, 34, WHITE, 600)
        y = draw_paragraph(
            panel, "Switch a lamp on or off, or turn your chair to the window, so that your face is lit differently.", 168, 19
        )
    elif view.prompt is not None:
        paste_icon(panel, draw_icon(view.prompt.expression, ICON, view.prompt.pose != FRONT), (PANEL - ICON) // 2, 84)
        draw_text(panel, view.prompt.expression.capitalize(), PAD, 278, 34, WHITE, 600)
        pose = "" if view.prompt.pose == FRONT else " Turn your head to one side, until one ear is hidden."
        y = draw_paragraph(panel, HOW[view.prompt.expression] + pose, 312, 19)
    else:
        draw_text(panel, "Done", PAD, 130, 34, WHITE, 600)
        y = draw_paragraph(panel, "Thank you. Your takes are being compared with what the program knows.", 168, 19)
    if practice and view.prompt is not None:
        _draw_match(panel, view, y + 6)
    else:
        _draw_requirements(panel, view, y + 12)
    if view.step != DONE:
        all_met = view.step == REVIEW or all(requirement.is_met for requirement in view.requirements)
        cv2.rectangle(panel, (0, HEIGHT - BAND - 40), (PANEL, HEIGHT - 40), GOOD if all_met else UNMET, cv2.FILLED)
        lines = wrap_text(view.message, 18, PANEL - 2 * PAD, 600)
        for i, line in enumerate(lines):
            draw_text(panel, line, PAD, HEIGHT - 40 - BAND // 2 + 6 + round((i - (len(lines) - 1) / 2) * 24), 18, DARK, 600)
        _draw_buttons(panel)


def _button_places() -> dict[str, Area]:
    """Where the button of each key is, in px of the panel."""
    places, x = {}, PAD
    for key, text in KEYS.items():
        wide = text_width(f"{key}  {text}", 14) + 20
        places[key] = (x, HEIGHT - BUTTON - 6, wide, BUTTON)
        x += wide + 8
    return places


def key_at(point: tuple[int, int], view: View, image: np.ndarray) -> str | None:
    """The key whose button is at a point of what `draw_guide` gives for a picture; None where no button is."""
    if view.step == DONE:
        return None
    x, y = point[0] - _picture_width(image), point[1]
    return next((key for key, (left, top, wide, tall) in _button_places().items() if 0 <= x - left < wide and 0 <= y - top < tall), None)


def _picture_width(image: np.ndarray) -> int:
    """Width in px of the picture beside the panel."""
    return max(1, round(image.shape[1] * HEIGHT / image.shape[0]))


def _draw_buttons(panel: np.ndarray) -> None:
    for key, (x, y, wide, tall) in _button_places().items():
        cv2.rectangle(panel, (x, y), (x + wide - 1, y + tall - 1), LINE, cv2.FILLED)
        draw_text(panel, key, x + 10, y + 19, 14, WHITE, 600)
        draw_text(panel, KEYS[key], x + 10 + text_width(f"{key}  ", 14, 600), y + 19, 14, WHITE)


def _draw_progress(panel: np.ndarray, view: View) -> None:
    """A bar of as many pieces as there are takes."""
    gap = 3 if view.of > 20 else 5
    step = (PANEL - 2 * PAD + gap) / view.of
    for i in range(view.of):
        x0, x1 = round(PAD + i * step), round(PAD + (i + 1) * step) - gap
        complete = i < view.number - 1 or view.step == DONE
        colour = GOOD if complete else WHITE if i == view.number - 1 else LINE
        cv2.rectangle(panel, (x0, 54), (max(x1, x0 + 1), 60), colour, cv2.FILLED)


def _draw_requirements(panel: np.ndarray, view: View, top: int) -> None:
    """The requirements in two columns, with a filled dot where one is met."""
    for i, requirement in enumerate(view.requirements):
        x, y = PAD + 8 + (i % 2) * (PANEL // 2 - PAD), top + 14 + (i // 2) * 28
        is_met = requirement.is_met
        cv2.circle(panel, (x, y - 5), 7, GOOD if is_met else QUIET, cv2.FILLED if is_met else 2, cv2.LINE_AA)
        draw_text(panel, requirement.name, x + 18, y, 16, WHITE if is_met else QUIET)


def _draw_match(panel: np.ndarray, view: View, top: int) -> None:
    """The match as a bar; once the own rest is known, with a line from which on the expression counts."""
    share = view.match or 0.0
    of_rest = view.prompt is not None and view.prompt.expression == "neutral"
    name = "match" if view.match_needed is None else "like your rest" if of_rest else "away from your rest"
    draw_text(panel, name, PAD, top + 22, 16, QUIET)
    number = f"{share:.0%}" if view.match is not None else "no face"
    draw_text(panel, number, PANEL - PAD - text_width(number, 22, 600), top + 24, 22, WHITE, 600)
    full = PANEL - 2 * PAD
    cv2.rectangle(panel, (PAD, top + 36), (PAD + full, top + 50), LINE, cv2.FILLED)
    cv2.rectangle(panel, (PAD, top + 36), (PAD + round(full * share), top + 50), _accent_colour(view), cv2.FILLED)
    if view.match_needed:
        x = PAD + round(full * view.match_needed)
        cv2.line(panel, (x, top + 32), (x, top + 54), WHITE, 2)


def _draw_countdown(picture: np.ndarray, view: View) -> None:
    """The remaining seconds, large in a corner to leave the face free, with a ring that gets shorter."""
    middle, radius = (92, 92), 60
    part = picture[middle[1] - 72 : middle[1] + 72, middle[0] - 72 : middle[0] + 72]
    part[:] = cv2.convertScaleAbs(part, alpha=0.4)
    cv2.ellipse(picture, middle, (radius, radius), -90, 0, 360 * view.remaining, _accent_colour(view), 8, cv2.LINE_AA)
    number = str(max(1, int(np.ceil(view.remaining_s))))
    draw_text(picture, number, middle[0] - text_width(number, 64, 600) // 2, middle[1] + 23, 64, WHITE, 600)


def _draw_chips(picture: np.ndarray, chips: Sequence[np.ndarray]) -> None:
    """The chips of the take along the lower edge; as many as fit, spread over the take."""
    side, gap = 96, 6
    fits = max(1, (picture.shape[1] - gap) // (side + gap))
    selection = [chips[i] for i in np.linspace(0, len(chips) - 1, min(fits, len(chips))).round().astype(int)] if chips else []
    top = HEIGHT - side - gap
    picture[top - gap :] = cv2.convertScaleAbs(picture[top - gap :], alpha=0.4)
    x = (picture.shape[1] - len(selection) * (side + gap) + gap) // 2
    for chip in selection:
        large = cv2.resize(chip, (side, side), interpolation=cv2.INTER_CUBIC)
        picture[top : top + side, x : x + side] = large[:, :, None]
        x += side + gap


def draw_paragraph(picture: np.ndarray, text: str, baseline: int, size: int) -> int:
    """Draws text in lines that fit into the panel; returns the baseline of the line after the last one."""
    for line in wrap_text(text, size, PANEL - 2 * PAD):
        draw_text(picture, line, PAD, baseline, size, WHITE)
        baseline += round(size * 1.4)
    return baseline


def wrap_text(text: str, size: int, width: int, weight: int = 400) -> list[str]:
    """Text in lines of at most `width` px, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
