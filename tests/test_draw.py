import numpy as np
import pytest
from fakes import a_reading

from realtime.draw import COLOURS, QUIET, Hud, Rec, annotate, caption, fitted, mirrored, waiting
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
    inside = annotate(plain(), [a_reading("fear", box)], Hud(30, 10, rec=Rec(3, 1.2), message="saved", help=True))[205:395, 205:395]
    assert (inside == 128).all()


@pytest.mark.parametrize("box", [Box(-50, -50, 60, 60), Box(600, 440, 700, 540), Box(200, 5, 400, 205), Box(-900, -900, -800, -800)])
@pytest.mark.parametrize("size", [(640, 480), (320, 240), (3840, 2160), (20, 10), (1, 1)])
def test_any_box_in_any_picture(box, size):
    picture = plain(*size)
    assert annotate(picture, [a_reading(box=box)], Hud(30, 10, Rec(5, 0.1), "a message")).shape == picture.shape


def test_a_face_at_the_top_has_its_card_below():
    spots = painted(plain(), annotate(plain(), [a_reading("neutral", Box(200, 2, 400, 202))]))
    assert spots[:, 0].max() > 210


def test_a_mirror_moves_the_picture_and_its_boxes():
    picture = plain()
    picture[:, :100] = 0
    flipped, [reading] = mirrored(picture, [a_reading(box=Box(10, 20, 60, 80))])
    assert (flipped[:, -100:] == 0).all()
    assert reading.face.box == Box(580, 20, 630, 80)


def test_the_hud_tells_of_a_recordings_size_and_drops():
    def columns(rec: Rec) -> int:
        return int((annotate(plain(), [], Hud(30, 10, rec=rec))[:20] != 128).any(axis=(0, 2)).sum())

    assert columns(Rec(5, 1.0)) < columns(Rec(5, 1000.0)) < columns(Rec(5, 1000.0, dropped=7))


def test_the_hud_shows_recording_only_while_it_runs():
    corner = (slice(0, 40), slice(440, 640))
    quiet, running = (annotate(plain(), [], Hud(30, 10, rec=rec))[corner] for rec in (None, Rec(61.0, 4.5)))
    assert (quiet == 128).all()
    assert ((running[..., 2] > 200) & (running[..., 0] < 100)).any()


def test_dropped_frames_are_told_when_there_are_some():
    lengths = [int((annotate(plain(), [], Hud(30, 10, dropped=n))[470, :320] != 128).any(axis=1).sum()) for n in (0, 3, 300)]
    assert 50 < lengths[0] < lengths[1] - 40 < lengths[2] - 40


def test_the_governors_level_is_told_when_it_saves():
    lengths = [int((annotate(plain(), [], Hud(30, 10, saving=n))[470, :320] != 128).any(axis=1).sum()) for n in (0, 2)]
    assert lengths[0] < lengths[1]


@pytest.mark.parametrize("size_wh", [(640, 480), (320, 240), (3840, 2160), (20, 10), (1, 1)])
@pytest.mark.parametrize(
    "why",
    ["camera 0: reconnecting (3 s)", "http://192.168.1.17:8080/a/very/long/path/to/a/video/that/does/not.mjpg: reconnecting (13 s)"],
)
def test_while_waiting_the_picture_is_dim_and_a_card_lies_in_its_middle(size_wh, why):
    picture = plain(*size_wh)
    made = waiting(picture, why, Hud(None, 10))
    assert made.shape == picture.shape
    assert (picture == 128).all()
    assert made.max() > 200 or size_wh[0] < 100
    if size_wh == (640, 480):
        assert 40 < made[5, 5].max() < 80
        words = np.argwhere(made[180:300].min(axis=2) > 200)
        assert len(words) > 100
        assert 30 < words[:, 1].min() < words[:, 1].max() < 610
        # No rate of frames that do not come.
        assert (made[440:, :200].max(axis=2) < 80).all()


def test_a_picture_is_fitted_with_its_boxes_and_without_distortion():
    picture = plain(200, 100)
    made, [reading] = fitted(picture, [a_reading(box=Box(100, 50, 200, 100))], (64, 48))
    assert made.shape == (48, 64, 3)
    assert (made[8:40] == 128).all()
    assert (made[:8] == 0).all()
    assert (made[40:] == 0).all()
    assert reading.face.box == Box(32, 24, 64, 40)
    assert (picture == 128).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 999), (999, 1), (640, 480)])
def test_any_picture_can_be_fitted(size):
    assert fitted(plain(*size), [], (64, 48))[0].shape == (48, 64, 3)
