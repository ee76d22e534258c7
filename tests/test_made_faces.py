import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.face_api import FaceApiNet  # noqa: E402
from models.made_faces import MadeFaces, TransferredFaces, TurnedFaces, joined, load_made, main, save_made  # noqa: E402
from models.students import Teaching, TeachingSettings  # noqa: E402
from models.teachers import TrainedNetwork  # noqa: E402
from models.views import faces_of  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402
from tests.lessons import small_lesson  # noqa: E402

CPU = torch.device("cpu")
ANGER, HAPPINESS = 0, 3


def pictures(n: int, level: int) -> torch.Tensor:
    return torch.full((n, 1, 48, 48), level, dtype=torch.uint8)


def eye(n: int) -> torch.Tensor:
    return torch.eye(2, 3).expand(n, 2, 3)


def angry(n: int, level: int = 100) -> TransferredFaces:
    return TransferredFaces(pictures(n, level), eye(n), torch.eye(8)[ANGER].expand(n, 8))


def turned(rows: list[int], level: int = 200) -> TurnedFaces:
    return TurnedFaces(pictures(len(rows), level), eye(len(rows)), torch.tensor(rows))


def test_some_of_both_kinds_are_joined():
    made = joined([angry(3), angry(4)], [turned([5, 6, 7, 8])], most=3)
    assert made.rows[:3].tolist() == [-1, -1, -1]
    assert set(made.rows[3:].tolist()) <= {5, 6, 7, 8}
    assert len(made.rows) == 6
    assert made.target[:, ANGER].tolist() == [1, 1, 1, 0, 0, 0]
    assert made.crops[:, 0, 0, 0].tolist() == [100, 100, 100, 200, 200, 200]


def test_made_faces_are_as_they_were_but_for_a_camera_s_noise(tmp_path, capsys):
    torch.manual_seed(0)
    noisy = torch.randint(0, 256, (5, 1, 48, 48), dtype=torch.uint8)
    made = MadeFaces(noisy, torch.randn(5, 2, 3), torch.rand(5, 8), torch.tensor([-1, -1, 3, 9, 0]))
    assert save_made(made, tmp_path / "made.npz") == (tmp_path / "made.npz").stat().st_size
    read = load_made(tmp_path / "made.npz", faces=10)
    assert (read.crops.int() - made.crops.int()).abs().max() <= 2
    for name in ("framing", "target"):
        assert torch.allclose(getattr(read, name), getattr(made, name), atol=2e-3)
    assert torch.equal(read.rows, made.rows)
    with pytest.raises(Trouble, match="made from another lesson, of more than 9 faces"):
        load_made(tmp_path / "made.npz", faces=9)


def test_the_files_of_both_modules_become_one(tmp_path, capsys):
    changed, aside = angry(4), turned([1, 2])
    np.savez(tmp_path / "t.npz", crops=changed.crops[:, 0], framing=changed.framing, target=changed.target)
    np.savez(tmp_path / "u.npz", crops=aside.crops[:, 0], framing=aside.framing, rows=aside.rows)
    main(transferred=[tmp_path / "t.npz"], turned=[tmp_path / "u.npz"], out=tmp_path / "made.npz")
    assert "made.npz: 6 faces, 0.0 MiB" in capsys.readouterr().out
    assert sorted(load_made(tmp_path / "made.npz", faces=3).rows.tolist()) == [-1, -1, -1, -1, 1, 2]
    with pytest.raises(SystemExit, match=r"none\.npz cannot be read .*: make it with `python -m models\.turn_faces`"):
        main(transferred=[tmp_path / "t.npz"], turned=[tmp_path / "none.npz"], out=tmp_path / "made.npz")
    (tmp_path / "made.npz").write_bytes(b"")
    with pytest.raises(Trouble, match=r"cannot be read .*: make it with `python -m models\.made_faces`"):
        load_made(tmp_path / "made.npz", faces=3)


class Happy(torch.nn.Module):
    """Calls every face happy."""

    def training_logits(self, x):
        logits = torch.full((len(x), 8), -100.0)
        logits[:, HAPPINESS] = 100
        return logits, logits[:, :7], logits[:, :7]


def teaching(made: MadeFaces | None) -> Teaching:
    lesson = small_lesson()
    settings = TeachingSettings(part=20, made=0.5, negatives=0.1, votes_share=0.5, single_share=0.0)
    scenery, weights = torch.from_numpy(lesson.scenery[:, None]), torch.linspace(0.5, 2.0, 7)
    return Teaching(faces_of(lesson, CPU), scenery, made, [TrainedNetwork(Happy(), False)], FaceApiNet().eval(), weights, settings)


def test_students_see_made_faces_with_their_targets():
    torch.manual_seed(0)
    changed, aside = angry(8), turned([0, 1, 150, 151])
    taught = teaching(joined([changed], [aside], most=8))
    views, targets = taught._lesson(torch.arange(80))
    assert len(views) == len(targets.votes) == len(targets.original) == len(targets.opinion) == 80 + 8 + 40
    of_made, bright = targets.votes[88:], views[88:].mean((1, 2, 3))
    # Under the prior of use as it is stated: no weight of a class changes it.
    assert (of_made[bright < 150] == torch.eye(8)[ANGER]).all()
    seen = of_made[bright > 150]
    # Faces 0 and 1 are in this part, so the teachers have said what they show, beside the votes; of 150 and 151 nothing is known yet.
    labels = [tuple(sorted((HAPPINESS, int(small_lesson().single[row])))) for row in (0, 1)]
    assert {tuple(row.nonzero()[:, 0].tolist()) for row in seen} == {(), *labels}
    assert float(seen[:, HAPPINESS].max()) == pytest.approx(float(taught.class_weights[HAPPINESS]) / 2)
    assert targets.opinion[80:].abs().max() == 0
    assert targets.original[88:][bright < 150].abs().max() == 0


def test_without_made_faces_students_see_the_others():
    views, targets = teaching(None)._lesson(torch.arange(80))
    assert len(views) == len(targets.votes) == 88
