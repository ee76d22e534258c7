"""Tells which part of a picture has changed since it was searched: before the search, which need not look at the rest again."""

import cv2
import numpy as np

from realtime.base.geometry import width
from realtime.config import ChangeSettings
from realtime.values import Box

THUMB_SIDE = 60
"""Short side in px of the pictures that are compared: a camera's noise is averaged away in them, and the smallest face still has 6 px."""


class SearchMemory:
    """What one kind of search has seen. `update` tells the part that it should search now, and takes it as searched.

    A part that holds a tracked face counts as unchanged. Every few searches the whole picture is due again: a face may have been missed.
    """

    def __init__(self, settings: ChangeSettings):
        self.settings = settings
        self.restart()

    def restart(self) -> None:
        """Forgets everything, as after a shot cut: the whole picture is due."""
        self._seen = np.zeros((0, 0), np.float32)
        self._parts = 0

    def update(self, gray: np.ndarray, tracked: tuple[Box, ...]) -> Box | None:
        """The part of a gray picture (h, w) uint8 to search, in whole px of it; None if nothing has changed.

        `tracked` are the boxes of tracked faces in px of the picture.
        """
        height, wide = gray.shape
        scale = THUMB_SIDE / min(height, wide)
        now = cv2.resize(gray, (max(1, round(wide * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA).astype(
            np.float32
        )
        whole = Box(0, 0, wide, height)
        self._parts += 1
        if now.shape != self._seen.shape or self._parts >= self.settings.whole_every:
            self._seen, self._parts = now, 0
            return whole
        changed = np.abs(now - self._seen) > self.settings.levels
        for box in tracked:
            x0, y0, x1, y1 = (round(edge * scale) for edge in self._wider(box))
            changed[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = False
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        if not len(rows):
            return None
        part = self._part(Box(columns[0] / scale, rows[0] / scale, (columns[-1] + 1) / scale, (rows[-1] + 1) / scale), whole)
        if (part.x1 - part.x0) * (part.y1 - part.y0) > self.settings.most * wide * height:
            self._seen, self._parts = now, 0
            return whole
        x0, y0, x1, y1 = (round(edge * scale) for edge in (part.x0, part.y0, part.x1, part.y1))
        self._seen[y0:y1, x0:x1] = now[y0:y1, x0:x1]
        return part

    def _wider(self, box: Box) -> tuple[float, float, float, float]:
        """The edges of the place that a tracked face takes with hair and chin."""
        more = self.settings.head * width(box)
        return box.x0 - more, box.y0 - more, box.x1 + more, box.y1 + more

    def _part(self, changed: Box, whole: Box) -> Box:
        """What to search where something changed: with room for a face of which only a part has changed."""
        more = self.settings.margin * min(whole.x1, whole.y1)
        x0, y0 = max(whole.x0, changed.x0 - more), max(whole.y0, changed.y0 - more)
        x1, y1 = min(whole.x1, changed.x1 + more), min(whole.y1, changed.y1 + more)
        return Box(int(x0), int(y0), int(x1), int(y1))
