import numpy as np
import pytest

from models.datasets import load_fer2013
from models.framing import framed_chip, placement_of, sampling_matrix

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.augment import augment, composed, covered, crowded, jumbled, placement, smeared, torn, twisted, warp  # noqa: E402


def crops(n: int) -> np.ndarray:
    """(n, 48, 48) uint8 noise."""
    return np.random.default_rng(0).integers(0, 256, (n, 48, 48), np.uint8)


def identity(n: int) -> "torch.Tensor":
    """(n, 2, 3) sampling matrices that change nothing."""
    return torch.eye(2, 3).expand(n, 2, 3)


def test_training_samples_a_crop_as_running_does(shared):
    """The same framing through torch and through OpenCV gives the same chip."""
    faces = load_fer2013(shared("fer2013/labels.csv").parent, "public_test").pixels[:40]
    ones, none = torch.ones(40), torch.zeros(40)
    framing = torch.from_numpy(np.stack([sampling_matrix(placement_of(face)) for face in faces]))
    matrix = composed(framing, placement(none, ones, ones, torch.zeros(40, 2), ones))
    ours = warp(torch.from_numpy(faces).unsqueeze(1).float(), matrix)[:, 0].numpy()
    theirs = np.stack([framed_chip(face) for face in faces]).astype(float)
    assert float((framing - identity(40)).abs().max()) > 0.1
    # OpenCV places samples on a grid of 1/32 pixel.
    assert np.abs(ours - theirs).mean() < 0.7


def test_augmented_chips_have_the_networks_range():
    torch.manual_seed(0)
    chips = augment(torch.from_numpy(crops(32)).unsqueeze(1).float(), identity(32), torch.arange(32) % 2 == 0)
    assert chips.shape == (32, 1, 64, 64)
    assert float(chips.min()) >= -1
    assert float(chips.max()) < 1


def test_covers_hide_two_thirds_and_leave_a_strip():
    torch.manual_seed(0)
    chips, cloth = torch.zeros(200, 1, 64, 64), torch.ones(200, 1, 64, 64)
    hidden = covered(chips, cloth).mean((1, 2, 3))
    assert float(hidden.min()) > 0.6
    assert float(hidden.max()) < 0.95


def test_smearing_leaves_no_detail():
    torch.manual_seed(0)
    chips = torch.rand(60, 1, 64, 64)
    after = smeared(chips)
    assert after.shape == chips.shape
    assert float(after.std((1, 2, 3)).max()) < 0.5 * float(chips.std((1, 2, 3)).min())


def test_twisting_stirs_the_middle_and_leaves_the_corners():
    torch.manual_seed(0)
    across = torch.linspace(0, 1, 64).expand(100, 1, 64, 64)
    moved = (twisted(across) - across).abs()[:, 0]
    assert float(moved[:, 22:42, 22:42].amax((1, 2)).min()) > 0.05
    assert float(moved[:, [0, 0, -1, -1], [0, -1, 0, -1]].max()) < 0.15
    assert float(moved.amax((1, 2)).median()) > 0.3


def test_a_torn_face_has_one_part_moved_and_loses_nothing():
    torch.manual_seed(0)
    chips = torch.arange(64.0)[None, None, :, None] * 64 + torch.arange(64.0)
    directions = set()
    for one in torn(chips.expand(200, 1, 64, 64))[:, 0]:
        assert torch.equal(one.flatten().sort().values, chips.flatten())
        same = one == chips[0, 0]
        lines = same.all(0) if bool(same.all(0).any()) else same.all(1)
        assert 24 <= int(lines.sum()) <= 40
        assert bool(same.any(0).all()) != bool(same.any(1).all())
        directions.add(bool(same.all(0).any()))
    assert directions == {False, True}


def test_a_crowd_is_four_faces_at_half_their_size():
    torch.manual_seed(0)
    chips = torch.arange(50.0)[:, None, None, None].expand(50, 1, 64, 64)
    crowds = crowded(chips)
    corners = crowds[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert all(sorted(corner.tolist()) == list(range(50)) for corner in corners.T)
    assert float((corners.amax(1) > corners.amin(1)).float().mean()) > 0.9
    assert float(crowds.flatten(1).std(1).mean()) > 5


def test_a_jumbled_face_has_all_its_bands_but_not_in_their_order():
    chips = torch.arange(64.0)[None, None, :, None] * 64 + torch.arange(64.0)
    results = jumbled(chips.expand(200, 1, 64, 64))
    for one in results[:, 0]:
        assert not torch.equal(one, chips[0, 0])
        assert torch.equal(one.flatten().sort().values, chips.flatten())
    rows = {int(one[0, 0]) // 64 for one in results[:, 0]}
    columns = {int(one[0, 0]) % 64 for one in results[:, 0]}
    assert rows == columns == {0, 16, 32, 48}
