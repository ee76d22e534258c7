"""Finds every place that may be a face, so that it can be covered: leaning faces, lying ones, faces cut by the picture's edge, and faces in
squeezed pictures. It asks no model: a wall that is covered by mistake costs less than a face that is not.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from realtime.base.geometry import width
from realtime.config import PrivacySettings
from realtime.faces.finder import CandidateSearch
from realtime.faces.photo_finder import PhotoCopy, turned_copies, wide_copy
from realtime.faces.tilt import joined, transform
from realtime.values import Box


class CoverSearch:
    """Finds places to cover in a picture."""

    def __init__(self, search: CandidateSearch, settings: PrivacySettings):
        self.search, self.settings = search, settings

    def upright(self, gray: np.ndarray, short_side: float) -> list[Box]:
        """The places with upright faces in a gray picture (h, w) uint8, which is searched in a size with this short side in px."""
        return [place.box for place in self.search.candidates(gray, short_side, self.settings.threshold)]

    def all(self, gray: np.ndarray) -> list[Box]:
        """The places with faces of any direction, also those that are partly beyond the edge or squeezed; it takes half a second."""
        return [
            _back(place.box, copy)
            for copy in self._copies(gray)
            for place in self.search.candidates(copy.gray, copy.short_side, self.settings.threshold_all)
        ]

    def _copies(self, gray: np.ndarray) -> Iterator[PhotoCopy]:
        side = self.settings.side_all
        wide = wide_copy(gray, side, self.settings.border)
        yield wide
        for turned in turned_copies(wide.gray, wide.short_side, self.settings.step):
            yield PhotoCopy(turned.gray, joined(turned.to_photo, wide.to_photo), turned.short_side)
        for factor in self.settings.stretches:
            stretched = cv2.resize(gray, None, fx=factor, fy=1, interpolation=cv2.INTER_LINEAR)
            yield PhotoCopy(stretched, np.array([[1 / factor, 0, 0], [0, 1.0, 0]]), side * min(stretched.shape) / min(gray.shape))


def _back(box: Box, copy: PhotoCopy) -> Box:
    """The upright box in the picture around the place of a box in a copy."""
    corners = np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1], [box.x0, box.y1]])
    (x, y), half = transform(corners, copy.to_photo).mean(0), width(box) / 2 * np.linalg.norm(copy.to_photo[:, :2], axis=0).max()
    return Box(float(x - half), float(y - half), float(x + half), float(y + half))
