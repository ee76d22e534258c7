"""The signs of an expression in the points of a face, and which faces have them."""

import numpy as np
import pytest

from models.face_mesh import POINTS
from models.signs import KINDS, Kind, Signs, shares_below, signs_of
from realtime.values import LABELS
from tests.mesh_faces import with_signs


def face(**signs: float) -> np.ndarray:
    """(468, 2): a face with these signs, in pixels."""
    return with_signs(np.zeros((POINTS, 2), np.float32), **signs)


def test_signs_are_in_distances_of_the_eyes():
    signs = signs_of(np.stack([face(), face(brows=4, apart=6, corners=2, lips=12)]))
    assert signs.brows == pytest.approx([0.25, 0.1])
    assert signs.apart == pytest.approx([0, 0.15])
    assert signs.corners == pytest.approx([0, 0.05])
    assert signs.lips == pytest.approx([0.2, 0.3])


def test_a_larger_picture_of_a_face_has_the_same_signs():
    small, large = (signs_of(face(brows=7, apart=3, corners=1)[None] * scale) for scale in (1, 3))
    assert vars(large) == {name: pytest.approx(value) for name, value in vars(small).items()}


def test_a_share_says_how_many_are_smaller():
    assert shares_below(np.array([0.5, 2.5, 9]), np.array([3.0, 1, 4, 2])).tolist() == [0, 0.5, 1]


def test_a_kind_takes_the_faces_that_have_its_signs():
    neutral = signs_of(np.stack([face(brows=b, lips=lips) for b, lips in zip(range(5, 15), range(6, 16), strict=True)]))
    faces = signs_of(np.stack([face(brows=4, lips=7), face(brows=14, lips=7), face(brows=4, apart=6, lips=7), face(brows=4, lips=14)]))
    frown = Kind("anger", (0, 0.05), 1, 1, brows=(0, 0.25), lips=(0, 0.5))
    assert frown.has(faces, neutral).tolist() == [True, False, False, False]
    assert Kind("anger", (0.05, 0.3), 1, 1).has(faces, neutral).tolist() == [False, False, True, False]


def test_every_expression_is_transferred_and_frowns_are_lowered_brows():
    assert {kind.expression for kind in KINDS.values()} == set(LABELS) - {"neutral"}
    neutral = signs_of(np.stack([face(brows=b, corners=c) for b, c in zip(np.linspace(5, 15, 20), np.linspace(-2, 2, 20), strict=True)]))

    def kinds_of(points: np.ndarray, expression: str) -> list[str]:
        one: Signs = signs_of(points[None])
        return [name for name, kind in KINDS.items() if kind.expression == expression and kind.has(one, neutral)[0]]

    assert kinds_of(face(brows=4, lips=1), "anger") == ["anger, lips closed"] and kinds_of(face(brows=14), "anger") == []
    assert kinds_of(face(brows=4, apart=6), "anger") == ["anger, teeth"]
    assert kinds_of(face(brows=14, corners=3), "sadness") == ["sadness, brows raised", "sadness, corners lowered"]
    assert kinds_of(face(brows=14), "fear") == ["fear, lips closed"] and kinds_of(face(brows=4), "fear") == []
