import math

import cv2
import numpy as np
import pytest
from fakes import points_in

from realtime.base.geometry import box_around, box_distance
from realtime.config import DetectorSettings, FinderSettings
from realtime.faces.detector import Detector
from realtime.faces.finder import ChangedSearch, Look, Request
from realtime.faces.landmarks import PointPredictor
from realtime.faces.tilt import TiltedPoints, box_of, roll, transform
from realtime.values import Box

BOX = Box(100, 100, 200, 200)


@pytest.fixture(scope="module")
def tilted() -> TiltedPoints:
    return TiltedPoints(PointPredictor(), 15.0)


def leaning(picture: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture turned clockwise about its middle, and the matrix (2, 3) that did it."""
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), matrix


def apart(points: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of two sets of points, in face widths."""
    return float(np.linalg.norm(points - other, axis=1).mean()) / (box_around(other).x1 - box_around(other).x0)


@pytest.mark.parametrize("degrees", [-170, -45, 0, 20, 90])
def test_the_roll_of_points_is_how_far_they_lean_clockwise(degrees):
    turn = cv2.getRotationMatrix2D((0, 0), -degrees, 1.0)
    assert roll(transform(points_in(BOX), turn)) == pytest.approx(degrees, abs=0.6)


@pytest.mark.parametrize("name", ["astronaut", "obama"])
@pytest.mark.parametrize("degrees", [-60, -30, 30, 60, 180])
def test_points_of_a_leaning_face_are_those_of_the_upright_one(tilted, gray, name, degrees):
    picture = gray(name)
    upright = tilted.new_points(picture, Detector(DetectorSettings()).find(picture, 400)[0], 0.0)
    turned, matrix = leaning(picture, degrees)
    expected = transform(upright, matrix)
    found = tilted.points(turned, box_of(expected), roll(expected))
    assert apart(found, expected) < 0.05


def test_faces_that_lean_little_are_upright_for_the_predictor(gray):
    """Their points are those of the predictor, to the last bit."""
    picture, predictor = gray("astronaut"), PointPredictor()
    box = Detector(DetectorSettings()).find(picture, 400)[0]
    assert (TiltedPoints(predictor, 15.0).points(picture, box, 14.9) == predictor.points(picture, box)).all()


@pytest.mark.parametrize("degrees", [-40, -25, 25, 40])
def test_a_leaning_face_is_found_where_it_is(tilted, gray, degrees):
    picture = gray("astronaut")
    detector, settings = Detector(DetectorSettings()), FinderSettings()
    upright = tilted.new_points(picture, detector.find(picture, 400)[0], 0.0)
    turned, matrix = leaning(picture, degrees)
    look = Look(320, math.copysign(settings.lean, degrees))
    found = ChangedSearch(detector, settings).update(Request(turned, None, 1.5, (), 0), look)
    assert (found.t, found.degrees) == (1.5, look.degrees)
    best = found.boxes[int(np.argmax(found.scores))]
    assert max(found.scores) > 0.4
    assert box_distance(best, box_of(transform(upright, matrix))) < 0.2
