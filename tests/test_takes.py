import numpy as np
import pytest

from calibration.takes import cut_surroundings
from realtime.values import Box, Face


def test_the_surroundings_are_twice_the_box_and_the_points_stay_on_the_face():
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    face = Face(1, Box(80, 30, 120, 70), np.array([[90, 40], [95, 40], [105, 40], [110, 40], [100, 55]], np.float32))
    surroundings, points = cut_surroundings(image, face)
    assert surroundings.shape == (80, 80, 3)
    for (x, y), (inside_x, inside_y) in zip(face.points.astype(int), points.astype(int), strict=True):
        assert (surroundings[inside_y, inside_x] == image[y, x]).all()
    image[:] = 0
    assert surroundings.any(), "a source uses the memory of its pictures again"


@pytest.mark.parametrize(
    ("box", "shape"), [(Box(-10, -10, 30, 30), (50, 50)), (Box(190, 90, 230, 130), (30, 30)), (Box(300, 0, 340, 40), (60, 1))]
)
def test_at_the_edge_the_surroundings_end_with_the_picture(box, shape):
    surroundings, _ = cut_surroundings(np.zeros((100, 200, 3), np.uint8), Face(1, box, np.zeros((5, 2), np.float32)))
    assert surroundings.shape[:2] == shape
