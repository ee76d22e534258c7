"""Scores networks while they are made, on the faces that a lesson has for it. Nothing is chosen by these scores."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.lesson import Lesson
from models.network import N_EXPRESSIONS, N_LOGITS, to_input
from models.teachers import TrainedNetwork, mean_answers
from models.views import measured_chips


def recalls(probabilities: Tensor, labels: Tensor) -> tuple[float, list[float | None]]:
    """Share of right answers, and the recall of each expression (None where it does not occur).

    Args:
        probabilities: (n, 7 or more); what follows the seven expressions does not count.
        labels: (n,), -1 where there is none; at least one is there.
    """
    rows = labels >= 0
    right = probabilities[rows, :N_EXPRESSIONS].argmax(1) == labels[rows]
    each = [right[labels[rows] == label] for label in range(N_EXPRESSIONS)]
    return round(float(right.float().mean()), 4), [round(float(part.float().mean()), 3) if len(part) else None for part in each]


class Examination:
    """Scores networks on the measured faces of a lesson."""

    def __init__(self, lesson: Lesson, device: torch.device):
        self._sets = {
            name: (
                measured_chips(faces, whole=False, device=device),
                measured_chips(faces, whole=True, device=device),
                *(torch.from_numpy(part.astype("i8")).to(device) for part in (faces.labels, faces.single)),
            )
            for name, faces in lesson.tests.items()
        }

    def scores(self, networks: Sequence[TrainedNetwork]) -> dict[str, Any]:
        """Of the networks' mean answer over both mirrorings, by set: `recalls` by the head for votes, and the share of right answers of the
        head for single labels where there are any."""
        results: dict[str, Any] = {}
        for name, (framed, whole, labels, single) in self._sets.items():
            parts = zip(framed.split(512), whole.split(512), strict=True)
            answers = torch.cat([_answer_both_mirrorings(networks, to_input(a), to_input(b)) for a, b in parts])
            right, each = recalls(answers[:, :N_LOGITS], labels)
            results[name] = {"right": right, "recalls": each}
            if (single >= 0).any():
                results[name]["single"] = recalls(answers[:, N_LOGITS:], single)[0]
        return results


def _answer_both_mirrorings(networks: Sequence[TrainedNetwork], framed: Tensor, whole: Tensor) -> Tensor:
    """Mean probabilities (n, 8 + 7); the arguments are those of `mean_answers`."""
    return (mean_answers(networks, framed, whole) + mean_answers(networks, framed.flip(3), whole.flip(3))) / 2
