import numpy as np
import pytest
from fakes import ScriptedDetector

from realtime.config import ChangeSettings, FinderSettings
from realtime.faces.changes import SearchMemory
from realtime.faces.finder import ChangedSearch, Look, Request
from realtime.values import Box

SETTINGS = ChangeSettings()
ROOM = np.random.default_rng(0).integers(0, 256, (12, 16)).astype(np.uint8).repeat(40, 0).repeat(40, 1)
"""A picture (480, 640) with something in it everywhere."""


def with_patch(x: int, y: int, side: int = 100) -> np.ndarray:
    """The room with something new in it."""
    changed = ROOM.copy()
    changed[y : y + side, x : x + side] = 255 - changed[y : y + side, x : x + side]
    return changed


@pytest.fixture
def memory() -> SearchMemory:
    """One that has searched the room."""
    memory = SearchMemory(SETTINGS)
    assert memory.update(ROOM, ()) == Box(0, 0, 640, 480)
    return memory


def test_what_was_searched_is_not_searched_again(memory):
    noisy = np.clip(ROOM + np.random.default_rng(1).normal(0, 10, ROOM.shape), 0, 255).astype(np.uint8)
    assert memory.update(noisy, ()) is None


def test_what_changed_is_searched_with_room_around_it(memory):
    part = memory.update(with_patch(300, 200), ())
    more = SETTINGS.margin * 480
    assert (part.x0, part.y0, part.x1, part.y1) == pytest.approx((300 - more, 200 - more, 400 + more, 300 + more), abs=9)
    assert memory.update(with_patch(300, 200), ()) is None


def test_what_goes_is_a_change_too(memory):
    memory.update(with_patch(300, 200), ())
    assert memory.update(ROOM, ()) is not None


def test_parts_at_the_edge_stay_in_the_picture(memory):
    part = memory.update(with_patch(580, 0, 60), ())
    assert (part.y0, part.x1) == (0, 640)


def test_a_tracked_face_may_move_without_being_searched(memory):
    assert memory.update(with_patch(300, 200), (Box(295, 195, 405, 305),)) is None
    assert memory.update(with_patch(100, 200), (Box(295, 195, 405, 305),)) is not None


def test_where_a_face_was_tracked_is_searched_once_it_is_not(memory):
    face = Box(300, 200, 400, 300)
    assert memory.update(ROOM, (face,)) is None
    part = memory.update(ROOM, ())
    assert (part.x0 < face.x0, part.y0 < face.y0, part.x1 > face.x1, part.y1 > face.y1) == (True,) * 4
    assert memory.update(ROOM, ()) is None


def test_if_much_has_changed_all_is_searched(memory):
    assert memory.update(255 - ROOM, ()) == Box(0, 0, 640, 480)


def test_now_and_then_all_is_searched(memory):
    parts = [memory.update(ROOM, ()) for _ in range(2 * SETTINGS.whole_every)]
    assert [part is not None for part in parts] == ([False] * (SETTINGS.whole_every - 1) + [True]) * 2


def test_another_size_and_a_restart_make_all_due(memory):
    assert memory.update(ROOM[:240], ()) == Box(0, 0, 640, 240)
    assert memory.update(ROOM[:240], ()) is None
    memory.restart()
    assert memory.update(ROOM[:240], ()) == Box(0, 0, 640, 240)


class NotingDetector(ScriptedDetector):
    """Finds a face in the middle of each picture; notes sizes of picture and search."""

    def __init__(self):
        super().__init__([[]])
        self.asked = []

    def find(self, gray, short_side):
        self.asked.append((gray.shape, short_side))
        y, x = gray.shape[0] / 2, gray.shape[1] / 2
        return [Box(x - 10, y - 10, x + 10, y + 10)]


def test_a_part_is_searched_in_the_same_scale_and_its_faces_lie_where_they_are():
    detector = NotingDetector()
    search = ChangedSearch(detector, FinderSettings())
    search.update(Request(ROOM, None, 0.0, (), 0), Look(320))
    [box] = search.update(Request(with_patch(300, 200), None, 0.5, (), 0), Look(320)).boxes
    assert ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) == pytest.approx((350, 250), abs=5)
    (_, whole), (shape, side) = detector.asked
    assert whole == 320
    assert side / min(shape) == pytest.approx(320 / 480)
    assert search.update(Request(with_patch(300, 200), None, 1.0, (), 0), Look(320)).boxes == ()


def test_kinds_of_search_and_shots_have_memories_of_their_own():
    detector = NotingDetector()
    search = ChangedSearch(detector, FinderSettings())
    for shot, look in ((0, Look(320)), (0, Look(800)), (0, Look(320, 30.0)), (1, Look(320)), (1, Look(320))):
        search.update(Request(ROOM, None, 0.0, (), shot), look)
    assert len(detector.asked) == 4
