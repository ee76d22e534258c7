import cv2
import numpy as np
import pytest

from models.datasets import load_sessions
from tests.test_datasets import add_session, row, write_tree

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.training_set import read_training_set, versions_of  # noqa: E402
from realtime.values import LABELS  # noqa: E402


def test_other_versions_of_a_test_picture_are_known():
    draw = np.random.default_rng(0)
    faces = np.stack([cv2.resize(draw.integers(0, 256, (8, 8), np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC) for _ in range(6)])
    noisy = np.clip(faces[4].astype(int) + draw.integers(-25, 26, (48, 48)), 0, 255).astype(np.uint8)
    tests = np.stack([noisy, faces[1][:, ::-1], faces[5]])
    assert versions_of(faces[:5], [tests]).tolist() == [False, True, False, False, True]
    assert not versions_of(faces[:5], []).any()


def test_takes_of_people_are_learned_from_except_those_of_every_third_person(tmp_path):
    write_tree(tmp_path, [row("a", "train", 0, fear=10), row("b", "train", 1, near="public_test", fear=10), row("c", tile=7)])
    cv2.imwrite(str(tmp_path / "train.png"), np.zeros((48, 48 * 170), np.uint8))
    for number in range(6):
        add_session(tmp_path / "people", f"person {number}", ["disgust"])
    people = load_sessions(tmp_path / "people")
    learned = read_training_set(tmp_path, people=tmp_path / "people")
    train = people.splits == "train"
    assert 0 < train.sum() < 12
    assert (learned.crops[1:, 0].numpy() == people.pixels[train]).all()
    assert learned.framing[1:].numpy() == pytest.approx(np.tile(np.eye(2, 3), (train.sum(), 1, 1)))
    assert learned.distribution[1:, LABELS.index("disgust")].numpy() == pytest.approx(0.85 + 0.15 / 7)
    assert learned.distribution.sum(1).numpy() == pytest.approx(1)
    assert learned.weight.numpy() == pytest.approx([1] + [0.6] * train.sum())
