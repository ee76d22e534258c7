"""Trains the shipped networks on the answers of teachers (distillation).

    python -m models.distill views --fer2013 DIR --wild DIR --teacher runs/face1 --teacher runs/face2 --whole-teacher runs/whole
    python -m models.distill learn --fer2013 DIR --net emotion --out runs/emotion

`views` cuts every training face several times, as a camera might, and saves the mean answer of the teachers to each cut (Beyer et al.
2022: student and teacher must see the same view). Teachers of whole crops get another cut of the same crop, since the surroundings of the
face help them. `learn` trains a student on these answers, in light that changes with every step.

A course is one training run of a student. A view is one cut of each training face, with the answers to it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal
from zipfile import ZipFile

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from models.augment import lit
from models.checkpoint import build, load_trained, save_whole
from models.cli import one_line
from models.device import best_device, mixed_precision
from models.face_table import mark
from models.negatives import read_scenery
from models.network import N_EXPRESSIONS, N_LOGITS, ManyHeaded, to_input
from models.teachers import reject_targets
from models.training import TrainingSettings, fit
from models.training_set import public_test, read_training_set
from models.views import Faces, no_faces, row_numbers, view, whole_framing
from realtime.base.errors import Trouble
from realtime.base.files import replacing

app = typer.Typer(add_completion=False, no_args_is_help=True)


@dataclass(frozen=True)
class StudentSettings(TrainingSettings):
    """The settings of a student that learns from teachers."""

    epochs: int = 80
    negatives: float = 0.08  # share of each batch that is no readable face
    votes_share: float = 0.25  # of the target of a face whose votes are fully trusted; the rest is the teachers' answer
    single_share: float = 0.35  # of the extra head's target: the one FER2013 label; the rest is the teachers' answer
    original_weight: float = 0.5


MEAN_SHARE = 0.7
"""Share of the teachers' part of a target that is their mean answer over all cuts of the face; their answer to one cut is noisier."""

SETTINGS = {"emotion": StudentSettings(), "nano": StudentSettings(epochs=120, weight_decay=1e-4, negatives=0.12)}
"""The settings of each student by name."""

SECOND_RATE = 0.04
"""Learning rate of a second course: large enough to leave a minimum, small enough to keep what was learned."""

BATCH = 256
"""Chips that are cut, or answered by teachers, at a time."""


def compressed(chips: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """(n, 64, 64) uint8 chips, a quarter of them after JPEG at quality 20 to 80."""
    chips = chips.copy()
    for i in np.flatnonzero(draw.uniform(size=len(chips)) < 0.25):
        _, data = cv2.imencode(".jpg", chips[i], [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(20, 81))])
        chips[i] = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return chips


def to_bytes(chips: Tensor) -> np.ndarray:
    """(n, 1, h, w) in [0, 255] -> (n, h, w) uint8."""
    return chips.round().clamp(0, 255).to(torch.uint8).squeeze(1).cpu().numpy()


def view_bytes(data: Faces, draw: np.random.Generator) -> np.ndarray:
    """A view (`models.views.view`) of each face, (n, 64, 64) uint8, some compressed."""
    parts = [view(*part) for part in zip(data.crops.split(BATCH), data.framing.split(BATCH), strict=True)]
    return compressed(to_bytes(torch.cat(parts)), draw)


@dataclass(frozen=True)
class Mixture:
    """How the faces of a view are blended with other faces of it.

    Attributes:
        other: (n,) the number of the face that each is blended with.
        own: (n,) weight of the face itself, 0.5 to 1; 1 where it is not blended.
    """

    other: np.ndarray
    own: np.ndarray

    def of(self, chips: np.ndarray) -> np.ndarray:
        """(n, 64, 64) uint8 chips, blended."""
        own = self.own[:, None, None].astype(np.float32)
        return np.rint(own * chips + (1 - own) * chips[self.other]).astype(np.uint8)


def mixture(n: int, share: float, draw: np.random.Generator) -> Mixture:
    """Blends a random share of n faces with others; only the teachers can say which expression such a picture shows."""
    return Mixture(draw.permutation(n), np.where(draw.uniform(size=n) < share, draw.uniform(0.5, 1, n), 1.0))


@torch.no_grad()
def answers(teachers: dict[ManyHeaded, int], chips: np.ndarray, device: torch.device) -> np.ndarray:
    """(n, 8 + 7) float16: the weighted sum of the teachers' probabilities, by both heads, for (n, 64, 64) uint8 chips."""
    sums = []
    for part in np.array_split(chips, max(1, len(chips) // BATCH)):
        x = to_input(part).to(device, memory_format=torch.channels_last)
        total = torch.zeros(len(part), N_LOGITS + N_EXPRESSIONS, device=device)
        for teacher, weight in teachers.items():
            with mixed_precision(device):
                logits, original, _ = teacher.training_logits(x)
            total += weight * torch.cat([logits.float().softmax(1), original.float().softmax(1)], 1)
        sums.append(total.half().cpu().numpy())
    return np.concatenate(sums)


def contents(files: list[Path]) -> str:
    """A short name for the content of .npz or .pt files, from the checksums in them."""
    return mark([(path.name, member.filename, member.CRC) for path in files for member in ZipFile(path).infolist()])


def mean_answers(files: list[Path]) -> np.ndarray:
    """(n, 8 + 7) float32: the teachers' mean answer to each face over all views in which it is not blended; zeros where there is none."""
    parts = []
    for path in files:
        with np.load(path) as file:
            parts.append((file["answers"], file["plain"][:, None]))
    probabilities, plain = map(np.array, zip(*parts, strict=True))
    return np.sum(probabilities, 0, np.float32, where=plain) / np.maximum(plain.sum(0), 1).astype(np.float32)


@app.command()
@one_line
def views(
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    wild: Annotated[Path, typer.Option(help="Folder of faces_wild.")],
    teacher: Annotated[list[Path], typer.Option(help="Folder of a trained teacher; give several, and one again for it to weigh more.")],
    whole_teacher: Annotated[list[Path] | None, typer.Option(help="Folder of a teacher that learned with --whole-crops.")] = None,
    people: Annotated[Path | None, typer.Option(help="Folder of people who calibrated: adds their takes.")] = None,
    out: Annotated[Path, typer.Option(help="Where the lessons go (120 MB a view).")] = Path("runs/views"),
    count: Annotated[int, typer.Option(help="How often each face is cut.")] = 16,
    mixed: Annotated[
        float, typer.Option(help="Share of the faces through which another shines; nobody but the teachers labels them.")
    ] = 0.0,
) -> None:
    """Cuts the training faces and asks the teachers; a run that was stopped continues after its last whole view."""
    out.mkdir(parents=True, exist_ok=True)
    device = best_device()
    framed, whole = (
        {load_trained(folder / "weights.pt").to(device, memory_format=torch.channels_last): n for folder, n in Counter(folders).items()}
        for folders in (teacher, whole_teacher or [])
    )
    data = read_training_set(fer2013, wild, people)
    data = data.rows(row_numbers(data))
    whole_crops = replace(data, framing=whole_framing(data))
    scenery = torch.from_numpy(read_scenery(fer2013, wild)[:, None])
    both = (teacher, whole_teacher or [])
    origin = mark(data.mark(), mixed, *([contents([folder / "weights.pt"]) for folder in folders] for folders in both))
    origin_file = out / "made_with.txt"
    if origin_file.exists() and origin_file.read_text() != origin:
        raise Trouble(f"{out} holds views of other faces, teachers or settings: choose another --out, or delete it")
    origin_file.write_text(origin)
    save_whole(asdict(data), out / "lesson.pt")
    print(f"{len(data)} faces, {len(scenery)} pictures of scenery, {len(framed) + len(whole)} teachers, on {device}", flush=True)
    for number in range(count):
        if (out / f"{number:02}.npz").exists():
            continue
        torch.manual_seed(number)
        draw = np.random.default_rng(number)
        chips = view_bytes(data, draw)
        negatives = compressed(to_bytes(no_faces(data, scenery, len(chips) // 8)), draw)
        mix = mixture(len(chips), mixed, np.random.default_rng((number, 1)))
        chips = mix.of(chips)
        probabilities = answers(framed, chips, device)
        if whole:
            probabilities += answers(whole, mix.of(view_bytes(whole_crops, draw)), device)
        probabilities /= sum(framed.values()) + sum(whole.values())
        with replacing(out / f"{number:02}.npz") as file:
            np.savez(file, chips=chips, negatives=negatives, answers=probabilities, plain=mix.own == 1)
        print(f"view {number + 1} of {count}", flush=True)


@app.command()
@one_line
def learn(
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    views: Annotated[Path, typer.Option(help="Folder that `views` wrote.")] = Path("runs/views"),
    net: Annotated[Literal["emotion", "nano"], typer.Option(help="Which network.")] = "emotion",
    out: Annotated[Path, typer.Option(help="Where weights and log go.")] = Path("runs/emotion"),
    start: Annotated[Path | None, typer.Option(help="Folder of a trained student to go on from, more gently.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order, the weights and the light.")] = TrainingSettings.seed,
) -> None:
    """Trains a student on the views; continues a run that was stopped."""
    settings = replace(SETTINGS[net], seed=seed)
    settings = settings if epochs is None else replace(settings, epochs=epochs)
    settings = settings if start is None else replace(settings, learning_rate=SECOND_RATE)
    torch.manual_seed(settings.seed)
    device = best_device()
    out.mkdir(parents=True, exist_ok=True)
    data = Faces(**torch.load(views / "lesson.pt", weights_only=True)).to(device)
    files = sorted(views.glob("[0-9][0-9].npz"))
    if not files:
        raise Trouble(f"{views} holds no view yet: run `python -m models.distill views --out {views} ...` first")
    print(f"read {len(data)} faces in {len(files)} views; training {net} on {device}", flush=True)
    model = build(net) if start is None else load_trained(start / "weights.pt")
    model = model.to(device, memory_format=torch.channels_last)
    steps = len(data) // (settings.batch - n_negatives(settings))
    fit(model, net, settings, steps, distillation_losses(data, files, settings), public_test(fer2013, device), out, contents(files))


def n_negatives(settings: StudentSettings) -> int:
    """How many pictures of a batch are no readable face."""
    return round(settings.batch * settings.negatives)


def distillation_losses(data: Faces, files: list[Path], settings: StudentSettings) -> Callable[[ManyHeaded, int], Iterator[Tensor]]:
    """The `losses_of` for `models.training.fit`: cross-entropy with the teachers' answers, mixed with votes and single labels.

    Args:
        data: the training set, on the device that computes.
        files: the views of it, one .npz each; each epoch takes the next.
        settings: how large a batch is, and the shares of votes and labels.
    """
    device = data.crops.device
    means = torch.from_numpy(mean_answers(files)).to(device)
    n_negative = n_negatives(settings)
    n_faces = settings.batch - n_negative
    reject = reject_targets(n_negative, device)

    def losses_of(model: ManyHeaded, epoch: int) -> Iterator[Tensor]:
        with np.load(files[epoch % len(files)]) as file:
            faces, negatives, probabilities = (torch.from_numpy(file[name]).to(device) for name in ("chips", "negatives", "answers"))
            plain = torch.from_numpy(file["plain"]).to(device)
        probabilities = torch.where(plain[:, None], torch.lerp(probabilities.float(), means, MEAN_SHARE), probabilities.float())
        order, other = torch.randperm(len(faces), device=device), torch.randperm(len(negatives), device=device)
        for step in range(len(data) // n_faces):
            rows = order[step * n_faces : (step + 1) * n_faces]
            extra = other[torch.arange(step * n_negative, (step + 1) * n_negative, device=device) % len(other)]
            chips = torch.cat([faces[rows], negatives[extra]]).unsqueeze(1).float() / 255
            chips = torch.where(torch.rand(len(chips), 1, 1, 1, device=device) < 0.5, chips, chips.flip(3))
            chips = (lit(chips).clamp(0, 1) * (255 / 128) - 1).contiguous(memory_format=torch.channels_last)
            target, single_target = student_targets(data.rows(rows), probabilities[rows], plain[rows], settings)
            with mixed_precision(device):
                logits, original, _ = model.training_logits(chips)
            loss = F.cross_entropy(logits.float(), torch.cat([target, reject]))
            yield loss + settings.original_weight * F.cross_entropy(original[:n_faces].float(), single_target)

    return losses_of


def student_targets(faces: Faces, probabilities: Tensor, plain: Tensor, settings: StudentSettings) -> tuple[Tensor, Tensor]:
    """The targets (n, 8) and (n, 7) of both heads: the teachers' probabilities, in plain faces mixed with votes or the single label.

    Args:
        faces: n rows of the training set.
        probabilities: (n, 8 + 7) the teachers' answers.
        plain: (n,) bool, whether a face is not blended with another.
        settings: the shares of votes and labels.
    """
    share = settings.votes_share * (faces.weight * plain)[:, None]
    target = (1 - share) * probabilities[:, :N_LOGITS] + share * faces.distribution
    share = settings.single_share * ((faces.single >= 0) & plain)[:, None]
    single_target = (1 - share) * probabilities[:, N_LOGITS:] + share * F.one_hot(faces.single.clamp(min=0), N_EXPRESSIONS)
    return target, single_target


if __name__ == "__main__":
    app()
