"""Transfers an expression to a neutral face: moves its points and changes its shading, as both change on the average face.

What changes is measured on the training faces themselves: the mean place of each point of the mesh, and the mean shading of faces whose
points were brought to the same places, each minus that of neutral faces (an active appearance model without its components; Cootes,
Edwards and Taylor 2001). Between the points a thin-plate spline is smooth (Bookstein 1989).

All places are in pixels of the framed chip, (x, y).
"""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Change:
    """What an expression changes on the average face.

    Attributes:
        points: (468, 2) how each point of the mesh moves.
        shading: (64, 64) what is added to a face whose points lie at `Average.points`, in standard deviations of its gray levels.
    """

    points: np.ndarray
    shading: np.ndarray


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


def mean_shading(chips: np.ndarray, points: np.ndarray, average: np.ndarray, centres: np.ndarray, most: int = 700) -> np.ndarray:
    """(64, 64): the mean of the first `most` chips (n, 64, 64), each with mean 0 and standard deviation 1.

    Before, their points (n, 468, 2) are brought to those of the average face (468, 2), by splines through `centres`.
    """
    faces = torch.from_numpy(chips[:most, None]).float()
    towards = torch.from_numpy(average[centres]).float().expand(len(faces), -1, -1)
    faces = reshaped(faces, torch.from_numpy(points[:most][:, centres]).float(), towards)
    faces = (faces - faces.mean((2, 3), keepdim=True)) / faces.std((2, 3), keepdim=True).clamp(min=1)
    return faces.mean(0)[0].numpy()


def average_face(chips: np.ndarray, points: np.ndarray) -> Average:
    """The average of neutral chips (n, 64, 64) with points (n, 468, 2), made symmetric."""
    mean = points.mean(0)
    mirrored = mirrored_points(mean)
    mean = (mean + mean[mirrored] * [-1, 1] + [CHIP - 1, 0]) / 2
    centres = chosen_points(mean)
    return Average(mean, mean_shading(chips, points, mean, centres), centres, mirrored)


def measured_change(chips: np.ndarray, points: np.ndarray, average: Average) -> Change:
    """What the expression of these chips (n, 64, 64) with points (n, 468, 2) changes on the average face, made symmetric."""
    moved = points.mean(0) - average.points
    shading = mean_shading(chips, points, average.points, average.centres) - average.shading
    return Change((moved + moved[average.mirrored] * [-1, 1]) / 2, (shading + shading[:, ::-1]) / 2)
