"""The examples of the judge, made of real portraits with a stand-in for the face mesh, and its course."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.covering import covered  # noqa: E402
from models.judge_examples import Workshop, landscape_examples, photo_examples  # noqa: E402
from models.train_judge import JudgeSettings, learn, main, normalized, scores, spoiled, varied  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402
from realtime.config import JUDGE  # noqa: E402
from realtime.faces.judge import FaceJudge  # noqa: E402
from realtime.faces.judge import normalized as shipped_normalized  # noqa: E402
from tests.heads import SureMesh, head  # noqa: E402


def test_a_covered_head_is_covered_somewhere_and_its_surroundings_are_not():
    picture, draw = np.full((320, 320), 128, np.uint8), np.random.default_rng(0)
    for _ in range(20):
        changed = covered(picture, head(), draw) != 128
        assert 200 < changed.sum() < 0.3 * changed.size
        assert not changed[:, :30].any()


@pytest.fixture(scope="module")
def workshop() -> Workshop:
    return Workshop(SureMesh(9.0), 1)


def test_a_portrait_gives_faces_in_every_version(workshop, gray):
    found = list(workshop.of_photo(gray("obama")[:400, :400]))
    assert sum(one.is_face for one in found) >= 4
    assert {one.patch.shape for one in found} == {(64, 64)}
    [likelihood] = FaceJudge(lambda chips: np.zeros(len(chips))).of_patches(found[0].patch[None])
    assert found[0].is_face
    assert likelihood > 2


def test_a_photo_whose_face_the_mesh_does_not_see_gives_nothing(gray):
    assert list(Workshop(SureMesh(0.0), 1).of_photo(gray("obama"))) == []


def test_portraits_among_pictures_without_people_are_left_out(gray, tmp_path):
    cv2.imwrite(str(tmp_path / "portrait.png"), gray("biden"))
    (tmp_path / "notes.txt").write_text("no picture")
    assert list(landscape_examples(tmp_path, Workshop(SureMesh(0.0), 1))) == []
    mistaken = list(landscape_examples(tmp_path, Workshop(SureMesh(-9.0), 1)))
    assert mistaken
    assert not any(one.is_face for one in mistaken)


def test_a_folder_without_pictures_is_told(tmp_path, workshop):
    with pytest.raises(Trouble, match="holds no picture of 120 px or more"):
        list(landscape_examples(tmp_path, workshop))


def test_people_that_are_only_measured_on_give_no_examples(tmp_path, workshop, gray, monkeypatch):
    cv2.imwrite(str(tmp_path / "a.png"), gray("obama"))
    (tmp_path / "labels.csv").write_text("image,person,label\na.png,7,neutral\n")
    monkeypatch.setattr("models.judge_examples.is_held_out", lambda person: person == "7")
    assert list(photo_examples(tmp_path, workshop)) == []
    monkeypatch.setattr("models.judge_examples.is_held_out", lambda person: person == "8")
    assert list(photo_examples(tmp_path, workshop))


def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches (n, 64, 64) with a ring in a third of them, stripes in the others, and which have a ring."""
    draw = np.random.default_rng(0)
    patches = draw.integers(60, 120, (n, 64, 64)).astype(np.uint8)
    rings = np.arange(n) % 3 == 0
    for one in patches[rings]:
        cv2.circle(one, (32, 32), 16, 220, 5)
    patches[~rings, :, 4::16] = 220
    return patches, rings


def test_training_and_running_normalise_alike():
    patches = drawn(6)[0]
    patches[5] = 90
    assert normalized(torch.from_numpy(patches[:, None]).float())[:, 0].numpy() == pytest.approx(shipped_normalized(patches), abs=1e-4)


def test_variations_keep_the_form_and_change_the_picture():
    torch.manual_seed(0)
    patches = torch.from_numpy(drawn(40)[0][:, None]).float()
    for changed in (varied(patches, patches.to(torch.uint8), JudgeSettings()), spoiled(patches)):
        assert changed.shape == patches.shape
        assert ((changed - patches).abs().mean((1, 2, 3)) > 1).all()
        assert torch.isfinite(changed).all()


def test_a_spoiled_face_is_not_in_its_place():
    """A spot in the middle of the upper half is gone from there, however the patch is spoiled."""
    torch.manual_seed(0)
    patch = torch.zeros(1, 1, 64, 64)
    patch[:, :, 8:14, 29:35] = 255
    assert spoiled(patch.expand(60, -1, -1, -1))[:, 0, 9:13, 30:34].mean((1, 2)).max() < 200


def test_the_course_tells_rings_from_none():
    patches, rings = drawn(200)
    net = learn(patches, rings, JudgeSettings(steps=150, batch=32))
    result = scores(net, patches, rings)
    assert (result["faces"], result["others"]) == (67, 133)
    assert result["faces_above_0"] > 0.8 > 0.2 > result["others_above_0"]


def test_the_command_takes_examples_that_are_there_and_writes_a_file_that_loads(tmp_path, monkeypatch):
    """The converter, which is not installed here, gives the shipped file."""
    patches, rings = drawn(60)
    np.savez(tmp_path / "examples.npz", patches=patches, faces=rings)
    short = JudgeSettings(steps=3, batch=32)
    monkeypatch.setattr("models.train_judge.JudgeSettings", lambda: short)
    monkeypatch.setattr("models.train_judge.convert_weights", lambda net, shape: JUDGE.read_bytes())
    out = tmp_path / "new.tflite"
    main(tmp_path, tmp_path, tmp_path / "no mesh", out, tmp_path)
    assert FaceJudge(lambda chips: np.zeros(len(chips)), out).of_patches(patches[:2]).shape == (2,)
