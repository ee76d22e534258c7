"""Notices shot cuts, after which nobody is where somebody was."""

import math

import cv2
import numpy as np

from realtime.base.timing import decay
from realtime.config import CutSettings


def contrast(picture: np.ndarray) -> np.ndarray | None:
    """A small picture (h, w) without its mean, as a vector of length 1; None where it has no contrast at all."""
    around = (picture - picture.mean()).ravel()
    size = math.sqrt(around @ around)
    return around / size if size > 1e-6 else None


def change(before: np.ndarray | None, now: np.ndarray | None) -> float:
    """How much two pictures differ, by their `contrast`: one minus their correlation, so that a lamp or the camera's gain count little.

    0 for the same picture, 1 for unrelated ones, 2 for opposite ones; a picture without any contrast is unrelated to one that has some.
    """
    if before is None or now is None:
        return float(before is not now)
    return 1.0 - float(before @ now)


class CutDetector:
    """Compares each frame with the one before it. A cut is a large change, or a smaller one that comes out of calm."""

    def __init__(self, settings: CutSettings):
        self.settings = settings
        self._before: np.ndarray | None = None
        self._t: float | None = None
        self._usual: float | None = None

    def update(self, gray: np.ndarray, t: float) -> bool:
        """Takes a gray frame (h, w) uint8 of time `t` in seconds and says whether another shot begins with it."""
        # Some pixels of each cell are enough to tell shots apart, and reading all would cost more than finding a face's points.
        thumb = contrast(cv2.resize(gray[::8, ::8].copy(), (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32))
        before, before_t = self._before, self._t
        self._before, self._t = thumb, t
        if before_t is None:
            return False
        changed, usual = change(before, thumb), self._usual
        keep = decay(t - before_t, self.settings.usual_s)
        self._usual = changed if usual is None else keep * usual + (1 - keep) * changed
        cut = changed > self.settings.surely or (
            usual is not None and changed > max(self.settings.at_least, self.settings.times_usual * usual)
        )
        if cut:
            self._usual = None
        return cut
