"""Detection: finds the places in a picture that may be faces, with dlib's HOG detector; and how a face is put upright."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.geometry import box_around, width, without_repeats
from realtime.base.version import RELEASE
from realtime.config import DETECTOR, ONE_SIZE_DETECTOR, DetectorSettings
from realtime.faces.align import TEMPLATE, similarity
from realtime.values import CROP, Box

FACE_PX = 84
"""Side of the face in the picture of `upright`."""

CANVAS_PX = 128
"""Side of that picture: the face and some of what is around it."""


class Candidate(NamedTuple):
    """A box in which there may be a face, in px of the searched picture, and dlib's score: about -1 to 3, higher for clearer faces."""

    box: Box
    score: float


def upright_matrix(points: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that puts the face of five points (5, 2) upright and `FACE_PX` wide into the middle of `CANVAS_PX` px."""
    face = box_around((TEMPLATE * CROP).astype(np.float32))
    factor = FACE_PX / width(face)
    matrix = similarity(points) * factor
    matrix[:, 2] += CANVAS_PX / 2 - factor * np.array([(face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2])
    return matrix


def upright(gray: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face of five points (5, 2) in a gray picture (h, w) uint8, upright in the middle of (128, 128) px."""
    return cv2.warpAffine(gray, upright_matrix(points), (CANVAS_PX, CANVAS_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


SMALLEST_PX = 64
"""Short side in px down to which the picture is reduced: dlib's limit for this detector, whose faces are 80 px wide."""

OVERLAP, COVERED = 0.33, 0.79
"""Two places are one if they share more than this part of the box around both, or of one of them: dlib's rule, and what its detector was
saved with."""


class Detector:
    """dlib's frontal face detector. It finds faces of about 80 px and more in the picture that it searches.

    For larger faces dlib reduces the picture by 1.2 again and again. With a `step`, a file that looks at one size is taken instead
    (`models/write_detector.py`), and the sizes are made here: with larger steps a search takes little more than half the time, and still
    proposes almost every face.
    """

    def __init__(self, settings: DetectorSettings, path: Path | None = None, step: float | None = None):
        """Loads the detector's file.

        Args:
            settings: how a picture is searched.
            path: another file than the one that belongs to the step.
            step: times by which the picture is reduced again and again; None for dlib's own.

        Raises:
            Trouble: the file is missing or damaged.
        """
        import dlib

        self.settings, self.step = settings, step
        path = path or (DETECTOR if step is None else ONE_SIZE_DETECTOR)
        try:
            self._search = dlib.fhog_object_detector(str(path))
        except RuntimeError as error:
            raise Trouble(f"cannot read the face detector's file {path} ({reason(error)}): restore it from {RELEASE}") from error

    def find(self, gray: np.ndarray, short_side: float) -> list[Box]:
        """Boxes of the faces in a gray picture (h, w) uint8, in px of that picture, those with the highest scores first.

        The picture is searched in a size whose short side is `short_side` px, and in smaller ones for larger faces.
        """
        return [candidate.box for candidate in self.candidates(gray, short_side, self.settings.threshold)]

    def candidates(self, gray: np.ndarray, short_side: float, threshold: float) -> list[Candidate]:
        """What `find` gives, with the scores: all boxes whose score is above `threshold`."""
        factor = min(short_side / min(gray.shape), self.settings.enlarge)
        # dlib fails on pictures smaller than its filter; they hold no face.
        if min(gray.shape) * factor < 20:
            return []
        if factor != 1:
            size_wh = (round(gray.shape[1] * factor), round(gray.shape[0] * factor))
            gray = cv2.resize(gray, size_wh, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        if self.step is None:
            return self._places(gray, threshold, 1 / factor, 1 / factor)
        found = []
        for copy in _copies(gray, self.step):
            found += self._places(copy, threshold, gray.shape[1] / copy.shape[1] / factor, gray.shape[0] / copy.shape[0] / factor)
        return distinct(found)

    def _places(self, gray: np.ndarray, threshold: float, x: float, y: float) -> list[Candidate]:
        """What dlib finds, the highest scores first, in a picture that is `x` times as wide and `y` times as high."""
        rectangles, scores, _ = self._search.run(gray, 0, threshold)
        boxes = [Box(r.left() * x, r.top() * y, (r.right() + 1) * x, (r.bottom() + 1) * y) for r in rectangles]
        return [Candidate(box, score) for box, score in zip(boxes, scores, strict=True)]


def _copies(gray: np.ndarray, step: float) -> Iterator[np.ndarray]:
    """The picture, then smaller by `step` each time as long as a face fits."""
    yield gray
    size_wh = (gray.shape[1], gray.shape[0])
    while min(size_wh := (round(size_wh[0] / step), round(size_wh[1] / step))) >= SMALLEST_PX:
        gray = cv2.resize(gray, size_wh, interpolation=cv2.INTER_LINEAR)
        yield gray


def distinct(found: list[Candidate]) -> list[Candidate]:
    """Those with the highest scores, the highest first: none of two that share a place."""
    highest_first = sorted(found, key=lambda candidate: candidate.score, reverse=True)
    return without_repeats(highest_first, lambda a, b: _are_one_place(a.box, b.box))


def _are_one_place(a: Box, b: Box) -> bool:
    breadth, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(0.0, breadth) * max(0.0, height)
    around = (max(a.x1, b.x1) - min(a.x0, b.x0)) * (max(a.y1, b.y1) - min(a.y0, b.y0))
    # The boxes are square.
    return shared > OVERLAP * around or shared > COVERED * min(width(a), width(b)) ** 2
