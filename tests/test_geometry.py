import math

import pytest

from realtime.base.geometry import box_around, box_distance, mirror_box, move_box, scale_box, width, without_repeats
from realtime.config import DetectorSettings
from realtime.faces.detector import Detector
from realtime.faces.landmarks import PointPredictor
from realtime.values import Box


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Box(0, 0, 10, 10), Box(0, 0, 10, 10), 0.0),
        (Box(0, 0, 10, 10), Box(5, 0, 15, 10), 0.5),
        (Box(0, 0, 10, 10), Box(3, 4, 13, 14), 0.5),
        (Box(0, 0, 10, 10), Box(-5, -5, 15, 15), 0.0),
        (Box(0, 0, 10, 10), Box(0, 0, 20, 20), math.hypot(5, 5) / 20),
        (Box(0, 0, 10, 10), Box(0, 0, 21, 21), math.inf),
        (Box(0, 0, 0, 0), Box(0, 0, 0, 0), math.inf),
    ],
)
def test_distance_is_in_widths_of_the_larger_box(a, b, expected):
    assert box_distance(a, b) == pytest.approx(expected)
    assert box_distance(b, a) == pytest.approx(expected)


def test_boxes_are_scaled_moved_and_mirrored():
    box = Box(10, 20, 30, 60)
    assert scale_box(box, 2) == Box(20, 40, 60, 120)
    assert move_box(box, 5, -30) == Box(15, -10, 35, 30)
    assert mirror_box(box, 100) == Box(70, 20, 90, 60)
    assert mirror_box(mirror_box(box, 100), 100) == box
    assert width(mirror_box(box, 100)) == width(box) == 20


@pytest.mark.parametrize("name", ["obama", "biden", "astronaut"])
def test_the_box_around_the_points_of_a_face_is_near_the_detectors_box(gray, name):
    picture = gray(name)
    detected = Detector(DetectorSettings()).find(picture, 400)[0]
    estimate = box_around(PointPredictor().points(picture, detected))
    assert box_distance(detected, estimate) < 0.15
    assert width(estimate) == pytest.approx(width(detected), rel=0.2)


def test_of_places_that_are_one_the_first_is_left():
    assert without_repeats([5, 6, 9, 4, 10], lambda a, b: abs(a - b) <= 1) == [5, 9]
    # 7 is one with 6, which is not left.
    assert without_repeats([5, 6, 7], lambda a, b: abs(a - b) <= 1) == [5, 7]
    assert without_repeats([], lambda a, b: True) == []
