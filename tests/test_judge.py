import shutil

import cv2
import numpy as np
import pytest
from fakes import points_in

from realtime.base.errors import Trouble
from realtime.config import JUDGE, DetectorSettings
from realtime.faces.detector import Detector
from realtime.faces.judge import MODEL_WEIGHT, SUREST, FaceJudge, normalized, patch
from realtime.faces.landmarks import PointPredictor
from realtime.values import Box

NAMES = ["obama", "obama2", "biden", "astronaut"]


def half(chips: np.ndarray) -> np.ndarray:
    """A model that has no opinion."""
    return np.full(len(chips), 0.5)


@pytest.fixture(scope="module")
def judge() -> FaceJudge:
    return FaceJudge(half)


def box_of(picture: np.ndarray) -> Box:
    return Detector(DetectorSettings()).find(picture, 400)[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("degrees", [0, 30, -45, 180])
@pytest.mark.parametrize("width", [40, 60, 300])
def test_a_face_is_one_at_any_angle_and_size(judge, gray, name, degrees, width):
    picture = gray(name)
    box = box_of(picture)
    turn = cv2.getRotationMatrix2D(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2), degrees, width / (box.x1 - box.x0))
    turned = cv2.warpAffine(picture, turn, picture.shape[::-1], flags=cv2.INTER_AREA)
    points = PointPredictor().points(picture, box) @ turn[:, :2].T + turn[:, 2]
    [likelihood] = judge.of_places(turned, [points.astype(np.float32)])
    assert likelihood > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_face_in_the_dark_is_one(judge, gray, name):
    picture = gray(name)
    [likelihood] = judge.of_places((picture * 0.2 + 3).astype(np.uint8), [PointPredictor().points(picture, box_of(picture))])
    assert likelihood > 0


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_face_beside_one_nor_upside_down(judge, gray, name):
    picture = gray(name)
    box = box_of(picture)
    there = PointPredictor().points(picture, box)
    beside = there + np.float32([0.8 * (box.x1 - box.x0), 0])
    upside_down = there * np.float32([1, -1]) + np.float32([0, box.y0 + box.y1])
    assert (judge.of_places(picture, [beside, upside_down]) < 0).all()


def test_there_is_no_face_in_noise_nor_on_a_wall(judge):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    for picture in (noise, np.full((200, 200), 90, np.uint8)):
        assert judge.of_places(picture, [points_in(Box(50, 50, 150, 150))])[0] < 0


def test_no_places_no_answers(judge):
    for ask in (judge.of_places, judge.with_model):
        assert ask(np.zeros((9, 9), np.uint8), []).shape == (0,)


def test_the_models_opinion_of_both_sides_is_added(gray):
    picture = gray("obama")
    points = PointPredictor().points(picture, box_of(picture))
    asked = []
    alone = FaceJudge(half).of_places(picture, [points])
    assert FaceJudge(half).with_model(picture, [points]) == pytest.approx(alone)
    sure_of_a_face = FaceJudge(lambda chips: asked.append(chips[0]) or np.full(1, 0.0))
    assert sure_of_a_face.with_model(picture, [points]) == pytest.approx(alone + MODEL_WEIGHT * np.log(1 / SUREST), abs=0.01)
    assert FaceJudge(lambda chips: np.full(1, 0.9)).with_model(picture, [points]) == pytest.approx(alone - MODEL_WEIGHT * np.log(9))
    assert FaceJudge(lambda chips: np.full(1, 1.0)).with_model(picture, [points])[0] < alone[0] - 6
    assert (asked[0] == asked[1][:, ::-1]).all()


def test_a_mirrored_face_is_as_likely(judge, gray):
    picture = gray("obama")
    patches = np.stack([patch(picture, PointPredictor().points(picture, box_of(picture)))] * 2)
    patches[1] = patches[1][:, ::-1]
    first, second = judge.of_patches(patches)
    assert first == pytest.approx(second, abs=1e-4)


def test_light_and_contrast_count_nothing_but_noise_is_not_stretched(gray):
    face = cv2.resize(gray("obama"), (64, 64), interpolation=cv2.INTER_AREA)
    plain, dim = normalized(np.stack([face, (face * 0.5 + 20).astype(np.uint8)]))
    assert np.abs(plain - dim).max() < 0.05
    assert normalized(np.full((1, 64, 64), 7, np.uint8)).max() == 0


def copied(folder):
    for path in (JUDGE, JUDGE.with_suffix(".json")):
        shutil.copy(path, folder / path.name)
    return folder / JUDGE.name


def test_a_damaged_file_is_told_in_one_line(tmp_path):
    path = copied(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(Trouble, match=r"face_judge.tflite is damaged: its sha256 is not the one in face_judge.json; restore both files"):
        FaceJudge(half, path)


@pytest.mark.parametrize("card", ["", "{}", "[]", "7"])
def test_a_damaged_card_is_told_in_one_line(tmp_path, card):
    path = copied(tmp_path)
    path.with_suffix(".json").write_text(card)
    with pytest.raises(Trouble, match=r"cannot read the face judge's file .*face_judge.tflite or its .json.*restore both files") as caught:
        FaceJudge(half, path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told_in_one_line(tmp_path):
    with pytest.raises(Trouble, match=r"cannot read the face judge's file .*no.tflite or its .json"):
        FaceJudge(half, tmp_path / "no.tflite")


def test_the_model_is_not_asked_where_there_is_plainly_no_face():
    asked = []
    judge = FaceJudge(lambda chips: asked.append(len(chips)) or np.zeros(len(chips)))
    wall = np.full((200, 200), 90, np.uint8)
    place = [points_in(Box(50, 50, 150, 150))]
    assert judge.with_model(wall, place) == pytest.approx(judge.of_places(wall, place))
    assert asked == []
