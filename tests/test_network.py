import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import build  # noqa: E402
from models.network import to_input  # noqa: E402


def test_a_byte_becomes_the_networks_number():
    assert to_input(np.array([[[0, 128, 255]]], np.uint8)).flatten().tolist() == [-1.0, 0.0, 127 / 128]


def test_the_networks_outputs_have_the_models_shapes():
    logits, embedding = build("wide").eval()(torch.zeros(2, 1, 64, 64))
    assert logits.shape == (2, 8)
    assert embedding.shape == (2, 256)


def test_the_nano_is_an_eighth_of_the_work():
    def macs(model) -> int:
        counted = []
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.register_forward_hook(lambda layer, _, out: counted.append(out[0].numel() * layer.weight[0].numel()))
        model.eval()(torch.zeros(1, 1, 64, 64))
        return sum(counted)

    assert macs(build("emotion")) <= 65e6
    assert macs(build("nano")) <= 8e6
