"""Tells which part of a picture has changed since it was searched: before the search, which need not look at the rest again."""

import cv2
import numpy as np

from realtime.base.geometry import wider
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
        whole, taken = Box(0, 0, wide, height), [self._cells(wider(box, 1 + 2 * self.settings.head), scale) for box in tracked]
        part = self._part_to_search(now, whole, taken, scale)
        if part is not None:
            cells = self._cells(part, scale)
            self._seen[cells] = now[cells]
        # Nobody looks for faces where one is tracked: once it is not, that place is due.
        for cells in taken:
            self._seen[cells] = np.inf
        return part

    def _part_to_search(self, now: np.ndarray, whole: Box, taken: list[tuple[slice, slice]], scale: float) -> Box | None:
        """The part to search; `taken` are the cells of the thumbnail `now` that tracked faces take, `scale` is that of the thumbnail."""
        self._parts += 1
        if now.shape != self._seen.shape or self._parts >= self.settings.whole_every:
            self._seen, self._parts = np.full(now.shape, np.inf, np.float32), 0
            return whole
        changed = np.abs(now - self._seen) > self.settings.levels
        for cells in taken:
            changed[cells] = False
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        if not len(rows):
            return None
        part = self._part(Box(columns[0] / scale, rows[0] / scale, (columns[-1] + 1) / scale, (rows[-1] + 1) / scale), whole)
        if (part.x1 - part.x0) * (part.y1 - part.y0) <= self.settings.most * whole.x1 * whole.y1:
            return part
        self._parts = 0
        return whole

    @staticmethod
    def _cells(box: Box, scale: float) -> tuple[slice, slice]:
        """Rows and columns of the thumbnail that a box in px of the picture takes."""
        x0, y0, x1, y1 = (max(0, round(edge * scale)) for edge in (box.x0, box.y0, box.x1, box.y1))
        return slice(y0, y1), slice(x0, x1)

    def _part(self, changed: Box, whole: Box) -> Box:
        """What to search where something changed: with room for a face of which only a part has changed."""
        more = self.settings.margin * min(whole.x1, whole.y1)
        x0, y0 = max(whole.x0, changed.x0 - more), max(whole.y0, changed.y0 - more)
        x1, y1 = min(whole.x1, changed.x1 + more), min(whole.y1, changed.y1 + more)
        return Box(int(x0), int(y0), int(x1), int(y1))
