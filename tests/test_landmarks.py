import pytest

from realtime.config import DetectorSettings
from realtime.detector import Detector
from realtime.errors import Trouble
from realtime.landmarks import PointPredictor, predictor_path


@pytest.mark.parametrize("name", ["obama", "obama2", "biden", "astronaut"])
def test_points_lie_where_eyes_and_nose_are(gray, name):
    picture = gray(name)
    [box] = Detector(DetectorSettings()).find(picture, 400)
    points = PointPredictor(predictor_path()).points(picture, box)
    right_outer, right_inner, left_outer, left_inner, nose = points
    assert left_outer[0] < left_inner[0] < nose[0] < right_inner[0] < right_outer[0]
    assert max(points[:4, 1]) < nose[1]
    assert (points > (box.x0, box.y0)).all()
    assert (points < (box.x1, box.y1)).all()


def test_a_missing_file_is_told_with_the_remedy():
    with pytest.raises(Trouble, match=r"not installed \(looked in the package no_such_package\).*pip install -r requirements.txt"):
        predictor_path("no_such_package")


def test_the_package_is_not_imported():
    import sys

    predictor_path()
    assert "face_recognition_models" not in sys.modules
