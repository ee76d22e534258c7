import numpy as np
import pytest
from sessions import begin_session

from calibration.enrol import TakeWriter, number_moments
from calibration.observation import Observation
from calibration.plan import FRONT, SIDE, Prompt
from calibration.session_folder import SessionFolder
from calibration.stored_sessions import read_person_takes
from realtime.config import CaptureSettings
from realtime.values import Box, Face

SETTINGS = CaptureSettings()
FACE = Face(1, Box(20, 20, 60, 60), np.full((5, 2), 40, np.float32))


def view(turn: float, t: float = 0.0) -> Observation:
    crop = np.full((48, 48), 99, np.uint8)
    return Observation(t, 0, np.zeros((80, 80, 3), np.uint8), FACE, crop, measures={"turn": turn})


class FakeCamera:
    """A further camera that saw the face with one turn, or not at all."""

    def __init__(self, name: str, turn: float | None):
        self.name, self.turn = name, turn

    def between(self, first: float, last: float) -> list[Observation]:
        return [] if self.turn is None else [view(self.turn, first), view(self.turn, last)]


def write_takes(session: SessionFolder, prompts: list[Prompt], further: list[FakeCamera], turn: float = 0.0) -> TakeWriter:
    writer = TakeWriter(session, lambda: "0", prompts, SETTINGS, further)
    for prompt in prompts:
        writer.keep(prompt, [view(turn), view(turn, 0.5)])
    return writer


@pytest.mark.parametrize(
    ("prompt_pose", "turn", "pose"),
    [(FRONT, 0.0, "front"), (FRONT, -0.161, "front"), (SIDE, -0.161, "right"), (SIDE, 0.3, "left"), (SIDE, 0.149, "left")],
)
def test_a_take_has_the_pose_that_was_asked_for(tmp_path, prompt_pose, turn, pose):
    write_takes(begin_session(tmp_path), [Prompt("fear", prompt_pose, "first", 1.5)], [], turn)
    assert [take.pose for take in read_person_takes(tmp_path, "ada")] == [pose]


@pytest.mark.parametrize(("turn", "pose"), [(0.1, "front"), (0.2, "left"), (-0.2, "right")])
def test_a_view_of_a_further_camera_has_the_pose_that_is_seen(tmp_path, turn, pose):
    write_takes(begin_session(tmp_path), [Prompt("fear", FRONT, "strong", 1.5)], [FakeCamera("1", turn)])
    assert [(take.camera, take.pose) for take in read_person_takes(tmp_path, "ada")] == [("0", "front"), ("1", pose)]


def test_moments_are_stored_not_guessed(tmp_path):
    """Two takes of fear follow each other, with four cameras in all: by their order they would be one moment."""
    session = begin_session(tmp_path, plan="room", cameras=("0", "1"))
    prompt = Prompt("fear", FRONT, "strong", 1.5)
    writer = write_takes(session, [prompt], [FakeCamera("1", None), FakeCamera("2", 0.2)])
    writer.further = [FakeCamera("1", 0.2)]
    writer.camera = lambda: "3"
    writer.keep(prompt, [view(0.0), view(0.0, 0.5)])
    takes = read_person_takes(tmp_path, "ada")
    assert [take.camera for take in takes] == ["0", "2", "3", "1"]
    assert number_moments(takes) == [0, 0, 1, 1]


def test_moments_of_two_sessions_differ(tmp_path):
    prompt = Prompt("fear", FRONT, "strong", 1.5)
    for _ in range(2):
        write_takes(begin_session(tmp_path), [prompt], [FakeCamera("1", 0.2)])
    takes = read_person_takes(tmp_path, "ada")
    assert [take.moment for take in takes] == [1, 1, 1, 1]
    assert number_moments(takes) == [0, 0, 1, 1]


def test_a_resumed_writer_erases_all_views_of_a_take(tmp_path):
    prompts = [Prompt("fear", FRONT, "strong", 1.5), Prompt("anger", FRONT, "strong", 1.5)]
    session = begin_session(tmp_path, plan="room")
    # Seen from the side: the pose of this view belongs to no prompt.
    write_takes(session, prompts, [FakeCamera("1", 0.2)])
    resumed = TakeWriter(SessionFolder(session.path), lambda: "0", prompts, SETTINGS)
    assert resumed.earlier == [(prompt, {"turn": 0.0}) for prompt in prompts]
    resumed.drop(prompts[0])
    assert [take.expression for take in read_person_takes(tmp_path, "ada")] == ["anger", "anger"]


def test_a_view_without_its_take_does_not_count_as_one(tmp_path):
    prompt = Prompt("fear", FRONT, "strong", 1.5)
    session = begin_session(tmp_path, plan="room")
    write_takes(session, [prompt], [FakeCamera("1", 0.0)])
    session.erase(1)
    resumed = TakeWriter(SessionFolder(session.path), lambda: "0", [prompt], SETTINGS)
    assert resumed.earlier == []
