"""A further course: what is learned from, and that it is learned."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models import course  # noqa: E402
from models.checkpoint import build, load_trained, save_trained  # noqa: E402
from models.course import Answers, CourseSettings, settings_of  # noqa: E402
from models.face_api import FaceApiNet  # noqa: E402
from models.lesson import save_lesson  # noqa: E402
from models.made_faces import load_transferred, load_turned  # noqa: E402
from models.network import to_input  # noqa: E402
from models.students import heads_loss  # noqa: E402
from models.trainee import LearningSettings  # noqa: E402
from models.views import Blend, faces_of, plain_chips, view  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402
from realtime.config import PRIOR_OF_USE  # noqa: E402
from tests.lessons import FEAR, SURPRISE, half_dark, small_lesson  # noqa: E402

CPU = torch.device("cpu")


def write_transferred(path) -> None:
    """Forty transferred faces: half dark ones, with the drawn target of their label."""
    crops, labels = half_dark(40, 3)
    np.savez(path, crops=crops, framing=np.broadcast_to(np.eye(2, 3, dtype="f4"), (40, 2, 3)), target=np.eye(8, dtype="f4")[labels])


def write_turned(path, rows) -> None:
    """Turned faces: those of the lesson in these rows, upside down."""
    lesson = small_lesson()
    np.savez(path, rows=rows, crops=lesson.crops[rows, ::-1], framing=lesson.framing[rows])


def materials(folder, recipe) -> list:
    """The files of a course in a folder: weights to start from, those to write, a lesson, transferred and turned faces."""
    start, end, lesson, transferred, turned = (
        folder / name for name in ("start.pt", "new/end.pt", "lesson.npz", "moved.npz", "turned.npz")
    )
    save_trained(start, "nano", recipe, build("nano").state_dict())
    save_lesson(small_lesson(), lesson)
    write_transferred(transferred)
    write_turned(turned, np.arange(30))
    return [start, end, lesson, transferred, turned]


def test_half_of_a_target_is_the_votes_under_the_prior_of_use():
    torch.manual_seed(0)
    lesson, net = small_lesson(), build("nano").eval()
    faces, weights, start_weights = faces_of(lesson, CPU), torch.arange(1.0, 9), torch.linspace(0.5, 2, 8)
    answers = Answers(net, FaceApiNet().eval(), faces, weights, start_weights, 0.5)
    rows = torch.arange(5)
    targets = answers.of(rows, Blend(rows, torch.ones(5)), torch.full((2, 8), 0.125))
    with torch.no_grad():
        own = net(to_input(plain_chips(faces.crops, faces.framing)[:5]))[0].softmax(1)
    expected = (own * start_weights + faces.distribution[:5] * weights) / 2
    assert torch.allclose(targets.votes[:5], expected, atol=1e-5)
    assert torch.allclose(targets.votes[5:], torch.full((2, 8), 0.125))
    # The other heads know nothing of transferred faces.
    assert targets.original[:5].sum(1) == pytest.approx(1, abs=1e-4) and not targets.original[5:].any() and not targets.opinion[5:].any()


def test_a_course_learns_what_it_is_shown(tmp_path, monkeypatch):
    torch.manual_seed(0)
    files = materials(tmp_path, {})
    quick = LearningSettings(learning_rate=0.05, average_decay=0.5)
    settings = partial(CourseSettings, faces=24, transferred=12, turned=6, negatives=18, learning=quick)
    monkeypatch.setattr(course, "CourseSettings", settings)
    course.main(*files, steps=40)
    net, (crops, labels) = load_trained(files[1]), half_dark(40, 1)
    faces = faces_of(small_lesson(), CPU)
    with torch.no_grad():
        answers = net(to_input(plain_chips(torch.from_numpy(crops[:, None]), faces.framing[:40])))[0].numpy()
    right = (answers[:, FEAR] > answers[:, SURPRISE]) == (labels == FEAR)
    assert right.mean() > 0.9
    recipe = torch.load(files[1], weights_only=True)["recipe"]
    assert recipe["prior"] == list(PRIOR_OF_USE) and recipe["steps"] == 40


@pytest.fixture
def short(monkeypatch):
    """A course with small batches."""
    monkeypatch.setattr(course, "CourseSettings", partial(CourseSettings, faces=4, transferred=2, turned=2, negatives=6))


def test_a_teacher_says_what_the_faces_show(tmp_path, short, monkeypatch):
    files, teacher, given = materials(tmp_path, {}), tmp_path / "teacher.pt", []
    torch.manual_seed(5)
    taught_by = build("nano").eval()
    save_trained(teacher, "nano", {"prior": list(PRIOR_OF_USE)}, taught_by.state_dict())

    class Seen(Answers):
        def __init__(self, *parts):
            given.append(parts)
            super().__init__(*parts)

    monkeypatch.setattr(course, "Answers", Seen)
    course.main(*files, steps=1, teacher=teacher)
    [(network, _, _, _, weights, _)] = given
    assert torch.equal(network.head.bias, taught_by.head.bias)
    assert weights.tolist() == [1.0] * 8, "it answers under the prior of use"
    # It is not the network that learns.
    assert (load_trained(files[1]).head.bias - load_trained(files[0]).head.bias).abs().max() < 0.1
    assert (load_trained(files[1]).head.bias - taught_by.head.bias).abs().max() > 0.1


def test_a_course_that_is_stopped_leaves_its_last_weights(tmp_path, short, monkeypatch):
    monkeypatch.setattr(course, "CHECKPOINT", 2)
    update, taken = course.Course.update, []

    def stopped_at_the_fourth(self, progress):
        taken.append(progress)
        if len(taken) == 4:
            raise KeyboardInterrupt
        return update(self, progress)

    monkeypatch.setattr(course.Course, "update", stopped_at_the_fourth)
    files = materials(tmp_path, {})
    with pytest.raises(KeyboardInterrupt):
        course.main(*files, steps=9)
    assert torch.load(files[1], weights_only=True)["recipe"]["steps"] == 2


def test_a_turned_face_has_the_target_that_it_had_before(tmp_path, monkeypatch):
    torch.manual_seed(0)
    rows = np.arange(20)[::-1].copy()
    write_turned(tmp_path / "turned.npz", rows)
    write_transferred(tmp_path / "transferred.npz")
    lesson = small_lesson()
    faces, net = faces_of(lesson, CPU), build("nano")
    answers = Answers(net.eval(), FaceApiNet().eval(), faces, torch.ones(8), torch.ones(8), 0.5)
    settings = CourseSettings(faces=8, transferred=4, turned=5, negatives=6)
    parts = load_transferred(tmp_path / "transferred.npz"), load_turned(tmp_path / "turned.npz")
    taught = course.Course(net, answers, faces, *parts, torch.from_numpy(lesson.scenery[:, None]), settings)
    seen, drawn = [], []

    def seen_loss(model, views, targets, *more):
        seen.append(targets)
        return heads_loss(model, views, targets, *more)

    def drawn_view(crops, framing):
        drawn.append(crops)
        return view(crops, framing)

    monkeypatch.setattr(course, "heads_loss", seen_loss)
    monkeypatch.setattr(course, "view", drawn_view)
    taught.update(0.0)
    [targets] = seen
    for crop, target in zip(drawn[1], targets.votes[8 + 4 : 8 + 4 + 5], strict=True):
        [row] = [row for row in range(20) if (lesson.crops[row, ::-1] == crop[0].numpy()).all()]
        assert torch.allclose(target, answers.votes[row])


def test_a_missing_file_of_transferred_faces_is_told(tmp_path):
    with pytest.raises(Trouble, match=r"cannot be read .*: make it with `python -m models\.transfer_faces`"):
        load_transferred(tmp_path / "none.npz")
    with pytest.raises(Trouble, match=r"cannot be read .*: make it with `python -m models\.turn_faces`"):
        load_turned(tmp_path / "none.npz")


def test_more_transferred_faces_leave_a_batch_as_large_as_it_was():
    usual, more = settings_of(None), settings_of(52)
    assert usual == CourseSettings() and (more.transferred, more.turned) == (52, usual.turned)
    assert more.faces + more.transferred == usual.faces + usual.transferred
    most = usual.faces + usual.transferred - 1
    assert settings_of(most).faces == 1
    with pytest.raises(Trouble, match=rf"--in-batch {most + 1} leaves no plain face in a batch: take at most {most}"):
        settings_of(most + 1)
