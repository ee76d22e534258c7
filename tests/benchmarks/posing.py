"""How well posed expressions are read that nobody posed: they are transferred to the neutral photos of a set of posed faces.

    python tests/benchmarks/posing.py ../shared/data/fer2013 ../shared/data/posed --mesh face_landmark.tflite [--sheet FILE]

Neither these people nor the faces of the public test, of which the expressions are measured, were learned from. But the faces that the
models learned from were made in the same way, so people who pose may be harder. A strength of 1 is what the training calls 1 (`KINDS` in
`models/signs.py`; the shading is 0.8 of it). Needs `runs/lesson.npz`; takes three minutes.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.chips import chips_of, framing_of
from models.datasets import load_fer2013, load_posed
from models.face_mesh import FaceMesh
from models.face_table import majority
from models.lesson import load_lesson
from models.signs import KINDS
from models.transfer import filter_of, measured_ways
from models.transfer_faces import marked, marked_lesson, neutral_faces, shown_looks, straight_looks, transferred
from models.views import plain_chips
from realtime.config import SHIPPED
from realtime.expression.classifier import EmotionClassifier
from realtime.values import LABELS

NEUTRAL = LABELS.index("neutral")
STRENGTHS = (0.6, 1.0, 1.5)
SHADING = 0.8
TIMES = 2
"""How often each photo is used, each time for another way to show an expression."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fer2013", type=Path)
    parser.add_argument("posed", type=Path)
    parser.add_argument("--mesh", type=Path, required=True)
    parser.add_argument("--lesson", type=Path, default=Path("runs/lesson.npz"))
    parser.add_argument("--model", type=Path, nargs="*", default=list(SHIPPED.values()))
    parser.add_argument("--sheet", type=Path, help="where to draw some of the faces")
    options = parser.parse_args()
    mesh, draw, lesson = FaceMesh(options.mesh), np.random.default_rng(3), load_lesson(options.lesson)
    faces = marked_lesson(lesson, mesh)
    neutral = neutral_faces(lesson, faces)
    average = neutral.average
    public, posed = load_fer2013(options.fer2013, "public_test"), load_posed(options.posed)
    shown, truth = marked(chips_of(public), mesh), majority(public.votes)
    plain = posed.faces.where((posed.poses == "straight") & (posed.faces.labels == NEUTRAL))
    photos = marked(chips_of(plain), mesh)
    rows = np.repeat(np.flatnonzero(photos.frontal(0.15, 8) & (photos.signs.apart < 0.08)), TIMES)
    pixels, framing, points = plain.pixels[rows], framing_of(plain)[rows], photos.points[rows][:, average.centres]
    sheet = [photos.chips[rows]]
    models = [EmotionClassifier(path) for path in options.model]
    print(
        f"neutral photos: {len(rows) // TIMES}",
        *(f"{m.path.stem} reads {share_of(m, photos.chips[rows], NEUTRAL)} as neutral" for m in models),
    )
    print("| kind | faces it is measured on | model |", *(f"strength {strength:g} |" for strength in STRENGTHS))
    print("|---|---|---|" + "---|" * len(STRENGTHS))
    for name, kind in KINDS.items():
        label = LABELS.index(kind.expression)
        kept = filter_of(shown_looks(lesson, faces, kind, neutral), neutral.looks)
        ways = measured_ways(straight_looks(shown, truth == label, kind, neutral), kept)
        picked, made = draw.integers(len(ways.points), size=len(rows)), []
        for strength in (kind.scale * s for s in STRENGTHS):
            moved, shading = ways.points[picked] * strength, ways.shading[picked] * strength * SHADING
            crops = transferred(pixels, framing, points, average.points[average.centres], moved, shading)
            made.append(plain_chips(torch.from_numpy(crops[:, None]), torch.from_numpy(framing)).numpy().astype(np.uint8))
        sheet.append(made[1])
        for model in models:
            shares = " | ".join(share_of(model, chips, label) for chips in made)
            print(f"| {name} | {len(ways.points)} | {model.path.stem} | {shares} |", flush=True)
    if options.sheet:
        cv2.imwrite(str(options.sheet), np.vstack([np.hstack(list(chips[:: 5 * TIMES])) for chips in sheet]))


def share_of(model: EmotionClassifier, chips: np.ndarray, label: int) -> str:
    """How many of the chips (n, 64, 64) uint8 a model gives this label."""
    return f"{(model.probabilities(chips.astype(np.uint8)).argmax(1) == label).mean():.0%}"


if __name__ == "__main__":
    main()
