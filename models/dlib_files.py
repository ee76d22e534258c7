"""Finds the files of dlib's author that training learns from, in the package `face-recognition-models` (public domain, CC0)."""

import importlib.util
from pathlib import Path

PACKAGE = "face_recognition_models"
FIVE_POINTS = "shape_predictor_5_face_landmarks.dat"


def public_file(name: str, package: str = PACKAGE) -> Path:
    """Where pip put one of its files. The package itself is not imported: it needs `pkg_resources`, which is gone.

    Raises:
        SystemExit: the package or the file is not installed; one line says what to do.
    """
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "models" / name if folders else None
    if path is None or not path.is_file():
        raise SystemExit(f"{name} is not installed (looked in the package {package}): run `pip install face-recognition-models==0.3.0`")
    return path


def public_predictor_path() -> Path:
    """dlib's predictor of five points: it frames the training crops and teaches our own."""
    return public_file(FIVE_POINTS)
