"""Draws the guided capture: the camera's picture and, beside it, a panel with what to do. Pure: (picture, view) -> picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from calibration.ending import Ending
from calibration.icons import draw_icon, paste_icon
from calibration.plan import FRONT
from calibration.session import COUNTDOWN, DONE, GOOD, LIGHT, QUIET, REVIEW, TAKE, WRONG, View
from calibration.words import CaptureWords
from realtime.base.geometry import mirror_box, scale_box
from realtime.base.wrapping import wrap
from realtime.drawing.layout import Area
from realtime.drawing.palette import COLOURS, WHITE, Colour
from realtime.drawing.palette import QUIET as GRAY
from realtime.drawing.text import draw_text, text_width

HEIGHT = 600
"""Of picture and panel, in px."""
PANEL = 400
"""Width of the panel beside the picture, in px."""
PAD = 28
BACKGROUND: Colour = (38, 35, 33)
LINE: Colour = (84, 78, 74)
GREEN: Colour = (150, 200, 80)
TONES: dict[str, Colour] = {GOOD: GREEN, WRONG: (60, 160, 240), QUIET: (190, 184, 178)}
"""Colours of what is said, by its tone."""
DARK: Colour = (24, 22, 20)
ICON = 150
"""Side of the drawn face, in px."""
BAND = 64
"""Height of the message, in px: two lines fit."""
BUTTON = 28
"""Height of a button, in px."""
SMALLEST = 11
"""Letters that are made smaller, so that a text fits, are never smaller than this, in px."""


def draw_guide(image: np.ndarray, view: View, mirror: bool, title: str, words: CaptureWords, practice: bool = False) -> np.ndarray:
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
        corners = [round(v) for v in (box.x0, box.y0, box.x1, box.y1)]
        cv2.rectangle(picture, corners[:2], corners[2:], GREEN if view.tone == GOOD else WHITE, 2, cv2.LINE_AA)
    if view.step == COUNTDOWN:
        _draw_countdown(picture, view)
    elif view.step == TAKE:
        cv2.rectangle(picture, (0, HEIGHT - 10), (round(width * (1 - view.remaining)), HEIGHT), _accent_colour(view), cv2.FILLED)
    elif view.step == REVIEW:
        _draw_chips(picture, view.chips)
    panel = np.full((HEIGHT, PANEL, 3), BACKGROUND, np.uint8)
    _draw_panel(panel, view, title, words, practice)
    return np.hstack([picture, panel])


def _accent_colour(view: View) -> Colour:
    return COLOURS[view.prompt.expression] if view.prompt else WHITE


def _draw_panel(panel: np.ndarray, view: View, title: str, words: CaptureWords, practice: bool) -> None:
    say = words.text
    draw_text(panel, title, PAD, 38, 16, GRAY)
    _draw_progress(panel, view)
    if view.step == LIGHT:
        draw_text(panel, say("light_title"), PAD, 130, 34, WHITE, 600)
        y = draw_paragraph(panel, say("light_how"), 168, 19, 170)
    elif view.prompt is not None:
        paste_icon(panel, draw_icon(view.prompt.expression, ICON, view.prompt.pose != FRONT), (PANEL - ICON) // 2, 84)
        name = words.label(view.prompt.expression)
        draw_text(panel, name[0].upper() + name[1:], PAD, 278, 34, WHITE, 600)
        how = say(f"how_{view.prompt.expression}")
        y = draw_paragraph(panel, how if view.prompt.pose == FRONT else f"{how} {say('turn_side')}", 312, 19, 94)
    else:
        draw_text(panel, say("done_title"), PAD, 130, 34, WHITE, 600)
        y = draw_paragraph(panel, say("comparing"), 168, 19, 170)
    if practice and view.prompt is not None:
        _draw_match(panel, view, words, y + 6)
    else:
        _draw_requirements(panel, view, words, y + 12)
    if view.step != DONE and view.message is not None:
        _draw_band(panel, words.say(view.message), TONES[view.tone])
        _draw_buttons(panel, view, words)


def _button_places(view: View, words: CaptureWords) -> dict[str, Area]:
    """Where the button of each key is, in px of the panel."""
    places, x = {}, PAD
    for key in "rsq" if view.refused is None else "ksq":
        wide = text_width(f"{key}  {words.text(f'key_{key}')}", 14) + 20
        places[key] = (x, HEIGHT - BUTTON - 6, wide, BUTTON)
        x += wide + 8
    return places


def key_at(point: tuple[int, int], view: View, image: np.ndarray, words: CaptureWords) -> str | None:
    """The key whose button is at a point of what `draw_guide` gives for a picture; None where no button is."""
    if view.step == DONE:
        return None
    x, y = point[0] - _picture_width(image), point[1]
    places = _button_places(view, words)
    return next((key for key, (left, top, wide, tall) in places.items() if 0 <= x - left < wide and 0 <= y - top < tall), None)


def _picture_width(image: np.ndarray) -> int:
    """Width in px of the picture beside the panel."""
    return max(1, round(image.shape[1] * HEIGHT / image.shape[0]))


def _draw_buttons(panel: np.ndarray, view: View, words: CaptureWords) -> None:
    for key, (x, y, wide, tall) in _button_places(view, words).items():
        cv2.rectangle(panel, (x, y), (x + wide - 1, y + tall - 1), LINE, cv2.FILLED)
        draw_text(panel, key, x + 10, y + 19, 14, WHITE, 600)
        draw_text(panel, words.text(f"key_{key}"), x + 10 + text_width(f"{key}  ", 14, 600), y + 19, 14, WHITE)


def _draw_band(panel: np.ndarray, text: str, colour: Colour) -> None:
    """What the user should do, on a coloured band across the panel."""
    cv2.rectangle(panel, (0, HEIGHT - BAND - 40), (panel.shape[1], HEIGHT - 40), colour, cv2.FILLED)
    size, lines = fit_lines(text, 18, panel.shape[1] - 2 * PAD, 50, 600)
    for i, line in enumerate(lines):
        draw_text(panel, line, PAD, HEIGHT - 40 - BAND // 2 + 6 + round((i - (len(lines) - 1) / 2) * line_height(size)), size, DARK, 600)


def draw_ending(size_wh: tuple[int, int], ending: Ending, title: str, words: CaptureWords) -> np.ndarray:
    """The last screen, (600, w, 3) BGR uint8: what came of the session in large letters, what to do with it, and how to leave.

    Args:
        size_wh: of the screens before, in px; `w` is its width, but at least twice a panel's.
        title: as in `draw_guide`.
    """
    picture = np.full((HEIGHT, max(size_wh[0], 2 * PANEL), 3), BACKGROUND, np.uint8)
    draw_text(picture, title, PAD, 38, 16, GRAY)
    draw_text(picture, words.text("done_title"), PAD, 130, 34, WHITE, 600)
    y = draw_paragraph(picture, words.say(ending.sentence), 200, 28, 160) + 12
    for detail in ending.details:
        y = draw_paragraph(picture, words.say(detail), y, 17, 50, GRAY) + 4
    _draw_band(picture, words.text("end_key"), TONES[QUIET])
    return picture


def _draw_progress(panel: np.ndarray, view: View) -> None:
    """A bar of as many pieces as there are takes."""
    gap = 3 if view.of > 20 else 5
    step = (PANEL - 2 * PAD + gap) / view.of
    for i in range(view.of):
        x0, x1 = round(PAD + i * step), round(PAD + (i + 1) * step) - gap
        complete = i < view.number - 1 or view.step == DONE
        colour = GREEN if complete else WHITE if i == view.number - 1 else LINE
        cv2.rectangle(panel, (x0, 54), (max(x1, x0 + 1), 60), colour, cv2.FILLED)


def _draw_requirements(panel: np.ndarray, view: View, words: CaptureWords, top: int) -> None:
    """The requirements in two columns, with a filled dot where one is met."""
    for i, requirement in enumerate(view.requirements):
        x, y = PAD + 8 + (i % 2) * (PANEL // 2 - PAD), top + 14 + (i // 2) * 28
        is_met = requirement.is_met
        cv2.circle(panel, (x, y - 5), 7, GREEN if is_met else GRAY, cv2.FILLED if is_met else 2, cv2.LINE_AA)
        draw_text(panel, words.text(requirement.name), x + 18, y, 16, WHITE if is_met else GRAY)


def _draw_match(panel: np.ndarray, view: View, words: CaptureWords, top: int) -> None:
    """The match as a bar; once the own rest is known, with a line from which on the expression counts."""
    share = view.match or 0.0
    of_rest = view.prompt is not None and view.prompt.expression == "neutral"
    name = words.text("match" if view.match_needed is None else "like_rest" if of_rest else "from_rest")
    draw_text(panel, name, PAD, top + 22, 16, GRAY)
    number = f"{share:.0%}" if view.match is not None else words.text("no_face")
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


def draw_paragraph(picture: np.ndarray, text: str, baseline: int, size: int, height: int, colour: Colour = WHITE) -> int:
    """Draws text as wide as the picture and at most `height` px high; returns the baseline of the line after the last one."""
    size, lines = fit_lines(text, size, picture.shape[1] - 2 * PAD, height)
    for line in lines:
        draw_text(picture, line, PAD, baseline, size, colour)
        baseline += line_height(size)
    return baseline


def fit_lines(text: str, size: int, width: int, height: int, weight: int = 400) -> tuple[int, list[str]]:
    """The largest size in px, up to `size`, in which the lines of a text fit into `width` and `height` px, and these lines."""
    while True:
        lines = wrap_text(text, size, width, weight)
        if size <= SMALLEST or (
            len(lines) * line_height(size) <= height and all(text_width(line, size, weight) <= width for line in lines)
        ):
            return size, lines
        size -= 1


def line_height(size: int) -> int:
    """From one baseline to the next, in px, of letters of a size in px."""
    return round(size * 1.4)


def wrap_text(text: str, size: int, width: int, weight: int = 400) -> list[str]:
    """Text in lines of at most `width` px."""
    return wrap(text, width, lambda line: text_width(line, size, weight))
