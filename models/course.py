"""A further course on two cores: it goes on from weights that exist, with faces that were turned in depth, and faces to which an expression
was transferred.

    python -m models.course --start runs/shipped/weights.pt --out runs/course/weights.pt

Half of a face's target are its votes, half is what a teacher says of its plain chip: other weights, or those that the course starts from.
After a turn a face's target is the same. The weights that are written answer under the prior of use. `models.mean` averages them with those
that the course started from. It takes a quarter of an hour on two cores.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from models.checkpoint import read_trained, save_trained
from models.cli import one_line
from models.face_api import FaceApiNet, adviser_of
from models.lesson import load_lesson
from models.made_faces import TransferredFaces, TurnedFaces, load_transferred, load_turned
from models.network import N_EXPRESSIONS, ManyHeaded, to_input
from models.students import Targets, heads_loss
from models.teachers import reject_targets, smooth_single
from models.trainee import LearningSettings, Trainee
from models.views import Blend, Faces, batches, faces_of, in_light, no_faces, plain_chips, random_blend, row_numbers, view
from realtime.base.errors import Trouble
from realtime.config import PRIOR_OF_USE

CHECKPOINT = 250
"""After so many steps the weights of that time are written, in case the course does not come to its end."""

PART = 64
"""How many faces the networks are asked about at once."""


@dataclass(frozen=True)
class CourseSettings:
    """How the course is taught."""

    faces: int = 150  # in a batch
    transferred: int = 30  # faces to which an expression was transferred
    turned: int = 30  # faces that were turned in depth
    negatives: int = 10  # pictures without a readable face
    learning: LearningSettings = field(default_factory=lambda: LearningSettings(0.02, weight_decay=2e-4, average_decay=0.998))
    votes_share: float = 0.5  # of the target of a face whose votes are fully trusted
    original_weight: float = 0.5  # of the second head's loss
    opinion_weight: float = 0.3  # of the third head's loss
    blended: float = 0.3  # share of the faces through which another shines


def settings_of(in_batch: int | None) -> CourseSettings:
    """The settings with `in_batch` transferred faces in a batch, as large as it is otherwise.

    Raises:
        Trouble: no plain face would be left.
    """
    usual = CourseSettings()
    if in_batch is None:
        return usual
    faces = usual.faces + usual.transferred - in_batch
    if faces < 1:
        raise Trouble(f"--in-batch {in_batch} leaves no plain face in a batch: take at most {in_batch + faces - 1}")
    return replace(usual, faces=faces, transferred=in_batch)


class Answers:
    """Targets: the labels, with what a teacher and face-api's network say of each plain chip."""

    @torch.no_grad()
    def __init__(
        self, teacher: ManyHeaded, adviser: FaceApiNet, faces: Faces, class_weights: Tensor, teacher_weights: Tensor, votes_share: float
    ):
        """`class_weights` (8,) bring votes under the prior of use, `teacher_weights` (8,) what the teacher says."""
        own, opinion = [], []
        # In this memory format face-api's network takes a third of the time, and small parts stay in the processor's cache.
        teacher, adviser = teacher.to(memory_format=torch.channels_last), adviser.to(memory_format=torch.channels_last)
        for crops, framing in zip(faces.crops.split(PART), faces.framing.split(PART), strict=True):
            seen = to_input(plain_chips(crops, framing))
            own.append(teacher(seen)[0].softmax(1))
            opinion.append(((adviser(seen) + adviser(seen.flip(3))) / 2).softmax(1))
        share = (faces.weight * votes_share)[:, None]
        self.votes = (1 - share) * torch.cat(own) * teacher_weights + share * faces.distribution * class_weights
        self.opinion, self.original = torch.cat(opinion), smooth_single(faces.single)

    def of(self, rows: Tensor, blend: Blend, others: Tensor) -> Targets:
        """Targets of blended faces, then of other pictures, of which only the first head's (k, 8) are known."""
        nothing = torch.zeros(len(others), N_EXPRESSIONS)
        blended = Targets(*(blend.of(part[rows]) for part in (self.votes, self.original, self.opinion)))
        return blended.and_then(Targets(others, nothing, nothing))


class Course:
    """A network while it learns; `update` is one step."""

    def __init__(
        self,
        start: ManyHeaded,
        answers: Answers,
        faces: Faces,
        transferred: TransferredFaces,
        turned: TurnedFaces,
        scenery: Tensor,
        settings: CourseSettings,
    ):
        self.answers, self.faces, self.scenery, self.settings = answers, faces, scenery, settings
        self.transferred, self.turned = transferred, turned
        self.trainee = Trainee(start.to(memory_format=torch.channels_last), settings.learning)
        self._rows = batches(row_numbers(faces), settings.faces)
        self._picks = batches(torch.arange(len(transferred.crops)), settings.transferred)
        self._turned_picks = batches(torch.arange(len(turned.crops)), settings.turned)
        self._negatives = self._pictures_without_a_face()

    def _pictures_without_a_face(self) -> Iterator[Tensor]:
        """Views without a readable face, a batch at a time; many are made at once, as each kind needs some."""
        while True:
            views = no_faces(self.faces, self.scenery, 20 * self.settings.negatives)
            yield from views[torch.randperm(len(views))].split(self.settings.negatives)

    def update(self, progress: float) -> Tensor:
        """One step; gives the loss."""
        settings, rows, picks, turned = self.settings, next(self._rows), next(self._picks), next(self._turned_picks)
        faces, blend = self.faces.rows(rows), random_blend(len(rows), settings.blended, rows.device)
        changed = view(self.transferred.crops[picks], self.transferred.framing[picks])
        aside = view(self.turned.crops[turned], self.turned.framing[turned])
        nothing = next(self._negatives)
        views = in_light(torch.cat([blend.of(view(faces.crops, faces.framing)), changed, aside, nothing]))
        others = torch.cat(
            [self.transferred.target[picks], self.answers.votes[self.turned.rows[turned]], reject_targets(len(nothing), views.device)]
        )
        self.trainee.model.train()
        targets = self.answers.of(rows, blend, others)
        loss = heads_loss(self.trainee.model, views, targets, settings.original_weight, settings.opinion_weight)
        self.trainee.update(loss, progress)
        return loss.detach()


@one_line
def main(
    start: Annotated[Path, typer.Option(help="Weights to go on from.")],
    out: Annotated[Path, typer.Option(help="The file of weights to write.")],
    lesson: Annotated[Path, typer.Option(help="The file that models.pack_lesson wrote.")] = Path("runs/lesson.npz"),
    transferred: Annotated[Path, typer.Option(help="The file that models.transfer_faces wrote.")] = Path("runs/transferred.npz"),
    turned: Annotated[Path, typer.Option(help="The file that models.turn_faces wrote.")] = Path("runs/turned.npz"),
    steps: Annotated[int, typer.Option(help="How many batches to learn from.", min=1)] = 2500,
    teacher: Annotated[Path | None, typer.Option(help="Weights that teach; those of --start if left out.")] = None,
    in_batch: Annotated[
        int | None, typer.Option(help="How many transferred faces a batch has; the more, the fewer plain ones.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the faces, and of their views.")] = 1,
) -> None:
    """Takes the course."""
    torch.manual_seed(seed)
    whole, device = load_lesson(lesson), torch.device("cpu")
    learner = read_trained(start)
    taught_by = read_trained(teacher) if teacher else learner
    faces, changed, aside = faces_of(whole, device), load_transferred(transferred), load_turned(turned)
    settings, lesson_prior = settings_of(in_batch), whole.prior.tolist()
    votes_ratio, teacher_ratio = (
        F.pad(torch.tensor(PRIOR_OF_USE) / torch.tensor(prior), (0, 1), value=1.0)
        for prior in (lesson_prior, taught_by.recipe.get("prior", lesson_prior))
    )
    answers = Answers(taught_by.model, adviser_of(whole.starts["face_api"]), faces, votes_ratio, teacher_ratio, settings.votes_share)
    course = Course(learner.model, answers, faces, changed, aside, torch.from_numpy(whole.scenery[:, None]), settings)
    details = {"prior": list(PRIOR_OF_USE), "seed": seed} | asdict(settings)
    for step in range(steps):
        loss = course.update(step / steps)
        if step % 100 == 0:
            print(f"step {step} of {steps}, loss {float(loss):.3f}", flush=True)
        if (step + 1) % CHECKPOINT == 0 or step + 1 == steps:
            save_trained(out, learner.net, details | {"steps": step + 1}, course.trainee.averaged.state_dict())
    print(f"wrote {out} after {steps} steps")


if __name__ == "__main__":
    typer.run(main)
