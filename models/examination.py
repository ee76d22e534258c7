"""Scores networks while they are made, on the faces that a lesson has for it. Nothing is chosen by these scores."""

from typing import Any

import torch
from torch import Tensor

from models.lesson import Lesson
from models.network import N_EXPRESSIONS, ManyHeaded, to_input
from models.teachers import mixed_precision
from models.views import measured_chips


@torch.no_grad()
def logits_of_all(model: ManyHeaded, chips: Tensor) -> dict[str, Tensor]:
    """Logits of the three heads for (n, 64, 64) uint8 chips, the mean over both mirrorings."""
    parts = []
    for part in chips.split(512):
        x = to_input(part).contiguous(memory_format=torch.channels_last)
        with mixed_precision(chips.device):
            heads = [model.training_logits(side) for side in (x, x.flip(3))]
        parts.append([(a.float() + b.float()) / 2 for a, b in zip(*heads, strict=True)])
    return dict(zip(("votes", "original", "opinion"), (torch.cat(list(column)) for column in zip(*parts, strict=True)), strict=True))


def recalls(logits: Tensor, labels: Tensor) -> tuple[float, list[float | None]]:
    """Share of right answers, and the recall of each expression (None where it does not occur), of logits (n, 7 or more)."""
    rows = labels >= 0
    right = logits[rows, :N_EXPRESSIONS].argmax(1) == labels[rows]
    each = [right[labels[rows] == label] for label in range(N_EXPRESSIONS)]
    return round(float(right.float().mean()), 4), [round(float(part.float().mean()), 3) if len(part) else None for part in each]


class Examination:
    """Scores networks on the measured faces of a lesson."""

    def __init__(self, lesson: Lesson, device: torch.device):
        self.sets = {
            name: (
                measured_chips(faces, device),
                *(torch.from_numpy(part.astype("i8")).to(device) for part in (faces.labels, faces.single)),
            )
            for name, faces in lesson.tests.items()
        }

    def scores(self, model: ManyHeaded) -> dict[str, Any]:
        """By set: right answers and recalls of the head for votes, of that for opinions, and of that for single labels by the latter."""
        model.eval()
        results: dict[str, Any] = {}
        for name, (chips, labels, single) in self.sets.items():
            logits = logits_of_all(model, chips)
            results[name] = {head: recalls(logits[head], labels) for head in ("votes", "opinion")}
            if (single >= 0).any():
                results[name]["single"] = recalls(logits["original"], single)[0]
        return results
