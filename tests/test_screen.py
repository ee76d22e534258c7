import cv2
import numpy as np
import pytest

from calibration.ending import Ending
from calibration.icons import FEATURES, draw_icon, paste_icon
from calibration.plan import FRONT, SIDE, Prompt
from calibration.screen import BAND, HEIGHT, PAD, PANEL, draw_ending, draw_guide, wrap_text
from calibration.session import COUNTDOWN, DONE, GOOD, LIGHT, QUIET, READY, REVIEW, TAKE, WRONG, Requirement, View
from calibration.words import TEXTS, CaptureWords, remark
from realtime.drawing.palette import COLOURS, WHITE
from realtime.drawing.text import text_width
from realtime.values import LABELS, Box

ENGLISH = CaptureWords("en")
IMAGE = np.full((480, 640, 3), 120, np.uint8)
REQUIREMENTS = tuple(
    Requirement(f"need_{name}", name != "pose", remark("turn_back")) for name in ("face", "size", "light", "sharp", "pose", "still")
)


def view(step=READY, expression="fear", pose=FRONT, **changes):
    prompt = None if step == DONE else Prompt(expression, pose, "first", 1.5)
    settings = {"number": 3, "of": 7, "requirements": REQUIREMENTS, "box": Box(100, 100, 300, 300), "message": remark("turn_back")}
    return View(step, prompt, **(settings | changes))


def test_there_is_a_face_for_each_expression_and_all_differ():
    assert set(FEATURES) == set(LABELS)
    pictures = [draw_icon(name, 120, turned) for name in LABELS for turned in (False, True)]
    gray = [cv2.cvtColor(picture[:, :, :3], cv2.COLOR_BGR2GRAY) for picture in pictures]
    # Not only the colours differ but the lines: what is dark in one is not in another.
    lines = [picture < 60 for picture in gray]
    assert all((a != b).mean() > 0.004 for i, a in enumerate(lines) for b in lines[:i])
    assert all(picture.shape == (120, 120, 4) and not picture[0, 0].any() and picture[60, 60, 3] == 255 for picture in pictures)


def test_an_icon_covers_what_is_under_it_and_nothing_beside_it():
    picture = np.full((200, 200, 3), 200, np.uint8)
    paste_icon(picture, draw_icon("anger", 100), 50, 60)
    outside = np.ones((200, 200), bool)
    outside[60:160, 50:150] = False
    assert (picture[outside] == 200).all() and (picture[61, 51] == 200).all()
    assert (picture[145, 100] == (0, 94, 213)).all()


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (240, 320), (640, 480)])
@pytest.mark.parametrize("step", [LIGHT, READY, COUNTDOWN, TAKE, REVIEW, DONE])
def test_every_step_is_drawn_beside_any_picture(step, size):
    image = np.full((*size, 3), 120, np.uint8)
    chips = tuple(np.full((64, 64), 99, np.uint8) for _ in range(14))
    screen = draw_guide(image, view(step, chips=chips, remaining=0.5, remaining_s=1.5), True, "Ada, quick", ENGLISH)
    assert screen.shape == (HEIGHT, round(size[1] * HEIGHT / size[0]) + PANEL, 3)
    # No text reaches the panel's right edge: it would be cut there.
    edge = screen[:, -PAD // 2 :]
    assert all(len(np.unique(row.reshape(-1, 3), axis=0)) == 1 for row in edge)


def test_the_picture_is_a_mirror_and_the_box_with_it():
    image = IMAGE.copy()
    image[:, :320] = 30
    plain, mirrored = (draw_guide(image, view(), mirror, "Ada", ENGLISH) for mirror in (False, True))
    assert plain[5, 5, 0] == 30 and mirrored[5, 5, 0] == 120
    white = [np.argwhere((screen[:, :-PANEL] == 245).all(2))[:, 1] for screen in (plain, mirrored)]
    assert white[0].max() == pytest.approx(300 * 1.25, abs=3)
    assert white[1].min() == pytest.approx((640 - 300) * 1.25, abs=3)


def test_the_countdown_and_the_chips_leave_the_face_free():
    chips = tuple(np.full((64, 64), 99, np.uint8) for _ in range(14))
    for step in (COUNTDOWN, REVIEW):
        screen = draw_guide(IMAGE, view(step, box=None, chips=chips, remaining=0.5, remaining_s=2), False, "Ada", ENGLISH)
        assert (screen[180:480, 180:760] == 120).all()
        assert (screen[:, :-PANEL] != 120).any()


def test_practice_shows_the_match_and_a_side_take_a_turned_face():
    low, high = (draw_guide(IMAGE, view(match=match), False, "Ada", ENGLISH, practice=True) for match in (0.1, 0.9))
    assert (low[:, -PANEL:] != high[:, -PANEL:]).any()
    # With a known rest there is a line from which on it counts, to the right of a low match.
    known = draw_guide(IMAGE, view(match=0.1, match_needed=0.5), False, "Ada", ENGLISH, practice=True)
    x = 800 + PAD + (PANEL - 2 * PAD) // 2
    bar = np.flatnonzero((known[:, 800 + PAD + 10] == COLOURS["fear"]).all(1))
    assert (known[bar, x] == WHITE).all() and not (low[bar, x] == WHITE).any()
    unknown, resting = (
        draw_guide(IMAGE, view(expression="neutral", match=0.9, match_needed=n), False, "Ada", ENGLISH, practice=True) for n in (None, 0.0)
    )
    # The words tell them apart, and there is no line where every match counts.
    changed = np.argwhere((unknown != resting).any(2))
    bar = np.flatnonzero((resting[300:, 800 + PAD + 10] == COLOURS["neutral"]).all(1)) + 300
    assert len(changed) and changed[:, 0].max() < bar.min() - 4
    front, side = (draw_guide(IMAGE, view(pose=pose), False, "Ada", ENGLISH) for pose in (FRONT, SIDE))
    assert (front[84:234, -PANEL:] != side[84:234, -PANEL:]).any()


def test_lines_are_broken_between_words_and_fit():
    text = "Raise your brows and draw them together, eyes wide, mouth stretched to the sides."
    lines = wrap_text(text, 19, 300)
    assert " ".join(lines) == text and len(lines) > 1
    assert all(text_width(line, 19) <= 300 for line in lines)


@pytest.mark.parametrize("lang", TEXTS)
def test_every_language_fits_into_the_panel(lang):
    """No text reaches the panel's right edge, and what is said of the expression ends above the coloured band."""
    words = CaptureWords(lang)
    for name in LABELS:
        for pose in (FRONT, SIDE):
            refused = {"message": remark("refused", seen="surprise", asked=name), "refused": "surprise", "tone": WRONG}
            for practice, changes in (
                (False, {"step": READY}),
                (False, refused | {"step": REVIEW}),
                (True, {"match": 0.4, "match_needed": 0.5}),
            ):
                panel = draw_guide(IMAGE, view(expression=name, pose=pose, **changes), True, "Ada", words, practice)[:, -PANEL:]
                assert (panel[: HEIGHT - BAND - 40, -PAD + 2 :] == panel[0, -1]).all()
                assert (panel[HEIGHT - BAND - 40 : HEIGHT - 40, -PAD + 2 :] == panel[HEIGHT - BAND - 39, -1]).all()
                assert (panel[HEIGHT - 39 :, -PAD + 2 :] == panel[0, -1]).all()
                assert (panel[HEIGHT - BAND - 46 : HEIGHT - BAND - 40] == panel[0, -1]).all()


@pytest.mark.parametrize("lang", TEXTS)
@pytest.mark.parametrize(
    "key", sorted(key for key in TEXTS["en"] if key.startswith("end_") and key not in ("end_use", "end_proof", "end_key"))
)
def test_the_last_screen_fits_in_every_language(lang, key):
    sentence = remark(key, before="57%", after="100%", right=12, count=14)
    details = (
        remark("end_use", command="run.py live --profile 'Ada Lovelace'"),
        remark("end_proof", file=f"people/{'x' * 60}/emotion_nano_proof.txt"),
    )
    for width in (1200, 737):
        picture = draw_ending((width, HEIGHT), Ending(sentence, details), "Ada", CaptureWords(lang))
        assert picture.shape == (HEIGHT, max(width, 2 * PANEL), 3)
        assert (picture[: HEIGHT - BAND - 40, -PAD + 2 :] == picture[0, -1]).all()
        assert (picture[HEIGHT - BAND - 60 : HEIGHT - BAND - 40] == picture[0, -1]).all()


def test_the_colour_of_what_is_said_tells_its_tone():
    bands = [tuple(draw_guide(IMAGE, view(tone=tone), True, "Ada", ENGLISH)[HEIGHT - 42, -2]) for tone in (GOOD, WRONG, QUIET)]
    assert len(set(bands)) == 3
    box = [draw_guide(IMAGE, view(tone=tone), False, "Ada", ENGLISH)[200, 125] for tone in (GOOD, WRONG)]
    assert (box[0] != WHITE).any() and (box[1] == WHITE).all()
