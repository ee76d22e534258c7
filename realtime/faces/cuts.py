"""Detects shot cuts and the camera's movement, before detection and tracking: all tracks end at a cut, and move with the camera."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from realtime.base.timing import decay
from realtime.config import CutSettings

THUMB_WH = (32, 24)
"""Pixels of the pictures that are compared: small movements change little in them."""

SHIFT_WH = (64, 48)
"""Pixels of the pictures in which the camera's movement is measured: twice as exact, and still below 0.1 ms."""


def normalize_contrast(picture: np.ndarray, blank: float = 1e-6) -> np.ndarray | None:
    """A small picture (h, w) less its mean, as a vector (h * w,) of length 1; None if its standard deviation is at most `blank`."""
    centred = (picture - picture.mean()).ravel()
    length = math.sqrt(centred @ centred)
    return centred / length if length > blank * math.sqrt(len(centred)) else None


def change(before: np.ndarray | None, now: np.ndarray | None) -> float:
    """How much two pictures differ, as given by `normalize_contrast`: one minus their correlation. Brightness and gain count little.

    0 for the same picture, 1 for unrelated pictures, 2 for opposite ones. A picture without contrast is unrelated to one with contrast.
    """
    if before is None or now is None:
        return float(before is not now)
    return 1.0 - float(before @ now)


def scaled(picture: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    return cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)


def peak(before: float, top: float, after: float) -> float:
    """Where a parabola through three values at -1, 0 and 1 is largest, from -0.5 to 0.5, if the middle value is the largest."""
    bend = 2 * top - before - after
    return (after - before) / (2 * bend) if bend > 1e-9 else 0.0


def find_shift(before: np.ndarray, now: np.ndarray, share: float) -> tuple[float, float]:
    """How far what is in picture `before` has moved in `now`, both (h, w) float32, in px to the right and down.

    The middle of `now` is searched in `before`, by normalised correlation. Shifts of up to `share` of width and height are found.
    """
    height, width = now.shape
    x, y = round(share * width), round(share * height)
    match = cv2.matchTemplate(before, now[y : height - y, x : width - x], cv2.TM_CCOEFF_NORMED)
    row, column = divmod(int(match.argmax()), match.shape[1])
    # Where the best place is at the edge of what is searched, its own value stands for the one beyond.
    rows, columns = ([max(at - 1, 0), at, min(at + 1, count - 1)] for at, count in zip((row, column), match.shape, strict=True))
    return x - column - peak(*match[row, columns].tolist()), y - row - peak(*match[rows, column].tolist())


def change_after_shift(before: np.ndarray, now: np.ndarray, shift: tuple[float, float]) -> float:
    """The `change` of the part that two pictures (h, w) float32 have in common, when the second has moved by `shift` px."""
    (height, width), (x, y) = now.shape, shift
    size_wh = width - math.ceil(abs(x)), height - math.ceil(abs(y))
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    # Half the shift each: both are sampled between pixels alike, and neither is more blurred.
    parts = [
        cv2.getRectSubPix(picture, size_wh, (middle_x + side * x / 2, middle_y + side * y / 2))
        for picture, side in ((before, -1), (now, 1))
    ]
    return change(*(normalize_contrast(scaled(part, THUMB_WH)) for part in parts))


def adds_light(before: np.ndarray, now: np.ndarray, settings: CutSettings) -> bool:
    """Whether light alone makes two pictures (h, w) float32 differ: nothing becomes darker, and much becomes white."""
    darker = np.count_nonzero(now < before - settings.noise)
    whiter = np.count_nonzero(now >= settings.white) - np.count_nonzero(before >= settings.white)
    return bool(darker <= settings.darker * now.size and whiter >= settings.whiter * now.size)


@dataclass(frozen=True)
class Shot:
    """What is known of a frame's shot.

    Attributes:
        number: counts from 0. A lower number than before: the shot goes on after an interruption.
        begins: whether the frame before belongs to another shot.
        alike: whether it begins with a picture that is still like the one before, as where a piece of one scene is left out: a face may
            be the same.
        shift: by how much the camera's movement moved the picture since the last frame of this shot that was no flash, in px to the right
            and down. Known only for movements that change the picture much, else 0.
        flash: whether the picture is blank or lit by a flash, so that faces may be invisible in it.
    """

    number: int
    begins: bool
    shift: tuple[float, float] = (0.0, 0.0)
    flash: bool = False
    alike: bool = False


@dataclass(frozen=True)
class _Look:
    """How a shot looked last.

    Attributes:
        sample: (h, w) uint8, every eighth pixel.
        picture: the same as float32, in the size `THUMB_WH`.
        thumb: that, as given by `normalize_contrast`; None for a blank picture.
        t: in seconds.
        number: the shot's.
        usual: the shot's usual change, if there was any yet.
    """

    sample: np.ndarray
    picture: np.ndarray
    thumb: np.ndarray | None
    t: float
    number: int = 0
    usual: float | None = None


class CutDetector:
    """Compares each frame with the one before it. A cut is a large change, or a smaller one after a time of little change.

    The camera's movement is undone before. A flash, or a picture that is black or white, belongs to the shot around it: the next frame is
    compared with the one before it. If any other picture interrupts a shot for a moment, the shot goes on afterwards.
    """

    def __init__(self, settings: CutSettings):
        self.settings = settings
        self._last: _Look | None = None
        self._interrupted: list[_Look] = []
        self._shots = 1
        self._flash_t: float | None = None

    def update(self, gray: np.ndarray, t: float) -> Shot:
        """Takes a gray frame (h, w) uint8 of time `t` in seconds and returns its shot."""
        # Every eighth pixel is enough to tell shots apart. Reading all pixels would cost more than the landmarks of a face.
        sample = gray[::8, ::8].copy()
        picture = scaled(sample, THUMB_WH)
        now, last = _Look(sample, picture, normalize_contrast(picture, self.settings.blank), t), self._last
        if last is None:
            self._last = now
            return Shot(0, begins=False)
        plain = change(last.thumb, now.thumb)
        goes_blank, both = now.thumb is None and last.thumb is not None, now.thumb is not None and last.thumb is not None
        light = both and plain > self.settings.at_least and adds_light(last.picture, picture, self.settings)
        if self._is_flash(light or goes_blank, t):
            return Shot(last.number, begins=False, flash=True)
        if self._interrupted:
            returned = self._return(now, last, gray)
            if returned is not None:
                return returned
        difference, shift = self._without_shift(last, now, plain)
        if not light and self._is_cut(difference, last.usual, t - last.t):
            self._interrupted.append(last)
            self._last = replace(now, number=self._shots)
            self._shots += 1
            return Shot(self._last.number, begins=True, alike=not self._is_surely_cut(difference, t - last.t))
        keep = decay(t - last.t, self.settings.usual_s)
        usual = difference if last.usual is None else keep * last.usual + (1 - keep) * difference
        self._last = replace(now, number=last.number, usual=usual)
        return Shot(last.number, begins=False, shift=in_frame(shift, gray))

    def _is_flash(self, strange: bool, t: float) -> bool:
        """Whether a strange picture is a flash: what stays for longer than `flash_s` is none."""
        if not strange:
            self._flash_t = None
            return False
        if self._flash_t is None or t < self._flash_t:
            self._flash_t = t
        return t - self._flash_t <= self.settings.flash_s

    def _return(self, now: _Look, last: _Look, gray: np.ndarray) -> Shot | None:
        """The shot that goes on with the frame `now` after it was interrupted a moment ago, if there is one."""
        longest_s = max(self.settings.flash_s, 3 * (now.t - last.t))
        self._interrupted = [look for look in self._interrupted if 0 <= now.t - look.t <= longest_s]
        for look in self._interrupted:
            difference, shift = self._without_shift(look, now, change(look.thumb, now.thumb))
            if difference <= self._between(self.settings.at_least, self.settings.surely, now.t - last.t):
                self._interrupted = [last, *(other for other in self._interrupted if other is not look)]
                self._last = replace(now, number=look.number, usual=look.usual)
                return Shot(look.number, begins=True, shift=in_frame(shift, gray))
        return None

    def _without_shift(self, before: _Look, now: _Look, plain: float) -> tuple[float, tuple[float, float]]:
        """The part of the `plain` change between two frames that the camera's movement does not explain, and that movement.

        The movement is in shares of the picture's width and height.
        """
        if plain <= self.settings.at_least or before.thumb is None or now.thumb is None:
            return plain, (0.0, 0.0)
        pictures = scaled(before.sample, SHIFT_WH), scaled(now.sample, SHIFT_WH)
        x, y = find_shift(*pictures, self.settings.shift)
        rest = change_after_shift(*pictures, (x, y))
        if rest > self.settings.unexplained * plain:
            return plain, (0.0, 0.0)
        return rest, (x / SHIFT_WH[0], y / SHIFT_WH[1])

    def _is_surely_cut(self, difference: float, elapsed_s: float) -> bool:
        return difference > self._between(self.settings.surely, self.settings.surely_apart, elapsed_s)

    def _is_cut(self, difference: float, usual: float | None, elapsed_s: float) -> bool:
        at_least = self.settings.at_least * max(1.0, elapsed_s / self.settings.close_s)
        return self._is_surely_cut(difference, elapsed_s) or (
            usual is not None and difference > max(at_least, self.settings.times_usual * usual)
        )

    def _between(self, close: float, apart: float, elapsed_s: float) -> float:
        """A limit that rises from `close` to `apart` with the time between two frames."""
        share = (elapsed_s - self.settings.close_s) / (self.settings.apart_s - self.settings.close_s)
        return close + min(max(share, 0.0), 1.0) * (apart - close)


def in_frame(shift: tuple[float, float], gray: np.ndarray) -> tuple[float, float]:
    """A shift in shares of width and height, in px of a picture (h, w)."""
    return shift[0] * gray.shape[1], shift[1] * gray.shape[0]
