"""Drawn faces that show how each expression is made. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from realtime.drawing.palette import COLOURS

OVERSAMPLING = 4
"""Icons are drawn this many times larger and then reduced, for soft edges."""
Point = tuple[float, float]
INK = (40, 34, 30)
TEETH = (245, 245, 245)
INSIDE = (52, 40, 96)


@dataclass(frozen=True)
class Features:
    """The shape of a drawn face; lengths in face widths, y points down.

    Attributes:
        inner, outer: how far the inner and outer ends of the brows are below their place at rest.
        eye: height of the eyes, 1 at rest.
        wide: width of the mouth, 1 at rest.
        corner: how far the corners of the mouth are below its middle.
        gap: how far the mouth is open.
        teeth: whether the teeth are visible; an open mouth without teeth is round.
        wrinkle: whether the nose is wrinkled, which lifts the upper lip.
    """

    inner: float = 0.0
    outer: float = 0.0
    eye: float = 1.0
    wide: float = 1.0
    corner: float = 0.0
    gap: float = 0.0
    teeth: bool = False
    wrinkle: bool = False


FEATURES = {
    "anger": Features(inner=0.075, outer=-0.02, eye=0.85, wide=0.8, corner=0.02),
    "disgust": Features(inner=0.05, outer=0.015, eye=0.55, wide=0.85, corner=0.035, gap=0.05, teeth=True, wrinkle=True),
    "fear": Features(inner=-0.075, outer=-0.015, eye=1.45, wide=1.25, corner=0.015, gap=0.055, teeth=True),
    "happiness": Features(inner=-0.01, outer=-0.01, eye=0.7, wide=1.35, corner=-0.075, gap=0.1, teeth=True),
    "sadness": Features(inner=-0.07, outer=0.03, eye=0.75, wide=0.85, corner=0.055),
    "surprise": Features(inner=-0.085, outer=-0.08, eye=1.6, wide=0.65, gap=0.2),
    "neutral": Features(),
}


def draw_icon(expression: str, side: int, turned: bool = False) -> np.ndarray:
    """A face with an expression, (side, side, 4) BGRA uint8, transparent around it; `turned`: seen half from the side."""
    big = side * OVERSAMPLING
    colour = np.zeros((big, big, 3), np.uint8)
    alpha = np.zeros((big, big), np.uint8)
    features, shift = FEATURES[expression], 0.09 if turned else 0.0

    def px(point: Point) -> tuple[int, int]:
        return round(point[0] * big), round(point[1] * big)

    def stroke(points: list[Point], width: float, ink: tuple[int, int, int] = INK) -> None:
        curve = np.array([px(point) for point in _bezier(points)], np.int32)
        cv2.polylines(colour, [curve], False, ink, max(1, round(width * big)), cv2.LINE_AA)

    def fill(outline: list[Point], ink: tuple[int, int, int]) -> None:
        cv2.fillPoly(colour, [np.array([px(point) for point in outline], np.int32)], ink, cv2.LINE_AA)

    for layer, tone in ((colour, COLOURS[expression]), (alpha, 255)):
        cv2.ellipse(layer, px((0.5, 0.5)), px((0.40, 0.47)), 0, 0, 360, tone, cv2.FILLED, cv2.LINE_AA)
    for way in (-1, 1):
        # The far half of a turned head looks narrower.
        narrow = 0.72 if turned and way == 1 else 1.0
        middle = 0.5 + shift + way * 0.165 * narrow
        half_wide, half_tall = 0.062 * narrow, 0.05 * features.eye
        cv2.ellipse(colour, px((middle, 0.43)), px((half_wide, half_tall)), 0, 0, 360, TEETH, cv2.FILLED, cv2.LINE_AA)
        pupil = min(0.032, half_tall)
        cv2.ellipse(colour, px((middle + shift * 0.15, 0.43)), px((pupil * narrow, pupil)), 0, 0, 360, INK, cv2.FILLED, cv2.LINE_AA)
        inner, outer = (middle - way * 0.095 * narrow, 0.335 + features.inner), (middle + way * 0.1 * narrow, 0.335 + features.outer)
        bow = ((inner[0] + outer[0]) / 2, (inner[1] + outer[1]) / 2 - 0.035)
        stroke([inner, bow, outer], 0.03)
    nose = 0.5 + shift * 1.5
    stroke([(nose - 0.035, 0.575), (nose, 0.605), (nose + 0.035, 0.575)], 0.016)
    if features.wrinkle:
        for way in (-1, 1):
            stroke([(nose + way * 0.03, 0.47), (nose + way * 0.055, 0.5), (nose + way * 0.05, 0.53)], 0.014)
            stroke([(nose + way * 0.075, 0.56), (nose + way * 0.12, 0.6), (nose + way * 0.13, 0.65)], 0.014)
    _draw_mouth(features, 0.5 + shift, 0.85 if turned else 1.0, stroke, fill)
    return cv2.resize(np.dstack([colour, alpha]), (side, side), interpolation=cv2.INTER_AREA)


def _draw_mouth(features: Features, middle: float, narrow: float, stroke: Callable[..., None], fill: Callable[..., None]) -> None:
    half, y = 0.13 * features.wide * narrow, 0.74
    start, end = (middle - half, y + features.corner), (middle + half, y + features.corner)
    # The middle of a quadratic curve lies half-way between its control point and the middle of its ends.
    bend = y - features.corner
    if not features.gap:
        stroke([start, (middle, bend), end], 0.028)
        return
    if not features.teeth:
        for size, ink in ((1.0, INK), (0.86, INSIDE)):
            outline = [(middle + size * half * np.cos(a), y + size * features.gap / 2 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 60)]
            fill(outline, ink)
        return
    lift = features.gap * (0.9 if features.wrinkle else 0.5 if features.corner >= 0 else 0.1)
    upper, lower = [start, (middle, bend - 2 * lift), end], [start, (middle, bend + 2 * (features.gap - lift)), end]
    teeth = [start, (middle, bend - 2 * lift + 0.9 * features.gap), end]
    for edge, ink in ((lower, INSIDE), (teeth, TEETH)):
        fill([*_bezier(upper), *_bezier(edge)[::-1]], ink)
    stroke(upper, 0.02)
    stroke(lower, 0.02)


def _bezier(points: list[Point]) -> list[Point]:
    """The quadratic Bezier curve of three points, as 25 points."""
    (x0, y0), (x1, y1), (x2, y2) = points
    return [
        ((1 - s) ** 2 * x0 + 2 * s * (1 - s) * x1 + s**2 * x2, (1 - s) ** 2 * y0 + 2 * s * (1 - s) * y1 + s**2 * y2)
        for s in np.linspace(0, 1, 25).tolist()
    ]


def paste_icon(picture: np.ndarray, icon: np.ndarray, x: int, y: int) -> None:
    """Draws an icon (h, w, 4) BGRA onto a BGR picture, in place; x, y is its upper left corner. It must lie inside."""
    height, width = icon.shape[:2]
    part = picture[y : y + height, x : x + width]
    alpha = icon[:, :, 3:].astype(np.float32) / 255
    # The reduction has mixed the edge's colours with the black around them, in the proportion of alpha: they are not multiplied again.
    part[:] = np.clip(icon[:, :, :3] + part * (1 - alpha), 0, 255).astype(np.uint8)
