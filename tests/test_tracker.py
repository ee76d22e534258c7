import numpy as np
import pytest
from fakes import FakeClock, World

from realtime.base.geometry import box_distance, move_box
from realtime.base.timing import StageTimer
from realtime.config import EFFORTS, Settings
from realtime.faces.finder import Detections
from realtime.faces.tracker import Tracker
from realtime.values import Box

LEFT, RIGHT = Box(0, 0, 100, 100), Box(300, 0, 400, 100)
GRAY = np.zeros((480, 640), np.uint8)
STEP = 1 / 30


class Stage:
    """A tracker before a world whose faces a test moves; a search runs in every frame unless told otherwise."""

    def __init__(self):
        self.world = World()
        self.tracker = Tracker(Settings().tracker, self.world, self.world, StageTimer(FakeClock()))
        self.t = -STEP

    def see(self, *faces: Box, after: float = STEP, search: bool = True):
        self.world.faces = list(faces)
        self.t += after
        found = [Detections(tuple(faces), self.t)] if search else []
        return self.tracker.update(GRAY, found, self.t, EFFORTS[0])

    def ids(self, *faces: Box, after: float = STEP, search: bool = True) -> list[int]:
        return [track.id for track in self.see(*faces, after=after, search=search)]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_no_face_no_track(stage):
    assert stage.see() == []


def test_faces_are_followed_without_any_search(stage):
    assert stage.ids(LEFT, RIGHT) == [1, 2]
    for step in range(1, 40):
        left, right = move_box(LEFT, 6 * step, 0), move_box(RIGHT, 0, 5 * step)
        tracks = stage.see(right, left, search=False)
        assert [track.id for track in tracks] == [1, 2]
        assert box_distance(tracks[0].box, left) < 0.01
        assert box_distance(tracks[1].box, right) < 0.01


def test_a_second_search_does_not_make_a_second_track(stage):
    assert stage.ids(LEFT) == [1]
    assert stage.ids(move_box(LEFT, 10, 0)) == [1]


def test_what_a_slow_search_saw_is_compared_with_where_the_face_was_then(stage):
    for step in range(20):
        stage.see(move_box(LEFT, 20 * step, 0), search=step == 0)
    seen = Detections((move_box(LEFT, 20 * 14, 0),), 14 * STEP)
    tracks = stage.tracker.update(GRAY, [seen], stage.t, EFFORTS[0])
    assert [track.id for track in tracks] == [1]


def test_a_find_that_a_second_look_does_not_confirm_is_dropped(stage):
    stage.world.faces = []
    assert stage.tracker.update(GRAY, [Detections((LEFT,), 0.0)], 0.0, EFFORTS[0]) == []


def test_a_face_that_vanishes_is_gone_within_half_a_second(stage):
    for _ in range(7):
        stage.see(LEFT)
    lasted = 0
    while stage.ids():
        lasted += 1
    assert 0.1 <= lasted * STEP <= 0.5


def test_a_face_that_comes_back_within_a_second_keeps_its_id_and_later_it_does_not(stage):
    stage.see(LEFT)
    for _ in range(30):
        stage.see()
    assert stage.ids(move_box(LEFT, 20, 0)) == [1]
    for _ in range(60):
        stage.see()
    assert stage.ids(LEFT) == [2]


def test_someone_else_elsewhere_is_someone_else(stage):
    stage.see(LEFT)
    for _ in range(15):
        stage.see()
    assert stage.ids(RIGHT) == [2]


def test_a_face_that_passes_behind_something_comes_back_where_it_was_going(stage):
    for step in range(15):
        stage.see(move_box(LEFT, 10 * step, 0))
    for _ in range(15):
        stage.see()
    assert stage.ids(move_box(LEFT, 300, 0)) == [1]


def test_faces_that_cross_keep_their_ids(stage):
    """They pass each other at half a face width, where either predictor could slip to the other face."""
    for step in range(41):
        tracks = stage.see(move_box(LEFT, 10 * step, 0), move_box(LEFT, 400 - 10 * step, 50))
    assert {track.id: round(track.box.x0) for track in tracks} == {1: 400, 2: 0}


def test_a_face_hidden_by_one_that_crosses_gets_its_id_back(stage):
    for step in range(61):
        front, back = move_box(LEFT, 8 * step, 0), move_box(LEFT, 240, 10)
        hidden = box_distance(front, back) < 0.5
        tracks = stage.see(*([front] if hidden else [front, back]))
        if step == 0:
            ids = {round(track.box.x0): track.id for track in tracks}
    after = {round(track.box.x0): track.id for track in tracks}
    assert after == {480: ids[0], 240: ids[240]}


def test_two_tracks_never_show_one_face(stage):
    stage.see(LEFT, move_box(LEFT, 120, 0))
    for step in range(1, 30):
        assert len(stage.ids(move_box(LEFT, 4 * min(step, 15), 0), search=False)) <= 2
    assert len(stage.ids(move_box(LEFT, 60, 0), search=False)) == 1


def test_time_zero_is_a_time_and_repeated_times_do_no_harm(stage):
    stage.see(LEFT)
    for _ in range(5):
        assert stage.ids(move_box(LEFT, 3, 0), after=0.0) == [1]


def test_a_clock_that_goes_back_ends_all_tracks(stage):
    stage.see(LEFT, after=10.0)
    assert stage.ids(LEFT, after=-5.0) == [2]


def test_a_shot_cut_ends_all_tracks_for_good(stage):
    stage.see(LEFT)
    stage.tracker.restart()
    assert stage.ids(LEFT) == [2]


def test_a_slow_camera_does_not_lose_a_face_between_two_looks(stage):
    for step in range(6):
        assert stage.ids(move_box(LEFT, 10 * step, 0), after=0.6) == [1]
