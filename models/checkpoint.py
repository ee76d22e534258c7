"""Builds networks by name, and writes and reads `weights.pt`, the file that a training run ends with."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from models.network import LARGE_NETWORKS, NETWORKS, EmotionNet, LargeNet, ManyHeaded
from models.teacher import TEACHERS, FaceNet
from models.teacher_mobile import MOBILE_TEACHERS, MobileFaceNet
from realtime.base.files import replacing


def build(net: str) -> ManyHeaded:
    """An untrained network by its name."""
    if net in LARGE_NETWORKS:
        return LargeNet(**LARGE_NETWORKS[net])
    if net in MOBILE_TEACHERS:
        return MobileFaceNet(**MOBILE_TEACHERS[net])
    return EmotionNet(**NETWORKS[net]) if net in NETWORKS else FaceNet(**TEACHERS[net])


class Trained(NamedTuple):
    """What a `weights.pt` holds: the network's name for `build`, the settings of its training, and the network in evaluation mode."""

    net: str
    recipe: dict[str, Any]
    model: ManyHeaded


def read_trained(weights: Path) -> Trained:
    """A `weights.pt` with all that `save_trained` wrote."""
    saved = torch.load(weights, map_location="cpu", weights_only=True)
    model = build(saved["net"])
    model.load_state_dict(saved["weights"])
    return Trained(saved["net"], saved["recipe"], model.eval())


def load_trained(weights: Path) -> ManyHeaded:
    """The network of a `weights.pt`, in evaluation mode."""
    return read_trained(weights).model


def save_trained(path: Path, net: str, settings: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    """Writes a `weights.pt`: the network's name, the settings of its training, the version of torch and the weights."""
    save_whole({"net": net, "recipe": settings, "torch": str(torch.__version__), "weights": weights}, path)


def save_whole(content: object, path: Path) -> None:
    """`torch.save`, also into a new folder; a run that is killed meanwhile keeps the older file of that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        torch.save(content, file)
