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
    """A tracker and a world of faces. `show` gives it the next frame, with these faces in it and, if `search`, detected in it."""

    def __init__(self):
        self.world = World()
        self.tracker = Tracker(Settings().tracker, self.world, self.world, StageTimer(FakeClock()))
        self.t = -STEP

    def show(self, *faces: Box, after: float = STEP, search: bool = True):
        self.world.faces = list(faces)
        self.t += after
        detections = [Detections(tuple(faces), self.t)] if search else []
        return self.tracker.update(GRAY, detections, self.t, EFFORTS[0])

    def ids(self, *faces: Box, after: float = STEP, search: bool = True) -> list[int]:
        return [track.id for track in self.show(*faces, after=after, search=search)]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_without_faces_there_are_no_tracks(stage):
    assert stage.show() == []


def test_faces_are_tracked_without_any_search(stage):
    assert stage.ids(LEFT, RIGHT) == [1, 2]
    for step in range(1, 40):
        left, right = move_box(LEFT, 6 * step, 0), move_box(RIGHT, 0, 5 * step)
        tracks = stage.show(right, left, search=False)
        assert [track.id for track in tracks] == [1, 2]
        assert box_distance(tracks[0].box, left) < 0.01
        assert box_distance(tracks[1].box, right) < 0.01


def test_a_second_search_does_not_make_a_second_track(stage):
    assert stage.ids(LEFT) == [1]
    assert stage.ids(move_box(LEFT, 10, 0)) == [1]


def test_a_late_detection_is_compared_with_the_place_of_the_face_at_its_time(stage):
    for step in range(20):
        stage.show(move_box(LEFT, 20 * step, 0), search=step == 0)
    late = Detections((move_box(LEFT, 20 * 14, 0),), 14 * STEP)
    tracks = stage.tracker.update(GRAY, [late], stage.t, EFFORTS[0])
    assert [track.id for track in tracks] == [1]


def test_an_unconfirmed_detection_starts_no_track(stage):
    stage.world.faces = []
    assert stage.tracker.update(GRAY, [Detections((LEFT,), 0.0)], 0.0, EFFORTS[0]) == []


def test_the_track_of_a_face_that_left_ends_within_half_a_second(stage):
    for _ in range(7):
        stage.show(LEFT)
    lasted = 0
    while stage.ids():
        lasted += 1
    assert 0.1 <= lasted * STEP <= 0.5


def test_a_face_keeps_its_id_if_it_is_back_within_a_second(stage):
    stage.show(LEFT)
    for _ in range(30):
        stage.show()
    assert stage.ids(move_box(LEFT, 20, 0)) == [1]
    for _ in range(60):
        stage.show()
    assert stage.ids(LEFT) == [2]


def test_a_new_face_at_another_place_gets_a_new_id(stage):
    stage.show(LEFT)
    for _ in range(15):
        stage.show()
    assert stage.ids(RIGHT) == [2]


def test_a_face_that_was_hidden_while_it_moved_keeps_its_id(stage):
    for step in range(15):
        stage.show(move_box(LEFT, 10 * step, 0))
    for _ in range(15):
        stage.show()
    assert stage.ids(move_box(LEFT, 300, 0)) == [1]


def test_faces_that_cross_keep_their_ids(stage):
    """They pass each other at half a face width, where the points of one could jump to the other."""
    for step in range(41):
        tracks = stage.show(move_box(LEFT, 10 * step, 0), move_box(LEFT, 400 - 10 * step, 50))
    assert {track.id: round(track.box.x0) for track in tracks} == {1: 400, 2: 0}


def test_a_face_hidden_by_a_crossing_face_keeps_its_id(stage):
    for step in range(61):
        front, back = move_box(LEFT, 8 * step, 0), move_box(LEFT, 240, 10)
        hidden = box_distance(front, back) < 0.5
        tracks = stage.show(*([front] if hidden else [front, back]))
        if step == 0:
            ids = {round(track.box.x0): track.id for track in tracks}
    after = {round(track.box.x0): track.id for track in tracks}
    assert after == {480: ids[0], 240: ids[240]}


def test_two_tracks_on_one_face_become_one(stage):
    stage.show(LEFT, move_box(LEFT, 120, 0))
    for step in range(1, 30):
        stage.show(move_box(LEFT, 4 * min(step, 15), 0), search=False)
    assert len(stage.ids(move_box(LEFT, 60, 0), search=False)) == 1


def test_repeated_times_do_not_end_a_track(stage):
    stage.show(LEFT)
    for _ in range(5):
        assert stage.ids(move_box(LEFT, 3, 0), after=0.0) == [1]


def test_a_clock_that_goes_back_ends_all_tracks(stage):
    stage.show(LEFT, after=10.0)
    assert stage.ids(LEFT, after=-5.0) == [2]


def test_no_id_comes_back_after_a_restart(stage):
    stage.show(LEFT)
    stage.tracker.restart()
    assert stage.ids(LEFT) == [2]


def test_tracks_last_with_a_slow_camera(stage):
    for step in range(6):
        assert stage.ids(move_box(LEFT, 10 * step, 0), after=0.6) == [1]
