"""A network in training: its optimiser, its learning rate, and the moving average of its weights, which is what counts in the end."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.network import ManyHeaded


@dataclass(frozen=True)
class LearningSettings:
    """How a network's weights follow the gradient."""

    learning_rate: float = 0.14  # for batches of 256; 0.1 for 128 is what the strong FER2013 repositories use
    warmup: float = 0.02  # share of the steps in which the rate rises
    momentum: float = 0.9
    weight_decay: float = 5e-4
    average_decay: float = 0.998  # moving average over about 500 steps


def rate_factor(progress: float, warmup: float) -> float:
    """The learning rate as a share of the highest: a linear rise in the warm-up, then half a cosine down to 0.

    Args:
        progress: share of the steps that are done, 0 to 1.
        warmup: share of the steps in which the rate rises, above 0.
    """
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


class Trainee:
    """A network and what its training needs. One `update` a step.

    Attributes:
        model: the network whose weights change.
        averaged: the same network with the moving average of its weights.
    """

    def __init__(self, model: ManyHeaded, settings: LearningSettings):
        self.model, self.settings = model, settings
        self.averaged = copy.deepcopy(model).requires_grad_(False)
        # Weight decay is for matrices, not for normalisations and biases.
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=True)
        self._now = [v for v in model.state_dict().values() if v.is_floating_point()]
        self._average = [v for v in self.averaged.state_dict().values() if v.is_floating_point()]

    def update(self, loss: Tensor, progress: float) -> None:
        """One step down the gradient of a loss; `progress` is the share of all steps that are done."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * rate_factor(progress, self.settings.warmup)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        torch._foreach_lerp_(self._average, self._now, 1 - self.settings.average_decay)
