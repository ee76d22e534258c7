from dataclasses import replace

import numpy as np
import pytest

from tests.test_datasets import row, write_tree

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import load_trained  # noqa: E402
from models.distill import (  # noqa: E402
    SETTINGS,
    answers,
    compressed,
    contents,
    learn,
    mean_answers,
    mixture,
    view_bytes,
)
from models.network import to_input  # noqa: E402
from models.views import Faces  # noqa: E402


def crops(n: int) -> np.ndarray:
    """(n, 48, 48) uint8 noise."""
    return np.random.default_rng(0).integers(0, 256, (n, 48, 48), np.uint8)


def identity(n: int) -> "torch.Tensor":
    """(n, 2, 3) sampling matrices that change nothing."""
    return torch.eye(2, 3).expand(n, 2, 3)


def test_a_teacher_with_weight_two_counts_twice():
    class AlwaysAnswers(torch.nn.Module):
        def __init__(self, which: int):
            super().__init__()
            self.which = which

        def training_logits(self, x):
            logits = torch.zeros(len(x), 8)
            logits[:, self.which] = 100
            return logits, logits[:, :7], logits[:, :7]

    sums = answers({AlwaysAnswers(1): 2, AlwaysAnswers(3): 1}, np.zeros((5, 64, 64), np.uint8), torch.device("cpu"))
    assert sums.shape == (5, 15)
    assert sums[:, :8].tolist() == [[0, 2, 0, 1, 0, 0, 0, 0]] * 5


def test_a_blended_face_is_at_least_half_itself():
    chips = np.random.default_rng(0).integers(0, 256, (400, 64, 64), np.uint8)
    mix = mixture(400, 0.5, np.random.default_rng(1))
    blended = mix.of(chips)
    plain = mix.own == 1
    assert 0.4 < plain.mean() < 0.6
    assert (blended[plain] == chips[plain]).all()
    own = np.array(
        [np.corrcoef(blended[i].ravel(), chips[i].ravel())[0, 1] for i in np.flatnonzero(~plain & (mix.other != np.arange(400)))]
    )
    assert own.min() > 0.65
    assert np.median(own) < 0.98
    assert (mixture(400, 0.0, np.random.default_rng(1)).of(chips) == chips).all()


def test_views_repeat():
    def views():
        torch.manual_seed(3)
        faces = torch.from_numpy(crops(30)).unsqueeze(1)
        data = Faces(faces, identity(30), torch.zeros(30, 8), torch.ones(30), torch.zeros(30, dtype=torch.long))
        return view_bytes(data, np.random.default_rng(3))

    one = views()
    assert one.shape == (30, 64, 64)
    assert one.dtype == np.uint8
    assert (one == views()).all()


def test_a_quarter_of_the_chips_is_compressed():
    chips = np.random.default_rng(0).integers(0, 256, (400, 64, 64), np.uint8)
    changed = (compressed(chips, np.random.default_rng(1)) != chips).any((1, 2))
    assert 0.15 < changed.mean() < 0.35


def test_the_mean_answer_leaves_blended_faces_out(tmp_path):
    for number, (value, alone) in enumerate([(0.25, [True, True, False]), (0.75, [True, False, False])]):
        np.savez(tmp_path / f"{number:02}.npz", answers=np.full((3, 15), value, np.float16), plain=np.array(alone))
    files = sorted(tmp_path.glob("*.npz"))
    assert mean_answers(files)[:, 0].tolist() == [0.5, 0.25, 0]
    before = contents(files)
    np.savez(files[0], answers=np.zeros((3, 15), np.float16), plain=np.array([True, True, False]))
    assert contents(files) != before


def test_a_student_learns_the_answers_of_the_teachers(tmp_path, monkeypatch):
    # With so few steps the moving average must be short.
    monkeypatch.setitem(SETTINGS, "nano", replace(SETTINGS["nano"], average_decay=0.8))
    write_tree(tmp_path, [row(f"f{tile}", tile=tile, fear=10) for tile in range(4)])
    views, out = tmp_path / "views", tmp_path / "out"
    views.mkdir()
    n = 240
    bright = np.arange(n) % 2 == 1
    truth = torch.full((n, 8), 1 / 8)
    faces = {"crops": torch.from_numpy(crops(n)).unsqueeze(1), "framing": identity(n), "distribution": truth, "weight": torch.zeros(n)}
    torch.save(faces | {"single": torch.full((n,), -1)}, views / "lesson.pt")
    with pytest.raises(SystemExit, match=r"views holds no view yet: run `python -m models\.distill views --out "):
        learn(tmp_path, views, "nano", out)

    # The teachers call a face that is dark below fear, and one that is dark above surprise.
    chips = np.full((n, 64, 64), 60, np.uint8)
    chips[bright, :32], chips[~bright, 32:] = 200, 200
    probabilities = np.zeros((n, 15), np.float16)
    probabilities[bright, 2], probabilities[~bright, 5], probabilities[:, 8] = 1, 1, 1
    noise = np.random.default_rng(1).integers(0, 256, (40, 64, 64), np.uint8)
    np.savez(views / "00.npz", chips=chips, negatives=noise, answers=probabilities, plain=np.ones(n, dtype=bool))
    learn(tmp_path, views, "nano", tmp_path / "first", epochs=6)
    learn(tmp_path, views, "nano", out, start=tmp_path / "first", epochs=4)
    student = load_trained(out / "weights.pt")
    with torch.no_grad():
        logits = student(to_input(np.concatenate([chips[:2], noise[:2]])))[0]
    assert logits[:2].argmax(1).tolist() == [5, 2]
    unreadable = logits.softmax(1)[:, 7]
    assert float(unreadable[2:].min()) > float(unreadable[:2].max())
