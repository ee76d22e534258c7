"""The recipe on two cores: teachers and students in small, on faces whose expression is plain to see."""

import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models import make, students, teachers  # noqa: E402
from models.checkpoint import build, load_trained  # noqa: E402
from models.examination import recalls  # noqa: E402
from models.lesson import save_lesson  # noqa: E402
from models.made_faces import MadeFaces, save_made  # noqa: E402
from models.make import rounds_within  # noqa: E402
from models.network import to_input  # noqa: E402
from models.students import MeanAnswers, StudentPlan, TeachingSettings, face_targets  # noqa: E402
from models.teachers import TeacherPlan, TrainedNetwork, mean_answers, smooth_single, soft_cross_entropy  # noqa: E402
from models.trainee import LearningSettings, Trainee, rate_factor  # noqa: E402
from models.views import Faces  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.lessons import FEAR, SURPRISE, half_dark, small_lesson  # noqa: E402


def test_the_recipe_trains_teachers_and_students_to_its_end(tmp_path, monkeypatch):
    quick = LearningSettings(learning_rate=0.1, average_decay=0.5)
    plans = {"one": TeacherPlan("nano", quick), "two": TeacherPlan("nano", quick, whole=True, steps=2, blended=0.5)}
    for module in (teachers, make):
        monkeypatch.setattr(module, "TEACHERS", plans)
        monkeypatch.setattr(module, "BATCH", 32)
    for module in (students, make):
        monkeypatch.setattr(module, "STUDENTS", {"nano": StudentPlan("nano", quick)})
    monkeypatch.setattr(make, "TeachingSettings", lambda: TeachingSettings(part=80, repeats=2, batch=40))
    monkeypatch.setattr(make, "EVERY", 0.0)
    lesson = small_lesson()
    save_lesson(lesson, tmp_path / "lesson.npz")
    # As if they had been turned.
    crops, framing = torch.from_numpy(lesson.crops[:40, None]), torch.from_numpy(lesson.framing[:40].copy())
    made = MadeFaces(crops, framing, torch.zeros(40, 8), torch.arange(40))
    save_made(made, tmp_path / "made.npz")
    make.main(tmp_path / "lesson.npz", tmp_path / "out", tmp_path / "made.npz", minutes=5.0, share=0.03)

    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in (lines[0], lines[-1])] == ["start", "end"]
    assert lines[0]["made"] == 40
    of_teachers = {line["name"]: line["scores"]["halves"] for line in lines if "name" in line}
    assert set(of_teachers) == {"one", "two", "all"}
    rounds = [line for line in lines if line["phase"] == "students"]
    assert rounds[-1]["round"] == rounds[-1]["rounds"]
    assert rounds[-1]["faces_a_second"] > 0
    scores = rounds[-1]["scores"]["nano"]["halves"]
    assert scores["right"] > 0.9
    assert scores["recalls"][0] is None
    assert scores["single"] > 0.9

    student = load_trained(tmp_path / "out" / "students" / "nano.pt")
    crops, labels = half_dark(20, 5)
    chips = np.stack([np.kron(crop, np.ones((4, 4)))[::3, ::3] for crop in crops]).astype(np.uint8)
    # After so few steps the offsets differ from run to run; how far one expression leads over the other does not.
    answers = student(to_input(chips))[0].detach().numpy()
    lead = answers[:, SURPRISE] - answers[:, FEAR]
    assert lead[labels == SURPRISE].min() > lead[labels == FEAR].max() + 0.5
    with np.load(tmp_path / "out" / "answers.npz") as file:
        assert file["answers"].shape == (160, 15)
    assert load_trained(tmp_path / "out" / "teachers" / "two.pt").head.out_features == 8

    with pytest.raises(SystemExit, match=r"models\.make: .*out holds another run: choose another --out, or delete it"):
        make.main(tmp_path / "lesson.npz", tmp_path / "out")


def test_training_needs_no_package_that_a_bare_machine_lacks():
    code = "import sys, models.make; print(sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True).stdout
    assert "'torch'" in loaded
    for package in ("cv2", "dlib", "ai_edge_litert", "matplotlib", "scipy", "av"):
        assert f"'{package}'" not in loaded


def test_the_plan_is_shortened_when_the_time_does_not_suffice():
    assert rounds_within(planned=100, done=20, seconds_a_round=1.0, seconds_left=200) == 100
    assert rounds_within(planned=100, done=20, seconds_a_round=1.0, seconds_left=30.5) == 50
    assert rounds_within(planned=100, done=20, seconds_a_round=1.0, seconds_left=-5) == 20


def test_the_learning_rate_rises_and_falls():
    assert rate_factor(0.0, 0.1) < 0.02
    assert rate_factor(0.05, 0.1) == pytest.approx(0.5, abs=0.01)
    assert rate_factor(0.1, 0.1) == pytest.approx(1)
    assert rate_factor(0.55, 0.1) == pytest.approx(0.5)
    assert rate_factor(1.0, 0.1) == pytest.approx(0)


def test_the_average_follows_the_weights_slowly_and_norms_do_not_decay():
    torch.manual_seed(0)
    trainee = Trainee(build("nano"), LearningSettings(learning_rate=0.1, warmup=0.5, weight_decay=0.5, average_decay=0.75))
    before = trainee.model.head.weight.detach().clone()
    trainee.update((trainee.model.head.weight * 3).sum(), progress=0.5)
    moved = trainee.model.head.weight.detach() - before
    assert float(moved.max()) < 0
    assert torch.allclose(trainee.averaged.head.weight - before, moved * 0.25, atol=1e-6)
    decays = {p.ndim > 1: group["weight_decay"] for group in trainee.optimizer.param_groups for p in group["params"]}
    assert decays == {True: 0.5, False: 0.0}


def test_whole_crops_go_to_the_teachers_that_saw_whole_crops():
    class Answer(torch.nn.Module):
        """Says class 1 of a dark picture, else class 3."""

        def training_logits(self, x):
            logits = torch.zeros(len(x), 8)
            dark = x.mean((1, 2, 3)) < 0
            logits[dark, 1], logits[~dark, 3] = 100, 100
            return logits, logits[:, :7], logits[:, :7]

    of_frames, of_crops = TrainedNetwork(Answer(), whole=False), TrainedNetwork(Answer(), whole=True)
    dark, light = torch.full((2, 1, 64, 64), -1.0), torch.full((2, 1, 64, 64), 0.5)
    assert mean_answers([of_frames, of_crops], dark, light)[0, :8].tolist() == pytest.approx([0, 0.5, 0, 0.5, 0, 0, 0, 0])
    assert mean_answers([of_frames], dark, light)[0, 1] == 1


def test_the_mean_answer_leaves_blended_faces_out():
    mean = MeanAnswers(3, torch.device("cpu"))
    first = mean.update(torch.tensor([0, 2]), torch.full((2, 15), 0.25), torch.tensor([True, False]))
    assert first[:, 0].tolist() == [0.25, 0]
    second = mean.update(torch.tensor([0, 1]), torch.full((2, 15), 0.75), torch.tensor([True, True]))
    assert second[:, 0].tolist() == [0.5, 0.75]
    assert mean.all()[:, 3].tolist() == [0.5, 0.75, 0]


def test_votes_and_labels_share_the_target_with_the_teachers_only_where_they_are():
    n = 3
    faces = Faces(
        torch.zeros(n, 1, 48, 48), torch.zeros(n, 2, 3), torch.eye(8)[[0, 0, 0]], torch.tensor([1.0, 0.5, 1.0]), torch.tensor([0, -1, 0])
    )
    answers = torch.zeros(n, 15)
    answers[:, 1], answers[:, 8 + 1] = 1, 1
    votes, single = face_targets(faces, answers, torch.tensor([True, True, False]), TeachingSettings(votes_share=0.4, single_share=0.3))
    assert votes[:, 0].tolist() == pytest.approx([0.4, 0.2, 0])
    assert single[:, 0].tolist() == pytest.approx([0.3, 0, 0])
    assert votes.sum(1).tolist() == pytest.approx([1, 1, 1])


def test_rows_without_a_target_do_not_count():
    logits = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    one = soft_cross_entropy(logits, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert float(one) == pytest.approx(float(-logits.log_softmax(1)[0, 0] / 2))
    single = smooth_single(torch.tensor([3, -1]))
    assert single[0].argmax() == 3
    assert single.sum(1).tolist() == pytest.approx([1, 0])


def test_recalls_count_only_faces_with_a_label():
    logits = torch.eye(8)[[0, 0, 3, 7]]
    logits[3, 4] = 0.5
    right, each = recalls(logits, torch.tensor([0, 1, -1, 4]))
    assert right == pytest.approx(2 / 3, abs=1e-4)
    assert each == [1, 0, None, None, 1, None, None]
