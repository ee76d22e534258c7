"""The training rows as tensors, and the scores that are logged while a network learns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.course import logits_of
from models.datasets import chips_of, framing_of, held_out, load_fer2013, load_sessions, load_wild, majority, mark, targets
from models.near_copies import ALIKE, near_copies
from models.network import N_LOGITS


@dataclass(frozen=True)
class Lesson:
    """What is learned from, one row a face.

    Attributes:
        crops: (n, 1, 48, 48) uint8.
        framing: (n, 2, 3) float32, how each crop is sampled to frame its face (`models.framing.sampling_matrix`).
        distribution: (n, 8) float32 target.
        weight: (n,) float32 trust in the target, 0 to 1.
        single: (n,) int64, the one original FER2013 label; -1 where there is none.
    """

    crops: Tensor
    framing: Tensor
    distribution: Tensor
    weight: Tensor
    single: Tensor

    def to(self, device: torch.device) -> "Lesson":
        return Lesson(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def rows(self, chosen: Tensor) -> "Lesson":
        return Lesson(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.crops)

    def mark(self) -> str:
        """A short name; other faces, or other targets, have another."""
        return mark(*(getattr(self, name).cpu().numpy() for name in self.__dataclass_fields__))


TESTS = ("public_test", "private_test")


def versions_of(pixels: np.ndarray, tests: list[np.ndarray]) -> np.ndarray:
    """(n,) bool: which of (n, 48, 48) uint8 pictures show a photo that test splits (m, 48, 48) have too, cut or compressed otherwise."""
    pairs = near_copies(np.concatenate([pixels, *tests]), ALIKE).pairs
    across = (pairs[:, 0] < len(pixels)) & (pairs[:, 1] >= len(pixels))
    return np.isin(np.arange(len(pixels)), pairs[across, 0])


def lesson(fer2013: Path, wild: Path | None = None, people: Path | None = None) -> Lesson:
    """The training rows: FER2013's without other versions of test pictures, the photos of two thirds of the people of faces_wild, and
    the takes of two thirds of the people who gave theirs in `run.py calibrate`.

    A photo's one label, coarse or of an expression that was only acted, counts for less than ten votes do: it gets 0.85 of the
    distribution and a weight of 0.6.
    """
    faces = load_fer2013(fer2013, "train")
    distribution, weight = targets(faces.votes)
    keep = (faces.near_copy_in == "") & (weight > 0)
    there = [split for split in TESTS if (fer2013 / f"{split}.png").is_file()]
    keep &= ~versions_of(faces.pixels, [load_fer2013(fer2013, split).pixels for split in there])
    parts = [(faces.pixels[keep], framing_of(faces.where(keep)), distribution[keep], weight[keep], faces.labels[keep])]
    more = []
    if wild is not None:
        photos = load_wild(wild)
        more.append(photos.where(~held_out(photos.persons)))
    if people is not None:
        takes = load_sessions(people)
        more.append(takes.where(takes.splits == "train"))
    for photos in (photos for photos in more if len(photos)):
        n = len(photos)
        coarse = np.full((n, N_LOGITS), 0.15 / 7, np.float32)
        coarse[:, -1] = 0
        coarse[np.arange(n), photos.labels] += 0.85
        parts.append((photos.pixels, framing_of(photos), coarse, np.full(n, 0.6, np.float32), np.full(n, -1)))
    pixels, *others = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Lesson(torch.from_numpy(pixels).unsqueeze(1), *(torch.from_numpy(column) for column in others))


def public_test(fer2013: Path, device: torch.device) -> Callable[[torch.nn.Module], dict[str, float]]:
    """A `measure` for `fit`: accuracy on the public test by FER+ majority and, for the extra head, by the original label."""
    test = load_fer2013(fer2013, "public_test")
    truth = majority(test.votes)
    chips = chips_of(test)

    def measure(model: torch.nn.Module) -> dict[str, float]:
        logits, original = logits_of(model, chips, device)
        counted = truth >= 0
        return {
            "ferplus7": round(float((logits[counted, :-1].argmax(1) == truth[counted]).mean()), 4),
            "fer2013": round(float((original.argmax(1) == test.labels).mean()), 4),
        }

    return measure
