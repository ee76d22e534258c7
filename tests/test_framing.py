import shutil

import cv2
import numpy as np
import pytest

from models.framing import CROP_POINTS, _network, crop_points, framed_chip, placement_of, sampling_matrix
from realtime.base.errors import Trouble
from realtime.config import DetectorSettings
from realtime.faces.align import TEMPLATE, align, enlarge, similarity
from realtime.faces.detector import Detector
from realtime.faces.landmarks import MIRRORED, PointPredictor
from realtime.values import CROP


def crop_of(gray: np.ndarray, scale: float, turn_deg: float) -> np.ndarray:
    """The portrait's face as a data set might have it: `scale` times too large, and turned."""
    box = Detector(DetectorSettings()).find(gray, 400)[0]
    matrix = np.vstack([similarity(PointPredictor().points(gray, box)), [0, 0, 1]])
    centre = (CROP / 2 - 0.5, CROP / 2 - 0.5)
    careless = cv2.getRotationMatrix2D(centre, turn_deg, scale) @ matrix
    # Sampled at four times the size and then averaged, as careful resizing does.
    careless *= 4
    careless[:, 2] += 1.5
    return cv2.resize(cv2.warpAffine(gray, careless, (CROP * 4, CROP * 4)), (CROP, CROP), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("name", ["obama", "biden", "astronaut"])
@pytest.mark.parametrize(("scale", "turn_deg"), [(1.0, 0.0), (0.8, 12.0), (1.2, -12.0)])
def test_a_crop_is_framed_as_the_camera_frames_the_same_face(gray, name, scale, turn_deg):
    picture = gray(name)
    box = Detector(DetectorSettings()).find(picture, 400)[0]
    expected = align(picture, PointPredictor().points(picture, box)).astype(float)
    crop = crop_of(picture, scale, turn_deg)
    framed, unframed = framed_chip(crop).astype(float), enlarge(crop).astype(float)
    inner = np.s_[12:52, 12:52]
    assert np.corrcoef(framed[inner].ravel(), expected[inner].ravel())[0, 1] > 0.9
    if scale != 1:
        assert np.abs(framed[inner] - expected[inner]).mean() < 0.6 * np.abs(unframed[inner] - expected[inner]).mean()


def test_the_points_of_a_well_framed_crop_lie_on_the_template(gray):
    points = crop_points(crop_of(gray("obama"), 1.0, 0.0))
    assert np.abs((points + 0.5) / CROP - TEMPLATE).max() < 0.06


def test_a_mirrored_crop_has_mirrored_points(gray):
    crop = crop_of(gray("biden"), 1.2, 12.0)
    points, mirror = crop_points(crop), crop_points(crop[:, ::-1].copy())
    assert np.abs(mirror[MIRRORED] * [-1, 1] + [CROP - 1, 0] - points).max() < 0.5


def test_an_unbelievable_placement_leaves_the_crop_as_it_is(monkeypatch):
    monkeypatch.setattr("models.framing.crop_points", lambda face: (TEMPLATE - 0.5) * CROP * 0.4 + CROP / 2)
    face = np.random.default_rng(0).integers(0, 256, (CROP, CROP), np.uint8)
    assert (placement_of(face) == np.eye(2, 3)).all()
    assert np.abs(framed_chip(face).astype(int) - enlarge(face)).max() <= 1


def test_a_damaged_network_is_recognised_by_its_hash(monkeypatch, tmp_path):
    shutil.copy(CROP_POINTS.with_suffix(".json"), tmp_path)
    monkeypatch.setattr("models.framing.CROP_POINTS", tmp_path / CROP_POINTS.name)
    _network.cache_clear()
    with pytest.raises(Trouble, match=r"cannot read .*crop_points\.tflite.*no such file.*restore both files"):
        _network()
    (tmp_path / CROP_POINTS.name).write_bytes(CROP_POINTS.read_bytes()[:-100])
    with pytest.raises(Trouble, match=r"crop_points\.tflite is damaged: its sha256 is not the one in crop_points\.json"):
        _network()


def test_the_matrix_for_torch_goes_the_other_way():
    """A placement that enlarges by 2 about the middle is sampled from half the width."""
    middle = CROP / 2 - 0.5
    doubled = np.array([[2, 0, -middle], [0, 2, -middle]])
    assert sampling_matrix(doubled) == pytest.approx(np.array([[0.5, 0, 0], [0, 0.5, 0]]))
