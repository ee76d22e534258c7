from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from realtime.base.geometry import box_around, box_distance, width
from realtime.config import DetectorSettings, PhotoSettings
from realtime.faces.detector import Detector
from realtime.faces.judge import FaceJudge
from realtime.faces.landmarks import MIRRORED, PointPredictor
from realtime.faces.photo_finder import PhotoFace, PhotoFinder, best_faces, mirrored, to_photo, turned_copies, wide_copy
from realtime.faces.tilt import box_of, transform
from realtime.values import Box

NAMES = ["obama", "obama2", "biden", "astronaut"]
SIDE = 400
"""Short side in px in which these tests search; the program's 960 would take seconds."""


class EvenJudge:
    """Finds all places alike."""

    def __init__(self, likelihood: float):
        self.likelihood = likelihood

    def with_model(self, gray: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
        return np.full(len(places), self.likelihood)


def search(likelihood: float, settings: PhotoSettings | None = None) -> PhotoFinder:
    """The search with the real detector and points, and a judge that finds all places alike."""
    return PhotoFinder(Detector(DetectorSettings()), PointPredictor(), EvenJudge(likelihood), settings or PhotoSettings())


@pytest.fixture(scope="module")
def finder(classifier) -> PhotoFinder:
    judge = FaceJudge(lambda chips: classifier.read(chips).reject)
    return PhotoFinder(Detector(DetectorSettings()), PointPredictor(), judge, PhotoSettings())


def turned(picture: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture turned counterclockwise within its size, and the (2, 3) matrix that does it."""
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), matrix


def square(picture: np.ndarray) -> np.ndarray:
    """The upper part of a portrait, as wide as high, with the face: nothing of it is lost in a quarter turn."""
    return picture[: min(picture.shape), : min(picture.shape)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("degrees", [90, 180, 270, 20, -20])
def test_a_turned_portrait_has_the_points_of_the_upright_one(finder, gray, name, degrees):
    upright = square(gray(name))
    picture, matrix = turned(upright, degrees)
    [before], [face] = finder.faces(upright, SIDE), finder.faces(picture, SIDE)
    expected = before.points @ matrix[:, :2].T + matrix[:, 2]
    eyes = np.linalg.norm(before.points[:2].mean(0) - before.points[2:4].mean(0))
    assert np.linalg.norm(face.points - expected, axis=1).mean() < 0.15 * eyes
    middle = np.array([face.box.x0 + face.box.x1, face.box.y0 + face.box.y1]) / 2
    assert np.linalg.norm(middle - expected.mean(0)) < 0.5 * eyes


@pytest.mark.parametrize("name", NAMES)
def test_a_face_that_fills_the_photo_is_found_beyond_its_edges(finder, gray, name):
    picture = gray(name)
    [whole] = finder.faces(picture, SIDE)
    box = whole.box
    inset = 0.16 * (box.x1 - box.x0)
    left, top = round(box.x0 + inset), round(box.y0 + inset)
    cut = picture[top : round(box.y1 - inset), left : round(box.x1 - inset)]
    assert finder.search.find(cut, SIDE) == []
    [face] = finder.faces(cut, SIDE)
    eyes = np.linalg.norm(whole.points[:2].mean(0) - whole.points[2:4].mean(0))
    assert np.linalg.norm(face.points + np.float32([left, top]) - whole.points, axis=1).mean() < 0.25 * eyes


@pytest.mark.parametrize("name", NAMES)
def test_of_what_the_detector_is_sure_the_judge_need_not_be(gray, name):
    settings = PhotoSettings()
    assert len(search(settings.judged_sure + 0.1).faces(gray(name), SIDE)) == 1
    assert search(settings.judged_sure - 0.1).faces(gray(name), SIDE) == []


def test_a_face_in_a_turned_copy_needs_a_judge_that_is_sure(gray):
    picture, clear = np.ascontiguousarray(gray("obama")[::-1, ::-1]), PhotoSettings(threshold=0.0)
    assert len(search(clear.judged_turned + 0.1, clear).faces(picture, SIDE)) == 1
    assert search(clear.judged_turned - 0.1, clear).faces(picture, SIDE) == []


def test_turned_copies_are_searched_no_larger_than_their_limit(gray):
    picture = np.ascontiguousarray(gray("obama")[::-1, ::-1])
    assert search(9.0, PhotoSettings(threshold=0.0, turned_side=60)).faces(picture, SIDE) == []


def test_points_that_do_not_have_the_shape_of_a_face_are_none(gray):
    assert search(9.0, PhotoSettings(misfit=0.0)).faces(gray("obama"), SIDE) == []


def test_two_people_are_found_though_one_is_at_the_edge(finder, gray):
    pair = np.hstack([gray("obama")[:400, :400], gray("biden")[:400, :400]])
    first, second = sorted(finder.faces(pair, SIDE), key=lambda face: face.box.x0)
    assert first.box.x1 < 400 < second.box.x0


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (19, 19), (300, 3), (120, 160)])
def test_pictures_without_a_face(finder, shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert finder.faces(noise, SIDE) == []
    assert finder.faces(np.full(shape, 90, np.uint8), SIDE) == []


@pytest.mark.parametrize("size_wh", [(90, 60), (900, 600)])
def test_a_turned_copy_holds_the_whole_photo_and_knows_where_it_was(size_wh):
    photo = np.zeros(size_wh[::-1], np.uint8)
    places = [(0.1, 0.1), (0.9, 0.15), (0.5, 0.9)]
    for share in places:
        cv2.circle(photo, (round(share[0] * size_wh[0]), round(share[1] * size_wh[1])), size_wh[0] // 30, 255, -1)
    copies = list(turned_copies(photo, 300, 30))
    assert len(copies) == 11
    for copy in copies:
        assert max(copy.gray.shape) <= 541
        _, _, _, centres = cv2.connectedComponentsWithStats((copy.gray > 100).astype(np.uint8))
        found = centres[1:] @ copy.to_photo[:, :2].T + copy.to_photo[:, 2]
        for share in places:
            assert np.linalg.norm(found - np.array(share) * size_wh, axis=1).min() < 0.02 * size_wh[0]


def test_the_turned_copies_of_a_long_photo_are_not_enormous():
    for shape in [(1, 500), (300, 6000), (6000, 300)]:
        for copy in turned_copies(np.zeros(shape, np.uint8), SIDE, 30):
            assert copy.short_side * max(copy.gray.shape) / min(copy.gray.shape) < 2 * SIDE


def test_the_box_of_a_turned_face_turns_with_it():
    points = np.float32([[70, 40], [60, 41], [30, 40], [40, 41], [50, 62]])
    upright, flipped = box_of(points), box_of(100 - points)
    assert (flipped.x0, flipped.y0) == pytest.approx((100 - upright.x1, 100 - upright.y1), abs=0.01)
    assert box_distance(upright, box_around(points)) < 0.05
    assert upright.x1 - upright.x0 == pytest.approx(width(box_around(points)), rel=0.1)


def test_of_faces_at_one_place_the_best_stays():
    worse = PhotoFace(Box(0, 0, 40, 40), np.zeros((5, 2)), score=2.0, likelihood=2.0)
    better = replace(worse, box=Box(5, 5, 105, 105), score=1.0, likelihood=3.0)
    unlikely = replace(worse, box=Box(8, 8, 60, 60), likelihood=-1.0)
    beside = replace(worse, box=Box(110, 0, 190, 80), likelihood=-2.0)
    assert [face.box for face in best_faces([worse, unlikely, beside, better])] == [better.box, beside.box]


@pytest.mark.parametrize("name", ["astronaut", "obama"])
def test_points_of_a_mirrored_copy_are_those_of_the_photo(gray, name):
    picture, predictor = gray(name), PointPredictor()
    box = Detector(DetectorSettings()).find(picture, 400)[0]
    copy = mirrored(wide_copy(picture, SIDE, 0.25))
    points = predictor.points(picture, box)
    there = transform(points[MIRRORED], cv2.invertAffineTransform(copy.to_photo))
    assert np.allclose(to_photo(there, copy), points, atol=1e-3)
    found = to_photo(predictor.points(copy.gray, box_around(there)), copy)
    assert np.linalg.norm(found - points, axis=1).mean() < 0.06 * (box.x1 - box.x0)
    # The order is the usual one: the first eye is at the right of the picture.
    assert found[0, 0] > found[2, 0]
