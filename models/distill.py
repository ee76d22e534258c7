"""Teaches the shipped networks what the teachers see: first the lessons, then the learning.

    python -m models.distill views --fer2013 DIR --wild DIR --teacher runs/face1 --teacher runs/face2 --whole-teacher runs/whole
    python -m models.distill learn --fer2013 DIR --net emotion --out runs/emotion

`views` cuts every training face several times over, as a camera might, and writes down what the teachers together say to each cut
(Beyer et al. 2022: student and teacher must see the same view). Teachers of whole crops see another cut of the same crop: what lies
around the face helps them, and the student learns what they make of it. `learn` trains a student on these, under ever changing light.
"""

from collections import Counter
from collections.abc import Iterator
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

from models.augment import covered, crowded, jumbled, lit, patched, placed, smeared, torn, twisted
from models.cli import one_line
from models.course import Recipe, best_device, build, fit, load_trained, mixed_precision, to_input
from models.datasets import VOTED, load_fer2013, mark
from models.lesson import Lesson, lesson, public_test
from models.negatives import backgrounds, textures
from models.network import N_EXPRESSIONS, N_LOGITS
from realtime.base.errors import Trouble
from realtime.values import LABELS

app = typer.Typer(add_completion=False, no_args_is_help=True)


@dataclass(frozen=True)
class Schedule(Recipe):
    """How a student learns from the teachers."""

    epochs: int = 80
    negatives: float = 0.08  # share of each batch that is no readable face
    votes_share: float = 0.25  # of the target, where ten annotators agreed that it is a face; the rest is the teachers'
    single_share: float = 0.35  # of the extra head's target that is the one FER2013 label; the rest is the teachers'
    original_weight: float = 0.5


MEAN_SHARE = 0.7
"""Of what the teachers say: the share that is their mean over all cuts of the face. Their answer to one cut is noisier than that mean."""

SCHEDULES = {"emotion": Schedule(), "nano": Schedule(epochs=120, weight_decay=1e-4, negatives=0.12)}
SECOND_RATE = 0.04
"""Learning rate of a second course: enough to leave a minimum, too little to forget."""
BATCH = 256


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


def cut(crops: Tensor, framing: Tensor, negative: bool = False) -> Tensor:
    """One cut of each (n, 1, 48, 48) uint8 crop by `models.augment.placed`, all of them or none of them badly placed."""
    return placed(crops.float(), framing, torch.full((len(crops),), negative, device=crops.device))


def view(learned: Lesson, draw: np.random.Generator) -> np.ndarray:
    """One cut of each face: (n, 64, 64) uint8, partly covered, not yet lit."""
    parts = [patched(cut(*part) / 255) * 255 for part in zip(learned.crops.split(BATCH), learned.framing.split(BATCH), strict=True)]
    return compressed(to_bytes(torch.cat(parts)), draw)


def beside(crops: Tensor, framing: Tensor, scenery: Tensor) -> Tensor:
    """Badly placed cuts of (n, 1, 48, 48) uint8 crops, with (n, 1, 64, 64) scenery where the crop ends, not its edge drawn out."""
    inside = F.pad(torch.full((len(crops), 1, 46, 46), 255, dtype=torch.uint8, device=crops.device), (1, 1, 1, 1))
    face, seen = cut(torch.cat([crops, inside], 1), framing, negative=True).split(1, 1)
    return torch.lerp(scenery, face, seen / 255)


def negative_view(learned: Lesson, scenery: Tensor, n: int, draw: np.random.Generator) -> np.ndarray:
    """(n, 64, 64) uint8 pictures without a readable face: a third misplaced faces, a third spoilt ones, a third scenery.

    Half of the misplaced faces end where other scenery begins. Spoilt ones are covered, smeared, jumbled, twisted, torn or crowded, a
    sixth each.
    """
    third = n // 3
    misplaced, spoilt = torch.randint(len(learned), (third,)), torch.randint(len(learned), (third,))
    other = cut(scenery[torch.randint(len(scenery), (n,))], torch.eye(2, 3).expand(n, 2, 3))
    near = cut(learned.crops[spoilt], learned.framing[spoilt])
    half, sixth = third // 2, third // 6
    parts = [
        cut(learned.crops[misplaced[:half]], learned.framing[misplaced[:half]], negative=True),
        beside(learned.crops[misplaced[half:]], learned.framing[misplaced[half:]], other[half:third]),
        covered(near[:sixth], other[third : third + sixth]),
        smeared(near[sixth : 2 * sixth]),
        jumbled(near[2 * sixth : 3 * sixth]),
        twisted(near[3 * sixth : 4 * sixth]),
        torn(near[4 * sixth : 5 * sixth]),
        crowded(near[5 * sixth :]),
        other[2 * third :],
    ]
    return compressed(to_bytes(torch.cat(parts)), draw)


def repeated(learned: Lesson) -> Lesson:
    """The lesson with the photos (rows without a FER2013 label) of the expressions that few photos show taken four times, not once."""
    shown = learned.distribution.argmax(1)
    rare = (learned.single < 0) & ~torch.isin(shown, torch.tensor([LABELS.index("happiness"), LABELS.index("neutral")]))
    return learned.rows(torch.cat([torch.arange(len(learned)), rare.nonzero()[:, 0].repeat(3)]))


@dataclass(frozen=True)
class Mixture:
    """How the faces of a view are seen through others.

    Attributes:
        other: (n,) which face shines through each.
        own: (n,) how much of each face is its own, 0.5 to 1; 1 where nothing shines through.
    """

    other: np.ndarray
    own: np.ndarray

    def of(self, chips: np.ndarray) -> np.ndarray:
        """(n, 64, 64) uint8 chips, mixed."""
        own = self.own[:, None, None].astype(np.float32)
        return np.rint(own * chips + (1 - own) * chips[self.other]).astype(np.uint8)


def mixture(n: int, share: float, draw: np.random.Generator) -> Mixture:
    """A random share of n faces mixed with any others: pictures between the faces that there are, for the teachers to judge."""
    return Mixture(draw.permutation(n), np.where(draw.uniform(size=n) < share, draw.uniform(0.5, 1, n), 1.0))


@torch.no_grad()
def answers(teachers: dict[torch.nn.Module, int], chips: np.ndarray, device: torch.device) -> np.ndarray:
    """(n, 8 + 7) float16: the teachers' probabilities by both heads for (n, 64, 64) uint8 chips, each times its weight, summed."""
    said = []
    for part in np.array_split(chips, max(1, len(chips) // BATCH)):
        x = to_input(part).to(device, memory_format=torch.channels_last)
        total = torch.zeros(len(part), N_LOGITS + N_EXPRESSIONS, device=device)
        for teacher, weight in teachers.items():
            with mixed_precision(device):
                logits, original = teacher.training_logits(x)
            total += weight * torch.cat([logits.float().softmax(1), original.float().softmax(1)], 1)
        said.append(total.half().cpu().numpy())
    return np.concatenate(said)


def contents(files: list[Path]) -> str:
    """A short name for what is in .npz or .pt files, by the checksums that they carry."""
    return mark([(path.name, member.filename, member.CRC) for path in files for member in ZipFile(path).infolist()])


def mean_answers(files: list[Path]) -> np.ndarray:
    """(n, 8 + 7) float32: the mean of what the teachers said to each face over all views in which nothing shines through it.

    A face that was never seen alone has zeros.
    """
    parts = []
    for path in files:
        with np.load(path) as file:
            parts.append((file["answers"], file["plain"][:, None]))
    said, alone = map(np.array, zip(*parts, strict=True))
    return np.sum(said, 0, np.float32, where=alone) / np.maximum(alone.sum(0), 1).astype(np.float32)


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
    """Cuts the training faces and asks the teachers; a run that was cut goes on after its last whole view."""
    out.mkdir(parents=True, exist_ok=True)
    device = best_device()
    framed, whole = (
        {load_trained(folder / "weights.pt").to(device, memory_format=torch.channels_last): n for folder, n in Counter(folders).items()}
        for folders in (teacher, whole_teacher or [])
    )
    learned = repeated(lesson(fer2013, wild, people))
    uncut = replace(learned, framing=torch.eye(2, 3).expand(len(learned), 2, 3))
    faces = load_fer2013(fer2013, "train")
    nobody = faces.pixels[(faces.votes[:, VOTED.index("not_face")] > 5) & (faces.near_copy_in == "")]
    draw = np.random.default_rng(0)
    scenery = np.concatenate([nobody, textures(3000, draw), backgrounds(wild, 4000, draw)])
    both = (teacher, whole_teacher or [])
    made_with = mark(learned.mark(), mixed, *([contents([folder / "weights.pt"]) for folder in folders] for folders in both))
    told = out / "made_with.txt"
    if told.exists() and told.read_text() != made_with:
        raise Trouble(f"{out} holds views of other faces, teachers or settings: choose another --out, or delete it")
    told.write_text(made_with)
    torch.save(asdict(learned), out / "lesson.pt")
    print(f"{len(learned)} faces, {len(scenery)} pictures of scenery, {len(framed) + len(whole)} teachers, on {device}", flush=True)
    for number in range(count):
        if (out / f"{number:02}.npz").exists():
            continue
        torch.manual_seed(number)
        draw = np.random.default_rng(number)
        chips = view(learned, draw)
        negatives = negative_view(learned, torch.from_numpy(scenery).unsqueeze(1), len(chips) // 8, draw)
        mix = mixture(len(chips), mixed, np.random.default_rng((number, 1)))
        chips = mix.of(chips)
        said = answers(framed, chips, device)
        if whole:
            said += answers(whole, mix.of(view(uncut, draw)), device)
        said /= sum(framed.values()) + sum(whole.values())
        unfinished = out / "unfinished.npz"
        np.savez(unfinished, chips=chips, negatives=negatives, answers=said, plain=mix.own == 1)
        unfinished.rename(out / f"{number:02}.npz")
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
    seed: Annotated[int, typer.Option(help="Seed of the order, the weights and the light.")] = Recipe.seed,
) -> None:
    """Trains a student on the views; continues a run that was cut."""
    schedule = replace(SCHEDULES[net], seed=seed)
    schedule = schedule if epochs is None else replace(schedule, epochs=epochs)
    schedule = schedule if start is None else replace(schedule, learning_rate=SECOND_RATE)
    torch.manual_seed(schedule.seed)
    device = best_device()
    out.mkdir(parents=True, exist_ok=True)
    learned = Lesson(**torch.load(views / "lesson.pt", weights_only=True)).to(device)
    files = sorted(views.glob("[0-9][0-9].npz"))
    if not files:
        raise Trouble(f"{views} holds no view yet: run `python -m models.distill views --out {views} ...` first")
    print(f"read {len(learned)} faces in {len(files)} views; training {net} on {device}", flush=True)
    model = build(net) if start is None else load_trained(start / "weights.pt")
    model = model.to(device, memory_format=torch.channels_last)
    means = torch.from_numpy(mean_answers(files)).to(device)
    n_negative = round(schedule.batch * schedule.negatives)
    n_faces = schedule.batch - n_negative
    steps = len(learned) // n_faces
    reject = F.one_hot(torch.full((n_negative,), N_LOGITS - 1), N_LOGITS).float().to(device)

    def losses_of(model: torch.nn.Module, epoch: int) -> Iterator[Tensor]:
        with np.load(files[epoch % len(files)]) as file:
            faces, negatives, said = (torch.from_numpy(file[name]).to(device) for name in ("chips", "negatives", "answers"))
            plain = torch.from_numpy(file["plain"]).to(device)
        said = torch.where(plain[:, None], torch.lerp(said.float(), means, MEAN_SHARE), said.float())
        order, other = torch.randperm(len(faces), device=device), torch.randperm(len(negatives), device=device)
        for step in range(steps):
            rows = order[step * n_faces : (step + 1) * n_faces]
            extra = other[torch.arange(step * n_negative, (step + 1) * n_negative, device=device) % len(other)]
            chips = torch.cat([faces[rows], negatives[extra]]).unsqueeze(1).float() / 255
            chips = torch.where(torch.rand(len(chips), 1, 1, 1, device=device) < 0.5, chips, chips.flip(3))
            chips = (lit(chips).clamp(0, 1) * (255 / 128) - 1).contiguous(memory_format=torch.channels_last)
            share = schedule.votes_share * (learned.weight[rows] * plain[rows])[:, None]
            wanted = (1 - share) * said[rows, :N_LOGITS] + share * learned.distribution[rows]
            single = learned.single[rows]
            share = schedule.single_share * ((single >= 0) & plain[rows])[:, None]
            classic = (1 - share) * said[rows, N_LOGITS:] + share * F.one_hot(single.clamp(min=0), N_EXPRESSIONS)
            with mixed_precision(device):
                logits, original = model.training_logits(chips)
            loss = F.cross_entropy(logits.float(), torch.cat([wanted, reject]))
            yield loss + schedule.original_weight * F.cross_entropy(original[:n_faces].float(), classic)

    fit(model, net, schedule, steps, losses_of, public_test(fer2013, device), out, contents(files))


@app.command()
@one_line
def mean(
    run: Annotated[list[Path], typer.Option(help="Folder of a student's course; give all that followed one another.")],
    out: Annotated[Path, typer.Option(help="Where weights.pt goes.")],
) -> None:
    """Averages the weights of a student's courses (stochastic weight averaging, Izmailov et al. 2018)."""
    courses = [torch.load(folder / "weights.pt", map_location="cpu", weights_only=True) for folder in run]
    if len({course["net"] for course in courses}) > 1:
        raise Trouble(f"courses of different networks cannot be averaged: {', '.join(course['net'] for course in courses)}")
    averaged = {
        # Counters of batches are whole numbers.
        name: torch.stack([course["weights"][name] for course in courses]).mean(0) if value.is_floating_point() else value
        for name, value in courses[-1]["weights"].items()
    }
    out.mkdir(parents=True, exist_ok=True)
    torch.save(courses[-1] | {"recipe": courses[-1]["recipe"] | {"mean_of": len(courses)}, "weights": averaged}, out / "weights.pt")
    print(f"wrote {out / 'weights.pt'}, the mean of {len(courses)}")


if __name__ == "__main__":
    app()
