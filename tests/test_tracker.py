import pytest

from realtime.config import TrackerSettings
from realtime.tracker import Tracker
from realtime.values import Box

LEFT, RIGHT = Box(0, 0, 100, 100), Box(300, 0, 400, 100)


def moved(box: Box, dx: float) -> Box:
    return Box(box.x0 + dx, box.y0, box.x1 + dx, box.y1)


def ids(tracks) -> list[int]:
    return [track.id for track in tracks]


@pytest.fixture
def tracker() -> Tracker:
    return Tracker(TrackerSettings(reach=0.6, hold_s=0.2, forget_s=1.0))


def test_no_box_no_face(tracker):
    assert tracker.update([], 0.0) == []


def test_a_face_that_moves_keeps_its_id_whatever_the_order_of_boxes(tracker):
    assert ids(tracker.update([LEFT, RIGHT], 0.0)) == [1, 2]
    for step in range(1, 8):
        tracks = tracker.update([moved(RIGHT, -20 * step), moved(LEFT, 10 * step)], step / 30)
        assert ids(tracks) == [1, 2]
        assert tracks[0].box == moved(LEFT, 10 * step)


def test_a_box_too_far_away_is_someone_else(tracker):
    tracker.update([LEFT], 0.0)
    assert ids(tracker.update([moved(LEFT, 61)], 0.03)) == [1, 2]
    assert ids(tracker.update([moved(LEFT, 61)], 0.5)) == [2]


def test_a_missed_face_is_held_then_gone_then_remembered_then_forgotten(tracker):
    tracker.update([LEFT], 0.0)
    assert ids(tracker.update([], 0.2)) == [1]
    assert tracker.update([], 0.21) == []
    assert ids(tracker.update([LEFT], 1.0)) == [1]
    assert tracker.update([], 2.01) == []
    assert ids(tracker.update([LEFT], 2.02)) == [2]


def test_time_zero_is_a_time(tracker):
    tracker.update([LEFT], 0.0)
    assert ids(tracker.update([LEFT], 0.9)) == [1]


def test_a_clock_that_goes_back_ends_all_tracks(tracker):
    tracker.update([LEFT], 10.0)
    assert ids(tracker.update([LEFT], 0.0)) == [2]


def test_the_nearest_pair_wins(tracker):
    tracker.update([LEFT, moved(LEFT, 50)], 0.0)
    assert [t.box.x0 for t in tracker.update([moved(LEFT, 40)], 0.03)] == [0, 40]
