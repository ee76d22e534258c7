"""How well expressions are read on heads that are turned, raised or lowered.

    python tests/benchmarks/turned.py ../shared/data/faces_wild --mesh face_landmark.tflite [--model FILE ...] [--points FILE]

Photos of people whom no model learned from, that look ahead, are turned in depth (`models/turning.py`); the label stays. Twice: at points
that turned with the head, and at those that the predictor finds in three rounds, starting in a box that is as wrong as in tracking. The
turned photos are made as those that the models learned from, of other people; real heads may be harder.

Then by how far the found points say that a head is turned (`realtime.expression.quality.turn`): which are right. That is for
`QualitySettings.turned`.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.datasets import read_table
from models.face_mesh import FaceMesh
from models.face_table import is_held_out
from models.pictures import central_box, read_gray
from models.scores import WILD_LABELS, confusion, f1
from models.train_landmarks import SURE, LandmarkExample, Portrait, PredictorSettings, Task, in_depth, jittered, predicted
from models.turning import yaw_of
from realtime.base.geometry import box_around
from realtime.config import POINTS, SHIPPED
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.quality import turn
from realtime.faces.align import align
from realtime.faces.landmarks import PointPredictor
from realtime.values import LABELS

POSES = ((0, 0), (20, 0), (35, 0), (45, 0), (0, 25), (0, -25))
"""To which side, and up; of the first the sign is drawn."""

ASIDE = range(0, 65, 5)
TURNS = (0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 9.0)
"""To which side heads are turned for the second table, in degrees, and its bins."""


class Photo(NamedTuple):
    """A portrait, and the number of its label."""

    portrait: Portrait
    label: int


def photos(folder: Path, predictor: PointPredictor, mesh: FaceMesh) -> Iterator[Photo]:
    """Those that look ahead, of people that are held out."""
    for _, row in read_table(folder / "labels.csv", ("image", "person", "label")):
        if not is_held_out(row["person"]) or row["label"] not in WILD_LABELS:
            continue
        gray = read_gray(folder / row["image"])
        box = central_box(gray)
        if box is None:
            continue
        points = predictor.points(gray, box_around(predictor.points(gray, box)))
        place, score = mesh.points_in(gray, points)
        portrait = Portrait(gray, box, points, place, score > SURE)
        if portrait.turns:
            yield Photo(portrait, LABELS.index(row["label"]))


def turned_photos(faces: list[Photo], yaw: float, pitch: float) -> Iterator[LandmarkExample]:
    """The photos in this pose, each in a box that is as wrong as in tracking."""
    draw = np.random.default_rng(1)
    for portrait, _ in faces:
        side = draw.choice([-1, 1])
        example = portrait.plain if yaw == pitch == 0 else in_depth(portrait, side * yaw - yaw_of(portrait.mesh), pitch)[0]
        box = jittered(box_around(example.points), draw, PredictorSettings.shift, PredictorSettings.stretch)
        yield example._replace(box=box)


def line(probs: np.ndarray, truth: np.ndarray) -> str:
    """The cells of a table: right, neutral recalled, macro-F1 over the five expressions."""
    answer, shown = probs.argmax(1), [LABELS.index(name) for name in WILD_LABELS]
    neutral = truth == LABELS.index("neutral")
    macro = f1(confusion(truth, answer))[shown].mean()
    return f"{(answer == truth).mean():.1%} | {(answer == truth)[neutral].mean():.1%} | {macro:.3f}"


def by_turn(faces: list[Photo], predictor: PointPredictor, models: list[EmotionClassifier]) -> Iterator[str]:
    """The lines of the second table. Each photo is seen at some of the angles."""
    truth, turns, right = np.array([label for _, label in faces]), [], []
    for number, yaw in enumerate(ASIDE):
        part = slice(number % 4, None, 4)
        made = list(turned_photos(faces[part], yaw, 0))
        found = [predicted(predictor.points, Task(one, 3)) for one in made]
        chips = np.stack([align(one.gray, each) for one, each in zip(made, found, strict=True)])
        turns += [abs(turn(each)) for each in found]
        right += list(np.stack([model.read(chips).probs.argmax(1) == truth[part] for model in models], 1))
    for low, high in pairwise(TURNS):
        inside = (np.array(turns) >= low) & (np.array(turns) < high)
        yield f"| {low:g} to {high:g} | {inside.sum()} | {' | '.join(f'{share:.1%}' for share in np.array(right)[inside].mean(0))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wild", type=Path)
    parser.add_argument("--mesh", type=Path, required=True)
    parser.add_argument("--model", type=Path, action="append")
    parser.add_argument("--points", type=Path, default=POINTS)
    args = parser.parse_args()
    predictor = PointPredictor(args.points)
    faces = list(photos(args.wild, PointPredictor(), FaceMesh(args.mesh)))
    truth = np.array([label for _, label in faces])
    models = [EmotionClassifier(path) for path in args.model or SHIPPED.values()]
    print(f"n = {len(faces)} photos\n| model | to the side, up | points | right | neutral recalled | macro-F1 |\n|---|---|---|---|---|---|")
    for yaw, pitch in POSES:
        made = list(turned_photos(faces, yaw, pitch))
        places = {"known": [one.points for one in made], "found": [predicted(predictor.points, Task(one, 3)) for one in made]}
        for kind, points in places.items():
            chips = np.stack([align(one.gray, each) for one, each in zip(made, points, strict=True)])
            for model in models:
                print(f"| {model.path.stem} | {yaw}, {pitch} | {kind} | {line(model.read(chips).probs, truth)} |", flush=True)
    print(f"| turn | n | {' | '.join(f'{model.path.stem}: right' for model in models)} |\n|{'---|' * (2 + len(models))}")
    for row in by_turn(faces, predictor, models):
        print(row)


if __name__ == "__main__":
    main()
