"""The format of a take: its values, its line in takes.jsonl, its pictures."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from calibration import old_sessions
from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular
from realtime.faces.align import enlarge
from realtime.sources.photos import decode_picture
from realtime.values import CHIP, CROP, LABELS, Face

FACES, SURROUNDINGS = "faces", "crops"
"""Folders of a session: face crops, (48, 48) gray PNG; surroundings of the faces, colour PNG."""
SURROUNDINGS_SIDE = 2.0
"""Side of the surroundings in sides of the face's box: shows hair, ears and some shoulder, so that faces can be framed in another way."""
MOST_GRAY_BYTES = 100_000
"""Of a picture that the model reads; uncompressed it has 4,096."""
MOST_NUMBER = 1e6
"""Largest number of a take, and the largest place of a point in px."""
PICTURE_NAME = re.compile(r"\d{3,}-\d{2,}\.png")
"""Take and picture number. No other name is read, as sessions come from other people too."""


@dataclass(frozen=True)
class TakePicture:
    """One frame of a take.

    Attributes:
        face_crop: (48, 48) uint8 gray; `realtime.faces.align.enlarge` makes the model's chip of it.
        surroundings: (h, w, 3) BGR uint8, the picture around the face.
        points: (5, 2) float32, the face points in pixels of the surroundings.
        t: in seconds on the camera's clock.
    """

    face_crop: np.ndarray
    surroundings: np.ndarray
    points: np.ndarray
    t: float


@dataclass(frozen=True)
class Take:
    """An expression (one of `LABELS`) that was held for a moment, with the means of its quality measures by name."""

    expression: str
    pose: str
    light: str
    camera: str
    quality: dict[str, float]
    pictures: tuple[TakePicture, ...]


@dataclass(frozen=True)
class StoredTake:
    """A take as a session holds it.

    Attributes:
        session: the session's folder.
        number: of the take in its session, from 1.
        moment: equal for takes of one session that several cameras took at the same time.
        expression, pose, light, camera, quality: as in `Take`.
        t: of its first picture, in seconds on the camera's clock.
        folder: of the pictures that the model reads: `FACES`, or `old_sessions.CHIPS`.
        files: names of its pictures, the same in all folders.
        points: of each picture, (5, 2) float32 in pixels of the surroundings.
    """

    session: Path
    number: int
    moment: int
    expression: str
    pose: str
    light: str
    camera: str
    quality: dict[str, float]
    t: float
    folder: str
    files: tuple[str, ...]
    points: tuple[np.ndarray, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its pictures that the model reads."""
        return tuple(self.session / self.folder / name for name in self.files)

    def face_crops(self) -> np.ndarray:
        """Its face crops, (n, 48, 48) uint8.

        Raises:
            Trouble: a picture is missing or damaged.
        """
        if self.folder == old_sessions.CHIPS:
            return np.stack([old_sessions.restore_face_crop(chip) for chip in self.chips()])
        return np.stack([_read_gray(path, CROP) for path in self.paths])

    def chips(self) -> np.ndarray:
        """Its chips, (n, 64, 64) uint8.

        Raises:
            Trouble: a picture is missing or damaged.
        """
        if self.folder == old_sessions.CHIPS:
            return np.stack([_read_gray(path, CHIP) for path in self.paths])
        return np.stack([enlarge(crop) for crop in self.face_crops()])


def cut_surroundings(image: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """The picture around a face: a copy (h, w, 3) uint8 of twice its box, where the image reaches so far, and the face's points in it."""
    box = face.box
    x, y, side = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, SURROUNDINGS_SIDE * max(box.x1 - box.x0, box.y1 - box.y0)
    (top, bottom), (left, right) = _clip_span(y, side, image.shape[0]), _clip_span(x, side, image.shape[1])
    return image[top:bottom, left:right].copy(), (face.points - np.array([left, top])).astype(np.float32)


def _clip_span(middle: float, length: float, limit: int) -> tuple[int, int]:
    """First pixel of a span, and the one after its last, within 0 to `limit`; one pixel at least."""
    first = min(max(round(middle - length / 2), 0), limit - 1)
    return first, max(min(round(middle + length / 2), limit), first + 1)


def format_take(take: Take, number: int, moment: int, camera: str, files: tuple[str, ...]) -> dict[str, Any]:
    """The line of a take, as JSON values; `camera` is what is noted of it."""
    return {
        "number": number,
        "moment": moment,
        "expression": take.expression,
        "pose": take.pose,
        "light": take.light,
        "camera": camera,
        "quality": {name: round(float(value), 3) for name, value in take.quality.items()},
        "t": round(float(take.pictures[0].t), 3),
        "shots": [
            {"file": file, "t": round(float(picture.t), 3), "points": np.round(picture.points.astype(float), 2).tolist()}
            for file, picture in zip(files, take.pictures, strict=True)
        ],
    }


def parse_take(session: Path, line: dict[str, Any], moment: int, folder: str) -> StoredTake:
    """The take of a line of a session's table.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, OverflowError: the line is damaged.
    """
    files = tuple(shot["file"] for shot in line["shots"])
    points = tuple(np.array(shot["points"], np.float32) for shot in line["shots"])
    if line["expression"] not in LABELS:
        raise ValueError(f"no expression is called {line['expression']!r}")
    if not files or not all(PICTURE_NAME.fullmatch(file) for file in files) or any(place.shape != (5, 2) for place in points):
        raise ValueError("its shots are not known")
    expression, pose, light, camera = (line[name] for name in ("expression", "pose", "light", "camera"))
    if not all(isinstance(text, str) for text in (expression, pose, light, camera)):
        raise ValueError("its texts are none")
    quality = {str(name): float(value) for name, value in line["quality"].items()}
    number, t = int(line["number"]), float(line["t"])
    if not 0 < number < MOST_NUMBER or not all((np.abs(place) <= MOST_NUMBER).all() for place in points):
        raise ValueError("its numbers are too large")
    return StoredTake(session, number, moment, expression, pose, light, camera, quality, t, folder, files, points)


def encode_png(picture: np.ndarray) -> bytes:
    """A picture, (h, w) gray or (h, w, 3) BGR uint8, as a PNG file.

    Raises:
        OSError: it cannot be encoded.
    """
    # The lowest compression: a Raspberry Pi then takes 2 ms instead of 20 for the surroundings, and files grow by a sixth.
    success, content = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not success:
        raise OSError("the picture cannot be encoded")
    return content.tobytes()


def _read_gray(path: Path, side: int) -> np.ndarray:
    """A (side, side) uint8 picture."""
    try:
        content = read_regular(path, MOST_GRAY_BYTES, follow=False)
    except OSError as error:
        raise Trouble(f"cannot read {path} ({reason(error)}): copy the session again, or delete it") from error
    picture = None
    with suppress(Trouble):
        picture = decode_picture(content, str(path), side * side, gray=True)
    if picture is None or picture.shape != (side, side):
        raise Trouble(f"{path} is not a gray picture of {side}x{side}: copy the session again, or delete it")
    return picture
