"""Reads picture files and cuts one face out of each, as a 48x48 crop.

A photo passes the detector, the points and the sampling that the camera's pictures pass, so that training sees what running sees. A
picture that is a face crop already is only resized.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from models.face_table import FaceTable, without_votes
from realtime.base.errors import Trouble
from realtime.config import DetectorSettings
from realtime.faces.align import sample, similarity
from realtime.faces.detector import Detector
from realtime.faces.landmarks import PointPredictor
from realtime.values import CROP, Box

LARGEST_CROP = 100
"""Longer side in pixels up to which a picture of a class folder is a face crop: RAF-DB's aligned ones have 100."""

SEARCHED = 960
"""Photos are searched for faces with a short side of at most so many pixels."""


@dataclass(frozen=True)
class Picture:
    """A picture file with the label, split and person that its data set gives it; `place` is the line of a list that names it, if any."""

    path: Path
    name: str
    label: int
    split: str = ""
    person: str = ""
    place: str = ""


class Crop(NamedTuple):
    """A face as (48, 48) uint8, and whether the camera's chain framed it."""

    pixels: np.ndarray
    framed: bool


def read_pictures(pictures: list[Picture], cut: Callable[[np.ndarray], Crop | None]) -> FaceTable:
    """The table, without votes, of those pictures (one at least) in which `cut` finds a face.

    Raises:
        Trouble: a file cannot be read, or no picture shows a face.
    """
    crops = [cut(read_gray(picture.path, picture.place)) for picture in pictures]
    pairs = [(picture, crop) for picture, crop in zip(pictures, crops, strict=True) if crop is not None]
    if not pairs:
        first, last = pictures[0].path, pictures[-1].path
        raise Trouble(f"no face was found in {first} to {last}, {len(pictures)} in all: expected frontal faces, 80 px wide or more")
    pictures, pixels = [picture for picture, _ in pairs], [crop.pixels for _, crop in pairs]
    faces = without_votes([each.name for each in pictures], pixels, [each.label for each in pictures], [each.split for each in pictures])
    return replace(faces, persons=np.array([each.person for each in pictures]), framed=np.array([crop.framed for _, crop in pairs]))


def read_gray(path: Path, place: str = "") -> np.ndarray:
    """A picture as (h, w) uint8; `place` is the line of a list that names it, for the message.

    Raises:
        Trouble: the file is missing or is no picture.
    """
    source = f" ({place}, names it)" if place else ""
    if not path.is_file():
        raise Trouble(f"{path} is missing{source}: copy or unpack the data set again")
    # OpenCV ends the program at a file name that is not UTF-8. So it gets the content, not the name.
    content = np.frombuffer(path.read_bytes(), np.uint8)
    gray = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if len(content) else None
    if gray is None:
        raise Trouble(f"{path} is not a picture that OpenCV can read{source}: copy it again")
    return gray


def resized(gray: np.ndarray) -> Crop:
    """A face crop (h, w) uint8, however it was framed, at 48x48; one that is not square is squeezed."""
    return Crop(cv2.resize(gray, (CROP, CROP), interpolation=cv2.INTER_AREA if max(gray.shape) > CROP else cv2.INTER_LINEAR), False)


def cut_out(gray: np.ndarray) -> Crop | None:
    """The most central face of a photo (h, w) uint8, cut as the camera's chain cuts it; None if no face is found."""
    return cut_at(gray, central_box(gray))


def cut_out_small(gray: np.ndarray) -> Crop | None:
    """What `cut_out` gives; where that finds no face, the photo is searched once more, enlarged as far as the camera's pictures are."""
    box = central_box(gray)
    return cut_at(gray, central_box(gray, DetectorSettings.enlarge) if box is None else box)


def cut_at(gray: np.ndarray, box: Box | None) -> Crop | None:
    """The face in a box of a photo (h, w) uint8, cut as the camera's chain cuts it; None without a box."""
    return None if box is None else Crop(sample(gray, similarity(point_predictor().points(gray, box))), True)


def crop_or_photo(gray: np.ndarray) -> Crop | None:
    """The face of a picture (h, w) uint8: a crop where the picture is small, else a photo; None if a photo shows no face."""
    return resized(gray) if max(gray.shape) <= LARGEST_CROP else cut_out(gray)


def central_box(gray: np.ndarray, enlarge: float = 1.0) -> Box | None:
    """The box of the most central face of a photo (h, w) uint8, enlarged for the search at most `enlarge` times; None if none is found."""
    middle = np.array(gray.shape[::-1]) / 2
    boxes = detector(enlarge).find(gray, SEARCHED)
    return min(boxes, key=lambda box: np.abs(np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2 - middle).sum(), default=None)


@cache
def detector(enlarge: float = 1.0) -> Detector:
    """The detector for photos. It is built at the first photo, because it loads dlib, which data sets of crops do not need."""
    return Detector(DetectorSettings(enlarge=enlarge))


@cache
def point_predictor() -> PointPredictor:
    """The predictor of the five points, built at the first photo."""
    return PointPredictor()
