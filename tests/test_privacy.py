import cv2
import numpy as np
import pytest
from fakes import a_reading

from realtime.config import DetectorSettings, PrivacySettings
from realtime.faces.cover_search import CoverSearch
from realtime.faces.detector import Detector
from realtime.recording.privacy import Coverage, FaceBlur, RecordedFrame, cover
from realtime.values import Box


@pytest.fixture(scope="module")
def search() -> CoverSearch:
    """As `realtime.recording.batch.cover_search` makes it."""
    return CoverSearch(Detector(DetectorSettings()), PrivacySettings())


class Nobody:
    """A search that finds no face."""

    def upright(self, gray, short_side):
        return []

    def all(self, gray):
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
    assert (blur.coverage.frames, blur.coverage.covered, blur.coverage.most) == (40, 18, 1)


def test_a_face_that_is_seen_is_covered_where_it_is_not_along_its_way():
    noise = np.random.default_rng(1).integers(0, 255, (100, 400, 3), np.uint8)
    blur = FaceBlur(Nobody(), PrivacySettings(), live=False)
    frames = []
    for i in range(20):
        frames += blur.update(RecordedFrame(noise, [a_reading(box=Box(15 * i, 40, 15 * i + 20, 60))], i / 10))
    changed = np.flatnonzero((frames[10].image[50] != noise[50]).any(axis=1))
    assert changed[0] == pytest.approx(145, abs=2)
    assert changed[-1] == pytest.approx(175, abs=2)


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """The picture turned about its middle."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def any_direction(image: np.ndarray, search: CoverSearch) -> int:
    """How many faces a search at every multiple of 15 degrees finds."""
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return sum(len(search.search.candidates(turned(gray, degrees), 400, 0.0)) for degrees in range(0, 360, 15))


@pytest.mark.parametrize("degrees", [30, 75, 180, 285])
def test_a_face_is_covered_however_it_lies(portrait, search, degrees):
    picture = turned(portrait("astronaut"), degrees)
    blur = FaceBlur(search, PrivacySettings(), live=False)
    (frame,) = blur.update(RecordedFrame(picture, [], 0.0)) + blur.rest()
    assert any_direction(picture, search) > 0
    assert any_direction(frame.image, search) == 0
    assert blur.coverage.covered == 1


@pytest.mark.parametrize(
    ("name", "side"), [("astronaut", "left"), ("astronaut", "bottom"), ("obama", "right"), ("obama", "top"), ("obama", "left")]
)
def test_a_face_of_which_a_quarter_is_beyond_the_edge_is_covered(portrait, gray, search, name, side):
    box = search.upright(gray(name), 400)[0]
    beyond = (box.x1 - box.x0) / 4
    picture = {
        "left": portrait(name)[:, round(box.x0 + beyond) :],
        "right": portrait(name)[:, : round(box.x1 - beyond)],
        "top": portrait(name)[round(box.y0 + beyond) :],
        "bottom": portrait(name)[: round(box.y1 - beyond)],
    }[side]
    blur = FaceBlur(search, PrivacySettings(), live=False)
    (frame,) = blur.update(RecordedFrame(np.ascontiguousarray(picture), [], 0.0)) + blur.rest()
    x, y = (round((a + b) / 2) for a, b in ((box.x0, box.x1), (box.y0, box.y1)))
    x -= round(box.x0 + beyond) if side == "left" else 0
    y -= round(box.y0 + beyond) if side == "top" else 0
    near = slice(max(0, y - 20), y + 20), slice(max(0, x - 20), x + 20)
    assert (frame.image[near] != picture[near]).any(axis=2).mean() > 0.9


@pytest.mark.parametrize("factor", [0.75, 4 / 3])
def test_a_face_in_a_squeezed_picture_is_covered(portrait, search, factor):
    picture = cv2.resize(portrait("astronaut"), None, fx=factor, fy=1)
    blur = FaceBlur(search, PrivacySettings(), live=False)
    blur.update(RecordedFrame(picture, [], 0.0))
    blur.rest()
    assert blur.coverage.covered == 1


class Stubborn(Nobody):
    """A search that finds a face whatever is covered."""

    def upright(self, gray, short_side):
        return [Box(40, 40, 60, 60)]


def test_a_frame_in_which_a_search_still_finds_something_is_told():
    noise = np.random.default_rng(1).integers(0, 255, (100, 100, 3), np.uint8)
    blur = FaceBlur(Stubborn(), PrivacySettings(), live=False)
    for i in range(3):
        blur.update(RecordedFrame(noise, [], 1 + i / 10))
    blur.rest()
    assert str(blur.coverage).endswith("3 frames may still show a face, the first at 1.0 s: look at them")


@pytest.mark.parametrize(
    ("places", "told"),
    [([0, 0], "no face was found to cover in 2 frames"), ([1, 3, 0], "covered places in 2 of 3 frames, 3 at most in one; a search")],
)
def test_what_was_covered_is_told(places, told):
    coverage = Coverage()
    for n in places:
        coverage.note(0.0, n, doubt=False)
    assert str(coverage).startswith(told)


@pytest.mark.parametrize("place", [Box(-50, -50, 500, 500), Box(-9, 2, -1, 8), Box(10, 10, 10.5, 10.5), Box(60, 40, 90, 90)])
def test_places_beyond_the_edge(place):
    image = np.full((48, 64, 3), 7, np.uint8)
    cover(image, place, 4)
    assert (image == 7).all()
