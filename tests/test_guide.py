import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from calibration.ending import Ending
from calibration.guide import Guide
from calibration.plan import ORDER, make_prompts
from calibration.session import CaptureSession
from calibration.words import TEXTS, CaptureWords, remark
from realtime.base.messages import message
from realtime.config import CaptureSettings, QualitySettings
from realtime.values import LABELS, Box, Face, Frame, Reading
from realtime.viewers.inputs import Click, Key

SETTINGS = CaptureSettings(hold_s=0.3, rest_s=0.3, countdown_s=1.0, review_s=0.2, refused_s=0.3)
POINTS = np.array([(260, 200), (280, 200), (340, 200), (320, 200), (300, 230)], np.float32)
READING = Reading(Face(1, Box(200, 120, 400, 320), POINTS), np.full(7, 1 / 7, np.float32), "neutral", 1 / 7, None)


class FakeScreen:
    """A window in which keys are pressed, or points clicked, at chosen pictures, by their number from 1."""

    closed = False

    def __init__(self, keys: dict[int, str | tuple[int, int]]):
        self.keys, self.pictures, self.waits, self.is_closed = keys, [], 0, False

    def show(self, picture):
        self.pictures.append(picture)
        what = self.keys.get(len(self.pictures))
        return [] if what is None else [Key(what) if isinstance(what, str) else Click(what)]

    def wait(self):
        self.waits += 1
        return []

    def close(self):
        self.is_closed = True


def begin(screen=None, plan="quick", lang="en"):
    takes = []
    out = io.StringIO()
    prompts = make_prompts(plan, 0.3, 0.3)
    session = CaptureSession(prompts, SETTINGS, QualitySettings(), lambda prompt, _: takes.append(prompt), takes.remove)
    guide = Guide(session, SETTINGS, lambda: True, "Ada, quick", Console(file=out, width=200), screen, CaptureWords(lang))
    return guide, takes, out


def play(guide, seconds, readings=(READING,), start=0.0):
    image = np.full((480, 640, 3), 120, np.uint8)
    for i in range(round(seconds * 20)):
        if guide.closed:
            return
        guide.write(Frame(image, start + i / 20, i), list(readings))


def test_the_terminal_leads_through_a_plan():
    guide, takes, out = begin()
    with guide:
        play(guide, 60)
    assert guide.closed and [prompt.expression for prompt in takes] == list(ORDER)
    lines = out.getvalue().splitlines()
    assert lines[0] == "1/7 neutral, front: Let your whole face rest, with your mouth closed."
    assert lines.count("   Hold it.") == 7 and sum(line.startswith("   taken: ") for line in lines) == 7
    assert "   1 ..." in lines and "   0 ..." not in lines


def test_the_terminal_says_what_is_wrong_once():
    guide, _, out = begin()
    play(guide, 10, readings=())
    lines = out.getvalue().splitlines()
    assert lines[1:] == ["   Come into the picture, facing the camera."]
    guide.idle(message("reconnecting", source="camera 0", seconds=3))
    assert "reconnecting" in out.getvalue()


@pytest.mark.parametrize(("key", "leaves"), [("q", True), ("\x1b", True), ("x", False)])
def test_q_and_esc_leave(key, leaves):
    screen = FakeScreen({5: key})
    guide, takes, _ = begin(screen)
    with guide:
        play(guide, 1)
    assert guide.closed == leaves and not takes and not screen.is_closed
    assert len(screen.pictures) == (5 if leaves else 20)


def test_s_skips_and_r_repeats_the_take_before():
    screen = FakeScreen({})
    guide, takes, _ = begin(screen)
    play(guide, 2.5)
    assert [prompt.expression for prompt in takes] == [ORDER[0]] and guide.session.prompt.expression == ORDER[1]
    screen.keys[len(screen.pictures) + 1] = "s"
    play(guide, 0.05, start=2.5)
    assert guide.session.prompt.expression == ORDER[2]
    screen.keys[len(screen.pictures) + 1] = "r"
    play(guide, 0.05, start=2.55)
    assert guide.session.prompt.expression == ORDER[0] and not takes


@pytest.mark.parametrize("lang", TEXTS)
def test_the_last_screen_stays_until_a_key_is_pressed(lang):
    screen = FakeScreen({4: "x"})
    guide, _, out = begin(screen, lang=lang)
    ending = Ending(remark("end_better", before="57%", after="86%"), (remark("end_use", command="run.py live --profile ada"),))
    guide.end(ending, lambda: False)
    assert len(screen.pictures) == 4
    assert "57%" in out.getvalue() and "86%" in out.getvalue() and "run.py live --profile ada" in out.getvalue()
    # A click does as well. What was pressed before the screen was there does not close it.
    screen.keys = {5: "x", 8: (10, 10)}
    guide.end(ending, lambda: False)
    assert len(screen.pictures) == 8
    # The user closes the window, or the system ends the program.
    screen.closed = True
    guide.end(ending, lambda: False)
    screen.closed = False
    guide.end(ending, lambda: True)
    assert len(screen.pictures) == 10


def laughing(happiness=0.97):
    probs = np.full(7, (1 - happiness) / 6, np.float32)
    probs[LABELS.index("happiness")] = happiness
    return replace(READING, probs=probs)


def test_without_keys_an_expression_is_left_out_after_three_refusals():
    guide, takes, out = begin(plan="neutral")
    play(guide, 60, (laughing(),))
    assert guide.closed and not takes
    text = out.getvalue()
    assert text.count("This looks like happiness. Asked for: neutral. Once more.") == 3
    assert "left out after 3 tries; in a window the key k keeps such a face" in text


def test_k_keeps_a_face_that_would_be_refused():
    screen = FakeScreen(dict.fromkeys(range(1, 2000), "k"))
    guide, takes, _ = begin(screen, plan="neutral")
    play(guide, 60, (laughing(),))
    assert [prompt.expression for prompt in takes] == ["neutral"]


def test_clicks_on_the_buttons_do_what_the_keys_do():
    screen = FakeScreen({})
    guide, _, _ = begin(screen)
    play(guide, 0.05)
    first = guide.session.prompt.expression

    def click(x: int, y: int) -> None:
        screen.keys[len(screen.pictures) + 1] = (x, y)
        play(guide, 0.05, start=len(screen.pictures) / 20)

    # The panel begins at 800 px; its buttons are at the lower edge, in the order of the keys.
    click(300, 580)
    click(850, 500)
    assert guide.session.prompt.expression == first and not guide.closed
    click(930, 580)
    assert guide.session.prompt.expression == ORDER[1]
    click(1010, 580)
    assert guide.closed


def test_a_window_without_frames_stays_alive_and_its_x_leaves():
    screen = FakeScreen({})
    guide, _, _ = begin(screen)
    guide.idle(None)
    assert screen.waits == 1 and not guide.closed
    screen.closed = True
    assert guide.closed
