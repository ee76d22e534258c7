"""Transfers an expression to a neutral face: moves its points and changes its shading, as both change on the average face.

What changes is measured on the training faces themselves: the place of each point of the mesh, and the shading of faces whose points were
brought to the same places, each minus that of the average neutral face (as in an active appearance model; Cootes, Edwards and Taylor
2001). Of that, what neutral faces of different people have too is filtered out. Between the points a thin-plate spline is smooth (Bookstein
1989).

All places are in pixels of the framed chip, (x, y).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.values import CHIP

STIFFNESS = 5.0
"""How far a spline may miss its centres, to stay smooth where points lie close together."""

FIXED = ((-6, -6), (32, -6), (70, -6), (-6, 20), (70, 20), (-6, 45), (70, 45), (-6, 70), (32, 74), (70, 70))
"""Places around the face that never move."""

CONTOURS = (
    *(33, 133, 159, 145, 263, 362, 386, 374),  # eyes
    *(70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285),  # brows
    *(61, 291, 0, 17, 13, 14, 37, 267, 84, 314, 40, 270, 91, 321, 39, 269, 181, 405, 78, 308),  # lips
    *(1, 2, 98, 327, 168, 6, 197, 195, 5, 4, 152, 234, 454, 10, 50, 280, 205, 425, 9, 8),  # nose, jaw, cheeks and forehead
)
"""Points of the mesh at what an expression moves."""

CENTRES = 100
"""How many points of the mesh a spline goes through."""

PART = 100
"""How many faces are reshaped at once."""

ALIKE = 3
"""How many faces that look alike make one way to show an expression."""

DIRECTIONS, RIDGE = 80, 1e-3
"""In how many main directions faces are compared, and what is added to the spread of neutral faces there, in parts of its mean."""

MOST = 1200
"""Of how many faces an expression is measured at most: the distances between all of them are computed."""

SMOOTH = 8.0
"""Shading that changes more slowly than this (standard deviation in pixels) is light or skin, and is left out."""

OVAL, EDGE = ((31.5, 31.5), (24.0, 31.0)), 14.0
"""Middle and half axes of the oval within which the shading counts, and how steeply it ends: the mesh's outline on the average face."""


@dataclass(frozen=True)
class Ways:
    """The ways in which an expression is shown on the average face, one for each of the `n` faces that showed it. Faint ones are made
    stronger, strong ones fainter.

    Attributes:
        points: (n, 100, 2) how each centre moves.
        shading: (n, 64, 64) what is added to a face whose points lie at `Average.points`, in standard deviations of its gray levels.
    """

    points: np.ndarray
    shading: np.ndarray


@dataclass(frozen=True)
class Looks:
    """How faces differ from the average neutral face.

    Attributes:
        points: (n, 100, 2) where each centre lies beside that of the average face, without what comes from the head's pose.
        shading: (n, 64, 64) the shading on the average face, in standard deviations of the face's gray levels.
    """

    points: np.ndarray
    shading: np.ndarray

    def numbers(self, units: tuple[float, float]) -> np.ndarray:
        """(n, 200 + 4096): both in these units, a row a face."""
        return np.concatenate([_flat(self.points) / units[0], _flat(self.shading) / units[1]], 1)


@dataclass(frozen=True)
class Filter:
    """What is kept of how a face differs from neutral ones; k = 200 + 4096 numbers a face, d main directions.

    Attributes:
        units: of points and of shading, by which the two are divided.
        middle: (k,) the mean of neutral faces.
        main: (d, k) the main directions, of length 1 and at right angles.
        shares: (d, d) what remains of a face's place in them.
    """

    units: tuple[float, float]
    middle: np.ndarray
    main: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class Average:
    """The average neutral face.

    Attributes:
        points: (468, 2).
        shading: (64, 64), gray levels with mean 0 and standard deviation 1.
        centres: (100,) the points that splines go through.
        mirrored: (468,) the number of each point on the other side of the face.
    """

    points: np.ndarray
    shading: np.ndarray
    centres: np.ndarray
    mirrored: np.ndarray


def chosen_points(points: np.ndarray) -> np.ndarray:
    """(100,) numbers of points: those of `CONTOURS`, then one by one the point farthest from all chosen ones."""
    chosen = list(CONTOURS)
    distance = np.linalg.norm(points[:, None] - points[None, chosen], axis=2).min(1)
    while len(chosen) < CENTRES:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)


def mirrored_points(points: np.ndarray) -> np.ndarray:
    """(468,) for each point the one that lies nearest to its mirror image."""
    mirror = points * [-1, 1] + [CHIP - 1, 0]
    return np.linalg.norm(mirror[:, None] - points[None], axis=2).argmin(1)


def thin_plate(centres: Tensor, values: Tensor, places: Tensor) -> Tensor:
    """The values (n, m, 2) at places (n, m, 2) of n thin-plate splines through values (n, k, 2) at centres (n, k, 2)."""
    n, k, _ = centres.shape
    linear = torch.cat([torch.ones(n, k, 1), centres], 2)
    system = torch.zeros(n, k + 3, k + 3, dtype=torch.double)
    system[:, :k, :k] = _bending(centres, centres) + STIFFNESS * torch.eye(k)
    system[:, :k, k:], system[:, k:, :k] = linear, linear.mT
    weights = torch.linalg.solve(system, F.pad(values, (0, 0, 0, 3)).double()).float()
    return torch.cat([_bending(places, centres), torch.ones(n, places.shape[1], 1), places], 2) @ weights


def _bending(places: Tensor, centres: Tensor) -> Tensor:
    """(n, m, k): r^2 log r of the distances r between places (n, m, 2) and centres (n, k, 2)."""
    squared = ((places[:, :, None] - centres[:, None]) ** 2).sum(3)
    return squared * torch.log(squared + 1e-6) / 2


def displacements(points: Tensor, moved: Tensor, places: Tensor) -> Tensor:
    """(n, m, 2): how far from each place its pixel is fetched, so that what lies at `points` (n, k, 2) comes to `moved` (n, k, 2)."""
    fixed = torch.tensor(FIXED, dtype=torch.float32).expand(len(points), -1, -1)
    values = torch.cat([points - moved, torch.zeros_like(fixed)], 1)
    return thin_plate(torch.cat([moved, fixed], 1), values, places)


def pixel_places(n: int) -> Tensor:
    """(n, 64 * 64, 2): the place of each pixel of a chip, row by row."""
    axis = torch.arange(CHIP, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], 2).reshape(1, -1, 2).expand(n, -1, -1)


def reshaped(chips: Tensor, points: Tensor, moved: Tensor) -> Tensor:
    """Chips (n, 1, 64, 64) in which what lies at `points` (n, k, 2) comes to `moved` (n, k, 2)."""
    places = pixel_places(len(chips))
    fetched = places + displacements(points, moved, places)
    grid = ((fetched + 0.5) * (2 / CHIP) - 1).reshape(-1, CHIP, CHIP, 2)
    return F.grid_sample(chips, grid, mode="bilinear", padding_mode="border", align_corners=False)


def shadings(chips: np.ndarray, points: np.ndarray, average: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n, 64, 64) float32: chips (n, 64, 64), each with mean 0 and standard deviation 1.

    Before, their points (n, 468, 2) are brought to those of the average face (468, 2), by splines through `centres`.
    """
    towards, seen = torch.from_numpy(average[centres]).float(), []
    for part in np.array_split(np.arange(len(chips)), -(-len(chips) // PART)):
        faces, places = torch.from_numpy(chips[part, None]).float(), torch.from_numpy(points[part][:, centres]).float()
        faces = reshaped(faces, places, towards.expand_as(places))
        seen.append((faces - faces.mean((2, 3), keepdim=True)) / faces.std((2, 3), keepdim=True).clamp(min=1))
    return torch.cat(seen)[:, 0].numpy()


def average_face(chips: np.ndarray, points: np.ndarray, most: int = 700) -> Average:
    """The average of neutral chips (n, 64, 64) with points (n, 468, 2), made symmetric; the shading is that of the first `most`."""
    mean = points.mean(0)
    mirrored = mirrored_points(mean)
    mean = (mean + mean[mirrored] * [-1, 1] + [CHIP - 1, 0]) / 2
    centres = chosen_points(mean)
    return Average(mean, shadings(chips[:most], points[:most], mean, centres).mean(0), centres, mirrored)


def looks_of(chips: np.ndarray, points: np.ndarray, average: Average, poses: np.ndarray) -> Looks:
    """How faces differ from the average neutral face, but for their pose, their light and what is around them.

    Args:
        chips: (n, 64, 64).
        points: (n, 468, 2).
        average: the average neutral face.
        poses: (k, 100, 2) the main ways in which the centres of neutral faces differ. They are left out: who is sad often looks down, but
            who looks down is not sad.
    """
    moved = points - average.points
    moved = ((moved + moved[:, average.mirrored] * [-1, 1]) / 2)[:, average.centres].reshape(len(points), -1)
    basis, _ = np.linalg.qr(poses.reshape(len(poses), -1).T)
    moved -= moved @ basis @ basis.T
    shading = shadings(chips, points, average.points, average.centres) - average.shading
    shading = (shading + shading[:, :, ::-1]) / 2
    shading = np.stack([face - cv2.GaussianBlur(face, (0, 0), SMOOTH) for face in shading]) * within_oval()
    return Looks(moved.reshape(len(moved), -1, 2), shading)


def filter_of(shown: Looks, neutral: Looks) -> Filter:
    """What tells the faces that show an expression from neutral ones (a Wiener filter).

    People differ when they show nothing, too. In units of the differences between neutral faces, a direction in which the faces lie no
    further from the middle than chance allows is left out; of another, the share that is more than chance remains. What chance allows is
    the largest eigenvalue of noise (Marchenko and Pastur 1967).
    """
    units = _size(_flat(neutral.points)), _size(_flat(neutral.shading))
    between = neutral.numbers(units)
    middle = between.mean(0)
    between, seen = between - middle, shown.numbers(units) - middle
    main = np.linalg.svd(np.concatenate([between[:MOST], seen]), full_matrices=False)[2][: min(DIRECTIONS, len(between) // 4)]
    spread = np.cov(between @ main.T, rowvar=False)
    people = np.linalg.cholesky(spread + RIDGE * np.trace(spread) / len(main) * np.eye(len(main)))
    inside = np.linalg.solve(people, main @ seen.T)
    sizes, axes = np.linalg.eigh(inside @ inside.T / len(seen))
    kept = np.clip(1 - (1 + math.sqrt(len(main) / len(seen))) ** 2 / np.maximum(sizes, 1e-9), 0, 1)
    return Filter(units, middle, main, people @ (axes * kept) @ axes.T @ np.linalg.inv(people))


def measured_ways(shown: Looks, kept: Filter) -> Ways:
    """The ways in which an expression is shown: what a filter keeps of faces, each the mean of a few that look alike then."""
    inside = (shown.numbers(kept.units) - kept.middle) @ kept.main.T @ kept.shares.T
    squared = (inside**2).sum(1)
    nearest = np.argsort(squared[:, None] + squared - 2 * inside @ inside.T, 1)[:, :ALIKE]
    ways = np.stack([inside[group].mean(0) for group in nearest]) @ kept.main
    lengths = np.linalg.norm(ways, axis=1, keepdims=True)
    ways *= np.sqrt(np.median(lengths) / np.maximum(lengths, 1e-9))
    moved, shading = np.split(ways, [2 * CENTRES], 1)
    return Ways((moved * kept.units[0]).reshape(-1, CENTRES, 2), (shading * kept.units[1]).reshape(-1, CHIP, CHIP))


def within_oval() -> np.ndarray:
    """(64, 64): 1 within the face, 0 around it."""
    (middle_x, middle_y), (half_x, half_y) = OVAL
    y, x = np.mgrid[:CHIP, :CHIP]
    return 1 / (1 + np.exp((np.hypot((x - middle_x) / half_x, (y - middle_y) / half_y) - 1) * EDGE))


def _flat(values: np.ndarray) -> np.ndarray:
    """(n, ...) -> (n, k)."""
    return values.reshape(len(values), -1)


def _size(values: np.ndarray) -> float:
    """The root mean square length of vectors (n, k)."""
    return max(float(np.sqrt((values**2).sum(1).mean())), 1e-9)
