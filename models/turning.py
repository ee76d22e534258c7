"""Turns the head of a photo in depth: its face mesh with a texture is drawn from another side, and what is around it moves with it.

As in face profiling (Zhu, Lei, Liu, Shi and Li, CVPR 2016): around the mesh lie two rings of points, the first on the head, the second
half moved; the picture's border stays. Triangles are drawn from the farthest to the nearest, so a nose hides the cheek behind it. What the
head hid in the photo cannot be known: the skin beside it is stretched.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from models.face_mesh import CHIN, FOREHEAD, LEFT_CHEEK, RIGHT_CHEEK

FIVE = [263, 362, 33, 133, 2]
"""The points of the mesh that are nearest to the five points of `realtime.faces.landmarks`."""

RINGS = ((1.25, 0.3, 1.0), (1.9, 0.9, 0.5))
"""Of both rings: how far out, in parts of the way from the middle to the edge of the mesh; how far behind that edge, in distances between
the cheeks; and what part of the head's movement they follow."""

BEHIND = 3.0
"""How far behind the head the picture's border lies, in distances between the cheeks."""

BORDER = 6
"""Points along each side of the picture."""

SHIFT = 4
"""Binary digits after the point in the corners of a triangle that is drawn."""


class Head(NamedTuple):
    """A face in a picture.

    Attributes:
        mesh: (468, 3) its points with depths, in px.
        width: of the box around its five points when it looks ahead, in px.
    """

    mesh: np.ndarray
    width: float

    @property
    def five(self) -> np.ndarray:
        """(5, 2) float32: the five points in the order of `realtime.faces.landmarks`."""
        return self.mesh[FIVE, :2].astype(np.float32)


def rotation(yaw: float, pitch: float) -> np.ndarray:
    """(3, 3) matrix that turns by so many degrees: to the picture's right, then up. Axes: right, down, away from the camera."""
    a, b = np.radians(yaw), np.radians(pitch)
    aside = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    return nod @ aside


def axes(mesh: np.ndarray) -> np.ndarray:
    """(3, 3) the directions right, down and back of a head, as rows."""
    right = mesh[RIGHT_CHEEK] - mesh[LEFT_CHEEK]
    right = right / np.linalg.norm(right)
    down = mesh[CHIN] - mesh[FOREHEAD]
    down = down - right * (right @ down)
    down = down / np.linalg.norm(down)
    return np.stack([right, down, np.cross(right, down)])


def yaw_of(mesh: np.ndarray) -> float:
    """By how many degrees a head is turned to the picture's right."""
    return math.degrees(math.asin(axes(mesh)[0, 2]))


def pitch_of(mesh: np.ndarray) -> float:
    """By how many degrees it is raised; the mesh of a head that looks ahead has some -7, as its forehead lies behind its chin."""
    return -math.degrees(math.asin(axes(mesh)[1, 2]))


def turned(points: np.ndarray, head: Head, yaw: float, pitch: float) -> np.ndarray:
    """Points (n, 3) after they turned with the head by so many degrees."""
    centre = head.mesh.mean(0)
    return (points - centre) @ rotation(yaw, pitch).T + centre


def turned_in_depth(gray: np.ndarray, head: Head, yaw: float, pitch: float) -> tuple[np.ndarray, Head]:
    """The picture (h, w) uint8 with its head turned by so many degrees to the picture's right and up, and the head there."""
    points, shares = _with_surroundings(head, gray.shape)
    moved = points + shares * (turned(points, head, yaw, pitch) - points)
    triangles = _triangles((points - head.mesh.mean(0)) @ axes(head.mesh)[:2].T)
    # By pixel the triangle that is seen there. The farthest are drawn first.
    seen = np.zeros(gray.shape, np.float32)
    corners = np.round(moved[triangles, :2] * 2**SHIFT).astype(np.int32)
    for number in np.argsort(-moved[triangles, 2].mean(1)):
        cv2.fillConvexPoly(seen, corners[number], float(number), cv2.LINE_8, SHIFT)
    back = _affine(moved[triangles, :2], points[triangles, :2])[seen.astype(np.intp)]
    y, x = np.mgrid[: gray.shape[0], : gray.shape[1]].astype(np.float32)
    from_x, from_y = (back[..., axis, 0] * x + back[..., axis, 1] * y + back[..., axis, 2] for axis in (0, 1))
    picture = cv2.remap(gray, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return picture, Head(moved[: len(head.mesh)], head.width)


def _with_surroundings(head: Head, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The mesh, both rings and the border of a picture of this height and width: (n, 3) points, and (n, 1) how far each moves along."""
    mesh, frame, middle = head.mesh, axes(head.mesh), head.mesh.mean(0)
    across = float(np.linalg.norm(mesh[RIGHT_CHEEK] - mesh[LEFT_CHEEK]))
    ahead = (mesh - middle) @ frame.T
    edge = ahead[cv2.convexHull(ahead[:, :2].astype(np.float32), returnPoints=False).ravel()]
    points, shares = [mesh], [np.ones(len(mesh))]
    for out, behind, share in RINGS:
        points.append((edge * [out, out, 1] + [0, 0, behind * across]) @ frame + middle)
        shares.append(np.full(len(edge), share))
    # So far out that no ring lies beyond.
    low, high = np.full(2, -2 * across), np.array(size[::-1]) + 2 * across
    sides = np.stack(np.meshgrid(*np.linspace(low, high, BORDER).T), 2).reshape(-1, 2)
    sides = sides[((sides == low) | (sides == high)).any(1)]
    points.append(np.column_stack([sides, np.full(len(sides), middle[2] + BEHIND * across)]))
    shares.append(np.zeros(len(sides)))
    return np.concatenate(points), np.concatenate(shares)[:, None]


def _triangles(places: np.ndarray) -> np.ndarray:
    """(m, 3) numbers of the points of each triangle of a Delaunay triangulation of points (n, 2)."""
    places = (places - places.min(0) + 1).astype(np.float32)
    division = cv2.Subdiv2D((0, 0, *(int(side) for side in np.ceil(places.max(0)) + 2)))
    number = {}
    for n, place in enumerate(map(tuple, places.tolist())):
        division.insert(place)
        number[place] = n
    # Its outermost triangles have corners that are none of the points.
    found = (
        [number.get(place, -1) for place in map(tuple, each)] for each in np.asarray(division.getTriangleList()).reshape(-1, 3, 2).tolist()
    )
    return np.array([each for each in found if min(each) >= 0])


def _affine(triangles: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(m, 2, 3) float32 matrices that bring triangles (m, 3, 2) to others. One without a surface is not seen: it gets any matrix."""
    columns = np.concatenate([triangles, np.ones((len(triangles), 3, 1))], 2)
    columns[np.abs(np.linalg.det(columns)) < 1e-6] = np.eye(3)
    return (np.linalg.inv(columns) @ others).transpose(0, 2, 1).astype(np.float32)
