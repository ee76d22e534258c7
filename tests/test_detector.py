import cv2
import numpy as np
import pytest

from realtime.base.errors import Trouble
from realtime.base.geometry import box_distance, scale_box, width
from realtime.config import DETECTOR, DetectorSettings
from realtime.faces.detector import Candidate, Detector, distinct
from realtime.values import Box


@pytest.mark.parametrize("short_side", [250, 320, 400])
def test_boxes_are_in_pixels_of_the_picture_for_every_search_size(gray, short_side):
    picture = cv2.resize(gray("obama"), None, fx=2, fy=2)
    [full] = Detector(DetectorSettings()).find(picture, 800)
    [reduced] = Detector(DetectorSettings()).find(picture, short_side)
    assert box_distance(full, reduced) < 0.15
    assert 180 < full.x1 - full.x0 < 260


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (19, 19), (300, 3), (480, 640)])
def test_pictures_without_a_face(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert Detector(DetectorSettings()).find(noise, 320) == []
    assert Detector(DetectorSettings()).find(noise, 960) == []


def test_a_small_face_is_found_in_an_enlarged_picture(gray):
    thumbnail = cv2.resize(gray("obama2"), (100, 150), interpolation=cv2.INTER_AREA)
    assert Detector(DetectorSettings(enlarge=1.0)).find(thumbnail, 960) == []
    [box] = Detector(DetectorSettings()).find(thumbnail, 960)
    assert 35 < box.x1 - box.x0 < 75


def test_two_people_give_two_boxes(gray):
    first, second = (cv2.resize(gray(name)[:400, :400], (400, 400)) for name in ("obama", "biden"))
    boxes = Detector(DetectorSettings()).find(np.hstack([first, second]), 400)
    assert sorted(box.x0 > 400 for box in boxes) == [False, True]


def test_candidates_are_what_is_found_and_more_the_lower_the_threshold(gray):
    detector, picture = Detector(DetectorSettings()), gray("obama")
    few, many = (detector.candidates(picture, 400, threshold) for threshold in (0.0, -1.0))
    assert [candidate.box for candidate in few] == detector.find(picture, 400)
    assert len(many) > len(few) == 1
    scores = [candidate.score for candidate in many]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == few[0].score > 0 > scores[1] > -1


@pytest.mark.parametrize("step", [None, 1.2, 1.4])
def test_a_face_of_any_size_is_found_once(gray, step):
    detector, picture = Detector(DetectorSettings(), step=step), gray("obama")
    [usual] = Detector(DetectorSettings()).find(picture, 10_000)
    for size in np.geomspace(0.7, 3.0, 12):
        [box] = detector.find(cv2.resize(picture, None, fx=size, fy=size, interpolation=cv2.INTER_AREA), 10_000)
        assert box_distance(scale_box(box, 1 / size), usual) < 0.15
        assert width(box) / size == pytest.approx(width(usual), rel=0.3)


def test_a_larger_step_looks_at_fewer_sizes(gray):
    picture, sizes = gray("obama"), {}
    for step in (None, 1.2, 1.4):
        detector = Detector(DetectorSettings(), step=step)
        detector._search = Noting(detector._search)
        detector.find(picture, 320)
        sizes[step] = [min(shape) for shape in detector._search.shapes]
    # dlib makes its sizes itself.
    assert sizes == {None: [320], 1.2: [320, 267, 222, 185, 154, 128, 107, 89, 74], 1.4: [320, 229, 164, 117, 84]}


class Noting:
    """Searches as another one does, and notes the shapes of what it searches."""

    def __init__(self, search):
        self.search, self.shapes = search, []

    def run(self, picture, more, threshold):
        self.shapes.append(picture.shape)
        return self.search.run(picture, more, threshold)


def test_two_faces_side_by_side_are_two_and_one_seen_in_two_sizes_is_one():
    def numbers(*places):
        found = [Candidate(Box(x, y, x + side, y + side), score) for x, y, side, score in places]
        return [found.index(one) for one in distinct(found)]

    assert numbers((0, 0, 100, 1.0), (90, 0, 100, 2.0)) == [1, 0]
    assert numbers((0, 0, 100, 1.0), (15, 0, 100, 2.0)) == [1]
    # A third of the box around both, and four fifths of the smaller one.
    assert numbers((0, 0, 100, 1.0), (49, 0, 100, 2.0)) == [1]
    assert numbers((0, 0, 100, 1.0), (52, 0, 100, 2.0)) == [1, 0]
    assert numbers((0, 0, 100, 1.0), (26, 26, 100, 2.0)) == [1]
    assert numbers((0, 0, 100, 1.0), (28, 28, 100, 2.0)) == [1, 0]
    assert numbers((0, 0, 100, 2.0), (-5, 0, 40, 1.0)) == [0]
    assert numbers((0, 0, 100, 2.0), (-10, 0, 40, 1.0)) == [0, 1]


@pytest.mark.parametrize("length", [None, 0, 1000])
def test_a_missing_or_damaged_file_raises_trouble_of_one_line(tmp_path, length):
    path = tmp_path / "some.svm"
    if length is not None:
        path.write_bytes(DETECTOR.read_bytes()[:length])
    with pytest.raises(Trouble, match=r"cannot read the face detector's file .*some.svm.*restore it") as caught:
        Detector(DetectorSettings(), path)
    assert "\n" not in str(caught.value)
