"""Detects shot cuts, before detection and tracking; all tracks end there."""

import math

import cv2
import numpy as np

from realtime.base.timing import decay
from realtime.config import CutSettings


def normalize_contrast(picture: np.ndarray) -> np.ndarray | None:
    """A small picture (h, w) less its mean, as a vector (h * w,) of length 1; None if all pixels are equal."""
    centred = (picture - picture.mean()).ravel()
    length = math.sqrt(centred @ centred)
    return centred / length if length > 1e-6 else None


def change(before: np.ndarray | None, now: np.ndarray | None) -> float:
    """How much two pictures differ, as given by `normalize_contrast`: one minus their correlation. Brightness and gain count little.

    0 for the same picture, 1 for unrelated pictures, 2 for opposite ones. A picture without contrast is unrelated to one with contrast.
    """
    if before is None or now is None:
        return float(before is not now)
    return 1.0 - float(before @ now)


class CutDetector:
    """Compares each frame with the one before it. A cut is a large change, or a smaller one after a time of little change."""

    def __init__(self, settings: CutSettings):
        self.settings = settings
        self._before: np.ndarray | None = None
        self._t: float | None = None
        self._usual: float | None = None

    def update(self, gray: np.ndarray, t: float) -> bool:
        """Takes a gray frame (h, w) uint8 of time `t` in seconds and returns whether a new shot begins with it."""
        # Every eighth pixel is enough to tell shots apart. Reading all pixels would cost more than the landmarks of a face.
        thumb = normalize_contrast(cv2.resize(gray[::8, ::8].copy(), (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32))
        before, before_t = self._before, self._t
        self._before, self._t = thumb, t
        if before_t is None:
            return False
        difference, usual = change(before, thumb), self._usual
        keep = decay(t - before_t, self.settings.usual_s)
        self._usual = difference if usual is None else keep * usual + (1 - keep) * difference
        cut = difference > self.settings.surely or (
            usual is not None and difference > max(self.settings.at_least, self.settings.times_usual * usual)
        )
        if cut:
            self._usual = None
        return cut
