"""The teachers: networks that learn from the labels, all at once on one device. They do not ship; they teach the networks that do.

They differ in where they start (published face networks, or nothing), in how large they see a face, in whether they see the framed face or
the whole crop, and in how strongly their pictures are changed. The mean of such different answers is better than the best of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from models.augment import augment
from models.checkpoint import build
from models.device import mixed_precision
from models.lesson import Lesson
from models.network import N_EXPRESSIONS, N_LOGITS, EmotionNet, ManyHeaded
from models.teacher import adopt_statistics
from models.trainee import LearningSettings, Trainee
from models.views import Faces, batches, random_blend, row_numbers, whole_framing


@dataclass(frozen=True)
class TeacherPlan:
    """How one teacher is trained.

    Attributes:
        net: its name for `models.checkpoint.build`.
        learning: how its weights follow the gradient. A high learning rate spoils features that are good already.
        whole: whether it sees whole crops, and not the framed face.
        steps: optimiser steps in each round; small networks take more.
        blended: share of its faces that are blended with others.
        single_weight: how much the single FER2013 labels count beside the votes.
    """

    net: str
    learning: LearningSettings
    whole: bool = False
    steps: int = 1
    blended: float = 0.0
    single_weight: float = 0.4


FROM_FACES = LearningSettings(learning_rate=0.08, warmup=0.03)
FROM_NOTHING = LearningSettings(learning_rate=0.2)

TEACHERS = {
    "face112": TeacherPlan("face112", FROM_FACES),
    "face132": TeacherPlan("face132", FROM_FACES, blended=0.5, single_weight=0.8),
    "face112-whole": TeacherPlan("face112", FROM_FACES, whole=True, blended=0.3),
    "mobile160": TeacherPlan("mobile160", FROM_FACES),
    "mobile128-whole": TeacherPlan("mobile128", FROM_FACES, whole=True, blended=0.5, single_weight=0.8),
    "deep64": TeacherPlan("deep", FROM_NOTHING, steps=2, blended=0.5),
    "wide96-whole": TeacherPlan("wide96", FROM_NOTHING, whole=True, steps=2, blended=0.3, single_weight=0.8),
}
"""The teachers by name."""

BATCH = 512
NEGATIVES = 0.06
"""Share of each batch turned into badly cut faces, which are "reject"."""

SMOOTHING = 0.1
"""Label smoothing of the single FER2013 labels."""


class Teacher:
    """One teacher while it learns; `update` takes the steps of one round."""

    def __init__(self, plan: TeacherPlan, faces: Faces, lesson: Lesson, device: torch.device):
        self.plan = plan
        self.faces = replace(faces, framing=whole_framing(faces)) if plan.whole else faces
        self.trainee = Trainee(starting_network(plan.net, self.faces, lesson, device), plan.learning)
        self._batches: Iterator[Tensor] = batches(row_numbers(faces), BATCH)
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def update(self, progress: float) -> Tensor:
        """The steps of one round; gives the last loss. On a GPU they have a stream of their own, beside those of other teachers."""
        self.trainee.model.train()
        with torch.cuda.stream(self._stream):
            for _ in range(self.plan.steps):
                loss = self._loss(self.faces.rows(next(self._batches)))
                self.trainee.update(loss, progress)
        return loss.detach()

    def _loss(self, faces: Faces) -> Tensor:
        """Cross-entropy with the targets, and with the single labels on the extra head."""
        n, device = len(faces), faces.crops.device
        negative = torch.rand(n, device=device) < NEGATIVES
        reject = reject_targets(n, device)
        blend = random_blend(n, self.plan.blended, device)
        target = torch.where(negative[:, None], reject, faces.distribution) * torch.where(negative, 1.0, faces.weight)[:, None]
        single = smooth_single(torch.where(negative, -1, faces.single))
        chips = blend.of(augment(faces.crops.float(), faces.framing, negative)).contiguous(memory_format=torch.channels_last)
        with mixed_precision(device):
            logits, original, _ = self.trainee.model.training_logits(chips)
        extra = soft_cross_entropy(original, blend.of(single))
        return soft_cross_entropy(logits, blend.of(target)) + self.plan.single_weight * extra


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """The mean cross-entropy of logits (n, c) with targets (n, c), whose rows may sum to less than 1: such rows count for less."""
    return -(target * logits.float().log_softmax(1)).sum(1).mean()


def reject_targets(n: int, device: torch.device) -> Tensor:
    """(n, 8): the targets of n pictures without a readable face."""
    return F.one_hot(torch.full((n,), N_LOGITS - 1, device=device), N_LOGITS).float()


def smooth_single(single: Tensor) -> Tensor:
    """Targets (n, 7) from single labels (n,), smoothed; zeros where there is no label (-1)."""
    target = F.one_hot(single.clamp(min=0), N_EXPRESSIONS).float() * (1 - SMOOTHING) + SMOOTHING / N_EXPRESSIONS
    return target * (single >= 0)[:, None]


def starting_network(net: str, faces: Faces, lesson: Lesson, device: torch.device) -> ManyHeaded:
    """A network before training. Those that start from published weights also adapt their normalisations to chips of these faces."""
    model = build(net)
    if not isinstance(model, EmotionNet):
        weights = lesson.starts["mobile" if net.startswith("mobile") else "face"]
        heads = {name: value for name, value in model.state_dict().items() if name not in weights}
        model.load_state_dict(heads | {name: torch.from_numpy(value) for name, value in weights.items()})
    model = model.to(device, memory_format=torch.channels_last)
    if not isinstance(model, EmotionNet):
        rows = torch.randperm(len(faces), device=device)[:512]
        chips = augment(faces.crops[rows].float(), faces.framing[rows], torch.zeros(len(rows), dtype=torch.bool, device=device))
        adopt_statistics(model, chips)
    return model


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in evaluation mode, and whether it sees whole crops."""

    network: ManyHeaded
    whole: bool


@torch.no_grad()
def mean_answers(networks: Sequence[TrainedNetwork], framed: Tensor, whole: Tensor) -> Tensor:
    """The mean probabilities (n, 8 + 7) of networks by the heads for votes and for single labels.

    Args:
        networks: at least one.
        framed: (n, 1, 64, 64) network inputs with the framed face.
        whole: (n, 1, 64, 64) network inputs with the whole crop.
    """
    total = torch.zeros(len(framed), N_LOGITS + N_EXPRESSIONS, device=framed.device)
    for one in networks:
        with mixed_precision(framed.device):
            logits, original, _ = one.network.training_logits(whole if one.whole else framed)
        total += torch.cat([logits.float().softmax(1), original.float().softmax(1)], 1)
    return total / len(networks)
