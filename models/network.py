"""The networks that are trained here, and how they take chips and answer.

The classifier is a small dense residual network on 64x64 gray chips. Dense 3x3 convolutions keep their accuracy under plain per-channel
int8 and reach more multiply-adds a second on small Arm cores than depthwise ones, which were not more accurate either. Chips enter as
(u8 - 128) / 128: then the int8 input is the byte minus 128, with scale 1/128 and zero point 0.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

N_EXPRESSIONS = 7
N_LOGITS = 8
"""Seven expressions, then reject (not a face)."""


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the shortcut is a 1x1 convolution where the shape changes."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out))
        self.second = nn.Sequential(nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out))
        same = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if same else nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class ManyHeaded(nn.Module):
    """A network whose `embed` gives (n, e) features, with three linear heads.

    Attributes:
        head: 8 logits, which learn the annotators' votes.
        original: 7 logits, which learn the single FER2013 labels.
        opinion: 7 logits, which learn what face-api's network says (`models.face_api`).
    """

    def add_heads(self, features: int, dropout: float) -> None:
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, N_LOGITS)
        self.original = nn.Linear(features, N_EXPRESSIONS)
        self.opinion = nn.Linear(features, N_EXPRESSIONS)

    def embed(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.embed(x)
        return self.head(embedding), embedding

    def training_logits(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the heads (n, 8), (n, 7) and (n, 7), with dropout on the features."""
        embedding = self.dropout(self.embed(x))
        return self.head(embedding), self.original(embedding), self.opinion(embedding)


class EmotionNet(ManyHeaded):
    """(n, 1, 64, 64) in [-1, 1) -> logits (n, 8), embedding (n, widths[-1]).

    The extra head `original` learns the single FER2013 labels, so that the classic benchmark can be reported; it is not exported.

    Args:
        widths: channels at 32x32, 16x16, 8x8 and 4x4 pixels.
        depths: residual blocks at each of these sizes; the first may have none, since convolutions cost most there.
        dropout: share of the embedding that training hides from the heads.
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...], dropout: float):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        blocks = [Residual(widths[0], widths[0], 1) for _ in range(depths[0])]
        for (n_in, n_out), depth in zip(pairwise(widths), depths[1:], strict=True):
            blocks += [Residual(n_in, n_out, 2)] + [Residual(n_out, n_out, 1) for _ in range(depth - 1)]
        self.blocks = nn.Sequential(*blocks)
        self.add_heads(widths[-1], dropout)

    def embed(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x)).mean((2, 3))


class LargeNet(EmotionNet):
    """An `EmotionNet` that enlarges the chip to `side` pixels first: a teacher."""

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...], dropout: float, side: int):
        super().__init__(widths, depths, dropout)
        self.side = side

    def embed(self, x: Tensor) -> Tensor:
        return super().embed(nn.functional.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False))


class PointsNet(nn.Module):
    """(n, 1, 48, 48) crops in [-1, 1) -> (n, 10): x and y of five points as shares of the side, minus those of `TEMPLATE`."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        self.blocks = nn.Sequential(*[Residual(n_in, n_out, 2) for n_in, n_out in pairwise(widths)])
        # The place of a feature matters here, so the 6x6 places are not averaged.
        self.last = nn.Sequential(nn.Conv2d(widths[-1], 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * 36, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.last(self.blocks(self.stem(x))))


NETWORKS: dict[str, dict[str, Any]] = {
    "emotion": {"widths": (24, 48, 104, 208), "depths": (1, 2, 2, 1), "dropout": 0.1},
    "nano": {"widths": (16, 32, 48, 70), "depths": (0, 1, 1, 1), "dropout": 0.0},
    "wide": {"widths": (32, 64, 128, 256), "depths": (1, 1, 1, 1), "dropout": 0.2},
    "deep": {"widths": (48, 96, 192, 384), "depths": (1, 2, 2, 2), "dropout": 0.3},
}
"""What `EmotionNet` is built with, by name: emotion and nano are shipped, the others are teachers that start from nothing."""

LARGE_NETWORKS: dict[str, dict[str, Any]] = {"wide96": {"widths": (32, 64, 128, 256), "depths": (1, 1, 2, 2), "dropout": 0.3, "side": 96}}
"""What `LargeNet` is built with, by name."""


def to_input(chips: np.ndarray | Tensor) -> Tensor:
    """(n, 64, 64) uint8 -> (n, 1, 64, 64) float32 as the networks take it."""
    return (torch.as_tensor(chips).float().unsqueeze(1) - 128) / 128


@torch.no_grad()
def logits_of(model: ManyHeaded, chips: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 8) of the shipped head and (n, 7) of the extra head for (n, 64, 64) uint8 chips; sets evaluation mode."""
    model.eval()
    answers = [model(to_input(part).to(device)) for part in np.array_split(chips, max(1, len(chips) // 256))]
    heads = [(logits, model.original(embedding)) for logits, embedding in answers]
    return tuple(torch.cat([pair[i] for pair in heads]).float().cpu().numpy() for i in (0, 1))
