"""A teacher: dlib's face-recognition network, trained further to read expressions. It does not ship; it teaches the models that do.

The weights come from the PyPI package `face-recognition-models` (dlib_face_recognition_resnet_model_v1.dat, public domain, CC0),
trained to distinguish the faces of three million pictures. The layers are those of dlib's example `dnn_face_recognition_ex.cpp`; with its
own last layer, the network here gives dlib's descriptors to 3e-7.
"""

import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.network import ManyHeaded
from realtime.base.errors import Trouble

FACE_WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
"""Its file in `face-recognition-models`, beside the points' predictor."""

RGB_MEAN = torch.tensor([122.782, 117.001, 104.298])
"""What dlib's `input_rgb_image_sized` subtracts before it divides by 256."""

PLAN = [(32, 32, 1)] * 3 + [(32, 64, 2)] + [(64, 64, 1)] * 3 + [(64, 128, 2)] + [(128, 128, 1)] * 2
PLAN += [(128, 256, 2)] + [(256, 256, 1)] * 2 + [(256, 256, 2)]
"""Channels in, channels out and stride of each residual block."""


class DlibUnit(nn.Module):
    """A convolution and its normalisation. dlib pads only where the stride is 1."""

    def __init__(self, n_in: int, n_out: int, size: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, size, stride, size // 2 if stride == 1 else 0, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def grown(x: Tensor, like: Tensor) -> Tensor:
    """`x` with zeros added until no dimension is smaller than in `like`. dlib does this when it adds tensors of different shapes."""
    channels, height, width = (max(b - a, 0) for a, b in zip(x.shape[1:], like.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels)) if channels or height or width else x


class Block(nn.Module):
    """Two units beside a shortcut, which averages 2x2 pixels where the block halves the picture."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.first, self.second, self.stride = DlibUnit(n_in, n_out, 3, stride), DlibUnit(n_out, n_out, 3, 1), stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.relu(self.first(x)))
        z = x if self.stride == 1 else F.avg_pool2d(x, 2)
        y = grown(y, z)
        return torch.relu(y + grown(z, y))


class FaceNet(ManyHeaded):
    """(n, 1, 64, 64) chips in [-1, 1) -> logits as `EmotionNet` gives them, from features learned on faces.

    Args:
        side: the chip is enlarged to this many pixels; the layers need at least 112 and were trained at 150.
        dropout: share of the features that training hides from the heads.
    """

    def __init__(self, side: int = 112, dropout: float = 0.3):
        super().__init__()
        self.side = side
        self.stem = DlibUnit(1, 32, 7, 2)
        self.blocks = nn.ModuleList(Block(*plan) for plan in PLAN)
        # Features of the last block describe the whole face; those of the block before it describe mouth and eyes separately.
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
    """A non-negative integer of dlib's serialisation (a byte with its length, then its bytes, lowest first) and the position after it."""
    end = at + 1 + (data[at] & 0x0F)
    return int.from_bytes(data[at + 1 : end], "little"), end


def dlib_tensors(path: Path) -> list[np.ndarray]:
    """The parameters of every convolution and affine layer of a dlib network file, input side first, as flat float32 arrays."""
    data, tensors = path.read_bytes(), []
    for match in re.finditer(rb"(?:con_4|affine_)\x01\x02", data):
        at, size = match.end(), 1
        for _ in range(4):
            n, at = packed_integer(data, at)
            size *= n
        tensors.append(np.frombuffer(data, "<f4", size, at))
    return tensors


def fix(norm: nn.BatchNorm2d, factor: Tensor | float, offset: Tensor) -> None:
    """Sets a new normalisation to multiply by `factor` and add `offset`; it has the statistics of mean 0 and variance 1."""
    norm.weight.data[:] = factor
    norm.bias.data[:] = offset
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)


def load_face_weights(net: FaceNet, path: Path) -> None:
    """Fills the layers of `net` from dlib's file. The colour input becomes a gray one, which is exact for gray pictures.

    Raises:
        Trouble: the file holds another network.
    """
    units = [module for module in net.modules() if isinstance(module, DlibUnit)]
    tensors = [torch.from_numpy(tensor.copy()) for tensor in dlib_tensors(path)]
    if len(tensors) != 2 * len(units):
        raise Trouble(f"{path} holds {len(tensors)} layers with parameters; dlib's face-recognition network has {2 * len(units)}")
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
def adopt_statistics(net: ManyHeaded, chips: Tensor) -> None:
    """Gives the normalisations (fixed scales in published files) the statistics of `chips`; what they compute there does not change."""

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
