import numpy as np
import pytest
from fakes import FakeClock, a_reading

from realtime.drawing.bar import Bar, action_at, draw_bar, outline, place_buttons
from realtime.drawing.draw import annotate, unit_of, waiting
from realtime.drawing.hud import Hud, Rec
from realtime.drawing.layout import inside, overlap
from realtime.drawing.symbols import SYMBOLS, window_icon
from realtime.drawing.words import KEYS, LANGUAGES
from realtime.values import Box
from realtime.viewers.inputs import Click, Move
from realtime.viewers.mouse import STAY_S, Mouse
from realtime.viewers.window import LETTERS

SIZES = [(640, 480), (320, 240), (1366, 768), (1920, 1080), (480, 853), (240, 320)]


def blank(size, value=120):
    return np.full((size[1], size[0], 3), value, np.uint8)


def test_there_is_a_button_for_every_key():
    assert set(SYMBOLS) == set(KEYS) == set(LETTERS.values())


@pytest.mark.parametrize("size", SIZES)
def test_the_bar_is_within_the_picture_and_its_buttons_do_not_overlap(size):
    buttons = place_buttons(size, unit_of(blank(size)), [])
    assert inside(outline(buttons), size)
    areas = [area for _, area in buttons]
    assert not any(overlap(a, b) for i, a in enumerate(areas) for b in areas[:i])
    assert all(area[2] >= 20 for area in areas)
    for action, (x, y, wide, tall) in buttons:
        assert action_at(buttons, (x, y)) == action_at(buttons, (x + wide - 1, y + tall - 1)) == action
    x, y, wide, tall = outline(buttons)
    assert action_at(buttons, (x - 1, y)) is None and action_at(buttons, (x + wide, y + tall)) is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", [(0.3, 0.5), (0.3, 0.0), (0.0, 0.3), (0.5, 0.3), (0.3, 0.3)])
def test_the_bar_covers_no_face_where_there_is_room(size, place):
    side = round(0.45 * min(size))
    face = (round(place[0] * size[0]), round(place[1] * size[1]), side, side)
    assert not overlap(outline(place_buttons(size, unit_of(blank(size)), [face])), face)


def test_where_faces_are_everywhere_the_bar_covers_the_least_of_them():
    face = (60, 20, 520, 460)
    bar = outline(place_buttons((640, 480), 1.0, [face]))
    assert 0 <= overlap(bar, face) < 0.3 * bar[2] * bar[3]


def test_a_recording_is_red_and_a_pause_green():
    buttons = place_buttons((640, 480), 1.0, [])
    places = dict(buttons)

    def colour(action: str, on: frozenset[str]) -> np.ndarray:
        picture = blank((640, 480))
        draw_bar(picture, Bar(buttons, on), 1.0, LANGUAGES["en"])
        return picture[places[action][1] + 5, places[action][0] + 5].astype(int)

    both = frozenset(["record", "pause"])
    assert colour("record", both)[2] > 200 and colour("record", both)[1] < 80
    assert colour("pause", both)[1] > 140 and colour("pause", both)[2] < 120
    assert colour("record", frozenset()).max() < 60 and colour("pause", frozenset()).max() < 60


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_the_button_under_the_mouse_are_shown_in_every_language(language):
    buttons = place_buttons((640, 480), 1.0, [])
    pictures = [blank((640, 480)) for _ in range(3)]
    for picture, pointed in zip(pictures, (None, "record", "camera"), strict=True):
        draw_bar(picture, Bar(buttons, pointed=pointed), 1.0, LANGUAGES[language])
    above = slice(0, outline(buttons)[1])
    assert (pictures[0][above] == 120).all()
    assert (pictures[1][above] > 200).any() and (pictures[1][above] != pictures[2][above]).any()


def test_neither_labels_nor_lines_lie_under_the_bar():
    size, image = (640, 480), blank((640, 480))
    buttons = place_buttons(size, 1.0, [])
    x, y, wide, tall = outline(buttons)
    hud = Hud(25, 20, rec=Rec(10, 1.5), message="saved", numbers=True, paused=True, bar=Bar(buttons))
    face = a_reading(box=Box(x + 60.0, y - 150.0, x + 200.0, y - 2.0))
    alone = blank(size)
    draw_bar(alone, hud.bar, 1.0, LANGUAGES["en"])
    for shown in (annotate(image, [face], hud), waiting(image, "reconnecting", hud)):
        assert (shown[y : y + tall, x : x + wide] == alone[y : y + tall, x : x + wide]).all()
    without = annotate(image, [], Hud(25, 20, message="saved", numbers=True))
    assert (without[y : y + tall, x : x + wide] == 120).all(), "lines at the edge would have to move for the bar"


def test_the_help_makes_room_for_the_bar():
    buttons = place_buttons((640, 480), 1.0, [])
    lower = slice(outline(buttons)[1], 480)
    shown = annotate(blank((640, 480)), [], Hud(25, 20, help=True, bar=Bar(buttons)))
    alone = annotate(blank((640, 480)), [], Hud(25, 20, bar=Bar(buttons)))
    assert (shown[lower] == alone[lower]).all() and (shown != alone).any()


def test_the_bar_comes_with_the_mouse_and_goes_and_its_first_touch_does_nothing():
    clock = FakeClock(10.0)
    mouse = Mouse(clock)
    shown = lambda: mouse.buttons((640, 480), 1.0, [])  # noqa: E731
    assert not shown() and not mouse.changed
    x, y, wide, tall = dict(place_buttons((640, 480), 1.0, []))["snapshot"]
    middle = (x + wide // 2, y + tall // 2)
    assert mouse.hear(Click(middle)) is None
    assert mouse.changed and shown() and not mouse.changed
    assert mouse.hear(Click(middle)) == "snapshot" == mouse.pointed
    assert mouse.hear(Click((1, 1))) is None and mouse.pointed is None
    clock.sleep(STAY_S - 0.1)
    assert mouse.hear(Move(middle)) is None and shown()
    clock.sleep(STAY_S - 0.1)
    assert shown()
    clock.sleep(0.2)
    assert mouse.changed and not shown()
    assert mouse.hear(Click(middle)) is None


def test_the_bar_keeps_its_place_while_it_is_shown_and_follows_the_window():
    mouse = Mouse(FakeClock(0.0))
    mouse.hear(Move((5, 5)))
    first = mouse.buttons((640, 480), 1.0, [])
    assert mouse.buttons((640, 480), 1.0, [outline(first)]) == first
    assert inside(outline(mouse.buttons((320, 240), 0.7, [])), (320, 240))


def test_the_icon_is_a_round_face():
    icon = window_icon()
    assert icon.shape == (64, 64, 4) and icon.dtype == np.uint8
    assert icon[0, 0, 3] == 0 and icon[10, 32, 3] == 255 and icon[10, 32, 0] > icon[10, 32, 2]
