"""Makes faces to learn from: neutral faces of a lesson to which an expression is transferred, from faint to strong.

    python -m models.transfer_faces --lesson runs/lesson.npz --mesh face_landmark.tflite --out runs/transferred.npz

People who pose before a camera move their faces more clearly than most of FER2013's people. A change that is seen on many faces says what a
frown is, whoever frowns. Takes about 5 minutes on two cores.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from models.cli import one_line
from models.face_mesh import LEFT_CHEEK, NOSE_TIP, RIGHT_CHEEK, FaceMesh
from models.lesson import Lesson, load_lesson
from models.network import N_LOGITS
from models.signs import KINDS, Kind, Signs, signs_of
from models.transfer import ALIKE, MOST, Average, Looks, Ways, average_face, displacements, filter_of, looks_of, measured_ways
from models.views import plain_chips
from realtime.base.errors import Trouble
from realtime.base.files import replacing
from realtime.base.messages import counted
from realtime.values import CHIP, CROP, LABELS

NEUTRAL = LABELS.index("neutral")

NEUTRAL_SHARE = 0.12
"""How often no expression is transferred: neutral faces are changed too, so that no trace of the change speaks for an expression."""

STRENGTHS, POINTS, SHADING = (0.3, 1.5), (0.8, 1.8), (0.3, 1.1)
"""Strengths, and by how much points and shading then change: shading depends on light and skin, so it is often weaker."""

WHERE = ((1, 1, 1.0), (1, 0.15, 0.75), (0.15, 1, 0.75))
"""Share of the change in the upper and in the lower half, and by how much the whole counts for less: both halves (7 of 10), one alone."""

EVEN, SLOPE, SUREST = 0.55, 0.8, 0.92
"""The strength at which the expression is as likely as neutral, how fast its probability rises, and its highest."""

MODES, WIDTH = 15, 0.25
"""How many ways in which neutral faces differ are varied, and by how much of their standard deviation."""

PLAIN = 2000
"""On how many neutral faces the differences between people are measured at most."""

POSES = 6
"""How many of these are left out of an expression: in them heads turn, nod and are of another shape."""

STRAIGHT = (0.1, 8)
"""Tolerance and score of `Marked.frontal` for the faces that are measured."""

STEP = 4
"""Places are computed for every fourth pixel across and down; between these they are interpolated."""


@dataclass(frozen=True)
class Marked:
    """Framed chips (n, 64, 64), and their points (n, 468, 2) with the mesh's scores (n,)."""

    chips: np.ndarray
    points: np.ndarray
    scores: np.ndarray

    @property
    def signs(self) -> Signs:
        """What brows and lips do."""
        return signs_of(self.points)

    def frontal(self, tolerance: float, score: float) -> np.ndarray:
        """(n,) bool: faces that the mesh is sure of, with the nose in the middle between the cheeks."""
        nose, left, right = (self.points[:, point, 0] for point in (NOSE_TIP, LEFT_CHEEK, RIGHT_CHEEK))
        with np.errstate(divide="ignore", invalid="ignore"):
            place = (nose - left) / (right - left)
        return (np.abs(place - 0.5) < tolerance) & (self.scores > score)


def marked_lesson(lesson: Lesson, mesh: FaceMesh) -> Marked:
    """The chips of a lesson's faces with their points."""
    return marked(plain_chips(torch.from_numpy(lesson.crops[:, None]), torch.from_numpy(lesson.framing)).numpy(), mesh)


def marked(chips: np.ndarray, mesh: FaceMesh) -> Marked:
    """Framed chips (n, 64, 64) with their points."""
    points, scores = zip(*map(mesh.points, chips), strict=True)
    return Marked(chips, np.array(points, np.float32), np.array(scores, np.float32))


@dataclass(frozen=True)
class Transfer:
    """What is needed to draw faces: the average face, the ways of each of `KINDS`, how neutral faces differ, and the faces to change."""

    average: Average
    ways: dict[str, Ways]
    modes: np.ndarray
    bases: np.ndarray


def prepare(lesson: Lesson, faces: Marked) -> Transfer:
    """Measures the average face and the ways of each expression on a lesson's faces.

    Raises:
        Trouble: too few of its faces have the signs of an expression.
    """
    truth, agreement = truth_of(lesson)
    neutral, ways = neutral_faces(lesson, faces), {}
    for name, kind in KINDS.items():
        looks = shown_looks(lesson, faces, kind, neutral)
        ways[name] = measured_ways(looks, filter_of(looks, neutral.looks))
    bases = np.flatnonzero(faces.frontal(0.22, 6) & (truth == NEUTRAL) & (agreement > 0.5) & (faces.signs.apart < 0.1))
    return Transfer(neutral.average, ways, neutral.modes, bases)


def truth_of(lesson: Lesson) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the expression that most annotators saw in each face of a lesson, and (n,) their share."""
    expressions = lesson.distribution[:, :-1]
    return expressions.argmax(1), expressions.max(1)


@dataclass(frozen=True)
class Neutral:
    """The neutral faces of a lesson.

    Attributes:
        average: the average of them.
        modes: (15, 100, 2) the main ways in which their points differ, in standard deviations.
        looks: how the first 2,000 of them differ from the average.
        signs: the signs of all of them.
    """

    average: Average
    modes: np.ndarray
    looks: Looks
    signs: Signs


def neutral_faces(lesson: Lesson, faces: Marked) -> Neutral:
    """Measures the faces of a lesson that are plainly neutral and look straight."""
    truth, agreement = truth_of(lesson)
    plain = faces.frontal(*STRAIGHT) & (truth == NEUTRAL) & (agreement > 0.7) & (faces.signs.apart < 0.05)
    average = average_face(faces.chips[plain], faces.points[plain])
    differences = (faces.points[plain][:, average.centres] - average.points[average.centres]).reshape(int(plain.sum()), -1)
    _, sizes, modes = np.linalg.svd(differences - differences.mean(0), full_matrices=False)
    modes = (modes[:MODES] * (sizes[:MODES, None] / np.sqrt(len(differences)))).reshape(MODES, -1, 2)
    first = np.flatnonzero(plain)[:PLAIN]
    looks = looks_of(faces.chips[first], faces.points[first], average, modes[:POSES])
    return Neutral(average, modes, looks, signs_of(faces.points[plain]))


def shown_looks(lesson: Lesson, faces: Marked, kind: Kind, neutral: Neutral) -> Looks:
    """The looks of a lesson's faces that plainly show an expression."""
    truth, agreement = truth_of(lesson)
    return straight_looks(faces, (truth == LABELS.index(kind.expression)) & (agreement > 0.5), kind, neutral)


def straight_looks(faces: Marked, shown: np.ndarray, kind: Kind, neutral: Neutral) -> Looks:
    """The looks of the first faces that show an expression, (n,) bool, in this kind, and look straight.

    Raises:
        Trouble: there are too few.
    """
    picked = np.flatnonzero(shown & faces.frontal(*STRAIGHT) & kind.has(faces.signs, neutral.signs))[:MOST]
    if len(picked) < ALIKE:
        found = f"{counted(len(picked), 'face')} with the signs of {kind.expression}"
        raise Trouble(f"{found} (lips {kind.apart[0]:g} to {kind.apart[1]:g} apart) were found, {ALIKE} are needed: take all of FER2013")
    return looks_of(faces.chips[picked], faces.points[picked], neutral.average, neutral.modes[:POSES])


def drawn(transfer: Transfer, name: str, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One random change of a kind: how the centres (100, 2) move, the shading (64, 64), and the target (8,) float32."""
    centres = transfer.average.centres
    moved = np.tensordot(draw.normal(0, WIDTH, len(transfer.modes)), transfer.modes, 1)
    target = np.zeros(N_LOGITS, np.float32)
    if name == "neutral":
        target[NEUTRAL] = 1
        return moved, np.zeros((CHIP, CHIP)), target
    kind, ways, strength = KINDS[name], transfer.ways[name], draw.uniform(*STRENGTHS)
    way = draw.integers(len(ways.points))
    points, shading = strength * draw.uniform(*POINTS), strength * draw.uniform(*SHADING)
    above, below, weight = WHERE[draw.choice(len(WHERE), p=(0.7, 0.15, 0.15))]
    moved = moved + ways.points[way] * kind.scale * points * halves(transfer.average.points[centres, 1], above, below)
    shaded = ways.shading[way] * kind.scale * shading * halves(np.arange(CHIP), above, below)
    probability = np.clip(0.5 + ((points + shading) / 2 * weight - EVEN) * SLOPE, 0.03, SUREST)
    target[[LABELS.index(kind.expression), NEUTRAL]] = probability, 1 - probability
    return moved, shaded, target


def halves(y: np.ndarray, above: float, below: float) -> np.ndarray:
    """(n, 1): the share of a change at heights y (n,): `above` at brows and eyes, `below` at the mouth, in between around the nose."""
    upper = np.clip((36 - y) / 6 + 0.5, 0, 1)[:, None]
    return upper * above + (1 - upper) * below


def transferred(
    crops: np.ndarray, framing: np.ndarray, points: np.ndarray, average: np.ndarray, moved: np.ndarray, shading: np.ndarray
) -> np.ndarray:
    """Crops (n, 48, 48) uint8 whose faces have changed.

    Args:
        crops: (n, 48, 48) uint8.
        framing: (n, 2, 3) how each crop is sampled to frame its face.
        points: (n, k, 2) the centres in the framed chip.
        average: (k, 2) the same points of the average face, where the shading is known.
        moved: (n, k, 2) by how much they move.
        shading: (n, 64, 64) what is added there, in standard deviations of the crop.
    """
    n = len(crops)
    faces, known, frames = torch.from_numpy(crops[:, None]).float(), torch.from_numpy(points).float(), torch.from_numpy(framing).float()
    move = torch.from_numpy(moved).float()
    turn, shift = frames[:, :, :2].mT, frames[:, None, :, 2]
    axis = (torch.arange(CROP, dtype=torch.float32) + 0.5) * (2 / CROP) - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    places = (torch.stack([x, y], 2).reshape(1, -1, 2) - shift) @ torch.linalg.inv(turn)  # of each pixel in the chip, from -1 to 1
    places = (places + 1) * (CHIP / 2) - 0.5
    rough = F.avg_pool2d(_as_picture(places, CROP), STEP)
    side = rough.shape[-1]
    rough = rough.permute(0, 2, 3, 1).reshape(n, -1, 2)
    away = displacements(known, known + move, rough)
    fetched = places + _between(away, side) * ((places - CHIP / 2).abs().amax(2, keepdim=True) < CHIP * 0.7)
    to_average = displacements(torch.from_numpy(average).float().expand_as(known), known, rough + away)
    on_average = fetched + _between(to_average, side)
    sampled = ((fetched + 0.5) * (2 / CHIP) - 1) @ turn + shift
    changed = _sampled(faces, sampled, "border")
    added = _sampled(torch.from_numpy(shading[:, None]).float(), (on_average + 0.5) * (2 / CHIP) - 1, "zeros")
    return (changed + faces.std((2, 3), keepdim=True) * added).round().clamp(0, 255)[:, 0].numpy().astype(np.uint8)


def _as_picture(values: Tensor, side: int) -> Tensor:
    """(n, side * side, 2) -> (n, 2, side, side)."""
    return values.reshape(len(values), side, side, 2).permute(0, 3, 1, 2)


def _between(values: Tensor, side: int) -> Tensor:
    """Values (n, side * side, 2) of a rough grid at each pixel of a crop: (n, 48 * 48, 2)."""
    fine = F.interpolate(_as_picture(values, side), size=(CROP, CROP), mode="bicubic", align_corners=False)
    return fine.permute(0, 2, 3, 1).reshape(len(values), -1, 2)


def _sampled(pictures: Tensor, places: Tensor, padding: str) -> Tensor:
    """Pictures (n, 1, h, w) sampled at (n, 48 * 48, 2) places between -1 and 1: (n, 1, 48, 48)."""
    return F.grid_sample(pictures, places.reshape(-1, CROP, CROP, 2), mode="bilinear", padding_mode=padding, align_corners=False)


@one_line
def main(
    mesh: Annotated[Path, typer.Option(help="The file face_landmark.tflite of mediapipe 0.10.21.")],
    lesson: Annotated[Path, typer.Option(help="The file that models.pack_lesson wrote.")] = Path("runs/lesson.npz"),
    count: Annotated[int, typer.Option(help="How many faces to make.", min=1)] = 20_000,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 7,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("runs/transferred.npz"),
) -> None:
    """Makes the faces."""
    whole = load_lesson(lesson)
    faces = marked_lesson(whole, FaceMesh(mesh))
    transfer, draw = prepare(whole, faces), np.random.default_rng(seed)
    centres, crops, targets = transfer.average.centres, [], []
    rows = draw.choice(transfer.bases, count)
    names = draw.choice([*KINDS, "neutral"], count, p=[*(kind.share for kind in KINDS.values()), NEUTRAL_SHARE])
    for part in np.array_split(np.arange(count), -(-count // 100)):
        moved, shading, target = map(np.array, zip(*(drawn(transfer, names[i], draw) for i in part), strict=True))
        picked = rows[part]
        points = faces.points[picked][:, centres]
        crops.append(transferred(whole.crops[picked], whole.framing[picked], points, transfer.average.points[centres], moved, shading))
        targets.append(target)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as file:
        np.savez(file, crops=np.concatenate(crops), framing=whole.framing[rows], target=np.concatenate(targets))
    print(f"wrote {out}: {count} faces made from {len(transfer.bases)} neutral ones")


if __name__ == "__main__":
    typer.run(main)
