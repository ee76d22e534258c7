"""Measures `realtime.faces.pose`, and fits the head that it assumes.

    python tests/benchmarks/pose.py ../shared/data/posed ../shared/data/faces_wild > tests/benchmarks/pose.txt

Four parts: synthetic heads with noise; the posed faces by what was asked of them; the head of `realtime.faces.pose`, fitted to faces_wild;
errors on faces_wild and the posed faces against reference poses; and how "turned" compares with the yaw.

The reference is MediaPipe's face mesh, another network with 468 points. `pose_mesh.py` runs it in a venv of its own, which the first run
makes. From 30 of its points that hardly move with the expression one rigid head is fitted to all pictures at once under weak perspective,
and with it a rotation for each picture. It is an estimate too, not the truth: what both get wrong in the same way does not show.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.datasets import read_table
from models.pictures import central_box, point_predictor, read_gray
from realtime.config import DetectorSettings, QualitySettings
from realtime.expression.quality import turn
from realtime.faces.pose import DOWN, FRONT, head_pose

MEDIAPIPE = "mediapipe==0.10.14"
SIDE, EYES = 256, 57
"""Side of the square that the mesh sees, and the distance between the eyes in it, in px."""
PAIRS = ((33, 263), (133, 362), (129, 358), (98, 327), (70, 300), (105, 334), (55, 285), (127, 356), (234, 454), (116, 345), (123, 352))
MIDDLE = (2, 1, 6, 168, 10, 9, 4, 5)
"""Points of the mesh, in pairs of both sides and on the middle line: corners of the eyes, brows, nose, temples, cheeks, forehead."""
RIGID = [left for left, _ in PAIRS] + [right for _, right in PAIRS] + list(MIDDLE)
SWAPPED = [*range(len(PAIRS), 2 * len(PAIRS)), *range(len(PAIRS)), *range(2 * len(PAIRS), len(RIGID))]
CORNERS = np.array([[0.697, -0.006, 0.042], [0.303, 0.006, -0.042], [-0.697, -0.006, 0.042], [-0.303, 0.006, -0.042]])
"""The corners of the eyes in the fitted head, in eye distances: to the right, down, away from the camera."""
FITTED_YAW = 35
"""Up to so many degrees the five points follow the head."""


@dataclass(frozen=True)
class Face:
    """A face of a data set: its five points (5, 2), the 256x256 px around it, and set and pose where the data set names them."""

    points: np.ndarray
    surroundings: np.ndarray
    group: str


def rotations(yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """(n, 3, 3) matrices that nod and then turn heads by (n,) radians, in the signs of `realtime.faces.pose`; axes right, down, away."""
    sine, cosine, one, zero = np.sin, np.cos, np.ones_like(yaw), np.zeros_like(yaw)
    turned = np.array([[cosine(yaw), zero, -sine(yaw)], [zero, one, zero], [sine(yaw), zero, cosine(yaw)]])
    nodded = np.array([[one, zero, zero], [zero, cosine(pitch), sine(pitch)], [zero, -sine(pitch), cosine(pitch)]])
    return np.einsum("ijn,jkn->nik", turned, nodded)


def poses_of(points: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll in degrees (n, 3) of points (n, 5, 2)."""
    return np.array([head_pose(each)[:3] for each in points])


def print_synthetic(n: int = 2000) -> None:
    """Heads of the assumed shape, with a noise of 2 % of the eyes' distance on each coordinate."""
    head, draw = np.vstack([CORNERS, [0, DOWN, -FRONT]]), np.random.default_rng(0)
    print(f"synthetic heads, {n} each, noise of 2 % of the eyes' distance in each coordinate; root mean square errors in degrees")
    print("  yaw  pitch   error of yaw  of pitch  of roll   mean yaw, mean pitch")
    for yaw, pitch in ((0, 0), (15, 0), (30, 0), (45, 0), (60, 0), (0, -20), (0, -10), (0, 10), (0, 20), (30, -10), (30, 10), (30, 20)):
        rotation = rotations(np.radians([yaw]), np.radians([pitch]))[0]
        found = poses_of((head @ rotation.T)[:, :2] + draw.normal(0, 0.02, (n, 5, 2)))
        errors = np.sqrt(((found - (yaw, pitch, 0)) ** 2).mean(0))
        print(
            f"{yaw:5} {pitch:6} {errors[0]:12.1f} {errors[1]:11.1f} {errors[2]:8.1f} {found[:, 0].mean():10.1f} {found[:, 1].mean():10.1f}"
        )


def faces_of(folder: Path) -> list[Face]:
    """The most central face of each picture that a data set lists, found as `models.datasets` finds them."""
    faces = []
    for place, row in read_table(folder / "labels.csv", ("image",)):
        gray = read_gray(folder / row["image"], place)
        box = central_box(gray)
        if box is None and "pose" in row:
            box = central_box(gray, DetectorSettings.enlarge)
        if box is not None:
            points = point_predictor().points(gray, box)
            group = f"{row['set']}, {row['pose']}" if "pose" in row else ""
            faces.append(Face(points, cut_surroundings(gray, points), group))
    return faces


def cut_surroundings(gray: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The square around a face, for the mesh. In profile the eyes are near each other, so the nose's distance gives the scale too."""
    eyes = np.hypot(*(points[:2].mean(0) - points[2:4].mean(0)))
    scale = EYES / max(eyes, 1.2 * np.hypot(*(points[4] - points[:4].mean(0))))
    x, y = SIDE / 2 - scale * points.mean(0)
    matrix = np.array([[scale, 0, x], [0, scale, y]])
    return cv2.warpAffine(gray, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def mesh_of(faces: list[Face], venv: Path) -> np.ndarray:
    """The mesh of each face (n, 468, 3): right, down, away, in px; NaN where MediaPipe finds no face."""
    python, marker = venv / "bin" / "python", venv / "complete"
    if not marker.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", MEDIAPIPE], check=True)
        marker.touch()
    with tempfile.TemporaryDirectory() as folder:
        pictures, mesh = Path(folder) / "pictures.npy", Path(folder) / "mesh.npy"
        np.save(pictures, np.stack([face.surroundings for face in faces]))
        subprocess.run([python, Path(__file__).with_name("pose_mesh.py"), pictures, mesh], check=True, stderr=subprocess.DEVNULL)
        return np.load(mesh).astype(float)


def fit_rotations(seen: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales (n,) and rotations (n, 3, 3) that bring a head (k, 3) nearest to what is seen of it (n, k, 2), and the residuals (n, k, 2).

    Weak perspective; Gauss-Newton from the nearest rotation to the best linear map.
    """
    rows, lengths, columns = np.linalg.svd(np.einsum("ik,nkj->nji", np.linalg.pinv(head), seen), full_matrices=False)
    first, scales = rows @ columns, lengths.mean(1)
    turns = np.concatenate([first, np.cross(first[:, 0], first[:, 1])[:, None]], 1)
    for _ in range(12):
        placed = np.einsum("nij,kj->nki", turns, head)
        x, y, z = np.moveaxis(scales[:, None, None] * placed, 2, 0)
        zero = np.zeros_like(x)
        # Derivatives by the scale and by small rotations about the three axes.
        by_x, by_y = np.stack([placed[..., 0], zero, z, -y], 2), np.stack([placed[..., 1], -z, zero, x], 2)
        by = np.stack([by_x, by_y], 2).reshape(len(x), -1, 4)
        missing = (seen - np.stack([x, y], 2)).reshape(len(x), -1, 1)
        step = np.linalg.solve(by.transpose(0, 2, 1) @ by, by.transpose(0, 2, 1) @ missing)[..., 0]
        scales = scales + step[:, 0]
        turns = np.stack([cv2.Rodrigues(vector)[0] for vector in step[:, 1:]]) @ turns
    return scales, turns, seen - scales[:, None, None] * np.einsum("nij,kj->nki", turns, head)[..., :2]


def reference_poses(mesh: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll in degrees (n, 3) of all meshes, from one rigid head that is fitted to them all; NaN without a mesh."""
    found = np.isfinite(mesh[:, 0, 0])
    solid = mesh[found][:, RIGID] - mesh[found][:, RIGID].mean(1, keepdims=True)
    solid /= np.sqrt((solid[..., :2] ** 2).sum((1, 2)))[:, None, None]
    seen, head = solid[..., :2], symmetric(solid.mean(0))
    for _ in range(40):
        scales, turns, residuals = fit_rotations(seen, head)
        # The worst twentieth of the meshes does not shape the head.
        size = (residuals**2).mean((1, 2))
        good = size < np.quantile(size, 0.95)
        maps = (scales[:, None, None] * turns[:, :2])[good].reshape(-1, 3)
        head = symmetric(np.linalg.lstsq(maps, seen[good].transpose(0, 2, 1).reshape(len(maps), -1), rcond=None)[0].T)
    _, turns, residuals = fit_rotations(seen, head)
    error = relative_error(residuals, head)
    print(f"reference: {found.sum()} of {len(found)} meshes, whose points are {error:.1%} of the eyes' distance off the rigid head")
    poses = np.full((len(mesh), 3), np.nan)
    # The angles of a lean after the `rotations`: a lean leaves the last row as it is.
    poses[found, 0] = np.arcsin(turns[:, 2, 0].clip(-1, 1))
    poses[found, 1] = np.arctan2(-turns[:, 2, 1], turns[:, 2, 2])
    poses[found, 2] = np.arctan2(turns[:, 1, 0], turns[:, 0, 0])
    return np.degrees(poses)


def symmetric(head: np.ndarray) -> np.ndarray:
    """The symmetric head (k, 3) of unit size nearest to this one, around its middle."""
    head = (head + head[SWAPPED] * (-1, 1, 1)) / 2
    head = head - head.mean(0)
    return head / np.sqrt((head[:, :2] ** 2).sum())


def relative_error(residuals: np.ndarray, head: np.ndarray) -> float:
    """Root mean square of the residuals in eye distances of the head."""
    at = [RIGID.index(point) for point in (33, 133, 362, 263)]
    return float(np.sqrt((residuals**2).mean()) / np.linalg.norm(head[at[:2]].mean(0) - head[at[2:]].mean(0)))


def print_head(points: np.ndarray, reference: np.ndarray) -> None:
    """Fits the five points (n, 5, 2) in eye distances, by least squares with the rotations of the reference."""
    use = np.abs(reference[:, 0]) < FITTED_YAW
    yaw, pitch, _ = np.radians(reference[use]).T
    z = points[use] @ (1, 1j)
    eyes = (z[:, 0] + z[:, 1] - z[:, 2] - z[:, 3]) / 2
    # Upright, and in the eyes' distance as it would be from the front.
    upright = (z - z[:, :4].mean(1)[:, None]) / eyes[:, None] * np.cos(yaw)[:, None]
    maps = rotations(yaw, pitch)[:, :2].reshape(-1, 3)
    seen = np.stack([upright.real, upright.imag], 1).reshape(len(maps), -1)
    head = np.linalg.lstsq(maps, seen, rcond=None)[0]
    spread = (seen - maps @ head).reshape(-1, 2, 5).std(0)
    print(
        f"head of {use.sum()} faces of faces_wild (right, down, away from the camera, in eye distances), and the spread of right and down"
    )
    for name, place, across in zip(("outer, right", "inner, right", "outer, left", "inner, left", "nose"), head.T, spread.T, strict=True):
        print(f"  {name:12} {place[0]:7.3f} {place[1]:7.3f} {place[2]:7.3f}   {across[0]:.3f} {across[1]:.3f}")
    print(f"  spread of the pitch in these photos: {np.degrees(pitch).std():.1f} degrees")


def print_posed(found: np.ndarray, reference: np.ndarray, groups: np.ndarray) -> None:
    print("posed faces: mean and spread in degrees, and those of the reference")
    for group in dict.fromkeys(groups):
        at = groups == group
        row = [f"{np.nanmean(each[at, i]):6.1f} +- {np.nanstd(each[at, i]):4.1f}" for i in (0, 1) for each in (found, reference)]
        print(f"  {group:16} n {at.sum():4}   yaw {row[0]} ({row[1]})   pitch {row[2]} ({row[3]})")


def print_errors(found: np.ndarray, reference: np.ndarray) -> None:
    print("photos of faces_wild against the reference: yaw of the reference, n; median error / root mean square error, in degrees")
    for low, high in ((0, 15), (15, 25), (25, 35), (35, 90)):
        at = (np.abs(reference[:, 0]) >= low) & (np.abs(reference[:, 0]) < high)
        errors = (found - reference)[at]
        short = -(errors[:, 0] * np.sign(reference[at, 0])).mean()
        middle, mean = np.median(np.abs(errors), axis=0), np.sqrt((errors**2).mean(0))
        text = ", ".join(f"{name} {middle[i]:.1f} / {mean[i]:.1f}" for i, name in enumerate(("yaw", "pitch", "roll")))
        print(f"  {low} to {high}: n {at.sum():4}   {text}; the yaw is too small by {short:.1f} in the mean")


def print_turned(points: np.ndarray, found: np.ndarray, reference: np.ndarray) -> None:
    """What the doubt "turned" and a limit on the yaw that names as many faces find of the faces that the reference says are turned."""
    known = np.isfinite(reference[:, 0])
    aside, yaw, truth = np.abs([turn(each) for each in points[known]]), np.abs(found[known, 0]), np.abs(reference[known, 0])
    limit = QualitySettings.turned
    named = int((aside >= limit).sum())
    same = np.sort(yaw)[-named]
    print(f'"turned" (nose {limit} eye distances aside) names {named} of {known.sum()} faces, as many as yaw >= {same:.0f}; of them turned')
    for degrees in (25, 30, 35):
        turned = truth > degrees
        print(f"  by more than {degrees}: {(turned & (aside >= limit)).sum()} and {(turned & (yaw >= same)).sum()}, of {turned.sum()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posed", type=Path, help="the folder of the posed faces")
    parser.add_argument("wild", type=Path, help="the folder of faces_wild")
    parser.add_argument(
        "--venv", type=Path, default=Path(tempfile.gettempdir()) / "pose-mediapipe", help="where MediaPipe's venv is or goes"
    )
    args = parser.parse_args()
    print_synthetic()
    posed, wild = faces_of(args.posed), faces_of(args.wild)
    points, groups = np.stack([face.points for face in posed + wild]), np.array([face.group for face in posed + wild])
    reference, found, is_wild = reference_poses(mesh_of(posed + wild, args.venv)), poses_of(points), groups == ""
    reference[:, 1] -= np.nanmedian(reference[is_wild, 1])
    print_head(points[is_wild], reference[is_wild])
    print_posed(found[~is_wild], reference[~is_wild], groups[~is_wild])
    print_errors(found[is_wild], reference[is_wild])
    print_turned(points, found, reference)


if __name__ == "__main__":
    main()
