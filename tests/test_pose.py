import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import DATA
from fakes import a_reading

from realtime.base.geometry import box_around
from realtime.config import DetectorSettings
from realtime.drawing.fitting import fitted
from realtime.expression.quality import eye_distance
from realtime.faces.detector import Detector
from realtime.faces.landmarks import MIRRORED, PointPredictor
from realtime.faces.pose import DOWN, FRONT, Pose, head_pose
from realtime.readings.format import face_values
from realtime.values import Face

HEAD = np.array([[0.7, 0, 0], [0.3, 0, 0], [-0.7, 0, 0], [-0.3, 0, 0], [0, DOWN, -FRONT]])
"""The five points of the mean face, in eye distances: to the picture's right, down, away from the camera."""


def project(yaw: float, pitch: float, roll: float, scale: float = 80.0) -> np.ndarray:
    """The points (5, 2) of a head with this pose in degrees, whose eyes are `scale` px apart when it faces the camera."""
    y, p, r = np.radians([yaw, pitch, roll])
    # Each matrix moves the nose as its sign says: away from the camera is positive, so the nose is at a negative depth.
    nod = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turn = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    lean = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (scale * HEAD @ (lean @ turn @ nod).T)[:, :2] + (300, 200)


@pytest.fixture(scope="module")
def tools() -> tuple[Detector, PointPredictor]:
    return Detector(DetectorSettings()), PointPredictor()


def points_of(picture: np.ndarray, tools: tuple[Detector, PointPredictor]) -> np.ndarray:
    """The five points after a few frames of tracking, which look for them in the box around the last ones."""
    detector, predictor = tools
    points = predictor.points(picture, detector.find(picture, 400)[0])
    for _ in range(3):
        points = predictor.points(picture, box_around(points))
    return points


def test_the_signs_are_those_that_are_written():
    nose_right, nose_up, right_eye_low = (HEAD[:, :2] * 100 for _ in range(3))
    nose_right[4, 0] += 20
    nose_up[4, 1] -= 10
    right_eye_low[:2, 1] += 20
    assert head_pose(nose_right).yaw > 10
    assert head_pose(nose_up).pitch > 3
    assert head_pose(right_eye_low).roll == pytest.approx(np.degrees(np.arctan2(20, 100)))


@pytest.mark.parametrize("roll", [0, 25, -140])
@pytest.mark.parametrize("yaw", [-50, -30, 0, 15, 40])
def test_a_turned_head_is_measured_exactly(yaw, roll):
    pose = head_pose(project(yaw, 0, roll))
    assert (pose.yaw, pose.pitch, pose.roll) == pytest.approx((yaw, 0, roll), abs=1e-6)
    assert pose.eyes == pytest.approx(80 * np.cos(np.radians(yaw)))


@pytest.mark.parametrize("yaw", [-30, 0, 20])
@pytest.mark.parametrize("pitch", [-15, -8, 8, 15])
def test_a_nod_is_measured_with_caution(yaw, pitch):
    """The pitch comes out too small by design, the yaw near its value, and the roll exactly, since the head nods first."""
    pose = head_pose(project(yaw, pitch, 10))
    assert 0.4 < pose.pitch / pitch < 1
    assert abs(pose.yaw - yaw) < 0.3 * abs(yaw) + 1e-6
    assert pose.roll == pytest.approx(10)


@pytest.mark.parametrize("name", ["obama", "obama2", "biden", "astronaut"])
def test_a_mirrored_face_has_a_mirrored_pose(name, tools):
    points = points_of(cv2.imread(str(DATA / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE), tools)
    plain, mirrored = head_pose(points), head_pose(points[MIRRORED] * [-1, 1] + [400, 0])
    assert abs(plain.yaw) > 0.5
    assert mirrored == pytest.approx((-plain.yaw, plain.pitch, -plain.roll, plain.eyes), abs=1e-3)


@pytest.mark.parametrize("degrees", [-20, 20])
@pytest.mark.parametrize("name", ["obama", "obama2", "biden", "astronaut"])
def test_the_roll_of_a_turned_picture(name, degrees, tools):
    picture = cv2.imread(str(DATA / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE)
    h, w = picture.shape
    # OpenCV's angles are counter-clockwise.
    leaning = cv2.warpAffine(picture, cv2.getRotationMatrix2D((w / 2, h / 2), -degrees, 1), (w, h), borderMode=cv2.BORDER_REPLICATE)
    before, after = (head_pose(points_of(each, tools)) for each in (picture, leaning))
    assert after.roll - before.roll == pytest.approx(degrees, abs=3.5)


@pytest.mark.parametrize(("name", "yaw"), [("obama", 0), ("obama2", -15), ("biden", 15), ("astronaut", 5)])
def test_portraits_have_the_pose_that_they_show(name, yaw, tools):
    pose = head_pose(points_of(cv2.imread(str(DATA / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE), tools))
    assert (pose.yaw, pose.pitch) == (pytest.approx(yaw, abs=7), pytest.approx(0, abs=7))


def test_the_eyes_distance_is_that_of_the_quality_measures():
    points = project(35, 5, 12)
    assert head_pose(points).eyes == pytest.approx(eye_distance(points))


@pytest.mark.parametrize("nose", [(0, -90), (0, 500), (300, 0), (-300, 40), (0, 0)])
def test_impossible_points_have_a_pose_within_its_range(nose):
    points = HEAD[:, :2] * 100
    points[4] = nose
    pose = head_pose(points)
    assert np.isfinite(pose).all()
    assert abs(pose.yaw) <= 90 and abs(pose.pitch) <= 25


def test_eyes_at_one_place_say_nothing():
    assert head_pose(np.zeros((5, 2), np.float32)) == Pose(0, 0, 0, 0)


def test_a_face_is_written_with_its_pose():
    points = project(-20, 0, 5).astype(np.float32)
    reading = a_reading()
    values = face_values(replace(reading, face=Face(1, reading.face.box, points)))
    assert [values[name] for name in ("yaw", "pitch", "roll", "eyes")] == [-20, 0, 5, 75.2]
    assert json.loads(json.dumps(values)) == values


def test_a_fitted_picture_changes_the_eyes_distance_and_no_angle():
    reading = a_reading()
    reading = replace(reading, face=Face(1, reading.face.box, project(-20, 0, 5).astype(np.float32)))
    before = head_pose(reading.face.points)
    _, [smaller] = fitted(np.zeros((480, 640, 3), np.uint8), [reading], (160, 200))
    assert head_pose(smaller.face.points) == pytest.approx((*before[:3], before.eyes / 4), abs=1e-3)
