from fractions import Fraction

import numpy as np
import pytest

from realtime.sources.shape import Orientation, orientation, oriented, square_wh


@pytest.mark.parametrize(
    ("size_wh", "aspect", "expected"),
    [
        ((240, 270), Fraction(2), (480, 270)),
        ((720, 576), Fraction(64, 45), (1024, 576)),
        ((720, 480), Fraction(8, 9), (720, 540)),
        ((640, 480), Fraction(1), (640, 480)),
        ((640, 480), None, (640, 480)),
        ((640, 480), Fraction(0), (640, 480)),
        ((640, 480), Fraction(1000), (640, 480)),
        ((640, 480), Fraction(1, 1000), (640, 480)),
        ((4000, 4000), Fraction(2), (8000, 4000)),
        ((5000, 4000), Fraction(2), (5000, 4000)),
    ],
)
def test_pixels_become_square_and_no_side_shrinks(size_wh, aspect, expected):
    assert square_wh(size_wh, aspect) == expected


def matrix(a: int, b: int, c: int, d: int, unit: int = 1 << 16) -> bytes:
    return np.array([a * unit, b * unit, 0, c * unit, d * unit, 0, 0, 0, 1 << 30], np.int32).tobytes()


LETTERS = [["a", "b"], ["c", "d"], ["e", "f"]]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((1, 0, 0, 1), ["ab", "cd", "ef"]),
        ((-1, 0, 0, 1), ["ba", "dc", "fe"]),
        ((1, 0, 0, -1), ["ef", "cd", "ab"]),
        ((-1, 0, 0, -1), ["fe", "dc", "ba"]),
        ((0, 1, -1, 0), ["eca", "fdb"]),
        ((0, -1, 1, 0), ["bdf", "ace"]),
        ((0, 1, 1, 0), ["ace", "bdf"]),
        ((0, -1, -1, 0), ["fdb", "eca"]),
    ],
    ids=["upright", "mirrored", "flipped", "half turn", "quarter clockwise", "quarter counter-clockwise", "transposed", "transversed"],
)
def test_all_eight_orientations(entries, expected):
    turned = oriented(np.array(LETTERS)[:, :, None], orientation(matrix(*entries)))
    assert ["".join(row) for row in turned[:, :, 0]] == expected
    assert turned.flags.c_contiguous


def test_what_is_no_matrix_means_upright_and_costs_no_copy():
    image = np.zeros((2, 3, 3), np.uint8)
    assert orientation(None) == orientation(b"too short") == orientation(matrix(0, 0, 0, 0)) == Orientation()
    assert oriented(image, Orientation()) is image
