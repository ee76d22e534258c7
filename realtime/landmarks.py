"""Finds five points of a face in its box: dlib's 5-point shape predictor."""

import importlib.util
from pathlib import Path

import numpy as np

from realtime.errors import Trouble
from realtime.values import Box

PACKAGE = "face_recognition_models"
FILE = "shape_predictor_5_face_landmarks.dat"


def predictor_path(package: str = PACKAGE) -> Path:
    """Where pip put the predictor. The package itself is not imported: it needs `pkg_resources`, which is gone.

    Raises:
        Trouble: the package or its file is not installed.
    """
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "models" / FILE if folders else None
    if path is None or not path.is_file():
        raise Trouble(
            f"the face points' file {FILE} is not installed (looked in the package {package}): run `pip install -r requirements.txt`"
        )
    return path


class PointPredictor:
    """Eye corners and nose base. Order: right of the picture outer, inner; left of the picture outer, inner; nose base."""

    def __init__(self, path: Path):
        import dlib

        self._predict = dlib.shape_predictor(str(path))
        self._rectangle = dlib.rectangle

    def points(self, gray: np.ndarray, box: Box) -> np.ndarray:
        """(5, 2) float32 positions in pixels of the gray picture (h, w) uint8."""
        rectangle = self._rectangle(round(box.x0), round(box.y0), round(box.x1) - 1, round(box.y1) - 1)
        shape = self._predict(gray, rectangle)
        return np.array([(point.x, point.y) for point in shape.parts()], np.float32)
