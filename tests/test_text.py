import tracemalloc

import numpy as np
import pytest

from realtime.drawing.text import draw_text, text_width
from realtime.drawing.words import DOUBTS, KEYS, LANGUAGES
from realtime.values import LABELS


def drawn(text: str, x: int = 40, baseline: int = 60, size: int = 24, colour=(10, 200, 250)) -> np.ndarray:
    picture = np.full((100, 400, 3), 90, np.uint8)
    draw_text(picture, text, x, baseline, size, colour)
    return picture


def test_text_stands_where_it_was_put_in_its_colour():
    picture = drawn("Hxg")
    rows, columns = np.nonzero((picture != 90).any(axis=2))
    assert 38 <= columns.min() <= 44 and columns.max() <= 40 + text_width("Hxg", 24) + 1
    assert 60 - 24 <= rows.min() < 48 and 60 < rows.max() < 72
    assert (picture == (10, 200, 250)).all(axis=2).any()


@pytest.mark.parametrize(("x", "baseline"), [(-30, 60), (380, 60), (40, 5), (40, 120), (-500, 60), (900, 900)])
def test_what_reaches_beyond_the_picture_is_left_out(x, baseline):
    whole = np.full((300, 2000, 3), 90, np.uint8)
    draw_text(whole, "Surprise", x + 600, baseline + 100, 24, (10, 200, 250))
    assert (drawn("Surprise", x, baseline) == whole[100:200, 600:1000]).all()


def test_the_same_text_is_the_same_whatever_is_under_it():
    dark, light = np.zeros((60, 200, 3), np.uint8), np.full((60, 200, 3), 250, np.uint8)
    for picture in (dark, light):
        draw_text(picture, "joie", 10, 40, 24, (100, 100, 100))
    assert ((dark == 100) & (light == 100)).all(axis=2).sum() > 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_of_every_language_has_its_own_ink(language):
    words = LANGUAGES[language]
    texts = (
        *words.labels.values(),
        *words.doubts.values(),
        *words.actions.values(),
        *words.messages.values(),
        words.unsure,
        words.profile,
        words.paused,
        words.continues,
        words.hidden,
    )
    missing = drawn("\uffff")
    if language in ("zh", "ja") and (drawn("高兴") == drawn("??")).all():
        pytest.skip("needs a font with Chinese letters, which OpenCV's wheel for Arm lacks")
    for letter in set("".join(texts)) - {" "}:
        ink = drawn(letter)
        assert (ink != 90).any() and (ink != missing).any(), letter
    assert tuple(words.labels) == LABELS and len(set(words.labels.values())) == 7
    assert tuple(words.doubts) == DOUBTS and tuple(words.actions) == tuple(KEYS)


def test_longer_text_is_wider_and_heavier_text_has_more_ink():
    assert text_width("anger", 20) < text_width("anger 88%", 20) < text_width("anger 88%", 40)
    thin, thick = ((drawn(text) != 90).sum() for text in ("i", "W"))
    assert thin < thick


def test_long_texts_that_never_come_again_are_not_kept():
    picture = np.zeros((100, 900, 3), np.uint8)
    tracemalloc.start()
    try:
        for i in range(400):
            draw_text(picture, f"saved recordings/2026-11-28_08-15-{i:03d}.mp4, 12 MB", 10, 40, 24, (200, 200, 200))
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 10e6
