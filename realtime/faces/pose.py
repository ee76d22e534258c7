"""Which way a head points, and how large its face is, from the five points. Pure functions.

Signs, as one sees the picture: yaw is positive when the nose points to the picture's right (the person's left), pitch when the chin is
raised, roll when the head leans clockwise. The rotations follow each other in this order: the head nods (pitch), turns about the picture's
vertical (yaw), and leans in the picture's plane (roll). So the line through the eyes leans by the roll alone.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

from realtime.base.geometry import NOSE_FRONT

if TYPE_CHECKING:
    import numpy as np

DOWN, FRONT = 0.742, NOSE_FRONT
"""How far the base of the nose lies below the middle between the eyes, and in front of it, in eye distances.

Fitted to the five points of 2,908 faces of the faces_wild photos, whose rotations came from MediaPipe's face mesh
(`tests/benchmarks/pose.py`). A pitch of 0 is the median of these photos.
"""
NOSE_ERROR = 0.06
"""Standard deviation in eye distances by which the nose's height differs from that model: points and noses, on the same faces."""
NOD = math.radians(12)
"""Standard deviation of the pitch that is expected before the points are seen. On the same faces it is 7 degrees."""
MOST = math.radians(25)
"""Largest pitch. The points show no larger one: those of heads raised by 30 degrees look like 15."""
STEPS = 4
"""Of the fit: of 999 in 1,000 faces more steps change no angle by 0.2 degrees."""

_LENGTH, _SLANT = math.hypot(DOWN, FRONT), math.atan2(FRONT, DOWN)
"""The way from the middle between the eyes to the base of the nose: its length, and its angle to the face's vertical."""


class Pose(NamedTuple):
    """Rotation of a head, and size of its face.

    Attributes:
        yaw: degrees, -90 to 90; positive to the picture's right.
        pitch: degrees, -25 to 25; positive upwards.
        roll: degrees, -180 to 180; positive clockwise.
        eyes: distance in px between the middles of the eyes as they are seen, so it shrinks when the head turns.
    """

    yaw: float
    pitch: float
    roll: float
    eyes: float


def head_pose(points: "np.ndarray") -> Pose:
    """The pose of a head, by least squares under weak perspective (Roberts 1963: rotation, then one scale for all depths).

    In eye distances as they are seen, a nose at the angle a to the vertical is beside the middle by x = length sin(a) tan(yaw), and below
    it by y = length cos(a) / cos(yaw), where a is the slant of the nose plus the pitch. The yaw follows from x once the pitch is known; the
    pitch minimises ((y - measured y) / NOSE_ERROR)^2 + (pitch / NOD)^2, in Gauss-Newton steps.

    Of the eyes only the middles are used: the two corners of an eye differ too little in depth to add much.

    The pitch is poor, because a long nose, a wrinkled one and a lowered head look alike: docs/accuracy.md has the errors. Beyond 40 degrees
    of yaw the points of some heads follow no more: the yaw comes out too small, at times with the wrong sign.

    Args:
        points: (5, 2) in picture pixels, in the order of `realtime.faces.landmarks`.

    Returns:
        The pose; all 0 if the eyes are at the same place, which says nothing.
    """
    outer_right, inner_right, outer_left, inner_left, nose = (complex(x, y) for x, y in points.tolist())
    right_eye, left_eye = (outer_right + inner_right) / 2, (outer_left + inner_left) / 2
    line = right_eye - left_eye
    if line == 0:
        return Pose(0.0, 0.0, 0.0, 0.0)
    seen = (nose - (right_eye + left_eye) / 2) / line
    angle = _SLANT + _pitch(seen.real, seen.imag)
    yaw = math.atan(seen.real / (_LENGTH * math.sin(angle)))
    roll = math.atan2(line.imag, line.real)
    return Pose(math.degrees(yaw), math.degrees(angle - _SLANT), math.degrees(roll), abs(line))


def _pitch(x: float, y: float) -> float:
    """The pitch in radians, from the place of the nose's base beside (x) and below (y) the middle between the eyes, in eye distances."""
    pitch = 0.0
    for _ in range(STEPS):
        sine, cosine = math.sin(_SLANT + pitch), math.cos(_SLANT + pitch)
        # With the yaw that x asks for, length cos(a) / cos(yaw) becomes the root of (length cos a)^2 + (x cot a)^2.
        height = math.hypot(_LENGTH * cosine, x * cosine / sine)
        slope = -cosine * (_LENGTH**2 * sine + x**2 / sine**3) / height
        pull, weight = slope * (y - height) / NOSE_ERROR**2 - pitch / NOD**2, (slope / NOSE_ERROR) ** 2 + 1 / NOD**2
        pitch = min(max(pitch + pull / weight, -MOST), MOST)
    return pitch
