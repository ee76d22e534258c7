"""Trains the classifier on FER2013 with FER+ votes and writes a float checkpoint.

    python -m models.train --fer2013 DIR --out runs/emotion

Reads `train` (rows with a near copy in a test split are dropped) and, only to show progress, `public_test`: no choice is made on
it, the weights kept are the last epoch's moving average. Writes `last.pt` after every epoch (a run that was cut continues
there), `log.jsonl` (one line an epoch) and `weights.pt` at the end. Runs on a GPU when there is one.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.datasets import chip_from_crop, load_fer2013, majority, targets
from models.network import N_LOGITS, EmotionNet
from realtime.align import CHIP


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


def augment(crops: Tensor, negative: Tensor) -> Tensor:
    """Chips as a camera might show the faces of these crops: moved, lit, blurred, noisy, partly covered.

    Args:
        crops: (n, 1, 48, 48) float, 0 to 255.
        negative: (n,) bool; these are cut so badly that no expression can be read: far off, upside down, or a patch of skin.

    Returns:
        (n, 1, 64, 64) float in [-1, 1).
    """
    n, device = len(crops), crops.device
    turn = torch.randn(n, device=device).clamp(-2.5, 2.5) * math.radians(8)
    scale = uniform(n, 0.84, 1.12, device)
    shift = torch.randn(n, 2, device=device).clamp(-2.5, 2.5) * 0.07
    flip = torch.randint(0, 2, (n,), device=device) * 2.0 - 1.0
    kind = torch.randint(0, 3, (n,), device=device)
    # Towards some point of the frame's edge.
    far = torch.stack([torch.cos(uniform(n, 0, 2 * math.pi, device)), torch.sin(uniform(n, 0, 2 * math.pi, device))], 1)
    turn = torch.where(negative & (kind == 0), uniform(n, math.pi * 0.6, math.pi * 1.4, device), turn)
    scale = torch.where(negative & (kind == 1), uniform(n, 0.15, 0.4, device), scale)
    reach = torch.where(kind == 1, 0.6, 1.0) * uniform(n, 0.8, 1.3, device)
    shift = torch.where((negative & (kind > 0))[:, None], far / far.abs().amax(1, keepdim=True) * reach[:, None], shift)
    chips = warp(crops, placement(turn, scale, uniform(n, 0.93, 1.07, device), shift, flip))

    # Sharpness: a camera's chip is sharper than an enlarged 48-pixel crop, or much softer.
    soft = F.avg_pool2d(F.pad(chips, (1, 1, 1, 1), mode="replicate"), 3, 1)
    amount = uniform(n, -0.8, 1.0, device)[:, None, None, None]
    chips = sometimes(chips, torch.lerp(chips, soft, amount), 0.5)
    coarse = F.interpolate(F.interpolate(chips, size=(28, 28), mode="area"), size=(CHIP, CHIP), mode="bilinear")
    chips = sometimes(chips, coarse, 0.08)

    # Light: gain, offset, gamma, and a lamp from one side.
    chips = chips.clamp(0, 255) / 255
    lit = chips ** torch.exp(torch.randn(n, device=device) * 0.25)[:, None, None, None]
    lit = (lit - 0.5) * uniform(n, 0.6, 1.3, device)[:, None, None, None] + 0.5 + uniform(n, -0.18, 0.18, device)[:, None, None, None]
    axis = torch.linspace(-1, 1, CHIP, device=device)
    lamp = axis[None, :] * uniform(n, -0.4, 0.4, device)[:, None]
    chips = sometimes(sometimes(chips, lit, 0.8), (lit * (1 + lamp[:, None, None, :])), 0.25)
    chips = sometimes(chips, chips + torch.randn_like(chips) * uniform(n, 0.0, 0.05, device)[:, None, None, None], 0.5)

    # A hand, a cup, hair: one flat rectangle.
    rows, columns = torch.arange(CHIP, device=device)[None, :, None], torch.arange(CHIP, device=device)[None, None, :]
    height, width = uniform(n, 8, 24, device)[:, None, None], uniform(n, 8, 24, device)[:, None, None]
    top, left = uniform(n, -8, CHIP - 8, device)[:, None, None], uniform(n, -8, CHIP - 8, device)[:, None, None]
    covered = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    chips = sometimes(chips, torch.where(covered[:, None], torch.rand(n, 1, 1, 1, device=device), chips), 0.35)
    return chips.clamp(0, 1) * (255 / 128) - 1


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


def main(
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    out: Annotated[Path, typer.Option(help="Where weights and log go.")] = Path("runs/emotion"),
    epochs: Annotated[int, typer.Option(help="Passes over the training rows.")] = Recipe.epochs,
) -> None:
    """Trains the classifier; continues a run that was cut."""
    recipe = Recipe(epochs=epochs)
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    out.mkdir(parents=True, exist_ok=True)

    train = load_fer2013(fer2013, "train")
    distribution, weight = targets(train.votes)
    keep = (train.near_copy_in == "") & (weight > 0)
    train = train.where(keep)
    crops = torch.from_numpy(train.pixels).unsqueeze(1).to(device)
    distribution, weight = (torch.from_numpy(a[keep]).to(device) for a in (distribution, weight))
    labels = torch.from_numpy(train.labels).to(device)
    test = load_fer2013(fer2013, "public_test")
    test_label = majority(test.votes)
    test_chips = np.stack([chip_from_crop(face) for face in test.pixels])
    print(
        f"read {len(train)} training faces ({(~keep).sum()} dropped) and {len(test)} public-test faces; training on {device}",
        flush=True,
    )

    model = EmotionNet().to(device, memory_format=torch.channels_last)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay), use_buffers=True)
    # Norms and biases are not decayed.
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=True)
    steps = len(train) // recipe.batch
    warmup, total = recipe.warmup_epochs * steps, recipe.epochs * steps
    ramp = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: min((i + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(1.0, max(0, i - warmup) / (total - warmup))))),
    )
    parts = {"model": model, "averaged": averaged, "optimizer": optimizer, "ramp": ramp}
    first = 0
    if (out / "last.pt").exists():
        saved = torch.load(out / "last.pt", map_location=device)
        if saved["recipe"] != asdict(recipe):
            raise SystemExit(
                f"{out}/last.pt was made with other settings ({saved['recipe']}): choose another --out, or delete it to start anew"
            )
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        first = saved["epoch"]
        print(f"continuing after epoch {first}", flush=True)

    for epoch in range(first, recipe.epochs):
        torch.manual_seed(recipe.seed + epoch)
        started, losses = time.perf_counter(), []
        model.train()
        order = torch.randperm(len(train), device=device)
        for step in range(steps):
            rows = order[step * recipe.batch : (step + 1) * recipe.batch]
            negative = torch.rand(len(rows), device=device) < recipe.negatives
            reject = F.one_hot(torch.tensor(N_LOGITS - 1, device=device), N_LOGITS).float()
            wanted = torch.where(negative[:, None], reject, distribution[rows])
            trust = torch.where(negative, 1.0, weight[rows])
            chips = augment(crops[rows].float(), negative).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                logits, original = model.training_logits(chips)
            loss = (F.cross_entropy(logits.float(), wanted, reduction="none") * trust).mean()
            single = F.cross_entropy(original.float(), labels[rows], reduction="none", label_smoothing=recipe.original_smoothing)
            loss = loss + recipe.original_weight * (single * ~negative).mean()
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
            logits, original = logits_of(averaged.module, test_chips, device)
            counted = test_label >= 0
            line["ferplus7"] = round(float((logits[counted, :-1].argmax(1) == test_label[counted]).mean()), 4)
            line["fer2013"] = round(float((original.argmax(1) == test.labels).mean()), 4)
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(line, flush=True)
        torch.save(
            {"recipe": asdict(recipe), "epoch": epoch + 1, **{name: part.state_dict() for name, part in parts.items()}},
            out / "last.pt",
        )

    torch.save({"recipe": asdict(recipe), "torch": str(torch.__version__), "weights": averaged.module.state_dict()}, out / "weights.pt")
    print(f"wrote {out / 'weights.pt'}")


if __name__ == "__main__":
    typer.run(main)
