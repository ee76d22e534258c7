"""Finds the faces of a single photo, for which there is time to look again: beyond its edges, and turned.

The detector only proposes. With a low threshold it finds nearly all faces, and much else. Which of it is a face, its five points and the
judge decide.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2
import numpy as np

from realtime.base.geometry import box_around, width, without_repeats
from realtime.config import Effort, PhotoSettings
from realtime.faces.align import misfit
from realtime.faces.finder import CandidateSearch, Detections
from realtime.faces.landmarks import MIRRORED
from realtime.faces.tilt import LandmarkPredictor, box_of, joined, transform
from realtime.faces.tracker import Judge
from realtime.values import Box

LONGEST = 1.5
"""Longer side of a photo that is searched turned in full size, in shorter sides: that of photos from most cameras."""


class PhotoCopy(NamedTuple):
    """A copy of a photo that is searched.

    Attributes:
        gray: (h, w) uint8.
        to_photo: (2, 3) similarity, from px of the copy to px of the photo.
        short_side: px; the copy is searched in a size with this short side.
    """

    gray: np.ndarray
    to_photo: np.ndarray
    short_side: float


@dataclass(frozen=True)
class PhotoFace:
    """A place that is a face or may be one.

    Attributes:
        box: upright, in px of the photo.
        points: (5, 2) float32, in px of the photo.
        score: the detector's score in the copy.
        likelihood: the judge's logit; low where the points are not those of a face.
    """

    box: Box
    points: np.ndarray
    score: float
    likelihood: float


def plain_copy(gray: np.ndarray, short_side: float) -> PhotoCopy:
    """The photo (h, w) as it is, searched in a size with a short side of `short_side` px."""
    return PhotoCopy(gray, np.eye(2, 3), short_side)


def wide_copy(gray: np.ndarray, short_side: float, border: float) -> PhotoCopy:
    """The same with a border: on each side `border` times the photo's own width or height, in the colours of its edge."""
    y, x = (round(border * length) for length in gray.shape)
    wide = cv2.copyMakeBorder(gray, y, y, x, x, cv2.BORDER_REPLICATE)
    return PhotoCopy(wide, np.array([[1.0, 0, -x], [0, 1, -y]]), short_side * min(wide.shape) / min(gray.shape))


def turned_copies(gray: np.ndarray, short_side: float, step: int) -> Iterator[PhotoCopy]:
    """The photo turned counterclockwise by `step` degrees, twice as much and so on, each time in a picture that holds all of it.

    A large photo is first reduced to the size in which it is searched. A long one is searched smaller, because turned it takes more room.
    """
    scale = min(short_side / min(gray.shape), LONGEST * short_side / max(gray.shape))
    factor = min(scale, 1.0)
    small = gray if factor == 1 else cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    height, breadth = small.shape
    for degrees in range(step, 360, step):
        turn = cv2.getRotationMatrix2D(((breadth - 1) / 2, (height - 1) / 2), degrees, 1.0)
        cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
        turned_wh = round(breadth * cos + height * sin), round(breadth * sin + height * cos)
        turn[:, 2] += [(turned_wh[0] - breadth) / 2, (turned_wh[1] - height) / 2]
        turned = cv2.warpAffine(small, turn, turned_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        to_photo = cv2.invertAffineTransform(turn) / factor
        # Enlarging a pixel grid keeps its corners in place, not the pixel centres.
        to_photo[:, 2] += 0.5 / factor - 0.5
        yield PhotoCopy(turned, to_photo, min(turned.shape) * scale / factor)


def best_faces(faces: list[PhotoFace]) -> list[PhotoFace]:
    """The faces without duplicates, the likeliest first: of two whose middles are near, the likelier one."""
    likeliest_first = sorted(faces, key=lambda face: face.likelihood, reverse=True)
    return without_repeats(likeliest_first, lambda a, b: _near(a.box, b.box))


def _near(a: Box, b: Box) -> bool:
    """Whether the middles of two boxes are less than half a width of the larger one apart, however different their sizes."""
    return math.hypot(a.x0 + a.x1 - b.x0 - b.x1, a.y0 + a.y1 - b.y0 - b.y1) < max(width(a), width(b))


def mirrored(copy: PhotoCopy) -> PhotoCopy:
    """The copy flipped left to right: detector and points do not see both sides of a turned head alike."""
    flip = np.array([[-1.0, 0, copy.gray.shape[1] - 1], [0, 1, 0]])
    return PhotoCopy(cv2.flip(copy.gray, 1), joined(flip, copy.to_photo), copy.short_side)


def to_photo(points: np.ndarray, copy: PhotoCopy) -> np.ndarray:
    """Five points (5, 2) of a copy in px of the photo; in a mirrored copy the eyes change places."""
    there = transform(points, copy.to_photo)
    return there[MIRRORED] if np.linalg.det(copy.to_photo[:, :2]) < 0 else there


class PhotoFinder:
    """Searches a photo as it is and with a border; where neither shows a face that is sure, also mirrored, and then turned in steps, all
    the way round.

    It does for photos what `realtime.faces.finder.Finder` does for films. Its detections have points, because the tracker could not find
    those of a turned face.
    """

    def __init__(self, search: CandidateSearch, predictor: LandmarkPredictor, judge: Judge, settings: PhotoSettings):
        self.search, self.predictor, self.judge, self.settings = search, predictor, judge, settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def restart(self) -> None:
        """Does nothing, because nothing is kept from photo to photo."""

    def update(
        self, gray: np.ndarray, t: float, tracked: Sequence[Box], effort: Effort, small: np.ndarray | None = None
    ) -> list[Detections]:
        """The faces of a gray photo (h, w) uint8, with the time `t`. It is searched whether or not faces are tracked."""
        faces = self.faces(gray, effort.near_side)
        return [Detections(tuple(face.box for face in faces), t, tuple(face.points for face in faces))]

    def faces(self, gray: np.ndarray, short_side: float) -> list[PhotoFace]:
        """The faces of a gray photo (h, w) uint8, the likeliest first.

        The photo is searched in a size with a short side of `short_side` px; a small one is enlarged as far as the detector allows.
        """
        upright: list[PhotoFace] = []
        copies = (plain_copy(gray, short_side), wide_copy(gray, short_side, self.settings.border))
        for part in (copies, map(mirrored, copies)):
            upright += [face for copy in part for face in self._candidates(gray, copy) if self._is_face(face)]
            if any(self._is_sure(face) for face in upright):
                return best_faces(upright)
        return best_faces(self._turned_faces(gray, short_side)) or best_faces(upright)

    def _is_sure(self, face: PhotoFace) -> bool:
        """Whether detector and judge take a place for an upright face, so that no other copy need be searched."""
        return face.score >= self.settings.sure and self._is_face(face)

    def _is_face(self, face: PhotoFace) -> bool:
        """Whether the judge takes a place in an upright copy for a face; where the detector is sure, it need not be."""
        return face.likelihood > (self.settings.judged_sure if face.score >= self.settings.sure else self.settings.judged)

    def _turned_faces(self, gray: np.ndarray, short_side: float) -> list[PhotoFace]:
        """The faces in turned copies. Each copy is another chance to see a face where there is none: the judge must be sure."""
        copies = turned_copies(gray, min(short_side, self.settings.turned_side), self.settings.step)
        faces = [face for copy in copies for face in self._candidates(gray, copy)]
        return [face for face in faces if face.likelihood > self.settings.judged_turned]

    def _candidates(self, gray: np.ndarray, copy: PhotoCopy) -> list[PhotoFace]:
        """The places in a copy of the photo `gray` whose points have the shape of a face."""
        proposals = []
        for box, score in self.search.candidates(copy.gray, copy.short_side, self.settings.threshold):
            # Predicted again in the box around them, as the tracker does.
            points = self.predictor.points(copy.gray, box_around(self.predictor.points(copy.gray, box)))
            if misfit(points) <= self.settings.misfit:
                proposals.append((to_photo(points, copy), score))
        likelihoods = self.judge.with_model(gray, [points for points, _ in proposals])
        return [
            PhotoFace(box_of(points), points, score, float(likelihood))
            for (points, score), likelihood in zip(proposals, likelihoods, strict=True)
        ]
