"""Reads the training rows as tensors, and the scores that are logged while a network learns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from models.chips import chips_of, framing_of
from models.datasets import load_fer2013, load_sessions, load_wild
from models.face_table import FaceTable, held_out, majority, targets
from models.near_copies import ALIKE, near_copies
from models.network import N_LOGITS, ManyHeaded, logits_of
from models.views import Faces

TEST_SPLITS = ("public_test", "private_test")


def read_training_set(fer2013: Path, wild: Path | None = None, people: Path | None = None) -> Faces:
    """FER2013's training rows, the photos of two thirds of the people of faces_wild, and the takes of two thirds of the people who
    recorded some with `run.py calibrate`. FER2013's rows that show a picture of a test split in another version are left out.
    """
    parts: list[Columns | None] = [voted_rows(fer2013)]
    if wild is not None:
        photos = load_wild(wild)
        parts.append(labelled_rows(photos.where(~held_out(photos.persons))))
    if people is not None:
        takes = load_sessions(people)
        parts.append(labelled_rows(takes.where(takes.splits == "train")))
    pixels, *others = (np.concatenate(column) for column in zip(*filter(None, parts), strict=True))
    return Faces(torch.from_numpy(pixels).unsqueeze(1), *(torch.from_numpy(column) for column in others))


Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""The columns of a `Faces` as arrays; crops are (n, 48, 48)."""


def voted_rows(fer2013: Path) -> Columns:
    """FER2013's training rows that have a usable vote and that no test split shows as well."""
    faces = load_fer2013(fer2013, "train")
    distribution, weight = targets(faces.votes)
    usable = (faces.near_copy_in == "") & (weight > 0)
    present = [split for split in TEST_SPLITS if (fer2013 / f"{split}.png").is_file()]
    usable &= ~versions_of(faces.pixels, [load_fer2013(fer2013, split).pixels for split in present])
    return faces.pixels[usable], framing_of(faces.where(usable)), distribution[usable], weight[usable], faces.labels[usable]


def labelled_rows(faces: FaceTable) -> Columns | None:
    """Faces that have one label and no votes; None if there are none.

    The label of a photo is coarse, and the expression of a take was acted. So it counts for less than ten votes do: it gets 0.85 of the
    distribution and a weight of 0.6.
    """
    n = len(faces)
    if not n:
        return None
    distribution = np.full((n, N_LOGITS), 0.15 / 7, np.float32)
    distribution[:, -1] = 0
    distribution[np.arange(n), faces.labels] += 0.85
    return faces.pixels, framing_of(faces), distribution, np.full(n, 0.6, np.float32), np.full(n, -1)


def versions_of(pixels: np.ndarray, tests: list[np.ndarray]) -> np.ndarray:
    """(n,) bool: which of (n, 48, 48) uint8 pictures show a photo that test splits (m, 48, 48) show too, cut or compressed otherwise."""
    pairs = near_copies(np.concatenate([pixels, *tests]), ALIKE).pairs
    across = (pairs[:, 0] < len(pixels)) & (pairs[:, 1] >= len(pixels))
    return np.isin(np.arange(len(pixels)), pairs[across, 0])


def public_test(fer2013: Path, device: torch.device) -> Callable[[ManyHeaded], dict[str, float]]:
    """A `measure` for `models.training.fit`: accuracy on the public test by FER+ majority, and of the extra head by the original label."""
    test = load_fer2013(fer2013, "public_test")
    truth = majority(test.votes)
    chips = chips_of(test)

    def measure(model: ManyHeaded) -> dict[str, float]:
        logits, original = logits_of(model, chips, device)
        labelled = truth >= 0
        return {
            "ferplus7": round(float((logits[labelled, :-1].argmax(1) == truth[labelled]).mean()), 4),
            "fer2013": round(float((original.argmax(1) == test.labels).mean()), 4),
        }

    return measure
