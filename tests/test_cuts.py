import cv2
import numpy as np
import pytest

from realtime.config import CutSettings
from realtime.faces.cuts import CutDetector, change, normalize_contrast
from realtime.sources.films import DEMO, VideoFile


def cuts_in(frames) -> list[int]:
    detector = CutDetector(CutSettings())
    return [i for i, gray in enumerate(frames) if detector.update(gray, i / 30)]


def grays(path, count: int | None = None) -> list[np.ndarray]:
    with VideoFile(path) as film:
        return [cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY) for frame in film][:count]


@pytest.mark.parametrize(
    ("now", "expected"), [([0, 1, 2, 3], 0.0), ([10, 30, 50, 70], 0.0), ([3, 2, 1, 0], 2.0), ([5, 5, 5, 5], 1.0), ([1, 0, 0, 1], 1.0)]
)
def test_change_is_one_minus_the_correlation(now, expected):
    assert change(normalize_contrast(np.array([0.0, 1, 2, 3])), normalize_contrast(np.array(now, float))) == pytest.approx(
        expected, abs=1e-6
    )


def test_two_black_pictures_have_no_change():
    assert change(normalize_contrast(np.zeros(4)), normalize_contrast(np.zeros(4))) == 0


def test_no_cut_within_the_demo_clip_where_people_come_go_and_fade():
    assert cuts_in(grays(DEMO)) == []


def test_no_cut_in_a_moving_scene(shared):
    assert cuts_in(grays(shared("video/sad_to_laughing.mp4"))) == []
    assert cuts_in(grays(shared("video/no_face.mp4"))) == []


def test_a_cut_between_two_films_is_detected_at_its_frame(shared):
    one, two = grays(DEMO, 20), grays(shared("video/sad_to_laughing.mp4"), 20)
    assert cuts_in([*one, *two]) == [20]
    assert cuts_in([*two, *one, *two]) == [20, 40]


def test_a_cut_within_one_room_is_detected_after_little_change():
    """The demo's room is the same in all frames: only the people differ."""
    frames = grays(DEMO)
    assert cuts_in([frames[0]] * 10 + [frames[150]] * 10) == [10]


def test_a_lamp_or_the_cameras_gain_is_no_cut():
    room = grays(DEMO, 1)[0]
    dark = cv2.convertScaleAbs(room, alpha=0.4)
    assert cuts_in([room] * 5 + [dark] * 5) == []


def test_a_picture_that_changes_its_size_is_no_cut():
    room = grays(DEMO, 1)[0]
    assert cuts_in([room] * 5 + [cv2.resize(room, (320, 240))] * 5) == []
