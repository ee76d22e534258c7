"""Sessions with made-up takes, for tests."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from conftest import DATA

from calibration.session_folder import SessionFolder
from calibration.takes import Take, TakePicture

STARTED = datetime(2026, 11, 23, 4, 5, 6)
CONSENT = "I agree that my pictures are kept on this machine."
POINTS = np.array([[10, 10], [15, 10], [25, 10], [30, 10], [20, 25]], np.float32)


def make_take(expression: str = "anger", seed: int = 0, pictures: int = 3, camera: str = "0") -> Take:
    """A take of noise; every seed gives other pictures."""
    rng = np.random.default_rng(seed)
    noise = (
        TakePicture(rng.integers(0, 256, (48, 48), np.uint8), rng.integers(0, 256, (48, 40, 3), np.uint8), POINTS, i / 10)
        for i in range(pictures)
    )
    return Take(expression, "front", "first", camera, {"brightness": 101.25, "turn": -0.01}, tuple(noise))


def face_crops(take: Take) -> np.ndarray:
    """Those of a take, (n, 48, 48) uint8."""
    return np.stack([picture.face_crop for picture in take.pictures])


def begin_session(
    root: Path, name: str | None = "ada", plan: str = "quick", cameras: Sequence[str] = ("0",), started: datetime = STARTED
) -> SessionFolder:
    return SessionFolder.create(root, name, plan, CONSENT, cameras, started)


def copy_old_session(root: Path) -> Path:
    """A session of the schema session/1, which an older version of the program wrote: ada's, left before its end."""
    path = root / "ada" / "sessions" / "2026-11-23_04-05-06"
    shutil.copytree(DATA / "session_1", path)
    return path


def list_files(root: Path) -> list[str]:
    """The files and links under a folder."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir() or path.is_symlink())
