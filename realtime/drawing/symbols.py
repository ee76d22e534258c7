"""The symbols of the bar's buttons, and the window's icon. Pure. Coordinates are shares of the side, y points down."""

from collections.abc import Callable

import cv2
import numpy as np

from realtime.drawing.palette import COLOURS, EDGE

OVERSAMPLING = 4
"""Symbols are drawn this many times larger and then reduced, for soft edges."""
LINE = 0.09
"""Width of a line."""
Point = tuple[float, float]


class Pen:
    """Draws white on a black square canvas (side, side) uint8."""

    def __init__(self, side: int):
        self.canvas = np.zeros((side, side), np.uint8)
        self._side = side

    def line(self, *points: Point, width: float = LINE, ink: int = 255) -> None:
        cv2.polylines(self.canvas, [self._px(points)], False, ink, max(1, round(width * self._side)), cv2.LINE_AA)

    def shape(self, *points: Point) -> None:
        cv2.fillPoly(self.canvas, [self._px(points)], 255, cv2.LINE_AA)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.shape((x0, y0), (x1, y0), (x1, y1), (x0, y1))

    def arc(self, middle: Point, wide: float, tall: float, start: float = 0, end: float = 360, width: float = LINE) -> None:
        """Part of an ellipse with two radii, from one angle to another in degrees, clockwise from the right."""
        axes = (round(wide * self._side), round(tall * self._side))
        cv2.ellipse(self.canvas, self._at(middle), axes, 0, start, end, 255, max(1, round(width * self._side)), cv2.LINE_AA)

    def disc(self, middle: Point, wide: float, tall: float = 0.0, ink: int = 255) -> None:
        axes = (round(wide * self._side), round((tall or wide) * self._side))
        cv2.ellipse(self.canvas, self._at(middle), axes, 0, 0, 360, ink, cv2.FILLED, cv2.LINE_AA)

    def _at(self, point: Point) -> tuple[int, int]:
        return round(point[0] * self._side), round(point[1] * self._side)

    def _px(self, points: tuple[Point, ...]) -> np.ndarray:
        return np.array([self._at(point) for point in points], np.int32)


def _record(pen: Pen) -> None:
    pen.disc((0.5, 0.5), 0.3)


def _stop(pen: Pen) -> None:
    pen.box(0.25, 0.25, 0.75, 0.75)


def _snapshot(pen: Pen) -> None:
    """A camera for photos."""
    pen.shape((0.32, 0.3), (0.4, 0.18), (0.6, 0.18), (0.68, 0.3))
    pen.box(0.12, 0.28, 0.88, 0.8)
    pen.disc((0.5, 0.54), 0.19, ink=0)
    pen.disc((0.5, 0.54), 0.1)


def _pause(pen: Pen) -> None:
    pen.box(0.26, 0.2, 0.42, 0.8)
    pen.box(0.58, 0.2, 0.74, 0.8)


def _play(pen: Pen) -> None:
    pen.shape((0.28, 0.17), (0.82, 0.5), (0.28, 0.83))


def _profile(pen: Pen) -> None:
    """Head and shoulders."""
    pen.disc((0.5, 0.33), 0.18)
    pen.disc((0.5, 0.86), 0.34, 0.28)
    pen.line((0, 0.95), (1, 0.95), width=0.18, ink=0)


def _camera(pen: Pen) -> None:
    """A camera for films, and an arrow round it to the next one."""
    pen.box(0.1, 0.34, 0.62, 0.78)
    pen.shape((0.66, 0.56), (0.9, 0.38), (0.9, 0.74))
    pen.line((0.2, 0.2), (0.62, 0.2), width=0.08)
    pen.shape((0.58, 0.06), (0.78, 0.2), (0.58, 0.34))


def _mirror(pen: Pen) -> None:
    """Two triangles at both sides of a line."""
    pen.line((0.5, 0.12), (0.5, 0.88), width=0.06)
    pen.shape((0.4, 0.24), (0.4, 0.76), (0.08, 0.76))
    pen.line((0.6, 0.28), (0.6, 0.74), (0.9, 0.74), (0.6, 0.28), width=0.06)


def _hide(pen: Pen) -> None:
    """An eye that is crossed out."""
    pen.arc((0.5, 0.72), 0.42, 0.42, 205, 335)
    pen.arc((0.5, 0.3), 0.42, 0.42, 25, 155)
    pen.disc((0.5, 0.51), 0.13)
    pen.line((0.2, 0.84), (0.84, 0.2), width=0.22, ink=0)
    pen.line((0.16, 0.86), (0.84, 0.18))


def _numbers(pen: Pen) -> None:
    """A gauge."""
    pen.arc((0.5, 0.62), 0.38, 0.38, 165, 375)
    pen.line((0.5, 0.62), (0.68, 0.38))
    pen.disc((0.5, 0.62), 0.09)


def _fill(pen: Pen) -> None:
    """Four corners that point out."""
    for x, y in ((0.16, 0.16), (0.84, 0.16), (0.16, 0.84), (0.84, 0.84)):
        a, b = (0.2 if x < 0.5 else -0.2), (0.2 if y < 0.5 else -0.2)
        pen.line((x + a, y), (x, y), (x, y + b))


def _window(pen: Pen) -> None:
    """Four corners that point in: out of full screen."""
    for x, y in ((0.36, 0.36), (0.64, 0.36), (0.36, 0.64), (0.64, 0.64)):
        a, b = (-0.2 if x < 0.5 else 0.2), (-0.2 if y < 0.5 else 0.2)
        pen.line((x + a, y), (x, y), (x, y + b))


def _help(pen: Pen) -> None:
    pen.arc((0.5, 0.34), 0.18, 0.18, 180, 395, 0.1)
    pen.line((0.645, 0.44), (0.5, 0.56), (0.5, 0.66), width=0.1)
    pen.disc((0.5, 0.83), 0.07)


def _quit(pen: Pen) -> None:
    pen.line((0.22, 0.22), (0.78, 0.78), width=0.1)
    pen.line((0.78, 0.22), (0.22, 0.78), width=0.1)


SYMBOLS: dict[str, Callable[[Pen], None]] = {
    "record": _record,
    "snapshot": _snapshot,
    "pause": _pause,
    "profile": _profile,
    "camera": _camera,
    "mirror": _mirror,
    "hide": _hide,
    "numbers": _numbers,
    "fill": _fill,
    "help": _help,
    "quit": _quit,
}
"""By the names of `realtime.drawing.words.KEYS`."""
SWITCHED_ON: dict[str, Callable[[Pen], None]] = {"record": _stop, "pause": _play, "fill": _window}
"""What a button shows instead while its action is in effect, where the next press does something else."""


def symbol(action: str, on: bool, side: int) -> np.ndarray:
    """The coverage of each pixel by a button's symbol, (side, side) float32 from 0 to 1."""
    pen = Pen(side * OVERSAMPLING)
    (SWITCHED_ON.get(action, SYMBOLS[action]) if on else SYMBOLS[action])(pen)
    return cv2.resize(pen.canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def window_icon(side: int = 64) -> np.ndarray:
    """A smiling face, (side, side, 4) RGBA uint8, transparent around it."""
    face, features = Pen(side * OVERSAMPLING), Pen(side * OVERSAMPLING)
    face.disc((0.5, 0.5), 0.47)
    for x in (0.34, 0.66):
        features.disc((x, 0.4), 0.06, 0.09)
    features.arc((0.5, 0.52), 0.25, 0.23, 20, 160, 0.07)
    alpha, ink = (cv2.resize(pen.canvas, (side, side), interpolation=cv2.INTER_AREA) for pen in (face, features))
    share = ink[:, :, None] / 255
    colour = (1 - share) * COLOURS["happiness"][::-1] + share * EDGE[::-1]
    return np.dstack([colour.round().astype(np.uint8), alpha])
