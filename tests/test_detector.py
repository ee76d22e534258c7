import cv2
import numpy as np
import pytest

from realtime.config import PHOTO, DetectorSettings
from realtime.detector import Detector
from realtime.geometry import apart


@pytest.mark.parametrize("short_side", [250, 320, 400])
def test_boxes_are_in_pixels_of_the_full_picture_whatever_size_is_searched(gray, short_side):
    picture = cv2.resize(gray("obama"), None, fx=2, fy=2)
    [full] = Detector(DetectorSettings(short_side=800)).find(picture)
    [reduced] = Detector(DetectorSettings(short_side=short_side)).find(picture)
    assert apart(full, reduced) < 0.15
    assert 180 < full.x1 - full.x0 < 260


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (19, 19), (300, 3), (480, 640)])
def test_pictures_without_a_face(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert Detector(DetectorSettings()).find(noise) == []
    assert Detector(PHOTO).find(noise) == []


def test_a_thumbnail_is_enlarged_for_photos_only(gray):
    thumbnail = cv2.resize(gray("obama2"), (100, 150), interpolation=cv2.INTER_AREA)
    assert Detector(DetectorSettings()).find(thumbnail) == []
    [box] = Detector(PHOTO).find(thumbnail)
    assert 35 < box.x1 - box.x0 < 75


def test_two_people_give_two_boxes(gray):
    first, second = (cv2.resize(gray(name)[:400, :400], (400, 400)) for name in ("obama", "biden"))
    boxes = Detector(DetectorSettings(short_side=400)).find(np.hstack([first, second]))
    assert sorted(box.x0 > 400 for box in boxes) == [False, True]
