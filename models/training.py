"""The training loop that all networks share: settings, epochs, a moving average of the weights, checkpoints and a log."""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.checkpoint import save_trained, save_whole
from models.plots import save_curves
from realtime.base.errors import Trouble


@dataclass(frozen=True)
class TrainingSettings:
    """What a training run depends on, saved with its weights."""

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


SETTINGS = {
    "emotion": TrainingSettings(),
    "nano": TrainingSettings(epochs=120),
    "wide": TrainingSettings(),
    # A high learning rate spoils features that are good already; they need few epochs.
    "face112": TrainingSettings(epochs=40, learning_rate=0.04, warmup_epochs=1),
    "face132": TrainingSettings(epochs=40, learning_rate=0.04, warmup_epochs=1),
    "mobile160": TrainingSettings(epochs=12, learning_rate=0.04, warmup_epochs=1),
}
"""The settings of each network by name."""


@dataclass(frozen=True)
class TrainingState:
    """All that changes during a run. The fields are entries of the checkpoint `last.pt`."""

    model: torch.nn.Module
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    ramp: LambdaLR

    @staticmethod
    def start(model: torch.nn.Module, settings: TrainingSettings, steps: int) -> "TrainingState":
        """The state before the first epoch, of `steps` optimiser steps each."""
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.average_decay), use_buffers=True)
        optimizer = new_optimizer(model, settings)
        return TrainingState(model, averaged, optimizer, learning_rate_ramp(optimizer, settings, steps))

    def parts(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def new_optimizer(model: torch.nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum. Weight decay applies to matrices, not to norms and biases."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=True)


def learning_rate_ramp(optimizer: torch.optim.Optimizer, settings: TrainingSettings, steps: int) -> LambdaLR:
    """A linear rise over the warm-up epochs, then half a cosine down to 0."""
    warmup, total = settings.warmup_epochs * steps, settings.epochs * steps

    def factor(i: int) -> float:
        return min((i + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(1.0, max(0, i - warmup) / max(1, total - warmup)))))

    return LambdaLR(optimizer, factor)


def resume(checkpoint: Path, state: TrainingState, origin: dict[str, Any]) -> int:
    """Loads a checkpoint into the state and gives the number of epochs that it has behind it.

    Raises:
        Trouble: the checkpoint has another `origin` (network, settings, data), so it is of another run.
    """
    saved = torch.load(checkpoint, map_location=next(state.model.parameters()).device)
    for name, value in origin.items():
        if saved.get(name) != value:
            raise Trouble(f"{checkpoint} is of another run ({name}: {saved.get(name)}, now {value}): choose another --out, or delete it")
    for name, part in state.parts().items():
        part.load_state_dict(saved[name])
    print(f"continuing after epoch {saved['epoch']}", flush=True)
    return saved["epoch"]


def train_epoch(state: TrainingState, losses: Iterable[Tensor]) -> float:
    """One optimiser step for each loss; gives their mean."""
    state.model.train()
    values = []
    for loss in losses:
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        state.optimizer.step()
        state.ramp.step()
        state.averaged.update_parameters(state.model)
        values.append(loss.detach())
    return round(torch.stack(values).mean().item(), 4)


def fit(
    model: torch.nn.Module,
    net: str,
    settings: TrainingSettings,
    steps: int,
    losses_of: Callable[[torch.nn.Module, int], Iterator[Tensor]],
    measure: Callable[[torch.nn.Module], dict[str, float]],
    out: Path,
    data_mark: str = "",
) -> None:
    """Trains `model` and writes the moving average of its weights. A run that was stopped continues after its last whole epoch.

    Args:
        model: where training starts; on the device that it is to run on.
        net: the network's name for `models.checkpoint.build`.
        settings: a run that continues must have the same network, settings and data.
        steps: optimiser steps an epoch.
        losses_of: yields one loss a step of an epoch, which is numbered from 0.
        measure: scores of the averaged model, taken every fifth epoch and after the last for the log.
        out: existing folder for `last.pt`, `log.jsonl`, `curves.png` and `weights.pt`.
        data_mark: a name that changes with the training data (`models.face_table.mark`).

    Raises:
        Trouble: `out` holds another run's checkpoint.
    """
    origin = {"net": net, "recipe": asdict(settings), "lessons": data_mark}
    state, checkpoint = TrainingState.start(model, settings, steps), out / "last.pt"
    first = resume(checkpoint, state, origin) if checkpoint.exists() else 0
    for epoch in range(first, settings.epochs):
        torch.manual_seed(settings.seed + epoch)
        started = time.perf_counter()
        loss = train_epoch(state, losses_of(model, epoch))
        line = {"epoch": epoch + 1, "loss": loss, "seconds": round(time.perf_counter() - started, 1)}
        if (epoch + 1) % 5 == 0 or epoch + 1 == settings.epochs:
            line |= measure(state.averaged.module)
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(line, flush=True)
        states = {name: part.state_dict() for name, part in state.parts().items()}
        save_whole(origin | {"epoch": epoch + 1} | states, checkpoint)
    save_trained(out / "weights.pt", net, asdict(settings), state.averaged.module.state_dict())
    save_curves(out / "log.jsonl", out / "curves.png")
    print(f"wrote {out / 'weights.pt'} and curves.png")
