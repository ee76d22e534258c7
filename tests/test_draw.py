import numpy as np
import pytest
from fakes import a_reading

from realtime.draw import COLOURS, QUIET, Hud, annotate, caption, mirrored
from realtime.values import LABELS, Box


def plain(width: int = 640, height: int = 480) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def painted(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Rows and columns of the pixels that changed, (n, 2)."""
    return np.argwhere((before != after).any(axis=2))


def test_drawing_leaves_its_input_alone():
    picture = plain()
    made = annotate(picture, [a_reading()], Hud(30, 10))
    assert (picture == 128).all()
    assert made.shape == picture.shape
    assert made.dtype == np.uint8


def test_nothing_to_draw_nothing_drawn():
    assert (annotate(plain(), []) == plain()).all()


@pytest.mark.parametrize("label", LABELS)
def test_each_expression_has_its_own_colour_on_the_box(label):
    made = annotate(plain(), [a_reading(label, Box(200, 200, 400, 400))])
    assert tuple(int(v) for v in made[300, 200]) == COLOURS[label]
    assert len(set(COLOURS.values())) == len(LABELS)


def test_unsure_is_said_with_its_reason_in_a_quiet_colour():
    reading = a_reading("anger", Box(200, 200, 400, 400), unsure="tie")
    assert caption(reading) == "unsure (tie)"
    assert caption(a_reading("anger")) == "anger 88%"
    assert tuple(int(v) for v in annotate(plain(), [reading])[300, 200]) == QUIET


def test_the_bar_is_as_long_as_the_confidence():
    made = annotate(plain(), [a_reading("happiness", Box(200, 200, 400, 400))])
    card = made[:196]
    filled = (card == COLOURS["happiness"]).all(axis=2).any(axis=0).sum()
    empty = (card == (90, 90, 90)).all(axis=2).any(axis=0).sum()
    assert filled / (filled + empty) == pytest.approx(0.88, abs=0.02)


def test_nothing_covers_the_face():
    box = Box(200, 200, 400, 400)
    inside = annotate(plain(), [a_reading("fear", box)], Hud(30, 10, recording_s=3, message="saved", help=True))[205:395, 205:395]
    assert (inside == 128).all()


@pytest.mark.parametrize("box", [Box(-50, -50, 60, 60), Box(600, 440, 700, 540), Box(200, 5, 400, 205), Box(-900, -900, -800, -800)])
@pytest.mark.parametrize("size", [(640, 480), (320, 240), (3840, 2160), (20, 10), (1, 1)])
def test_any_box_in_any_picture(box, size):
    picture = plain(*size)
    assert annotate(picture, [a_reading(box=box)], Hud(30, 10, 5, "a message")).shape == picture.shape


def test_a_face_at_the_top_has_its_card_below():
    spots = painted(plain(), annotate(plain(), [a_reading("neutral", Box(200, 2, 400, 202))]))
    assert spots[:, 0].max() > 210


def test_a_mirror_moves_the_picture_and_its_boxes():
    picture = plain()
    picture[:, :100] = 0
    flipped, [reading] = mirrored(picture, [a_reading(box=Box(10, 20, 60, 80))])
    assert (flipped[:, -100:] == 0).all()
    assert reading.face.box == Box(580, 20, 630, 80)


def test_the_hud_shows_recording_only_while_it_runs():
    corner = (slice(0, 40), slice(440, 640))
    quiet, running = (annotate(plain(), [], Hud(30, 10, recording_s=s))[corner] for s in (None, 61.0))
    assert (quiet == 128).all()
    assert ((running[..., 2] > 200) & (running[..., 0] < 100)).any()
