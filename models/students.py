"""The students: the networks that ship, taught by the answers of all teachers to the very pictures that they see (Beyer et al. 2022).

A round cuts a part of the faces anew and asks the teachers once. The students then learn from these views several times, in light that
changes with every step: asking costs more than learning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint import build
from models.device import mixed_precision
from models.face_api import FaceApiNet
from models.made_faces import MadeFaces
from models.network import N_EXPRESSIONS, N_LOGITS, ManyHeaded
from models.teachers import TrainedNetwork, mean_answers, reject_targets, soft_cross_entropy
from models.trainee import LearningSettings, Trainee
from models.views import Faces, batches, in_light, no_faces, random_blend, row_numbers, to_network, view, whole_framing


@dataclass(frozen=True)
class StudentPlan:
    """How one student is trained.

    Attributes:
        net: its name for `models.checkpoint.build`.
        learning: how its weights follow the gradient.
        seed: of its first weights.
    """

    net: str
    learning: LearningSettings
    seed: int = 1


STUDENTS = {
    "emotion": StudentPlan("emotion", LearningSettings(average_decay=0.999)),
    "nano": StudentPlan("nano", LearningSettings(weight_decay=1e-4, average_decay=0.999)),
}
"""The students by name."""


@dataclass(frozen=True)
class TeachingSettings:
    """How students are taught."""

    part: int = 2048  # faces that a round cuts and asks about
    repeats: int = 4  # how often a round learns from them
    batch: int = 256
    negatives: float = 0.1  # pictures that are no readable face, as a share of the faces
    made: float = 0.4  # faces that were turned or to which an expression was transferred, if there are any; as a share of the faces
    blended: float = 0.4  # share of the faces through which another shines
    votes_share: float = 0.25  # of the target of a face whose votes are fully trusted; the rest is the teachers' answer
    single_share: float = 0.35  # of the second head's target: the one FER2013 label; the rest is the teachers' answer
    mean_share: float = 0.7  # of the teachers' part: their mean answer over all cuts of the face, as one cut's answer is noisier
    original_weight: float = 0.5
    opinion_weight: float = 0.5


@dataclass(frozen=True)
class Targets:
    """What the three heads should say of n pictures: (n, 8), (n, 7) and (n, 7); rows of zeros say nothing."""

    votes: Tensor
    original: Tensor
    opinion: Tensor

    def rows(self, picks: Tensor) -> "Targets":
        return Targets(self.votes[picks], self.original[picks], self.opinion[picks])

    def and_then(self, others: "Targets") -> "Targets":
        """These, and behind them those of other pictures."""
        columns = ((self.votes, others.votes), (self.original, others.original), (self.opinion, others.opinion))
        return Targets(*(torch.cat(pair) for pair in columns))


class MeanAnswers:
    """The mean answer of the teachers to each face over all its cuts so far; blended faces do not count.

    Attributes:
        sums: (n, 8 + 7) float32.
        counts: (n,) float32, how many cuts are in the sums.
    """

    def __init__(self, n: int, device: torch.device):
        self.sums = torch.zeros(n, N_LOGITS + N_EXPRESSIONS, device=device)
        self.counts = torch.zeros(n, device=device)

    def update(self, rows: Tensor, answers: Tensor, plain: Tensor) -> Tensor:
        """Adds the answers (n, 8 + 7) to plain faces (n,) bool and gives the mean answers to all of them."""
        self.sums.index_add_(0, rows, answers * plain[:, None])
        self.counts.index_add_(0, rows, plain.float())
        return self.of(rows)

    def of(self, rows: Tensor) -> Tensor:
        """(k, 8 + 7): the mean answers to these faces; zeros where there is none yet."""
        return self.sums[rows] / self.counts[rows].clamp(min=1)[:, None]

    def all(self) -> Tensor:
        """(n, 8 + 7): the mean answer to each face; zeros where there is none."""
        return self.of(torch.arange(len(self.sums), device=self.sums.device))


class Teaching:
    """The students while they learn; `update` is one round.

    Args:
        faces: what is learned from.
        scenery: (m, 1, 48, 48) uint8 pictures without a face.
        made: faces that were made from others, or None.
        teachers: who answers.
        adviser: face-api's network in evaluation mode, for the third head.
        class_weights: (7,) how much each expression counts in the first head's loss. The odds that the students learn change by them.
        settings: how they are taught.
    """

    def __init__(
        self,
        faces: Faces,
        scenery: Tensor,
        made: MadeFaces | None,
        teachers: Sequence[TrainedNetwork],
        adviser: FaceApiNet,
        class_weights: Tensor,
        settings: TeachingSettings,
    ):
        self.faces, self.scenery, self.made, self.settings = faces, scenery, made, settings
        self.teachers, self.adviser = teachers, adviser
        device = faces.crops.device
        self.class_weights = F.pad(class_weights.to(device), (0, 1), value=1.0)
        self.answers = MeanAnswers(len(faces), device)
        self.trainees = {}
        for name, plan in STUDENTS.items():
            torch.manual_seed(plan.seed)
            self.trainees[name] = Trainee(build(plan.net).to(device, memory_format=torch.channels_last), plan.learning)
        self._parts = batches(row_numbers(faces), min(settings.part, len(faces)))

    def update(self, progress: float) -> dict[str, Tensor]:
        """Cuts and asks once, learns several times; gives the last loss of each student."""
        views, targets = self._lesson(next(self._parts))
        device, losses = views.device, {}
        size = min(self.settings.batch, len(views))
        for trainee in self.trainees.values():
            trainee.model.train()
        for _ in range(self.settings.repeats):
            for picks in torch.randperm(len(views), device=device)[: len(views) // size * size].split(size):
                chips, part = in_light(views[picks]), targets.rows(picks)
                for name, trainee in self.trainees.items():
                    losses[name] = heads_loss(trainee.model, chips, part, self.settings.original_weight, self.settings.opinion_weight)
                    trainee.update(losses[name], progress)
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def _lesson(self, rows: Tensor) -> tuple[Tensor, Targets]:
        """Views of these faces and of pictures without a readable one, and what the heads should say of them."""
        faces, device = self.faces.rows(rows), rows.device
        blend = random_blend(len(rows), self.settings.blended, device)
        framed = blend.of(view(faces.crops, faces.framing))
        whole = blend.of(view(faces.crops, whole_framing(faces)))
        chips = to_network(framed)
        answers = mean_answers(self.teachers, chips, to_network(whole))
        means = self.answers.update(rows, answers, blend.plain)
        answers = torch.where(blend.plain[:, None], torch.lerp(answers, means, self.settings.mean_share), answers)
        # Its logits are large: in bfloat16 a probability may be off by 0.06.
        opinion = self.adviser(chips).softmax(1)
        votes, original = face_targets(faces, answers, blend.plain, self.settings)
        n = round(len(rows) * self.settings.negatives)
        nothing = torch.zeros(n, N_EXPRESSIONS, device=device)
        reject = reject_targets(n, device)
        views = torch.cat([framed, no_faces(self.faces, self.scenery, n)])
        targets = Targets(votes * self.class_weights, original, opinion).and_then(Targets(reject * self.class_weights, nothing, nothing))
        if self.made is None:
            return views, targets
        picks = torch.randint(len(self.made.rows), (round(len(rows) * self.settings.made),), device=device)
        more = view(self.made.crops[picks], self.made.framing[picks])
        return torch.cat([views, more]), targets.and_then(self._made_targets(self.made, picks))

    def _made_targets(self, made: MadeFaces, picks: Tensor) -> Targets:
        """What the heads should say of made faces: of a turned one what they should say of the face before.

        Nothing is said of it as long as no teacher has seen that face.
        """
        rows, stated = made.rows[picks].clamp(min=0), (made.rows[picks] < 0)[:, None]
        known = (self.answers.counts[rows] > 0)[:, None]
        plain = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        votes, original = face_targets(self.faces.rows(rows), self.answers.of(rows), plain, self.settings)
        votes = torch.where(stated, made.target[picks], votes * self.class_weights * known)
        return Targets(votes, original * (known & ~stated), torch.zeros_like(original))


def heads_loss(model: ManyHeaded, chips: Tensor, targets: Targets, original_weight: float, opinion_weight: float) -> Tensor:
    """The weighted sum of the three heads' cross-entropies; the head for votes has the weight 1."""
    with mixed_precision(chips.device):
        logits, original, opinion = model.training_logits(chips)
    extra = original_weight * soft_cross_entropy(original, targets.original)
    extra = extra + opinion_weight * soft_cross_entropy(opinion, targets.opinion)
    return soft_cross_entropy(logits, targets.votes) + extra


def face_targets(faces: Faces, answers: Tensor, plain: Tensor, settings: TeachingSettings) -> tuple[Tensor, Tensor]:
    """The targets (n, 8) and (n, 7): the teachers' answers (n, 8 + 7), in plain faces (n,) bool mixed with votes or the single label."""
    share = settings.votes_share * (faces.weight * plain)[:, None]
    votes = (1 - share) * answers[:, :N_LOGITS] + share * faces.distribution
    share = settings.single_share * ((faces.single >= 0) & plain)[:, None]
    return votes, (1 - share) * answers[:, N_LOGITS:] + share * F.one_hot(faces.single.clamp(min=0), N_EXPRESSIONS)
