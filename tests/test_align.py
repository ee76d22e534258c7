import cv2
import numpy as np
import pytest

from realtime.faces.align import TEMPLATE, align, enlarge, misfit, sample, similarity
from realtime.values import CHIP, CROP


def transform(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ rotation.T * scale + shift


def whole(side: int) -> np.ndarray:
    """The matrix that samples a whole square picture of this side."""
    k = CROP / side
    return np.array([[k, 0, 0.5 * k - 0.5], [0, k, 0.5 * k - 0.5]])


@pytest.mark.parametrize("degrees", [0, 30, -75, 180])
@pytest.mark.parametrize("scale", [20.0, 400.0])
def test_similarity_undoes_any_rotation_scale_and_shift(degrees, scale):
    points = transform(TEMPLATE, degrees, scale, (123.0, -45.0))
    matrix = similarity(points.astype(np.float32))
    landed = points @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(landed - TEMPLATE * CROP).max() < 1e-3


def test_similarity_never_shears_even_when_the_shape_does_not_fit():
    points = TEMPLATE * (60, 100)
    a, b = similarity(points)[:, :2]
    assert np.dot(a, b) == pytest.approx(0, abs=1e-9)
    assert np.linalg.norm(a) == pytest.approx(np.linalg.norm(b))


@pytest.mark.parametrize("seed", range(5))
def test_misfit_is_the_residual_of_the_similarity(seed):
    points = transform(TEMPLATE, 40, 150, (30, 60)) + np.random.default_rng(seed).normal(0, 12, (5, 2))
    matrix = similarity(points)
    residual = (points @ matrix[:, :2].T + matrix[:, 2]) / CROP - TEMPLATE
    assert misfit(points) == pytest.approx(np.sqrt((residual**2).sum(1).mean()))


def test_misfit_is_zero_for_a_face_shape_and_large_for_other_shapes():
    face = transform(TEMPLATE, 37, 90, (200, 100)).astype(np.float32)
    assert misfit(face) < 0.001
    assert misfit(face[[1, 4, 2, 0, 3]]) > 0.1
    assert misfit(np.ones((5, 2), np.float32)) == np.inf


def test_the_template_is_symmetric_and_framed_as_the_training_pictures_are():
    right, left = TEMPLATE[:2].mean(0), TEMPLATE[2:4].mean(0)
    assert right - left == pytest.approx((0.36, 0.0), abs=0.002)
    assert right[1] == pytest.approx(0.38, abs=0.002)
    assert TEMPLATE[[0, 1]] + TEMPLATE[[2, 3]] * (1, -1) == pytest.approx(np.array([[1, 0], [1, 0]]), abs=1e-9)


def test_a_picture_of_the_crops_size_is_sampled_unchanged():
    picture = np.random.default_rng(0).integers(0, 256, (CROP, CROP), np.uint8)
    assert (sample(picture, whole(CROP)) == picture).all()


def test_large_faces_are_averaged_down_without_skipping_pixels():
    # The mean of 8x8 independent pixels has an eighth of their standard deviation of 74 grey levels; a bilinear sample has half of it.
    noise = np.random.default_rng(2).integers(0, 256, (CROP * 8, CROP * 8), np.uint8)
    assert sample(noise, whole(CROP * 8)).std() == pytest.approx(74 / 8, rel=0.1)


def test_outside_the_picture_the_edge_repeats():
    picture = np.full((100, 100), 77, np.uint8)
    assert (align(picture, (TEMPLATE * 300 - 100).astype(np.float32)) == 77).all()


def test_a_chip_has_the_documented_shape_and_type():
    chip = enlarge(np.full((CROP, CROP), 9, np.uint8))
    assert chip.shape == (CHIP, CHIP)
    assert chip.dtype == np.uint8


def test_a_dataset_picture_and_the_same_face_before_a_camera_give_the_same_chip():
    crop = np.random.default_rng(1).integers(0, 256, (CROP, CROP), np.uint8)
    crop = cv2.GaussianBlur(crop, (0, 0), 2)
    camera = cv2.resize(crop, (CROP * 5, CROP * 5), interpolation=cv2.INTER_CUBIC)
    points = ((TEMPLATE * CROP + 0.5) * 5 - 0.5).astype(np.float32)
    assert np.abs(align(camera, points).astype(int) - enlarge(crop)).max() <= 4


def test_the_same_face_rotated_gives_nearly_the_same_chip(gray):
    from realtime.config import DetectorSettings
    from realtime.faces.detector import Detector
    from realtime.faces.landmarks import PointPredictor

    picture = gray("obama")
    box = Detector(DetectorSettings()).find(picture, 320)[0]
    points = PointPredictor().points(picture, box)
    upright = align(picture, points)
    turn = cv2.getRotationMatrix2D((200, 200), 25, 0.7)
    turned = cv2.warpAffine(picture, turn, picture.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    chip = align(turned, (points @ turn[:, :2].T + turn[:, 2]).astype(np.float32))
    assert np.corrcoef(upright.ravel(), chip.ravel())[0, 1] > 0.98
