"""The mean resting face as a model reads it; a person's own resting face is compared with it (`calibration.fit.fit_resting`).

    python -m models.resting --model models/emotion.tflite --wild WILD

Writes the entry `resting` into the model's card: mean log-probabilities (7) of neutral faces, where each person counts once. They come
from the people of faces_wild that the models learned from; the others are only measured on. FER2013's neutral faces would not do: the
models give them other log-probabilities than a camera's faces (see `models/NOTES.md`).
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from models.card import write_card
from models.chips import chips_of
from models.cli import one_line
from models.datasets import load_wild
from models.face_table import FaceTable, held_out
from realtime.expression.classifier import EmotionClassifier
from realtime.values import LABELS


def neutral_of(faces: FaceTable) -> FaceTable:
    """The neutral faces of the people that models learn from."""
    return faces.where((faces.labels == LABELS.index("neutral")) & ~held_out(faces.persons))


def mean_of_people(probs: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """Mean log-probabilities (7,) of probabilities (n, 7) > 0, where each of the persons (n,) counts once."""
    logs = np.log(probs.astype(float))
    return np.mean([logs[persons == person].mean(0) for person in np.unique(persons)], axis=0)


def resting(model: EmotionClassifier, neutral: FaceTable) -> list[float]:
    """The card's entry `resting`."""
    return [round(float(value), 3) for value in mean_of_people(model.probabilities(chips_of(neutral)), neutral.persons)]


@one_line
def main(
    model: Annotated[list[Path], typer.Option(help="The .tflite file; give several to read the photos once.")],
    wild: Annotated[Path, typer.Option(help="Folder of faces_wild.")],
) -> None:
    """Writes everybody's resting face into the cards of models."""
    neutral = neutral_of(load_wild(wild))
    print(f"read {len(neutral)} neutral faces of {len(set(neutral.persons))} people")
    for path in model:
        values, beside = resting(EmotionClassifier(path), neutral), path.with_suffix(".json")
        card = json.loads(beside.read_text())
        # The entry comes after the prior, which is of the same kind.
        entries = [(key, value) for key, value in card.items() if key != "resting"]
        place = [key for key, _ in entries].index("prior") + 1
        write_card(beside, dict([*entries[:place], ("resting", values), *entries[place:]]))
        print(f"wrote {beside}: " + ", ".join(f"{name} {value}" for name, value in zip(LABELS, values, strict=True)))


if __name__ == "__main__":
    typer.run(main)
