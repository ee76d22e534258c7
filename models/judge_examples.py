"""Examples for the judge of faces (`models/train_judge.py`): places that dlib's detector takes for faces, and whether there is one.

Faces come from the photos of faces_wild, whose people are turned in depth, covered, tilted, darkened and blurred. What is no face comes
from pictures without people, and from the same photos: half faces, necks, hands. So the network learns from the detector's own mistakes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from models.covering import covered
from models.datasets import read_table
from models.face_mesh import LEFT_CHEEK, NOSE_TIP, RIGHT_CHEEK, FaceMesh
from models.face_table import is_held_out
from models.pictures import read_gray
from models.turning import FIVE, Head, turned_in_depth
from realtime.base.errors import Trouble
from realtime.base.geometry import box_around, width
from realtime.config import DetectorSettings
from realtime.faces.align import misfit
from realtime.faces.detector import Detector
from realtime.faces.judge import patch
from realtime.faces.landmarks import MIRRORED, PointPredictor
from realtime.faces.tilt import roll, transform

THRESHOLD = -1.2
"""The detector's score from which on a place is an example: half a point below what the searches look at."""

MISFIT = 0.12
"""How far the five points of an example may be from a face's shape."""

SURE, UNSURE = 4.0, -2.0
"""Logits of the face mesh: from the first on a plain photo shows a face; a place with less than the second shows none."""

PER_PHOTO, PER_TURNED, PER_LANDSCAPE, PER_TEXTURE = 6, 24, 16, 2
"""Pictures that are made of each photo, of each with a head that is turned, of each large picture without people, and of each small one."""

TURNED = 0.2
"""How far the tip of the nose is from the middle between the cheeks when a head is turned by some 25 degrees, in distances of these."""

LARGE = 700
"""Short side in px from which on a picture without people is a large one."""

SAME, OTHER = 0.3, 0.75
"""Distances in face widths: with less a place is that of the face, with more it is another. Where a head is turned far, the five points are
often wrong, and the place is a third of a face beside it."""

ALIKE, UNLIKE = 1.45, 1.9
"""Ratios of sizes, likewise."""


class Example(NamedTuple):
    """A patch (64, 64) uint8 as `realtime.faces.judge.patch` gives it, and whether it shows a face."""

    patch: np.ndarray
    is_face: bool


class Workshop:
    """What examples are made with."""

    def __init__(self, mesh: FaceMesh, seed: int):
        self.detector, self.predictor, self.mesh = Detector(DetectorSettings()), PointPredictor(), mesh
        self.draw = np.random.default_rng(seed)

    def places(self, gray: np.ndarray, short_side: float, threshold: float = THRESHOLD) -> list[np.ndarray]:
        """The five points (5, 2) of each place with the shape of a face in a picture (h, w) uint8."""
        boxes = (candidate.box for candidate in self.detector.candidates(gray, short_side, threshold))
        points = [self.predictor.points(gray, box_around(self.predictor.points(gray, box))) for box in boxes]
        return [each for each in points if misfit(each) <= MISFIT]

    def of_photo(self, gray: np.ndarray) -> Iterator[Example]:
        """Examples from a photo (h, w) uint8 with a face in its middle, varied; none if that face is not found."""
        side = max(min(gray.shape), 1.3 * min(min(gray.shape), 300))
        seen = [(points, *self.mesh.points_in(gray, points)) for points in self.places(gray, side, -0.9)]
        central = [(points, mesh) for points, mesh, score in seen if score > SURE and _is_central(points, gray)]
        if not central:
            return
        points, mesh = central[0]
        head = Head(mesh, width(box_around(points)))
        others = [_middle(each) for each, _, score in seen if score > UNSURE and _away(each, points) > OTHER]
        yield from self._labelled(gray, head, others)
        for _ in range((PER_TURNED if _is_turned(mesh) else PER_PHOTO) - 1):
            yield from self._labelled(*self._varied(gray, head, others))

    def of_landscape(self, gray: np.ndarray) -> Iterator[Example]:
        """Examples from a picture (h, w) uint8 without people. What the face mesh takes for a face is left out: portraits and statues."""
        large = min(gray.shape) >= LARGE
        for number in range(PER_LANDSCAPE if large else PER_TEXTURE):
            picture = gray if number == 0 else self._part(self._in_light(self._leaning(gray)[0]))
            short_side = self.draw.uniform(480, 960) if large else self.draw.uniform(300, 700)
            for points in self.places(picture, short_side):
                if self.mesh.points_in(picture, points)[1] < UNSURE:
                    yield Example(patch(picture, points), False)

    def _labelled(self, gray: np.ndarray, head: Head, others: list[np.ndarray]) -> Iterator[Example]:
        """The places of a picture whose face is known. Left out are those in between, and other faces at `others`, (2,) px each."""
        truth = head.five
        for points in self.places(gray, min(gray.shape) * self.draw.uniform(85, 130) / head.width):
            away = float(np.linalg.norm(_middle(points) - _middle(truth))) / head.width
            ratio = width(box_around(points)) / head.width
            if away < SAME and 1 / ALIKE < ratio < ALIKE and abs(roll(points) - roll(truth)) < 25:
                yield Example(patch(gray, points), True)
            elif (away > OTHER or not 1 / UNLIKE < ratio < UNLIKE) and not any(
                np.linalg.norm(_middle(points) - other) < head.width for other in others
            ):
                yield Example(patch(gray, points), False)

    def _varied(self, gray: np.ndarray, head: Head, others: list[np.ndarray]) -> tuple[np.ndarray, Head, list[np.ndarray]]:
        """The photo with another pose, covering, frame and light."""
        if self.draw.random() < 0.55:
            aside = self.draw.random() < 0.7
            yaw = self.draw.choice([-1, 1]) * self.draw.uniform(15, 60) if aside else self.draw.normal(0, 10)
            gray, head = turned_in_depth(gray, head, yaw, self.draw.normal(0, 16))
        if self.draw.random() < 0.4:
            gray = covered(gray, head, self.draw)
        gray, matrix, mirrored = self._leaning(gray)
        mesh = np.hstack([transform(head.mesh[:, :2], matrix), head.mesh[:, 2:]])
        if mirrored:
            # The five points change places; the other points are not used any more.
            mesh[FIVE] = mesh[np.array(FIVE)[MIRRORED]]
        others = [transform(other[None], matrix)[0] for other in others]
        if self.draw.random() < 0.5:
            rim = round(0.2 * min(gray.shape))
            gray = cv2.copyMakeBorder(gray, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
            mesh, others = mesh + np.array([rim, rim, 0]), [other + rim for other in others]
        return self._in_light(self._coarse(gray)), Head(mesh, head.width), others

    def _leaning(self, gray: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """The picture turned a little and perhaps mirrored, the (2, 3) matrix that did it, and whether it was mirrored."""
        height, breadth = gray.shape
        matrix, mirrored = cv2.getRotationMatrix2D((breadth / 2, height / 2), self.draw.normal(0, 11), 1.0), self.draw.random() < 0.5
        if mirrored:
            matrix = matrix @ np.array([[-1, 0, breadth - 1], [0, 1, 0], [0, 0, 1.0]])
        return cv2.warpAffine(gray, matrix, (breadth, height), borderMode=cv2.BORDER_REPLICATE), matrix, mirrored

    def _coarse(self, gray: np.ndarray) -> np.ndarray:
        """Half of the pictures as a camera shows faces that are far away."""
        if self.draw.random() < 0.5:
            return gray
        share = self.draw.uniform(0.2, 0.7)
        small = cv2.resize(gray, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, gray.shape[::-1], interpolation=cv2.INTER_LINEAR)

    def _in_light(self, gray: np.ndarray) -> np.ndarray:
        """The picture darker or brighter, with less contrast, light from one side, and noise."""
        draw, values = self.draw, (gray.astype(np.float32) / 255) ** np.exp(self.draw.normal(0, 0.35))
        values = (values - 0.5) * draw.uniform(0.35, 1.15) + 0.5 * draw.uniform(0.5, 1.3)
        if draw.random() < 0.3:
            height, breadth = gray.shape
            x, y = np.meshgrid(np.linspace(-1, 1, breadth), np.linspace(-1, 1, height))
            angle = draw.uniform(0, 2 * np.pi)
            values = values * (1 + draw.uniform(0.2, 0.7) * (np.cos(angle) * x + np.sin(angle) * y))
        values = values + draw.normal(0, draw.uniform(0, 0.05), gray.shape)
        return np.clip(values * 255, 0, 255).astype(np.uint8)

    def _part(self, gray: np.ndarray) -> np.ndarray:
        """A part of the picture, at times upside down."""
        share = self.draw.uniform(0.35, 1)
        y, x = (round(self.draw.uniform(0, 1 - share) * side) for side in gray.shape)
        part = gray[y : y + round(share * gray.shape[0]), x : x + round(share * gray.shape[1])]
        return np.ascontiguousarray(part[::-1] if self.draw.random() < 0.2 else part)


def _middle(points: np.ndarray) -> np.ndarray:
    box = box_around(points)
    return np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2


def _away(a: np.ndarray, b: np.ndarray) -> float:
    """The distance of the middles of two faces, in widths of the second."""
    return float(np.linalg.norm(_middle(a) - _middle(b))) / width(box_around(b))


def _is_central(points: np.ndarray, gray: np.ndarray) -> bool:
    return bool((np.abs(_middle(points) / gray.shape[::-1] - 0.5) < 0.25).all())


def _is_turned(mesh: np.ndarray) -> bool:
    nose, left, right = mesh[[NOSE_TIP, LEFT_CHEEK, RIGHT_CHEEK], 0]
    return abs(nose - (left + right) / 2) > TURNED * abs(right - left)


def photo_examples(wild: Path, workshop: Workshop) -> Iterator[Example]:
    """Examples from the photos of faces_wild, but for the people that are only measured on."""
    for _, row in list(read_table(wild / "labels.csv", ("image", "person"))):
        if not is_held_out(row["person"]):
            gray = read_gray(wild / row["image"])
            factor = min(400 / min(gray.shape), 1.0)
            yield from workshop.of_photo(cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def landscape_examples(folder: Path, workshop: Workshop) -> Iterator[Example]:
    """Examples from all readable pictures without people in a folder and its folders.

    Raises:
        Trouble: there is none.
    """
    n = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            gray = read_gray(path)
        except Trouble:
            continue
        if min(gray.shape) < 120:
            continue
        n += 1
        factor = min(900 / min(gray.shape), 1.0)
        yield from workshop.of_landscape(cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    if n == 0:
        raise Trouble(f"{folder} holds no picture of 120 px or more that OpenCV can read: name a folder of pictures without people")
