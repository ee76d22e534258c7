import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.network import PointsNet  # noqa: E402
from models.train_crop_points import AROUND, LabelledPictures, augmented, cut_photos, error_summary, from_middle  # noqa: E402
from models.train_landmarks import LandmarkExample  # noqa: E402
from realtime.config import DetectorSettings  # noqa: E402
from realtime.faces.align import TEMPLATE  # noqa: E402
from realtime.faces.detector import Detector  # noqa: E402
from realtime.faces.landmarks import PointPredictor  # noqa: E402
from realtime.values import CROP  # noqa: E402


def dotted(points: np.ndarray, side: int) -> np.ndarray:
    """A picture that is dark but for a spot at each of the points, in pixels."""
    y, x = np.mgrid[:side, :side]
    spots = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / 6) for px, py in points]
    return (250 * np.max(spots, 0)).astype(np.uint8)


def test_points_go_where_their_picture_goes():
    """Wherever a picture is turned, moved, scaled and mirrored to, the spots lie at its points."""
    points = TEMPLATE * CROP - 0.5
    picture = torch.from_numpy(dotted(points, CROP)).expand(40, 1, CROP, CROP)
    torch.manual_seed(0)
    crops, targets = augmented(LabelledPictures(picture, torch.from_numpy(from_middle(points, CROP)).expand(40, 5, 2)), 1.0, light=False)
    where = (targets.reshape(40, 5, 2).numpy() + TEMPLATE) * CROP - 0.5
    assert np.abs(where - points).max() > 4
    places = [(crop, *spot.round().astype(int)) for crop, spots in zip(crops, where, strict=True) for spot in spots]
    bright = [crop[0, y, x] for crop, x, y in places if 0 <= x < CROP > y >= 0]
    assert len(bright) > 180
    assert min(bright) > 0.3


def test_the_eyes_change_places_in_a_mirror():
    points = TEMPLATE * CROP - 0.5
    picture = torch.zeros(60, 1, CROP, CROP, dtype=torch.uint8)
    targets = augmented(LabelledPictures(picture, torch.from_numpy(from_middle(points, CROP)).expand(60, 5, 2)), 1.0, light=False)[1]
    points = targets.reshape(60, 5, 2).numpy() + TEMPLATE
    assert (points[:, 0, 0] > points[:, 2, 0] + 0.2).all()


def test_a_photo_is_cut_about_its_face(gray):
    picture = gray("obama")
    box = Detector(DetectorSettings()).find(picture, 400)[0]
    cuts = cut_photos([LandmarkExample(picture, box, PointPredictor().points(picture, box))])
    assert cuts.pictures.shape == (1, 1, 96, 96)
    # The cut is `AROUND` times wider than a crop, so the points are nearer to the middle.
    assert cuts.points[0].numpy() == pytest.approx((TEMPLATE - 0.5) / AROUND, abs=0.02)


def test_errors_are_shares_of_the_eyes_distance():
    truth = np.stack([TEMPLATE * CROP] * 4)
    eyes = np.linalg.norm(truth[0, :2].mean(0) - truth[0, 2:4].mean(0))
    summary = error_summary(truth + np.array([0.1 * eyes, 0]), truth)
    assert summary == {"n": 4, "median": pytest.approx(10), "p95": pytest.approx(10)}


def test_the_network_gives_five_points():
    assert PointsNet().eval()(torch.zeros(3, 1, CROP, CROP)).shape == (3, 10)
