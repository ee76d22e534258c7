"""Makes faces to learn from: those of a lesson, turned to the side, raised and lowered.

    python -m models.turn_faces --lesson runs/lesson.npz --mesh face_landmark.tflite --out runs/turned.npz

Most of FER2013's people look ahead. A face that looks down at a keyboard was taken for a sad or an angry one. A turned face is to get the
answer that it got before it turned. Takes about 6 minutes on two cores.
"""

from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import typer

from models.cli import one_line
from models.face_mesh import FaceMesh
from models.framing import believable, placement_of_sampling, sampling_matrix
from models.lesson import load_lesson
from models.turning import Head, pitch_of, turned_in_depth, yaw_of
from realtime.base.files import replacing
from realtime.faces.align import TEMPLATE, similarity
from realtime.faces.tilt import joined, transform
from realtime.values import CROP

FINE = 2
"""A crop is turned in a picture that is so many times as large, because it is sampled once more."""

SURE = 7.0
"""The face mesh's logit up to which a face stays as it is: the mesh does not fit."""

LEVEL = -8.0
"""What `pitch_of` gives to a face that looks ahead: the median of FER2013's (n = 534)."""

ASIDE, NODDING = (0.6, 50.0, 15.0), (16.0, 32.0)
"""Which poses are drawn, in degrees. To the side: this share evenly up to the second number, the others by this standard deviation. Up and
down: standard deviation, and the most."""


class TurnedFace(NamedTuple):
    """A crop (48, 48) uint8 and its framing (2, 3) as in `models.lesson.Lesson`."""

    crop: np.ndarray
    framing: np.ndarray


def turned_face(crop: np.ndarray, framing: np.ndarray, mesh: np.ndarray, yaw: float, pitch: float) -> TurnedFace:
    """A face turned by so many degrees.

    Its new framing differs from that of the turned five points of the mesh as its old one does from that of the mesh's points before.

    Args:
        crop: (48, 48) uint8.
        framing: (2, 3), how the crop is sampled to frame its face.
        mesh: (468, 3) in px of the crop.
        yaw, pitch: as in `models.turning`.
    """
    large = cv2.resize(crop, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC)
    # Enlarging keeps the corners of a picture in place, not the centres of its pixels.
    before = Head(mesh * FINE + np.array([0.5, 0.5, 0]) * (FINE - 1), 0.0)
    picture, after = turned_in_depth(large, before, yaw, pitch)
    old, new = (similarity((head.five - 0.5 * (FINE - 1)) / FINE) for head in (before, after))
    difference = joined(cv2.invertAffineTransform(old), placement_of_sampling(framing))
    return TurnedFace(cv2.resize(picture, (CROP, CROP), interpolation=cv2.INTER_AREA), sampling_matrix(joined(new, difference)))


def drawn_pose(draw: np.random.Generator) -> tuple[float, float]:
    """By how many degrees a head is to be turned to the side and raised; a head that looks ahead has (0, 0)."""
    share, widest, spread = ASIDE
    nod, highest = NODDING
    yaw = draw.uniform(-widest, widest) if draw.random() < share else draw.normal(0, spread)
    return float(np.clip(yaw, -widest, widest)), float(np.clip(draw.normal(0, nod), -highest, highest))


def mesh_of(mesh: FaceMesh, crop: np.ndarray, framing: np.ndarray) -> tuple[np.ndarray, float]:
    """The points (468, 3) of a framed face in px of its crop, and how sure the mesh is."""
    five = transform(TEMPLATE * CROP, cv2.invertAffineTransform(placement_of_sampling(framing)))
    return mesh.points_in(crop, five)


@one_line
def main(
    mesh: Annotated[Path, typer.Option(help="The file face_landmark.tflite of mediapipe 0.10.21.")],
    lesson: Annotated[Path, typer.Option(help="The file that models.pack_lesson wrote.")] = Path("runs/lesson.npz"),
    count: Annotated[int, typer.Option(help="How many faces to make.", min=1)] = 20_000,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 11,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("runs/turned.npz"),
) -> None:
    """Makes the faces."""
    whole, network, draw = load_lesson(lesson), FaceMesh(mesh), np.random.default_rng(seed)
    rows: list[int] = []
    faces: list[TurnedFace] = []
    for row in draw.permutation(len(whole.crops)):
        if len(rows) == count:
            break
        crop, framing = whole.crops[row], whole.framing[row]
        points, score = mesh_of(network, crop, framing)
        if score < SURE:
            continue
        yaw, pitch = drawn_pose(draw)
        face = turned_face(crop, framing, points, yaw - yaw_of(points), pitch + LEVEL - pitch_of(points))
        if believable(placement_of_sampling(face.framing)):
            rows.append(int(row))
            faces.append(face)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as file:
        np.savez(file, rows=np.array(rows), crops=np.stack([one.crop for one in faces]), framing=np.stack([one.framing for one in faces]))
    print(f"wrote {out}: {len(faces)} of {len(whole.crops)} faces, turned")


if __name__ == "__main__":
    typer.run(main)
