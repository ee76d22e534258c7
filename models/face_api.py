"""The facial-expression network of the npm package `@vladmandic/face-api` 1.7.15 (MIT). It only gives an opinion: not trained, not shipped.

Layers, paddings and the input's preprocessing follow the package's folders `src/faceFeatureExtractor` and `src/faceExpressionNet`. The
weights are a TensorFlow.js manifest and one file of numbers, most of them bytes with a scale and an offset.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.base.errors import Trouble
from realtime.values import LABELS

FACE_API_WEIGHTS = "face_expression_model"
"""Its two files in the npm package's folder `model`, without `-weights_manifest.json` and `.bin`."""

FACE_API_LABELS = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
"""The order of the published outputs, in the words of `LABELS`."""

SIDE = 112
"""Pixels: the width and height of the picture that the network takes."""

RGB_MEAN = (122.782, 117.001, 104.298)
"""What the network's own preprocessing subtracts from each colour."""

WIDTHS = (32, 64, 128, 256)
"""Channels of each block."""

WORDS = {"filters": (2, 3, 1, 0), "depthwise_filter": (2, 3, 0, 1), "pointwise_filter": (2, 3, 1, 0), "weights": (1, 0), "bias": (0,)}
"""The last words of the published names, each with the order of torch's axes that gives TensorFlow's."""


class SeparableConv(nn.Module):
    """A 3x3 convolution of each channel alone, then a 1x1 convolution across channels with an offset."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.depthwise = nn.Conv2d(n_in, n_in, 3, stride, 0 if stride == 2 else 1, groups=n_in, bias=False)
        self.pointwise = nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class DenseBlock(nn.Module):
    """Halves the picture; each convolution takes the rectified sum of all before it. The block of the colours begins with a plain one."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.conv0 = nn.Conv2d(3, n_out, 3, 2) if n_in == 3 else SeparableConv(n_in, n_out, 2)
        self.conv1, self.conv2, self.conv3 = (SeparableConv(n_out, n_out, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        # TensorFlow pads a 3x3 convolution that halves an even side only below and to the right.
        total = torch.relu(self.conv0(F.pad(x, (0, 1, 0, 1))))
        for conv in (self.conv1, self.conv2, self.conv3):
            total = total + conv(torch.relu(total))
        return torch.relu(total)


class FaceApiNet(nn.Module):
    """(n, 1, 64, 64) gray chips in [-1, 1) -> (n, 7) logits in the order of `LABELS`. Its weights take no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DenseBlock(a, b) for a, b in zip((3, *WIDTHS), WIDTHS, strict=False))
        self.fc = nn.Linear(WIDTHS[-1], len(LABELS))
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False) * 128 + 128
        x = torch.cat([x - mean for mean in RGB_MEAN], 1) / 255
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean((2, 3)))


def face_api_weights(package: Path | None) -> Path:
    """The path of the two files of weights without their endings, in a folder that holds the npm package.

    Raises:
        Trouble: one of them is not there.
    """
    stem = (package or Path("package")) / "model" / FACE_API_WEIGHTS
    if not all(path.is_file() for path in files_of(stem)):
        raise Trouble(
            f"{stem}-weights_manifest.json and .bin are not there: run `npm pack @vladmandic/face-api@1.7.15`, `mkdir face-api` and "
            "`tar xzf vladmandic-face-api-1.7.15.tgz -C face-api`, then name the folder `face-api/package` "
            "(a folder of its own: other npm packages unpack into `package` too)"
        )
    return stem


def files_of(stem: Path) -> tuple[Path, Path]:
    """The manifest and the numbers."""
    return stem.with_name(f"{stem.name}-weights_manifest.json"), stem.with_name(f"{stem.name}.bin")


def adviser_of(weights: dict[str, np.ndarray]) -> FaceApiNet:
    """The network with these tensors by name, as a lesson has them, in evaluation mode."""
    network = FaceApiNet()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval()


def load_face_api_weights(net: FaceApiNet, stem: Path) -> None:
    """Fills the layers of `net` from the files that `face_api_weights` found.

    Raises:
        Trouble: the files hold another network; `net` stays as it is.
    """
    manifest, numbers = files_of(stem)
    views = published_views(net)
    advice = "unpack @vladmandic/face-api 1.7.15 again"
    try:
        entries = json.loads(manifest.read_text(encoding="utf-8"))[0]["weights"]
        shapes = {entry["name"]: tuple(entry["shape"]) for entry in entries}
        layout = [(entry["name"], *number_format(entry)) for entry in entries]
    except (ValueError, LookupError, TypeError) as error:
        raise Trouble(f"{manifest} is no manifest of weights in bytes or float32: {advice}") from error
    wrong = sorted(name for name in shapes.keys() | views.keys() if name not in views or shapes.get(name) != tuple(views[name].shape))
    if wrong or len(entries) != len(views):
        raise Trouble(f"{manifest} describes another network ({wrong[0] if wrong else 'a name twice'}): {advice}")
    data, at, order = numbers.read_bytes(), 0, [FACE_API_LABELS.index(label) for label in LABELS]
    n_bytes = sum(views[name].numel() * kind.itemsize for name, kind, _, _ in layout)
    if len(data) != n_bytes:
        raise Trouble(f"{numbers} has {len(data)} bytes, not {n_bytes} as its manifest says: {advice}")
    for name, kind, scale, offset in layout:
        values = np.frombuffer(data, kind, views[name].numel(), at).reshape(shapes[name])
        at += values.nbytes
        values = values[..., order] if name.startswith("fc/") else values
        views[name].copy_(torch.from_numpy((values * np.float64(scale) + offset).astype(np.float32)))


def number_format(entry: dict) -> tuple[np.dtype, float, float]:
    """How an entry of the manifest keeps its numbers: their type, and the scale and offset that make them weights."""
    if "quantization" not in entry:
        return np.dtype({"float32": "<f4"}[entry["dtype"]]), 1.0, 0.0
    quantization = entry["quantization"]
    return np.dtype({"uint8": "u1"}[quantization["dtype"]]), float(quantization["scale"]), float(quantization["min"])


def published_views(net: FaceApiNet) -> dict[str, Tensor]:
    """The weights of `net` by their published names, as views with TensorFlow's order of axes: to fill a view is to fill the layer."""
    layers: dict[str, Tensor] = {"fc/weights": net.fc.weight, "fc/bias": net.fc.bias}
    for i, block in enumerate(net.blocks):
        for j, conv in enumerate((block.conv0, block.conv1, block.conv2, block.conv3)):
            name = f"dense{i}/conv{j}"
            if isinstance(conv, SeparableConv):
                layers |= {f"{name}/depthwise_filter": conv.depthwise.weight, f"{name}/pointwise_filter": conv.pointwise.weight}
                layers[f"{name}/bias"] = conv.pointwise.bias
            else:
                layers |= {f"{name}/filters": conv.weight, f"{name}/bias": conv.bias}
    return {name: weight.detach().permute(WORDS[name.split("/")[-1]]) for name, weight in layers.items()}
