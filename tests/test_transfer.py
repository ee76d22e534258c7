"""Expressions that are transferred to faces: points move where they are told to, and shading comes to the right place."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.face_mesh import POINTS, FaceMesh  # noqa: E402
from models.lesson import Lesson  # noqa: E402
from models.signs import KINDS  # noqa: E402
from models.transfer import (  # noqa: E402
    CENTRES,
    Average,
    Ways,
    average_face,
    chosen_points,
    displacements,
    filter_of,
    looks_of,
    measured_ways,
    mirrored_points,
    reshaped,
)
from models.transfer_faces import NEUTRAL_SHARE, SUREST, Marked, Transfer, drawn, halves, prepare, transferred  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402
from realtime.values import LABELS  # noqa: E402
from tests.lessons import small_lesson  # noqa: E402
from tests.mesh_faces import with_signs  # noqa: E402


def face_points(seed: int = 0) -> np.ndarray:
    """(468, 2) places spread over a chip, each with its mirror image."""
    half = np.random.default_rng(seed).uniform([6, 6], [31, 58], (POINTS // 2, 2))
    return np.concatenate([half, [63, 0] + half * [-1, 1]]).astype(np.float32)


def spot(x: float, y: float) -> np.ndarray:
    """A (64, 64) chip with one bright spot."""
    column, row = np.meshgrid(np.arange(64), np.arange(64))
    return (20 + 200 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 8)).astype(np.float32)


def brightest(chip: np.ndarray) -> tuple[float, float]:
    """Where a chip is brightest, x and y: the mean place, weighted by what is above the ground."""
    weight = np.clip(chip.astype(float) - chip.min() - 20, 0, None)
    column, row = np.meshgrid(np.arange(chip.shape[1]), np.arange(chip.shape[0]))
    return float((column * weight).sum() / weight.sum()), float((row * weight).sum() / weight.sum())


def different_faces(draw: np.random.Generator) -> np.ndarray:
    """(40, 468, 2): by how much the points of forty faces differ."""
    return draw.normal(0, 0.2, (40, POINTS, 2)).astype(np.float32)


def all_along(axis: int) -> np.ndarray:
    """(1, 100, 2): the one way in which neutral faces differ: all centres move along x (0) or y (1)."""
    way = np.zeros((1, CENTRES, 2))
    way[:, :, axis] = 1
    return way


def ways_of(shown: tuple[np.ndarray, np.ndarray], plain: tuple[np.ndarray, np.ndarray], average: Average, poses: np.ndarray) -> Ways:
    """The ways of faces that show an expression, beside neutral ones; of both the chips and the points."""
    looks, neutral = (looks_of(*faces, average, poses) for faces in (shown, plain))
    return measured_ways(looks, filter_of(looks, neutral))


@pytest.mark.parametrize("move", [(0, 4), (-3, 0), (2, -3)])
def test_what_lies_at_a_point_comes_to_its_new_place(move):
    grid = torch.cartesian_prod(*[torch.arange(8.0, 60, 8)] * 2)[None]
    moved = grid.clone()
    moved[0, ((grid[0] - 32).abs() <= 8).all(1)] += torch.tensor(move, dtype=torch.float32)
    chip = reshaped(torch.from_numpy(spot(32, 32))[None, None], grid, moved)[0, 0].numpy()
    assert brightest(chip) == pytest.approx((32 + move[0], 32 + move[1]), abs=0.5)


def test_nothing_moves_where_no_point_does():
    points = torch.from_numpy(face_points()[None, :CENTRES])
    assert displacements(points, points, torch.rand(1, 50, 2) * 64).abs().max() < 1e-3


def test_each_point_has_its_mirror_image():
    points = face_points()
    mirrored = mirrored_points(points)
    assert (mirrored == np.roll(np.arange(POINTS), POINTS // 2)).all()
    assert len(set(chosen_points(points))) == CENTRES


def test_the_ways_of_an_expression_are_found_again():
    points, draw = face_points(), np.random.default_rng(1)
    plain = np.stack([spot(32, 50)] * 40), points + different_faces(draw)
    average = average_face(*plain)
    # Half of the faces lower all points and have a bright forehead, half raise them and have a bright nose.
    moves = np.repeat(np.float32([[0, 2], [0, -2]]), 20, axis=0)
    chips = np.stack([spot(32, 52) + spot(32, 14)] * 20 + [spot(32, 48) + spot(32, 32)] * 20)
    ways = ways_of((chips, points + different_faces(draw) + moves[:, None]), plain, average, all_along(0))
    assert ways.points[:20].mean((0, 1)) == pytest.approx([0, 2], abs=0.1)
    assert ways.points[20:].mean((0, 1)) == pytest.approx([0, -2], abs=0.1)
    # What lies at (32, 14) of the lowered points is at (32, 12) of the average face.
    assert brightest(np.where(ways.shading[0] > 0.5, ways.shading[0] * 100, 0)) == pytest.approx((32, 12), abs=1.5)
    assert ways.shading[0, 12, 32] > 3 * abs(ways.shading[-1, 12, 32])


def test_a_lowered_head_is_no_expression():
    points, draw = face_points(), np.random.default_rng(1)
    plain = np.stack([spot(32, 50)] * 40)
    neutral = plain, points + different_faces(draw)
    average = average_face(*neutral)
    ways = ways_of((plain, points + different_faces(draw) + np.float32([0, 2])), neutral, average, all_along(1))
    assert np.abs(ways.points.mean((0, 1))).max() < 0.1


@pytest.mark.parametrize("strange", [np.linspace(0, 80, 64)[:, None] + np.zeros(64), 0.6 * spot(4, 60)], ids=["light", "background"])
def test_light_and_background_are_no_expression(strange):
    points, draw = face_points(), np.random.default_rng(1)
    few, texture = different_faces(draw), np.kron(draw.normal(0, 40, (8, 8)), np.ones((8, 8)))
    plain, strange = (np.stack([face] * 40).astype(np.float32) for face in (128 + texture, 128 + texture + strange))
    average = average_face(plain, points + few)
    assert np.abs(ways_of((strange, points + few), (plain, points + few), average, all_along(0)).shading).max() < 0.4


def test_how_people_differ_is_no_expression():
    """Some people have a bright chin, whatever they show; who shows the expression has a bright forehead."""
    points, draw = face_points(), np.random.default_rng(1)
    chins = draw.uniform(0, 1, (2, 60, 1, 1))
    plain, shown = 0.2 * spot(32, 32) + chins * spot(32, 46)
    shown = shown + 0.5 * spot(32, 16)
    few = np.concatenate([different_faces(draw), different_faces(draw)])
    neutral = plain.astype(np.float32), points + few[:60]
    average = average_face(*neutral)
    faces = shown.astype(np.float32), points + few[20:]
    before, after = looks_of(*faces, average, all_along(0)).shading, ways_of(faces, neutral, average, all_along(0)).shading
    assert after[:, 46, 32].std() < 0.5 * before[:, 46, 32].std()
    assert after[:, 16, 32].mean() > 0.7 * before[:, 16, 32].mean() > 0


def test_a_transferred_face_moves_within_its_crop_and_takes_on_the_shading():
    points, crop = face_points()[None, :CENTRES], np.full((1, 48, 48), 100, np.uint8)
    crop[0] = cv2.resize(spot(32, 40), (48, 48), interpolation=cv2.INTER_AREA).astype(np.uint8)
    framing, still, dark = np.eye(2, 3, dtype=np.float32)[None], np.zeros((1, CENTRES, 2)), np.zeros((1, 64, 64))
    same = transferred(crop, framing, points, points[0], still, dark)
    assert np.abs(same.astype(int) - crop).max() <= 2
    lower = transferred(crop, framing, points, points[0], still + np.array([0, 4]), dark)
    assert brightest(lower[0])[1] - brightest(crop[0])[1] == pytest.approx(3, abs=0.7)
    dark[0, 8:14, 28:36] = 1
    shaded = transferred(crop, framing, points, points[0], still, dark).astype(int) - crop
    assert shaded[0, 7:10, 22:26].min() > 10
    assert np.abs(shaded[0, 20:]).max() <= 2


def test_a_stronger_change_is_a_surer_expression():
    points = face_points().astype(float)
    average = Average(points, np.zeros((64, 64)), chosen_points(points), mirrored_points(points))
    kind = "anger, lips closed"
    ways = {kind: Ways(np.full((1, CENTRES, 2), [0.0, 1.0]), np.zeros((1, 64, 64)))}
    transfer, draw = Transfer(average, ways, np.zeros((1, CENTRES, 2)), np.zeros(1, int)), np.random.default_rng(0)
    moved, shading, target = drawn(transfer, "neutral", draw)
    assert not moved.any() and not shading.any() and target[LABELS.index("neutral")] == 1
    seen = [drawn(transfer, kind, draw) for _ in range(200)]
    sizes, probabilities = np.array([m[:, 1].mean() for m, _, _ in seen]), np.array([t[LABELS.index("anger")] for _, _, t in seen])
    assert np.corrcoef(sizes, probabilities)[0, 1] > 0.6
    assert (
        all(t.sum() == pytest.approx(1) for _, _, t in seen) and probabilities.max() == pytest.approx(SUREST) and probabilities.min() < 0.4
    )


def test_a_half_changes_alone():
    assert halves(np.array([10.0, 60.0]), 1, 0.15)[:, 0] == pytest.approx([1, 0.15])


def test_faces_that_turn_are_told_apart():
    points = np.zeros((2, POINTS, 2), np.float32)
    points[:, [234, 454], 0], points[:, 1, 0] = [0, 60], [30, 50]
    faces = Marked(np.zeros((2, 64, 64), np.uint8), points, np.array([20.0, 20.0]))
    assert faces.frontal(0.1, 8).tolist() == [True, False] and not faces.frontal(0.1, 30).any()


def test_another_file_than_the_mesh_is_refused(tmp_path):
    other = tmp_path / "mesh.tflite"
    other.write_bytes(b"TFL3")
    with pytest.raises(Trouble, match=r"mesh\.tflite is not the face mesh of mediapipe"):
        FaceMesh(other)


def posing_faces(missing: str = "") -> tuple[Lesson, Marked]:
    """A lesson of 60 neutral faces, four faces of each kind but the missing one, and four angry ones that raise their brows; marked."""
    plain = {"brows": 10.0, "apart": 0.0, "corners": 0.0, "lips": 4.0}
    shown = {
        "anger, lips closed": {"brows": 4.0, "lips": 1.0},
        "anger, teeth": {"brows": 4.0, "apart": 4.0},
        "sadness, brows raised": {"brows": 16.0},
        "sadness, corners lowered": {"corners": 4.0},
        "fear, lips closed": {"brows": 16.0},
        "fear, lips apart": {"brows": 16.0, "apart": 4.0},
        "disgust": {"brows": 4.0},
        "happiness": {"corners": -3.0},
        "surprise": {"brows": 16.0, "apart": 6.0},
    }
    rows = [("neutral", plain | {"brows": 5 + 10 * i / 60, "corners": 2 * i / 60 - 1, "lips": 2 + 4 * i / 60}) for i in range(60)]
    rows += [(KINDS[name].expression, plain | signs) for name, signs in shown.items() if name != missing for _ in range(4)]
    rows += [("anger", plain | {"brows": 16.0})] * 4
    draw = np.random.default_rng(3)
    points = np.stack([with_signs(face_points() + draw.normal(0, 0.2, (POINTS, 2)).astype(np.float32), **signs) for _, signs in rows])
    labels = np.array([LABELS.index(label) for label, _ in rows])
    lesson = replace(small_lesson(), distribution=np.eye(8, dtype="f4")[labels])
    chips = draw.integers(0, 256, (len(rows), 8, 8)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    return lesson, Marked(chips, points, np.full(len(rows), 20.0))


def test_an_expression_is_measured_on_the_faces_that_have_its_signs():
    transfer = prepare(*posing_faces())
    assert {name: len(ways.points) for name, ways in transfer.ways.items()} == dict.fromkeys(KINDS, 4)
    assert len(transfer.bases) == 60


def test_a_lesson_without_an_expression_is_told():
    with pytest.raises(
        Trouble, match=r"0 faces with the signs of fear \(lips 0\.05 to 0\.3 apart\) were found, 3 are needed: take all of FER2013"
    ):
        prepare(*posing_faces("fear, lips apart"))


def test_shares_of_what_is_drawn_add_up():
    assert sum(kind.share for kind in KINDS.values()) + NEUTRAL_SHARE == pytest.approx(1)
