import io

import numpy as np
import pytest
from rich.console import Console

from calibration.guide import Guide
from calibration.plan import ORDER, make_prompts
from calibration.session import CaptureSession
from realtime.config import CaptureSettings, QualitySettings
from realtime.values import Box, Face, Frame, Reading
from realtime.viewers.inputs import Click, Key

SETTINGS = CaptureSettings(hold_s=0.3, rest_s=0.3, countdown_s=1.0, review_s=0.2)
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


def begin(screen=None, plan="quick"):
    takes = []
    out = io.StringIO()
    prompts = make_prompts(plan, 0.3, 0.3)
    session = CaptureSession(prompts, SETTINGS, QualitySettings(), lambda prompt, _: takes.append(prompt), takes.remove)
    guide = Guide(session, SETTINGS, lambda: True, "Ada, quick", Console(file=out, width=200), screen)
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
    assert lines.count("   hold it") == 7 and sum(line.startswith("   taken: ") for line in lines) == 7
    assert "   1 ..." in lines and "   0 ..." not in lines


def test_the_terminal_says_what_is_wrong_once():
    guide, _, out = begin()
    play(guide, 10, readings=())
    lines = out.getvalue().splitlines()
    assert lines[1:] == ["   Come into the picture, facing the camera."]
    guide.idle("camera 0: reconnecting (3 s)")
    assert "reconnecting" in out.getvalue()


@pytest.mark.parametrize(("key", "leaves"), [("q", True), ("\x1b", True), ("x", False)])
def test_q_and_esc_leave(key, leaves):
    screen = FakeScreen({5: key})
    guide, takes, _ = begin(screen)
    with guide:
        play(guide, 1)
    assert guide.closed == leaves and not takes and screen.is_closed
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
    click(1050, 580)
    assert guide.closed


def test_a_window_without_frames_stays_alive_and_its_x_leaves():
    screen = FakeScreen({})
    guide, _, _ = begin(screen)
    guide.idle(None)
    assert screen.waits == 1 and not guide.closed
    screen.closed = True
    assert guide.closed
