import cv2
import numpy as np
import pytest

from models.lesson import load_lesson
from tests.test_datasets import posed_tree, row, wild_tree, write_tree

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models import negatives, pack_lesson  # noqa: E402
from models.face_api import FaceApiNet  # noqa: E402
from models.teachers import starting_network  # noqa: E402
from models.views import faces_of  # noqa: E402
from realtime.values import LABELS  # noqa: E402


@pytest.fixture
def packages(monkeypatch):
    """The published weights are those that the networks have when they are built: no package is needed."""
    for name in ("load_mobile_weights", "load_face_api_weights", "load_face_weights"):
        monkeypatch.setattr(pack_lesson, name, lambda net, path: None)
    for name in ("mobile_weights", "face_api_weights", "public_file"):
        monkeypatch.setattr(pack_lesson, name, lambda where: None)
    monkeypatch.setattr(negatives, "TEXTURES", 6)
    monkeypatch.setattr(negatives, "BACKGROUNDS", 4)


def test_a_lesson_has_what_training_on_another_machine_needs(tmp_path, packages, gray, capsys):
    fer2013, wild, posed = (tmp_path / name for name in ("fer2013", "wild", "posed"))
    for folder in (fer2013, wild, posed):
        folder.mkdir()
    write_tree(
        fer2013, [row("a", "train", 0, fear=10), row("b", "train", 1, near="public_test", fear=10), row("c", tile=7, label="fear", anger=9)]
    )
    cv2.imwrite(str(fer2013 / "train.png"), np.random.default_rng(0).integers(0, 256, (48, 48 * 170), np.uint8))
    wild_tree(wild, gray)
    posed_tree(posed, gray)
    pack_lesson.main(fer2013, wild, posed, out=tmp_path / "new" / "lesson.npz")
    assert "MiB" in capsys.readouterr().out

    lesson = load_lesson(tmp_path / "new" / "lesson.npz")
    assert LABELS[lesson.single[0]] == "anger"
    assert lesson.distribution[0].argmax() == LABELS.index("fear")
    assert len(lesson.scenery) == 10
    assert lesson.prior.sum() == pytest.approx(1, abs=1e-4)
    assert LABELS[lesson.tests["public_test"].labels[0]] == "anger"
    assert LABELS[lesson.tests["public_test"].single[0]] == "fear"
    # Only those who look straight into the camera.
    assert [LABELS[label] for label in lesson.tests["posed"].labels] == ["happiness", "neutral"]

    faces = faces_of(lesson, torch.device("cpu"))
    for net in ("face112", "mobile128"):
        model = starting_network(net, faces, lesson, torch.device("cpu"))
        assert torch.isfinite(model.eval()(torch.zeros(1, 1, 64, 64))[0]).all()
    FaceApiNet().load_state_dict({name: torch.from_numpy(value) for name, value in lesson.starts["face_api"].items()})
    assert not any(name.startswith(("head.", "original.", "opinion.")) for start in lesson.starts.values() for name in start)
