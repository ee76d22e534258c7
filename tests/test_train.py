import numpy as np
import pytest

from models.datasets import chip_from_crop

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.network import EmotionNet  # noqa: E402
from models.train import augment, placement, to_input, warp  # noqa: E402


def crops(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 48, 48), np.uint8)


def test_training_samples_a_crop_as_running_does():
    faces = crops(4)
    ones, none = torch.ones(4), torch.zeros(4)
    matrix = placement(none, ones, ones, torch.zeros(4, 2), ones)
    ours = warp(torch.from_numpy(faces).unsqueeze(1).float(), matrix)[:, 0].numpy()
    theirs = np.stack([chip_from_crop(face) for face in faces])
    assert np.abs(ours - theirs).max() <= 1.0


def test_augmented_chips_have_the_networks_range():
    torch.manual_seed(0)
    chips = augment(torch.from_numpy(crops(32)).unsqueeze(1).float(), torch.arange(32) % 2 == 0)
    assert chips.shape == (32, 1, 64, 64)
    assert float(chips.min()) >= -1
    assert float(chips.max()) < 1


def test_a_byte_becomes_the_networks_number():
    assert to_input(np.array([[[0, 128, 255]]], np.uint8)).flatten().tolist() == [-1.0, 0.0, 127 / 128]


def test_the_networks_outputs_have_the_models_shapes():
    logits, embedding = EmotionNet().eval()(torch.zeros(2, 1, 64, 64))
    assert logits.shape == (2, 8)
    assert embedding.shape == (2, 256)


def test_folding_batch_norms_changes_nothing():
    from models.quantize import folded

    torch.manual_seed(0)
    model = EmotionNet().train()
    model(torch.randn(64, 1, 64, 64))
    model.eval()
    x = torch.randn(4, 1, 64, 64)
    before = model(x)[0]
    assert torch.allclose(folded(model)(x)[0], before, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())
