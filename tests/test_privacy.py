import cv2
import numpy as np
import pytest
from fakes import a_reading

from realtime.config import DetectorSettings, PrivacySettings
from realtime.faces.detector import Detector
from realtime.recording.privacy import FaceBlur, RecordedFrame, cover
from realtime.values import Box


@pytest.fixture(scope="module")
def search() -> Detector:
    """As `realtime.recording.batch.face_search` makes it."""
    return Detector(DetectorSettings(threshold=PrivacySettings().threshold))


class Nobody:
    """A search that finds no face."""

    def find(self, gray, short_side):
        return []


def faces(image) -> int:
    """How many faces dlib's own detector and ours find, the picture as it is and at twice its size."""
    import dlib

    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    default, own = dlib.get_frontal_face_detector(), Detector(DetectorSettings())
    return sum(len(default(gray, more)) for more in (0, 1)) + sum(len(own.find(gray, side)) for side in (320, 800))


def people(portrait, height=300) -> np.ndarray:
    """Three portraits side by side."""
    pictures = [portrait(name) for name in ("obama", "biden", "astronaut")]
    return np.hstack([cv2.resize(p, (round(p.shape[1] * height / p.shape[0]), height)) for p in pictures])


@pytest.mark.parametrize("height", [300, 130])
def test_no_detector_finds_a_face_that_nobody_follows(portrait, search, height):
    crowd = people(portrait, height)
    assert faces(crowd) >= 3
    blur = FaceBlur(search, PrivacySettings(), live=False)
    (frame,) = blur.update(RecordedFrame(crowd, [], 0.0)) + blur.rest()
    assert faces(frame.image) == 0
    # The rest of the picture is as it was.
    assert (frame.image == crowd).all(axis=2).mean() > 0.3


def test_what_is_left_of_a_followed_face_are_some_colours(portrait):
    crowd = people(portrait)
    box = Box(60, 60, 180, 180)
    blur = FaceBlur(Nobody(), PrivacySettings(), live=False)
    (frame,) = blur.update(RecordedFrame(crowd, [a_reading(box=box)], 0.0)) + blur.rest()
    covered = frame.image[30:210, 30:210].astype(float)
    assert np.abs(np.diff(covered, axis=0)).max() < 8
    assert (frame.image[:, 220:] == crowd[:, 220:]).all()
    assert crowd is not frame.image


def test_a_place_stays_covered_for_a_while_and_is_covered_before_its_face_was_found():
    draw = np.random.default_rng(1)
    noise = draw.integers(0, 255, (100, 100, 3), np.uint8)
    blur = FaceBlur(Nobody(), PrivacySettings(), live=False)
    box, frames = Box(40, 40, 60, 60), []
    for i in range(40):
        # Followed from 1.0 to 1.4 s.
        frames += blur.update(RecordedFrame(noise, [a_reading(box=box)] if 10 <= i < 15 else [], i / 10))
    frames += blur.rest()
    assert [frame.t for frame in frames] == [i / 10 for i in range(40)]
    covered = [round(frame.t, 1) for frame in frames if not (frame.image[45:55, 45:55] == noise[45:55, 45:55]).all()]
    assert covered == pytest.approx([round(0.7 + i / 10, 1) for i in range(18)])


def test_a_face_that_is_seen_is_covered_where_it_is_not_along_its_way():
    noise = np.random.default_rng(1).integers(0, 255, (100, 400, 3), np.uint8)
    blur = FaceBlur(Nobody(), PrivacySettings(), live=False)
    frames = []
    for i in range(20):
        frames += blur.update(RecordedFrame(noise, [a_reading(box=Box(15 * i, 40, 15 * i + 20, 60))], i / 10))
    changed = np.flatnonzero((frames[10].image[50] != noise[50]).any(axis=1))
    assert changed[0] == pytest.approx(145, abs=2)
    assert changed[-1] == pytest.approx(175, abs=2)


@pytest.mark.parametrize("place", [Box(-50, -50, 500, 500), Box(-9, 2, -1, 8), Box(10, 10, 10.5, 10.5), Box(60, 40, 90, 90)])
def test_places_beyond_the_edge(place):
    image = np.full((48, 64, 3), 7, np.uint8)
    cover(image, place, 4)
    assert (image == 7).all()
