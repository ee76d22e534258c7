"""Finds faces: dlib's HOG detector on a reduced gray picture, boxes in full-frame coordinates out."""

import cv2
import numpy as np

from realtime.config import DetectorSettings
from realtime.geometry import scaled
from realtime.values import Box


class Detector:
    """dlib's frontal face detector. It sees faces of about 70 px and more in the picture that it searches."""

    def __init__(self, settings: DetectorSettings):
        import dlib

        self.settings = settings
        self._search = dlib.get_frontal_face_detector()

    def find(self, gray: np.ndarray) -> list[Box]:
        """Boxes of the faces in a gray picture (h, w) uint8, the surest first."""
        factor = min(self.settings.short_side / min(gray.shape), self.settings.enlarge)
        # dlib fails on pictures thinner than its filter, which hold no face anyway.
        if min(gray.shape) * factor < 20:
            return []
        if factor != 1:
            size_wh = (round(gray.shape[1] * factor), round(gray.shape[0] * factor))
            gray = cv2.resize(gray, size_wh, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        found, _, _ = self._search.run(gray, 0, self.settings.threshold)
        return [scaled(Box(r.left(), r.top(), r.right() + 1, r.bottom() + 1), 1 / factor) for r in found]
