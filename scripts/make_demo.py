"""Makes the demo clip: ten seconds of what a webcam would see when three people come and go in front of it.

Three public-domain portraits are cut out of their backgrounds and moved, tilted, turned and lit like people before a camera;
the room behind them is drawn here. Everything random is seeded: the same library versions give the same film.

    python scripts/make_demo.py                          # writes realtime/sources/demo/demo.mp4
    python scripts/make_demo.py --portraits tests/data   # writes the small test pictures instead

Needs numpy, opencv-python, av and scikit-image. Pictures are BGR; float pictures have values from 0 to 255 unless noted otherwise.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

DEMO = Path(__file__).resolve().parents[1] / "realtime" / "sources" / "demo" / "demo.mp4"
"""The clip that the program ships with."""

WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 30, 300
"""The film: picture size in pixels, frames per second, number of frames."""

SUPERSAMPLE = 8
"""Moments per frame at which a motion is tabulated."""

SHUTTER = 0.5
"""Share of a frame's time during which the shutter is open. It sets the length of the motion blur."""

SHORT_SIDE = 400
"""Shorter side of a test picture in pixels."""


# --------------------------------------------------------------------------------------------------------------- people


@dataclass(frozen=True)
class Portrait:
    """One person in one source picture. All positions are in that picture's pixels."""

    file: str
    """Name of the picture."""
    face: tuple[float, float]
    """Middle of the face (x, y)."""
    size: float
    """Height of the face: brow to chin, about what a face detector frames."""
    working: float
    """Face height at which the cut-out is kept, chosen near the largest one the film shows."""
    outline: tuple[tuple[int, int], ...]
    """Rough outline of the person, head and shoulders down to the picture's lower edge; `cut_out` refines it."""
    gain: tuple[float, float, float]
    """Factor per channel (blue, green, red) that makes the colours of different photographers agree."""
    beyond: tuple[tuple[int, int], ...] = ()
    """A patch near the outline that is background, where colours alone would mislead `cut_out`."""
    gamma: float = 1.0
    """Exponent on brightness after the gain; below 1 lifts the shadows."""


FIRST = Portrait(
    file="obama.jpg", face=(494, 266), size=259, working=250, gain=(0.93, 0.94, 0.95), gamma=0.96,
    outline=(
        (75, 1137), (60, 1050), (50, 960), (65, 870), (85, 790), (107, 735), (130, 690), (145, 620), (165, 570), (190, 525),
        (230, 505), (310, 475), (390, 435), (402, 425), (403, 385), (385, 330), (375, 298), (358, 290), (342, 240), (337, 203),
        (352, 196), (357, 130), (372, 90), (400, 58), (440, 36), (490, 28), (540, 36), (580, 60), (605, 95), (620, 130),
        (625, 190), (640, 200), (640, 235), (625, 285), (612, 297), (600, 290), (592, 330), (580, 370), (590, 385), (632, 430),
        (700, 455), (760, 470), (810, 495), (830, 520), (842, 560), (843, 600), (838, 680), (835, 740), (832, 850), (820, 920),
        (790, 1010), (760, 1060), (757, 1137),
    ),
)  # fmt: skip
"""The person who opens and closes the film."""

SECOND = Portrait(
    file="astronaut.jpg", face=(223, 127), size=96, working=190, gain=(0.92, 0.93, 0.94), gamma=1.02,
    outline=(
        (24, 512), (25, 440), (20, 390), (27, 350), (32, 300), (42, 270), (65, 240), (90, 222), (112, 207), (115, 185),
        (125, 172), (135, 158), (155, 150), (181, 149), (184, 131), (175, 128), (172, 112), (159, 100), (153, 75), (160, 55),
        (175, 40), (190, 35), (200, 22), (225, 16), (260, 20), (285, 35), (298, 60), (302, 85), (295, 110), (282, 125),
        (276, 135), (268, 137), (260, 155), (256, 175), (280, 190), (295, 215), (304, 235), (325, 247), (342, 265), (350, 285),
        (357, 320), (362, 347), (362, 512),
    ),
)  # fmt: skip
"""The person who looks in from the right."""

THIRD = Portrait(
    file="biden.jpg", face=(575, 388), size=285, working=190, gain=(1.12, 1.16, 1.14), gamma=0.85,
    outline=(
        (130, 1310), (119, 1275), (75, 1175), (44, 1075), (40, 950), (48, 812), (44, 700), (62, 638), (125, 619), (225, 600),
        (312, 581), (398, 538), (406, 512), (416, 505), (419, 475), (415, 425), (394, 406), (385, 362), (388, 300), (390, 250),
        (402, 188), (431, 144), (475, 115), (525, 100), (600, 100), (662, 112), (712, 144), (738, 188), (752, 250), (754, 300),
        (744, 362), (722, 400), (706, 462), (688, 481), (669, 525), (644, 562), (635, 585), (650, 612), (700, 656), (800, 681),
        (875, 712), (912, 750), (928, 800), (938, 862), (970, 950), (970, 1310),
    ),
    beyond=((375, 414), (398, 405), (412, 410), (420, 436), (420, 466), (375, 466)),
)  # fmt: skip
"""The person who follows from the left."""


@dataclass(frozen=True)
class CutOut:
    """A person without background."""

    colour: np.ndarray
    """(h, w, 3) float32; beyond the outline the colours of the person's edge go on, so that soft edges show no old background."""
    alpha: np.ndarray
    """(h, w) float32, 0 outside to 1 inside."""
    face: tuple[float, float]
    """Middle of the face in pixels of `colour`."""
    size: float
    """Height of the face in pixels of `colour`."""


def spread(colour: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Continues colours into the pixels outside a mask, by ever wider averages of those inside.

    Args:
        colour: (h, w, 3) float32.
        mask: (h, w) bool; True where the colour counts.

    Returns:
        (h, w, 3) float32, equal to `colour` inside the mask.
    """
    weight = mask.astype(np.float32)
    out = np.where(mask[..., None], colour, 0.0).astype(np.float32)
    missing = ~mask
    for sigma in (1.5, 3.0, 6.0, 12.0, 24.0, 48.0):
        blurred = cv2.GaussianBlur(weight, None, sigma)
        fill = missing & (blurred > 0.02)
        mean = cv2.GaussianBlur(colour * weight[..., None], None, sigma) / np.maximum(blurred, 1e-6)[..., None]
        out[fill] = mean[fill]
        missing &= ~fill
    return out


def cut_out(picture: np.ndarray, portrait: Portrait) -> CutOut:
    """Separates a person from the background: the rough outline gives what is certain, GrabCut decides in the band between.

    Args:
        picture: (h, w, 3) uint8, the whole source picture.
        portrait: where the person is in it.
    """
    scale = portrait.working / portrait.size
    lowest = max(y for _, y in portrait.outline)
    picture = picture[:lowest]
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    h, w = picture.shape[:2]
    inside = np.zeros((h, w), np.uint8)
    cv2.fillPoly(inside, [np.rint(np.array(portrait.outline) * scale).astype(np.int32)], 1)
    reach = round(0.05 * portrait.working)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    surely = cv2.erode(inside, disc, borderType=cv2.BORDER_REPLICATE)
    possibly = cv2.dilate(inside, disc)
    mask = np.full((h, w), cv2.GC_BGD, np.uint8)
    mask[possibly == 1] = cv2.GC_PR_BGD
    mask[inside == 1] = cv2.GC_PR_FGD
    mask[surely == 1] = cv2.GC_FGD
    if portrait.beyond:
        cv2.fillPoly(mask, [np.rint(np.array(portrait.beyond) * scale).astype(np.int32)], cv2.GC_BGD)
    cv2.setRNGSeed(1)
    cv2.grabCut(picture, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    # A majority vote among neighbours removes single specks and rough edges.
    person = (cv2.GaussianBlur(person, None, 0.018 * portrait.working) > 0.5).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(person)
    if count > 2:
        person = (labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8)
    soft = cv2.GaussianBlur(person.astype(np.float32), None, 0.009 * portrait.working, borderType=cv2.BORDER_REPLICATE)
    alpha = smoothstep(0.35, 0.95, soft)
    colour = spread(picture.astype(np.float32), soft > 0.985)
    colour = 255.0 * np.clip(colour * np.float32(portrait.gain) / 255.0, 0.0, 1.0) ** portrait.gamma
    face = (portrait.face[0] * scale, portrait.face[1] * scale)
    return CutOut(colour.astype(np.float32), alpha.astype(np.float32), face, portrait.working)


# --------------------------------------------------------------------------------------------------------------- motion


def smoothstep(low: float, high: float, x: np.ndarray | float) -> np.ndarray:
    """0 below `low`, 1 above `high` (or the reverse if high < low), a smooth rise between; any shape."""
    t = np.clip((np.asarray(x) - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


class Curve:
    """A quantity over the film: straight lines between key frames, rounded off by a Gaussian in time."""

    def __init__(self, keys: list[tuple[float, ...]], rounding: float = 4.0):
        """Takes keys (frame, value, ...) in rising order of frames, and the Gaussian's sigma in frames."""
        table = np.array(keys, np.float64)
        steps = np.arange(-30 * SUPERSAMPLE, (FRAMES + 30) * SUPERSAMPLE) / SUPERSAMPLE
        reach = np.arange(-3 * rounding * SUPERSAMPLE, 3 * rounding * SUPERSAMPLE + 1)
        bell = np.exp(-0.5 * (reach / (rounding * SUPERSAMPLE)) ** 2)
        bell /= bell.sum()
        pad = len(bell) // 2
        lines = (np.interp(steps, table[:, 0], column) for column in table[:, 1:].T)
        self._steps = steps
        self._values = [np.convolve(np.pad(line, pad, mode="edge"), bell, mode="valid") for line in lines]

    def __call__(self, frame: float) -> tuple[float, ...]:
        """The values at a moment, in frames."""
        return tuple(float(np.interp(frame, self._steps, values)) for values in self._values)


def sway(frame: float, *waves: tuple[float, float, float]) -> float:
    """A sum of sines (amplitude, period in seconds, phase in turns) at a moment in frames."""
    return sum(a * np.sin(2.0 * np.pi * (frame / FPS / period + phase)) for a, period, phase in waves)


@dataclass(frozen=True)
class Pose:
    """How a person is in front of the camera. Angles in degrees, clockwise as seen."""

    x: float
    """Middle of the face, pixels from the left."""
    y: float
    """Middle of the face, pixels from the top."""
    size: float
    """Height of the face in pixels."""
    lean: float
    """Angle of the whole body."""
    tilt: float
    """Further angle of the head on the neck."""
    yaw: float
    """Turn of the head about the vertical, -1 to 1 (a mild turn, some 12 degrees)."""
    nod: float
    """The same up and down."""


@dataclass(frozen=True)
class Actor:
    """A person and the way through the film."""

    cut: CutOut
    place: Curve
    """Face position and height: x, y, size in pixels."""
    head: Curve
    """Deliberate head movement: tilt in degrees, yaw, nod."""
    phase: float
    """Shift of the small involuntary movements, in turns, so that two people never move alike."""
    liveliness: float = 1.0
    """Factor on the small involuntary movements."""

    def pose(self, frame: float) -> Pose:
        """The pose at a moment in frames."""
        x, y, size = self.place(frame)
        tilt, yaw, nod = self.head(frame)
        step = 3.0
        speed = (self.place(frame + step)[0] - self.place(frame - step)[0]) / (2.0 * step)
        walking = float(smoothstep(2.0, 14.0, abs(speed)))
        p, k = self.phase, self.liveliness
        return Pose(
            x=x + k * size * sway(frame, (0.035, 2.7, p), (0.018, 1.23, 2 * p), (0.006, 0.61, p)),
            y=y + k * size * sway(frame, (0.020, 3.4, 3 * p), (0.010, 1.1, p)) + walking * sway(frame, (0.03 * size, 0.46, p)),
            size=size * (1.0 + k * sway(frame, (0.022, 3.9, p), (0.008, 1.5, 2 * p))),
            lean=k * sway(frame, (1.8, 2.7, p + 0.03), (0.6, 1.4, p)) + float(np.clip(0.22 * speed, -4.0, 4.0)),
            tilt=tilt + k * sway(frame, (1.6, 2.1, 2 * p), (0.7, 0.9, p)),
            yaw=yaw + k * sway(frame, (0.22, 2.3, p + 0.2), (0.08, 0.8, p)),
            nod=nod + k * sway(frame, (0.20, 1.7, p + 0.4), (0.07, 0.7, p)),
        )


def visible(pose: Pose) -> bool:
    """Whether any of a person may be inside the picture (arms reach about two face heights sideways)."""
    return -2.3 * pose.size < pose.x < WIDTH + 2.3 * pose.size


def sources(cut: CutOut, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """For every picture pixel, which pixel of the cut-out shows there.

    The body is turned as a whole. The head is turned on the neck by an angle that fades out towards the collar, and its inside is
    pushed sideways and up or down within an outline that hardly changes, which is what a small turn looks like.

    Returns:
        Two (HEIGHT, WIDTH) float32: x and y in the cut-out.
    """
    columns, rows = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    lean = np.radians(pose.lean)
    # Face heights from the middle of the face, with the body upright.
    dx, dy = (columns - pose.x) / pose.size, (rows - pose.y) / pose.size
    u, v = np.cos(lean) * dx + np.sin(lean) * dy, np.cos(lean) * dy - np.sin(lean) * dx
    neck = 0.75
    head = smoothstep(1.15, 0.35, v)
    tilt = np.radians(pose.tilt) * head
    u, v = np.cos(tilt) * u + np.sin(tilt) * (v - neck), neck + np.cos(tilt) * (v - neck) - np.sin(tilt) * u
    across = np.clip(u / 0.62, -1.0, 1.0)
    along = np.clip((v + 0.1) / 0.95, -1.0, 1.0)
    bulge = head * (1.0 - across**2) ** 2 * (1.0 - along**2)
    v = v * (1.0 + 0.045 * pose.yaw * across * head) - 0.055 * pose.nod * bulge
    u = u * (1.0 + 0.05 * pose.yaw**2 * head) - 0.075 * pose.yaw * bulge
    return (cut.face[0] + cut.size * u).astype(np.float32), (cut.face[1] + cut.size * v).astype(np.float32)


# ----------------------------------------------------------------------------------------------------------------- room

MARGIN = 40
"""Pixels of room beyond each edge of the picture, for the camera to shake in."""


Colour = tuple[float, float, float]
"""Blue, green, red; 0 to 255."""


def draw_box(room: np.ndarray, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    """Fills a rectangle, its last row and column among it."""
    cv2.rectangle(room, (round(x0), round(y0)), (round(x1), round(y1)), colour, -1)


def draw_window(room: np.ndarray, rng: np.random.Generator) -> None:
    """The window with sky, a line of trees and crossbars; the sill under it; the curtain at its right."""
    draw_box(room, 34, -10, 236, 318, (196, 206, 212))
    for y in range(0, 306):
        sky = 1.0 - 0.10 * y / 306
        cv2.line(room, (48, y), (222, y), (250 * sky, 244 * sky, 232 * sky))
    for _ in range(60):
        x, y, r = rng.uniform(48, 222), rng.uniform(232, 306), rng.uniform(8, 22)
        cv2.circle(room, (round(x), round(y)), round(r), (128 + rng.uniform(-25, 25), 168 + rng.uniform(-25, 25), 150), -1)
    draw_box(room, 34, 306, 236, 320, (196, 206, 212))
    draw_box(room, 131, 0, 139, 306, (188, 198, 205))
    draw_box(room, 48, 136, 222, 143, (188, 198, 205))
    draw_box(room, 24, 318, 246, 332, (178, 190, 198))
    for x in range(222, 284):
        fold = 1.0 + 0.10 * np.sin(x / 4.2) + 0.05 * np.sin(x / 1.9)
        cv2.line(room, (x, -10), (x + 4, 420), (128 * fold, 146 * fold, 158 * fold))


def draw_wall_picture(room: np.ndarray) -> None:
    """A framed picture of a landscape on the wall."""
    draw_box(room, 330, 84, 424, 200, (70, 84, 96))
    draw_box(room, 337, 91, 417, 193, (206, 214, 218))
    draw_box(room, 350, 106, 404, 150, (150, 138, 110))
    draw_box(room, 350, 150, 404, 178, (96, 132, 160))


def draw_shelf(room: np.ndarray, rng: np.random.Generator) -> None:
    """The shelf with books and a plant."""
    w = room.shape[1]
    draw_box(room, 486, 20, w, 470, (104, 124, 142))
    colours = ((70, 84, 120), (120, 96, 70), (86, 112, 92), (150, 160, 170), (64, 66, 78), (92, 120, 158), (140, 124, 104))
    for top, bottom in ((34, 150), (164, 290), (304, 424)):
        draw_box(room, 496, top, w, bottom, (70, 86, 102))
        x = 500.0 + rng.uniform(0, 16)
        while x < w:
            thick, high = rng.uniform(9, 20), rng.uniform(0.52, 0.86) * (bottom - top)
            if rng.uniform() < 0.86:
                shade = rng.uniform(0.8, 1.2)
                blue, green, red = colours[rng.integers(len(colours))]
                draw_box(room, x, bottom - high, x + thick - 1, bottom, (blue * shade, green * shade, red * shade))
            x += thick
    draw_box(room, 560, 164, 640, 290, (76, 94, 110))
    draw_box(room, 590, 256, 616, 290, (120, 150, 186))
    for _ in range(40):
        x, y = 603 + rng.normal(0, 15), 234 + rng.normal(0, 15)
        cv2.ellipse(room, (round(x), round(y)), (9, 4), rng.uniform(0, 180), 0, 360, (70, 120 + rng.uniform(-20, 20), 84), -1)


def draw_sideboard(room: np.ndarray) -> None:
    """The sideboard along the bottom, and the lamp on it."""
    h, w = room.shape[:2]
    draw_box(room, -5, 462, w, h, (84, 104, 124))
    draw_box(room, -5, 456, w, 464, (132, 150, 166))
    draw_box(room, 446, 420, 454, 458, (60, 80, 96))
    cv2.fillPoly(room, [np.array([(428, 424), (472, 424), (462, 384), (438, 384)])], (170, 216, 246))


def defocus(room: np.ndarray) -> np.ndarray:
    """The room out of focus: light, not its gamma-coded value, spreads over a disc."""
    radius = 9
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)
    light = cv2.filter2D((np.clip(room, 0, 255) / 255) ** 2.2, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return 255 * cv2.GaussianBlur(light, None, 2.0) ** (1 / 2.2)


def draw_room(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws the room behind the people, out of focus.

    Returns:
        Two (HEIGHT + 2 MARGIN, WIDTH + 2 MARGIN, 3) float32: the room, and the part of its light that comes through the window.
    """
    h, w = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    columns, rows = np.meshgrid(np.linspace(0, 1, w), np.linspace(0, 1, h))
    wall = np.float32((150, 166, 176)) * (1.06 - 0.30 * columns - 0.16 * rows)[..., None]
    room = np.ascontiguousarray(wall, np.float32)
    draw_window(room, rng)
    draw_wall_picture(room)
    draw_shelf(room, rng)
    draw_sideboard(room)
    lamp_glow = np.exp(-(((columns * w - 450) / 60) ** 2 + ((rows * h - 400) / 70) ** 2))[..., None] * np.float32((24, 52, 78))
    room += lamp_glow.astype(np.float32)
    room = defocus(room)
    from_window = np.exp(-(((columns - 0.18) / 0.42) ** 2) - ((rows - 0.30) / 0.60) ** 2)[..., None]
    return room.astype(np.float32), (room * from_window).astype(np.float32)


# ------------------------------------------------------------------------------------------------------------- the film


def cast(cuts: dict[str, CutOut]) -> list[Actor]:
    """The people and their ways through the film, the farthest first. `cuts` holds a cut-out for each portrait file."""
    second = Actor(
        cuts[SECOND.file], phase=0.37, liveliness=0.8,
        place=Curve([(0, 950, 215, 121), (76, 950, 215, 121), (96, 526, 210, 124), (120, 518, 208, 126), (141, 940, 216, 122)]),
        head=Curve([(0, 0, 0, 0), (96, -3, -0.3, 0), (112, 4, -0.1, 0.2), (124, 2, 0.2, 0)], rounding=5),
    )  # fmt: skip
    third = Actor(
        cuts[THIRD.file], phase=0.71, liveliness=0.8,
        place=Curve([
            (0, -320, 225, 135), (118, -320, 225, 135), (140, 122, 214, 138), (160, 128, 212, 140), (171, 190, 212, 144),
            (177, 200, 214, 146), (195, -330, 226, 142),
        ]),
        head=Curve([(0, 2, 0.3, 0), (140, -3, 0.3, 0), (158, -6, 0.1, 0.1), (174, -2, -0.2, 0)], rounding=5),
    )  # fmt: skip
    first = Actor(
        cuts[FIRST.file], phase=0.12,
        place=Curve([
            (0, 318, 228, 164), (22, 300, 226, 170), (48, 350, 216, 198), (66, 320, 222, 180), (78, 260, 216, 190),
            (92, 216, 212, 200), (116, 222, 212, 204), (134, 408, 214, 202), (158, 432, 214, 206), (164, 452, 215, 206),
            (184, 1150, 228, 200), (214, 1150, 236, 180), (235, 1060, 236, 190), (257, 356, 226, 192), (268, 318, 226, 196),
            (300, 312, 236, 246),
        ]),
        head=Curve([
            (0, 0, 0, 0), (16, 10, 0.7, 0), (36, -11, -0.7, 0.3), (54, 8, 0.3, -0.4), (72, -4, -0.7, 0), (92, 3, 0.4, 0),
            (112, 4, 0.5, 0.3), (136, -5, -0.4, 0), (158, 2, -0.5, 0), (180, 0, 0.3, 0), (250, -4, -0.4, 0), (268, 5, 0.3, 0.3),
            (284, -4, 0.2, -0.2), (300, 1, 0, 0.1),
        ], rounding=5),
    )  # fmt: skip
    return [third, second, first]


@dataclass(frozen=True)
class Lights:
    """How light and camera change over the film."""

    window: Curve
    """Light through the window, as a factor: clouds pass."""
    left_shade: Curve
    """How far the light at the left is covered, 0 to 1."""
    exposure: Curve
    """The camera's automatic exposure, as a factor; it lags behind the light."""


def lights() -> Lights:
    """The light of the film."""
    return Lights(
        window=Curve([(0, 1.0), (60, 1.04), (110, 0.96), (180, 1.0), (204, 0.74), (222, 1.10), (240, 0.98), (300, 1.02)], 5),
        left_shade=Curve([(0, 0), (248, 0), (268, 0.85), (280, 0.85), (296, 0.12), (300, 0.1)]),
        exposure=Curve([
            (0, 0.97), (40, 1.02), (100, 0.98), (150, 1.02), (196, 1), (212, 1.07), (232, 0.97), (270, 1.06), (300, 1),
        ]),
    )  # fmt: skip


def render(actors: list[Actor], light: Lights, room: np.ndarray, from_window: np.ndarray, frame: float) -> np.ndarray:
    """What a noiseless camera sees at one moment in frames: (HEIGHT, WIDTH, 3) float32."""
    columns = np.linspace(0, 1, WIDTH, dtype=np.float32)[None, :, None]
    (window,) = light.window(frame)
    (left_shade,) = light.left_shade(frame)
    angle, zoom = sway(frame, (0.25, 4.7, 0.1), (0.1, 1.9, 0.4)), 1.0 + sway(frame, (0.004, 5.3, 0.2))
    shake_x = sway(frame, (3.2, 4.1, 0.0), (1.4, 1.7, 0.3), (0.4, 0.53, 0.1))
    shake_y = sway(frame, (2.4, 3.6, 0.6), (1.0, 1.4, 0.2), (0.3, 0.47, 0.7))
    matrix = cv2.getRotationMatrix2D((WIDTH / 2 + MARGIN, HEIGHT / 2 + MARGIN), angle, zoom)
    matrix[:, 2] += shake_x - MARGIN, shake_y - MARGIN
    lit = room + (window - 1.0) * from_window
    picture = cv2.warpAffine(lit, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    picture *= 1.0 - 0.35 * left_shade * smoothstep(0.95, 0.05, columns).astype(np.float32)
    for actor in actors:
        pose = actor.pose(frame)
        if not visible(pose):
            continue
        # The camera's shake moves near things nearly as much as the far wall.
        pose = Pose(pose.x + 0.8 * shake_x, pose.y + 0.8 * shake_y, pose.size, pose.lean + angle, pose.tilt, pose.yaw, pose.nod)
        x, y = sources(actor.cut, pose)
        alpha = cv2.remap(actor.cut.alpha, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        colour = cv2.remap(actor.cut.colour, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        # A person takes some light away from whatever is behind: a soft shadow around the outline.
        small = cv2.resize(alpha, (WIDTH // 8, HEIGHT // 8), interpolation=cv2.INTER_AREA)
        shade = cv2.resize(cv2.GaussianBlur(small, None, 4.0), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        picture *= 1.0 - 0.22 * shade[..., None]
        # Side light: the window stands at the left, so cheeks turned to it are brighter, and go dark when it is covered.
        side = np.clip((np.arange(WIDTH, dtype=np.float32) - pose.x) / (1.1 * pose.size), -1.0, 1.0)[None, :, None]
        gain = 1.0 - side * np.float32((0.045, 0.04, 0.03)) * (0.5 + 0.5 * window)
        gain *= 1.0 - left_shade * (0.16 + 0.30 * smoothstep(0.7, -0.7, side).astype(np.float32))
        gain *= 0.90 + 0.10 * window
        picture += alpha[..., None] * (np.minimum(colour * gain, 250.0) - picture)
    return picture


def exposures(actors: list[Actor], frame: int) -> np.ndarray:
    """Moments, in frames, at which the light of one frame is gathered; more of them when a person moves faster."""
    speed = 0.0
    for actor in actors:
        now, then = actor.pose(frame), actor.pose(frame + SHUTTER)
        if visible(now):
            speed = max(speed, float(np.hypot(then.x - now.x, then.y - now.y)))
    count = int(np.clip(np.ceil(speed / 1.8), 1, 7))
    return frame + SHUTTER * (np.arange(count) + 0.5) / count


def film(actors: list[Actor], seed: int) -> Iterator[np.ndarray]:
    """The finished frames, each (HEIGHT, WIDTH, 3) uint8."""
    rng = np.random.default_rng(seed)
    room, from_window = draw_room(rng)
    light = lights()
    columns, rows = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    vignette = (1.0 - 0.15 * smoothstep(0.35, 2.0, columns**2 + rows**2))[..., None].astype(np.float32)
    noise = rng.normal(0.0, 1.0, (HEIGHT, WIDTH)).astype(np.float32)
    for frame in range(FRAMES):
        moments = exposures(actors, frame)
        picture = sum(render(actors, light, room, from_window, moment) for moment in moments) / len(moments)
        (gain,) = light.exposure(frame)
        warmth = sway(frame, (0.008, 6.3, 0.0))
        picture = picture * vignette * np.float32((gain * (1 - warmth), gain, gain * (1 + warmth)))
        # A cheap lens, then the sensor: part of the noise stays from frame to frame, as a webcam's noise filter leaves it.
        picture = cv2.GaussianBlur(picture, None, 0.6)
        noise = 0.6 * noise + 0.8 * rng.normal(0.0, 1.0, noise.shape).astype(np.float32)
        sigma = 2.6 - 0.8 * picture.mean(axis=2) / 255
        picture = 6.0 + picture * (246.0 / 255) + (sigma * noise)[..., None]
        yield np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def encode(frames: Iterator[np.ndarray], target: Path, crf: float) -> None:
    """Writes frames (HEIGHT, WIDTH, 3) uint8 as H.264 (yuv420p, fixed rate, index first). One thread makes every run give the same file."""
    with av.open(str(target), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "slow", "threads": "1", "flags": "+bitexact", "g": "90"}
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


# -------------------------------------------------------------------------------------------------------------- sources


def load_sources(sdist: Path | None) -> dict[str, np.ndarray]:
    """Gets the source portraits: three from the source package of face_recognition 1.3.0, one from scikit-image.

    Args:
        sdist: the source package (.tar.gz), or None to have pip download it.

    Returns:
        (h, w, 3) uint8 pictures by file name.
    """
    from skimage import data

    pictures = {"astronaut.jpg": np.ascontiguousarray(data.astronaut()[..., ::-1])}
    with tempfile.TemporaryDirectory() as folder:
        if sdist is None:
            package = "face_recognition==1.3.0"
            options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder]
            subprocess.run([sys.executable, "-m", "pip", "download", *options, package], check=True)
            sdist = next(Path(folder).glob("*.tar.gz"))
        with tarfile.open(sdist) as archive:
            for name in ("obama.jpg", "obama2.jpg", "biden.jpg"):
                member = archive.extractfile(f"face_recognition-1.3.0/tests/test_images/{name}")
                pictures[name] = cv2.imdecode(np.frombuffer(member.read(), np.uint8), cv2.IMREAD_COLOR)
    return pictures


def write_portraits(pictures: dict[str, np.ndarray], folder: Path) -> None:
    """Writes small copies of the source portraits for tests; one is cropped, not shrunk: its face is small already."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        if name == SECOND.file:
            small = picture[:SHORT_SIDE, 30 : 30 + SHORT_SIDE]
        else:
            scale = SHORT_SIDE / min(picture.shape[:2])
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            small = small[: SHORT_SIDE * 3 // 2]
        cv2.imwrite(str(folder / name), small, [cv2.IMWRITE_JPEG_QUALITY, 88])


def main() -> None:
    """Reads the command line and writes the film or the test pictures."""
    parser = argparse.ArgumentParser(description="Makes the demo film, or the small test pictures.")
    parser.add_argument("--sdist", type=Path, help="source package face_recognition-1.3.0.tar.gz (default: pip downloads it)")
    parser.add_argument("--out", type=Path, default=DEMO, help="film to write")
    parser.add_argument("--portraits", type=Path, help="write the small test pictures into this folder instead of the film")
    parser.add_argument("--crf", type=float, default=21.0, help="x264 quality; larger is smaller and worse")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    pictures = load_sources(args.sdist)
    if args.portraits:
        write_portraits(pictures, args.portraits)
        return
    actors = cast({portrait.file: cut_out(pictures[portrait.file], portrait) for portrait in (FIRST, SECOND, THIRD)})
    encode(film(actors, args.seed), args.out, args.crf)


if __name__ == "__main__":
    main()
