from dataclasses import replace

import numpy as np
import pytest
from fakes import a_reading, points_in

from realtime.base.geometry import scale_box
from realtime.drawing.cards import caption, draw_cards
from realtime.drawing.draw import annotate, waiting
from realtime.drawing.fitting import fitted, mirrored
from realtime.drawing.history import Span
from realtime.drawing.hud import Hud, Rec
from realtime.drawing.layout import area_of, overlap
from realtime.drawing.palette import COLOURS, QUIET, TRACK
from realtime.drawing.text import text_width
from realtime.drawing.words import LANGUAGES
from realtime.values import LABELS, Box, Reading


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


def test_there_is_a_bar_for_each_expression_as_long_as_its_probability():
    probs = np.array([0.3, 0.02, 0.08, 0.4, 0.1, 0.06, 0.04], np.float32)
    made = annotate(plain(), [replace(a_reading("happiness", Box(200, 200, 400, 400)), probs=probs)])
    # The card is to the right of the face. Right of its own edge, which has the label's colour, it has the bars.
    card = made[:, 412:]
    tops, shares = [], []
    for name in LABELS:
        filled, rest = ((card == colour).all(axis=2).sum(axis=1) for colour in (COLOURS[name], TRACK))
        row = int(np.flatnonzero((filled > 0) & (filled + rest > 100))[0])
        tops.append(row)
        shares.append(filled[row] / (filled[row] + rest[row]))
    assert shares == pytest.approx(list(probs), abs=0.02)
    assert tops == sorted(tops)


HUDS = [
    Hud(30, 10, rec=Rec(3, 1.2), message="saved recordings/2026-11-23_04-05-06.mp4", profile="Zoë"),
    Hud(30, 10, saving=2, dropped=12, paused=True, strip=((Span("anger", 10, 0),), (Span(None, 3, 0),))),
    Hud(30, 10, rec=Rec(3000, 1200, 5), hidden=True),
    Hud(30, 10, rec=Rec(65, 12.3), paused=True, hidden=True, message="no profile"),
]
FACES = [
    [Box(200, 140, 400, 340)],
    [Box(0, 0, 150, 150)],
    [Box(490, 330, 640, 480)],
    [Box(10, 280, 210, 480), Box(430, 10, 630, 210)],
    [Box(120, 100, 320, 300), Box(330, 100, 530, 300)],
    [Box(40 + 150 * i, 180, 150 + 150 * i, 290) for i in range(4)],
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("hud", [None, *HUDS])
@pytest.mark.parametrize("boxes", FACES)
@pytest.mark.parametrize("width", [320, 640, 1920])
def test_nothing_covers_a_face_in_any_size_and_language(width, boxes, hud, language):
    factor = width / 640
    readings = [
        a_reading("surprise" if i % 2 else "fear", scale_box(box, factor), unsure="turned" if i == 1 else None)
        for i, box in enumerate(boxes)
    ]
    readings = [replace(reading, face=replace(reading.face, id=i + 1)) for i, reading in enumerate(readings)]
    made = annotate(plain(width, width * 3 // 4), readings, hud, LANGUAGES[language])
    edge = round(5 * max(factor, 0.7)) + 2
    for reading in readings:
        box = reading.face.box
        face = made[max(round(box.y0), 0) + edge : round(box.y1) - edge, max(round(box.x0), 0) + edge : round(box.x1) - edge]
        assert (face == 128).all()
    if hud is not None and hud.rec:
        assert ((made[..., 2] > 200) & (made[..., 1] < 90) & (made[..., 0] < 90)).any()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("boxes", FACES)
@pytest.mark.parametrize("width", [320, 640])
def test_a_message_covers_nothing_else_that_must_be_told(width, boxes, language):
    hud = Hud(None, 10, rec=Rec(65, 12.3), paused=True, hidden=True)
    readings = [a_reading("fear", scale_box(box, width / 640)) for box in boxes]
    # A blank message takes little room; a long one must leave all that was told beside it.
    short, long = (
        annotate(plain(width, width * 3 // 4), readings, replace(hud, message=text), LANGUAGES[language])
        for text in (" ", "saved recordings/2026-11-23_04-05-06.mp4")
    )
    # Letters are drawn in white.
    lost = (short.min(axis=2) > 200) & (short != long).any(axis=2)
    assert not lost.any()


def test_a_tiny_face_has_no_bars_and_a_face_that_fills_the_picture_is_still_told():
    small = annotate(plain(), [a_reading("anger", Box(300, 200, 330, 230))])
    assert (small == TRACK).all(axis=2).sum(axis=1).max() < 20
    full = annotate(plain(), [a_reading("anger", Box(2, 2, 638, 478))])
    assert ((full == 245).all(axis=2).sum()) > 20


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1920, 1080)])
def test_the_help_fits_into_the_picture_and_has_every_key_and_colour(size, language):
    made = annotate(plain(*size), [], Hud(None, 3, help=True), LANGUAGES[language])
    dark = np.argwhere((made < 60).all(axis=2))
    (top, left), (bottom, right) = dark.min(0), dark.max(0)
    assert top > 0 and left > 0 and bottom < size[1] - 1 and right < size[0] - 1
    # A margin without ink all around: nothing is cut.
    card = made[top : bottom + 1, left : right + 1]
    assert (card[:, -3:].max(axis=2) < 60).all() and (card[:, :3].max(axis=2) < 60).all()
    assert all((card == colour).all(axis=2).any() for colour in COLOURS.values())


def test_the_strip_shows_the_last_seconds_from_the_left():
    strip = ((Span("sadness", 10, 5), Span("happiness", 5, 1), Span(None, 1, 0)),)
    row = annotate(plain(), [], Hud(30, 3, strip=strip))[475]
    colours = [tuple(int(v) for v in row[x]) for x in (100, 400, 630)]
    assert colours == [COLOURS["sadness"], COLOURS["happiness"], QUIET]


def test_the_numbers_stay_in_their_corner_when_the_strip_comes():
    for strip in ((), ((Span("sadness", 10, 0),),)):
        made = annotate(plain(), [], Hud(30, 3, numbers=True, strip=strip))
        assert (made[:400] == 128).all() and (made[445:465, 10:60] > 200).any()


def test_what_is_hidden_or_paused_is_told():
    reading = a_reading("anger", Box(200, 200, 400, 400))
    hidden = annotate(plain(), [reading], Hud(30, 3, hidden=True))
    assert (hidden[190:410, 190:410] == 128).all() and (hidden[440:, :200] != 128).any()
    paused = annotate(plain(), [], Hud(30, 3, paused=True))[:60, 250:390]
    assert (paused != 128).any()


def seen_by(colour, matrix):
    """A BGR colour as somebody sees it whose cones lack a kind: Vienot, Brettel and Mollon's matrices (1999), in linear RGB."""
    linear = np.array([((v / 255 + 0.055) / 1.055) ** 2.4 if v > 10 else v / 255 / 12.92 for v in reversed(colour)])
    return np.clip(np.array(matrix) @ linear, 0, 1) ** (1 / 2.4)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ],
)
def test_colours_are_told_apart_also_without_red_or_green(matrix):
    seen = [seen_by(colour, matrix) for colour in COLOURS.values()]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(apart) > 0.12


@pytest.mark.parametrize("box", [Box(-50, -50, 60, 60), Box(600, 440, 700, 540), Box(200, 5, 400, 205), Box(-900, -900, -800, -800)])
@pytest.mark.parametrize("size", [(640, 480), (320, 240), (3840, 2160), (20, 10), (1, 1)])
def test_any_box_in_any_picture(box, size):
    picture = plain(*size)
    assert annotate(picture, [a_reading(box=box)], Hud(30, 10, Rec(5, 0.1), "a message")).shape == picture.shape


def test_the_card_of_a_single_face_leaves_forehead_and_hair_free():
    spots = painted(plain(), annotate(plain(), [a_reading("neutral", Box(200, 150, 400, 350))]))
    assert spots[:, 0].min() > 145 and spots[:, 1].max() > 420


def test_a_face_at_the_top_of_several_has_its_card_below():
    several = [a_reading("neutral", Box(200, 2, 400, 202)), a_reading("neutral", Box(500, 380, 560, 440), id=2)]
    spots = painted(plain(), annotate(plain(), several))
    assert any(200 <= x <= 400 and y > 210 for y, x in spots)


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


def test_a_recording_is_told_to_go_on_while_the_picture_stands_still():
    rec = Rec(5, 1.0)
    going, paused = (annotate(plain(), [], Hud(30, 10, rec=rec, paused=on))[:20, 400:] for on in (False, True))
    assert (paused != 128).sum() > (going != 128).sum() + 1000


def test_the_hud_shows_recording_only_while_it_runs():
    corner = (slice(0, 40), slice(440, 640))
    quiet, running = (annotate(plain(), [], Hud(30, 10, rec=rec))[corner] for rec in (None, Rec(61.0, 4.5)))
    assert (quiet == 128).all()
    assert ((running[..., 2] > 200) & (running[..., 0] < 100)).any()


def test_dropped_frames_are_told_when_there_are_some():
    lengths = [int((annotate(plain(), [], Hud(30, 10, numbers=True, dropped=n))[470, :400] != 128).any(axis=1).sum()) for n in (0, 3, 300)]
    assert 50 < lengths[0] < lengths[1] - 40 < lengths[2] - 40


def status_line(**values) -> int:
    """Length of the status line in px."""
    return int((annotate(plain(), [], Hud(30, 10, **values))[470, :500] != 128).any(axis=1).sum())


def test_the_status_line_is_empty_until_there_is_something_to_tell():
    assert status_line() == 0
    assert 0 < status_line(numbers=True) < status_line(numbers=True, saving=2) == status_line(numbers=True, saving=4)
    assert status_line(source="demo clip") > 50 and status_line(profile="ana") > 50


def test_a_notice_is_in_the_picture_but_on_no_face():
    faces = [a_reading(box=Box(150, 0, 490, 200))]
    with_notice, without = (annotate(plain(), faces, Hud(30, 10, notice=text)) for text in ("no face in sight", None))
    assert (with_notice != without).any() and (with_notice[5:195, 155:485] == without[5:195, 155:485]).all()


def test_the_help_is_opaque_and_tells_how_to_close_it():
    dark, light = (annotate(np.full((480, 640, 3), shade, np.uint8), [], Hud(30, 3, help=True)) for shade in (0, 250))
    card = np.argwhere((dark == light).all(axis=2))
    (top, left), (bottom, right) = card.min(0), card.max(0)
    assert (dark[top : bottom + 1, left : right + 1] == light[top : bottom + 1, left : right + 1]).all()
    # Below the keys and colours, the explanations reach beyond both; the last line says how to close it.
    assert (light[bottom - 110 : bottom, right - 60 : right].min(axis=2) > 200).any()
    assert (light[bottom - 32 : bottom, left : left + 100].min(axis=2) > 200).any()


def grid(count: int, side: int, step: int) -> list[Reading]:
    readings = []
    for i in range(count):
        x, y = 10 + i % 6 * step, 40 + i // 6 * step
        reading = a_reading(LABELS[i % 7], Box(x, y, x + side, y + side))
        readings.append(replace(reading, face=replace(reading.face, id=i + 1)))
    return readings


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("count", "side", "step"), [(12, 60, 100), (18, 40, 100), (24, 30, 70), (4, 80, 84), (2, 100, 102)])
def test_in_a_crowd_each_card_touches_its_face_and_covers_no_face_and_no_card(count, side, step, language):
    readings = grid(count, side, step)
    faces = [area_of(reading.face.box) for reading in readings]
    cards = draw_cards(plain(), readings, 1.0, [], LANGUAGES[language])
    for i, card in enumerate(cards):
        assert not any(overlap(card, other) for other in cards[:i])
        x, y, wide, tall = card
        owners = [face for face in faces if overlap((x - 4, y - 4, wide + 8, tall + 8), face)]
        assert len(owners) == 1
        assert not any(overlap(card, face) for face in faces if face not in owners)
    if step >= 100 and count > 2:
        assert len(cards) == count


def test_a_card_gives_way_to_the_card_of_the_face_beside():
    boxes = (Box(10, 94, 70, 154), Box(95, 2, 155, 62), Box(400, 300, 460, 360), Box(500, 300, 560, 360))
    readings = [replace(a_reading(), face=replace(a_reading(box=box).face, id=i)) for i, box in enumerate(boxes, 1)]
    first, second, *_ = draw_cards(plain(), readings, 1.0, [], LANGUAGES["en"])
    assert not overlap(first, second)
    # When it comes first, the second face has its card where the first one had its own.
    free, *_ = draw_cards(plain(), [readings[1], readings[0], *readings[2:]], 1.0, [], LANGUAGES["en"])
    assert overlap(first, free)


@pytest.mark.parametrize("light", [0, 128, 255])
def test_the_number_can_be_read_on_any_ground(light):
    readings = [a_reading("fear", Box(60 + 150 * i, 200, 120 + 150 * i, 260)) for i in range(4)]
    readings = [replace(reading, face=replace(reading.face, id=1 + i)) for i, reading in enumerate(readings)]
    picture = np.full((480, 640, 3), light, np.uint8)
    left, top, _, tall = draw_cards(picture, readings, 1.0, [], LANGUAGES["en"])[3]
    # Right of the card's coloured edge stands the number, and nothing else for a while.
    number = picture[top : top + tall, left + 4 : left + 4 + 4 + text_width("4", 11)]
    ground, ink = (relative_luminance(int(value)) for value in (number.min(), number.max()))
    # WCAG 2.2, 1.4.3: small letters need 4.5.
    assert (ink + 0.05) / (ground + 0.05) >= 4.5


def relative_luminance(gray: int) -> float:
    """Of an sRGB gray 0 to 255, by WCAG 2.2; 0 to 1."""
    value = gray / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def test_there_is_a_number_where_there_are_several_and_letters_grow_with_the_face():
    def size_of(count: int, side: int) -> tuple[int, int]:
        return draw_cards(plain(1920, 1080), grid(count, side, side + 200), 2.25, [], LANGUAGES["en"])[0][2:]

    assert size_of(4, 100)[0] > size_of(1, 100)[0] + 10
    assert size_of(4, 60)[1] < size_of(4, 150)[1] < size_of(4, 220)[1]


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


def test_a_picture_is_fitted_with_its_boxes_and_points_and_without_distortion():
    picture = plain(200, 100)
    made, [reading] = fitted(picture, [a_reading(box=Box(100, 50, 200, 100))], (64, 48))
    assert made.shape == (48, 64, 3)
    assert (made[8:40] == 128).all()
    assert (made[:8] == 0).all()
    assert (made[40:] == 0).all()
    assert reading.face.box == Box(32, 24, 64, 40)
    assert reading.face.points == pytest.approx(points_in(reading.face.box))
    assert (picture == 128).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 999), (999, 1), (640, 480)])
def test_any_picture_can_be_fitted(size):
    assert fitted(plain(*size), [], (64, 48))[0].shape == (48, 64, 3)


@pytest.mark.parametrize("size", [(1161, 653), (960, 540), (400, 225), (2400, 1350)])
def test_thin_lines_stay_in_a_picture_of_any_size_and_keep_their_places(size):
    picture = np.zeros((1080, 1920, 3), np.uint8)
    picture[:, 960:964] = 255
    made, [reading] = fitted(picture, [a_reading(box=Box(960, 540, 964, 640))], size)
    row = made[size[1] // 2, :, 0].astype(float)
    assert (row * np.arange(size[0])).sum() / row.sum() == pytest.approx((reading.face.box.x0 + reading.face.box.x1) / 2 - 0.5, abs=0.6)
    assert row.sum() == pytest.approx(255 * 4 * size[0] / 1920, rel=0.35)
