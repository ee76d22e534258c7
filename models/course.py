"""A training run: its settings, the networks by name, the loop over epochs with checkpoints."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.network import NETWORKS, EmotionNet
from models.plots import save_curves
from models.teacher import TEACHERS, FaceNet
from models.teacher_mobile import MOBILE_TEACHERS, MobileFaceNet
from realtime.base.errors import Trouble


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
