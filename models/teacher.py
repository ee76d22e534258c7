"""The teacher: dlib's face-recognition network, retrained to read expressions. It trains the shipped models and never ships.

The weights come from the PyPI package `face-recognition-models` (dlib_face_recognition_resnet_model_v1.dat, public domain, CC0),
learned by telling three million faces apart. The layers are those of dlib's example `dnn_face_recognition_ex.cpp`; with its own
last layer the translation gives dlib's descriptors to 3e-7.
"""

import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.network import TwoHeaded

FACE_WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
"""Its file in `face-recognition-models`, beside the points' predictor."""

RGB_MEAN = torch.tensor([122.782, 117.001, 104.298])
"""What dlib's `input_rgb_image_sized` subtracts before it divides by 256."""

PLAN = [(32, 32, 1)] * 3 + [(32, 64, 2)] + [(64, 64, 1)] * 3 + [(64, 128, 2)] + [(128, 128, 1)] * 2
PLAN += [(128, 256, 2)] + [(256, 256, 1)] * 2 + [(256, 256, 2)]
"""Channels in, channels out and stride of each residual block."""


class Unit(nn.Module):
    """A convolution and its normalisation; dlib pads only where the stride is 1."""

    def __init__(self, n_in: int, n_out: int, size: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, size, stride, size // 2 if stride == 1 else 0, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def grown(x: Tensor, like: Tensor) -> Tensor:
    """`x` with zeros added, so that it is nowhere smaller than `like`: how dlib adds tensors of different shapes."""
    channels, height, width = (max(b - a, 0) for a, b in zip(x.shape[1:], like.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels)) if channels or height or width else x


class Block(nn.Module):
    """Two units beside a shortcut, which is an average of 2x2 where the block halves the picture."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.first, self.second, self.stride = Unit(n_in, n_out, 3, stride), Unit(n_out, n_out, 3, 1), stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.relu(self.first(x)))
        z = x if self.stride == 1 else F.avg_pool2d(x, 2)
        y = grown(y, z)
        return torch.relu(y + grown(z, y))


class FaceNet(TwoHeaded):
    """(n, 1, 64, 64) chips in [-1, 1) -> logits as `EmotionNet` gives them, from features learned on faces.

    Args:
        side: the chip is enlarged to this many pixels; 112 is the least that the layers take, 150 what they learned at.
    """

    def __init__(self, side: int = 112, dropout: float = 0.3):
        super().__init__()
        self.side = side
        self.stem = Unit(1, 32, 7, 2)
        self.blocks = nn.ModuleList(Block(*plan) for plan in PLAN)
        # The last block sees the whole face at once; the one before keeps mouth and eyes apart until it is averaged.
        self.add_heads(512, dropout)

    def embed(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False)
        x = F.max_pool2d(torch.relu(self.stem(x)), 3, 2)
        for block in self.blocks[:-1]:
            x = block(x)
        return torch.cat([x.mean((2, 3)), self.blocks[-1](x).mean((2, 3))], 1)


TEACHERS = {"face112": {"side": 112}, "face132": {"side": 132}}
"""The teachers by name: what `FaceNet` is built with."""


def packed_integer(data: bytes, at: int) -> tuple[int, int]:
    """One non-negative integer of dlib's serialisation (a byte with its length, then its bytes, lowest first) and where it ends."""
    end = at + 1 + (data[at] & 0x0F)
    return int.from_bytes(data[at + 1 : end], "little"), end


def dlib_tensors(path: Path) -> list[np.ndarray]:
    """The parameters of every convolution and affine layer of a dlib network file, input side first, as flat float32 arrays."""
    data, found = path.read_bytes(), []
    for match in re.finditer(rb"(?:con_4|affine_)\x01\x02", data):
        at, size = match.end(), 1
        for _ in range(4):
            n, at = packed_integer(data, at)
            size *= n
        found.append(np.frombuffer(data, "<f4", size, at))
    return found


def fix(norm: nn.BatchNorm2d, factor: Tensor | float, offset: Tensor) -> None:
    """Makes a new normalisation multiply and add, and nothing else, until it learns other statistics."""
    norm.weight.data[:] = factor
    norm.bias.data[:] = offset
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)


def load_face_weights(net: FaceNet, path: Path) -> None:
    """Fills the layers of `net` from dlib's file; its colour input becomes a gray one, which is exact for gray pictures."""
    units = [module for module in net.modules() if isinstance(module, Unit)]
    tensors = [torch.from_numpy(tensor.copy()) for tensor in dlib_tensors(path)]
    if len(tensors) != 2 * len(units):
        raise SystemExit(f"{path} holds {len(tensors)} layers with parameters; dlib's face-recognition network has {2 * len(units)}")
    for unit, filters, affine in zip(units, tensors[::2], tensors[1::2], strict=True):
        n = unit.conv.out_channels
        weight, bias = filters[:-n], filters[-n:]
        if unit is net.stem:
            colours = weight.reshape(n, 3, 7, 7)
            # (u8 - mean) / 256 per colour, with u8 = 128 (x + 1)
            weight = colours.sum(1) / 2
            bias = bias + weight.sum((1, 2)) - (colours.sum((2, 3)) * RGB_MEAN).sum(1) / 256
        unit.conv.weight.data.copy_(weight.reshape(unit.conv.weight.shape))
        fix(unit.norm, affine[:n], affine[n:] + affine[:n] * bias)


@torch.no_grad()
def adopt_statistics(net: TwoHeaded, chips: Tensor) -> None:
    """Makes the normalisations (fixed scales in the published files) batch normalisations that compute the same on `chips`."""

    def adopt(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), unbiased=False)
        norm.bias += norm.weight * mean
        norm.weight *= torch.sqrt(variance + norm.eps)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    hooks = [m.register_forward_pre_hook(adopt) for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    net.eval()
    net(chips)
    for hook in hooks:
        hook.remove()
