"""Finds faces with dlib's HOG detector: in a whole picture, and again at the place where one is expected."""

from pathlib import Path

import cv2
import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.geometry import box_around, scaled, width
from realtime.config import DETECTOR, DetectorSettings
from realtime.faces.align import CROP, TEMPLATE, similarity
from realtime.values import Box

FACE_PX = 84
"""Side of the face in the picture of `confirms`: just above the 80 px that dlib's detector needs."""

CANVAS_PX = 128
"""Side of that picture: room for the detector's border; 1 ms, where 160 px take 1.5."""


def upright(points: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that brings the face of five points (5, 2) upright, `FACE_PX` wide, into the middle of `CANVAS_PX` px."""
    face = box_around((TEMPLATE * CROP).astype(np.float32))
    factor = FACE_PX / width(face)
    matrix = similarity(points) * factor
    matrix[:, 2] += CANVAS_PX / 2 - factor * np.array([(face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2])
    return matrix


class Detector:
    """dlib's frontal face detector. It sees faces of about 80 px and more in the picture that it searches."""

    def __init__(self, settings: DetectorSettings, path: Path = DETECTOR):
        """Loads the detector's file.

        Raises:
            Trouble: the file is missing or damaged.
        """
        import dlib

        self.settings = settings
        try:
            self._search = dlib.fhog_object_detector(str(path))
        except RuntimeError as error:
            remedy = "restore it from the release that this program came from"
            raise Trouble(f"cannot read the face detector's file {path} ({reason(error)}): {remedy}") from error

    def find(self, gray: np.ndarray, short_side: float) -> list[Box]:
        """Boxes of the faces in a gray picture (h, w) uint8 that is searched with a short side of so many px, the surest first."""
        factor = min(short_side / min(gray.shape), self.settings.enlarge)
        # dlib fails on pictures thinner than its filter, which hold no face anyway.
        if min(gray.shape) * factor < 20:
            return []
        if factor != 1:
            size_wh = (round(gray.shape[1] * factor), round(gray.shape[0] * factor))
            gray = cv2.resize(gray, size_wh, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        found, _, _ = self._search.run(gray, 0, self.settings.threshold)
        return [scaled(Box(r.left(), r.top(), r.right() + 1, r.bottom() + 1), 1 / factor) for r in found]

    def confirms(self, gray: np.ndarray, points: np.ndarray) -> bool:
        """Whether there is a face where five points (5, 2) say so.

        The place is cut out upright and at the size that the detector knows best, so that tilted and small faces are confirmed that a
        search of the whole picture misses.
        """
        face = cv2.warpAffine(gray, upright(points), (CANVAS_PX, CANVAS_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found, _, _ = self._search.run(face, 0, self.settings.confirm)
        middle, reach = CANVAS_PX / 2, self.settings.confirm_reach * FACE_PX
        return any(abs(r.center().x - middle) < reach and abs(r.center().y - middle) < reach for r in found)
