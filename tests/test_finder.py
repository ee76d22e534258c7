import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from fakes import ScriptedDetector

from realtime.config import EFFORTS, FinderSettings
from realtime.faces.finder import BackgroundFinder, ChangedSearch, Detections, Finder, Look, Request, SearchSchedule
from realtime.values import Box

FULL = replace(EFFORTS[0], near_s=0.2, far_s=1.0, near_side=320, tilted_s=float("inf"))
SETTINGS = FinderSettings(smallest_px=80, min_face=0.1)
HERE = Box(0, 0, 10, 10)
GRAY = np.zeros((48, 64), np.uint8)


def sides(looks: list[Look]) -> list[float]:
    """The sizes of looks at upright faces."""
    assert all(look.degrees == 0 for look in looks)
    return [look.side for look in looks]


def found(t: float, *boxes: Box) -> Detections:
    """What the scripted detector's search gives for these boxes."""
    return Detections(boxes, t, None, (1.0,) * len(boxes))


def searches(seconds: float, tracking: bool, effort=FULL, rate: float = 100.0) -> list[tuple[float, list[float]]]:
    schedule = SearchSchedule(SETTINGS)
    all_times = [(i / rate, schedule.due(i / rate, tracking, effort)) for i in range(round(seconds * rate))]
    return [(t, sides(looks)) for t, looks in all_times if looks]


class MiddleFaceDetector(ScriptedDetector):
    """Finds one face in the middle of each picture, half as wide; stores the shapes of the pictures."""

    def __init__(self):
        super().__init__([[]])
        self.shapes = []

    def find(self, gray, short_side):
        self.shapes.append((gray.shape, short_side))
        height, width = gray.shape
        return [Box(width / 4, height / 4, width * 3 / 4, height * 3 / 4)]


def test_the_small_picture_of_a_camera_is_searched_for_large_faces():
    search, small = MiddleFaceDetector(), np.zeros((324, 432), np.uint8)
    gray = np.zeros((960, 1280), np.uint8)
    detections = Finder(search, SETTINGS).update(gray, 0.0, (), FULL, small)
    assert search.shapes == [((324, 432), 320), ((960, 1280), 800)]
    for one in detections:
        box = one.boxes[0]
        assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((320, 240, 960, 720))


def test_a_small_picture_below_the_search_size_is_not_used():
    search = MiddleFaceDetector()
    with BackgroundFinder(search, replace(SETTINGS, min_face=0.3), patience_s=0.0) as finder:
        for t in (0.0, 1.0):
            finder.update(np.zeros((480, 640), np.uint8), t, (), FULL, np.zeros((240, 320), np.uint8))
    assert search.shapes[0] == ((480, 640), 320)


def test_near_searches_are_often_and_far_searches_seldom():
    assert searches(1.1, tracking=False) == [
        (0.0, [320, 800]),
        (0.2, [320]),
        (0.4, [320]),
        (0.6, [320]),
        (0.8, [320]),
        (1.0, [320, 800]),
    ]


def test_searches_are_half_as_often_while_faces_are_tracked():
    assert [t for t, _ in searches(1.1, tracking=True)] == [0.0, 0.4, 0.8]


def test_a_far_search_replaces_the_near_one_while_faces_are_tracked():
    assert searches(2.7, tracking=True) == [
        (0.0, [800]),
        (0.4, [320]),
        (0.8, [320]),
        (1.2, [320]),
        (1.6, [320]),
        (2.0, [800]),
        (2.4, [320]),
    ]


def test_no_far_search_if_it_is_off_or_would_find_no_more_faces():
    assert searches(0.3, False, replace(FULL, far_s=float("inf"))) == [(0.0, [320, 800]), (0.2, [320])]
    assert sides(SearchSchedule(replace(SETTINGS, min_face=0.3)).due(0.0, False, FULL)) == [320]


def test_a_time_that_goes_back_and_a_restart_make_all_searches_due():
    schedule = SearchSchedule(SETTINGS)
    schedule.due(5.0, False, FULL)
    assert sides(schedule.due(1.0, False, FULL)) == [320, 800]
    assert schedule.due(1.1, False, FULL) == []
    schedule.restart()
    assert sides(schedule.due(1.1, False, FULL)) == [320, 800]


def test_finder_returns_the_detections_of_the_same_frame():
    finder = Finder(ScriptedDetector([[HERE], []]), SETTINGS)
    assert finder.update(GRAY, 0.0, (), FULL) == [found(0.0, HERE), found(0.0)]
    assert finder.update(GRAY, 0.1, (), FULL) == []


class WaitingDetector(ScriptedDetector):
    """Each search waits until `go` is set."""

    def __init__(self, script):
        super().__init__(script)
        self.go, self.threads = threading.Event(), set()

    def find(self, gray, short_side):
        self.threads.add(threading.current_thread().name)
        self.go.wait(5)
        return super().find(gray, short_side)


def until(condition) -> bool:
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


@pytest.mark.timeout(20)
def test_background_finder_never_waits_and_returns_detections_later_with_their_time():
    search = WaitingDetector([[HERE]])
    with BackgroundFinder(search, SETTINGS) as finder:
        started = time.monotonic()
        assert [finder.update(GRAY, i / 30, (), FULL) for i in range(60)] == [[]] * 60
        assert time.monotonic() - started < 1
        search.go.set()
        detections = []
        assert until(lambda: detections.extend(finder.update(GRAY, 2.0, (HERE,), FULL)) or len(detections) >= 2)
    assert detections[:2] == [found(0.0, HERE)] * 2
    assert search.threads == {"finder"}
    assert not finder._thread.is_alive()


@pytest.mark.timeout(20)
def test_an_error_in_the_search_thread_is_raised_by_update():
    search = ScriptedDetector([RuntimeError("detector died")])
    with BackgroundFinder(search, SETTINGS) as finder, pytest.raises(RuntimeError, match="detector died"):
        until(lambda: bool(finder.update(GRAY, 0.0, (), FULL)))


@pytest.mark.timeout(20)
def test_after_a_restart_no_earlier_detection_is_returned():
    search = WaitingDetector([[HERE], [HERE], []])
    with BackgroundFinder(search, SETTINGS) as finder:
        finder.update(GRAY, 0.0, (), FULL)
        assert until(lambda: bool(search.threads))
        finder.restart()
        search.go.set()
        detections = []
        assert until(lambda: detections.extend(finder.update(GRAY, 1.0, (), FULL)) or any(f.t == 1.0 for f in detections))
    assert {f.t for f in detections} == {1.0}


class StepwiseDetector(ScriptedDetector):
    """Each search waits until `go` has been released once more."""

    def __init__(self, script):
        super().__init__(script)
        self.go = threading.Semaphore(0)

    def find(self, gray, short_side):
        assert self.go.acquire(timeout=5)
        return super().find(gray, short_side)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("tracking", "t", "waits"), [(True, 0.9, False), (True, 1.1, True), (False, 0.4, False), (False, 0.6, True)])
def test_update_waits_for_a_far_search_earlier_while_no_face_is_tracked(tracking, t, waits):
    search, after = StepwiseDetector([[HERE], []]), []
    with BackgroundFinder(search, SETTINGS, patience_s=0.1) as finder:
        finder.update(GRAY, 0.0, (), FULL)
        search.go.release()
        assert until(lambda: finder._searching_far)
        frame = threading.Thread(target=lambda: after.append(finder.update(GRAY, t, (HERE,) if tracking else (), FULL)))
        frame.start()
        frame.join(0.2)
        assert frame.is_alive() == waits
        search.go.release(3)
        frame.join(5)
    assert after[0][0] == found(0.0, HERE)


def leans(tracking: bool, rate: int = 10) -> list[tuple[float, float]]:
    """Time and angle of each look for leaning faces in the first four seconds."""
    schedule, effort = SearchSchedule(SETTINGS), replace(FULL, tilted_s=0.2)
    looks = [(i / rate, look) for i in range(4 * rate + 1) for look in schedule.due(i / rate, tracking, effort)]
    return [(t, look.degrees) for t, look in looks if look.degrees]


def test_leaning_faces_are_looked_for_to_both_sides_in_turn():
    found = leans(tracking=False)
    # The first frame is searched in every way, later ones in one way each.
    assert [t for t, _ in found[:5]] == [0.0, 0.3, 0.5, 0.7, 0.9]
    assert [degrees for _, degrees in found[:4]] == [30, -30, 30, -30]


@pytest.mark.parametrize("rate", [2, 5])
def test_where_every_frame_is_searched_leaning_faces_are_looked_for_too(rate):
    assert [t for t, _ in leans(tracking=False, rate=rate)[:4]] == [0.0, 1 / rate, 2 / rate, 3 / rate]


def test_leaning_faces_are_seldom_looked_for_while_faces_are_tracked():
    assert [t for t, _ in leans(tracking=True)] == [0.0, 1.7, 3.3]


@pytest.mark.parametrize("small", [None, np.zeros((324, 432), np.uint8)])
def test_a_leaning_face_in_the_middle_of_the_picture_has_its_box_there(small):
    search = MiddleFaceDetector()
    [box] = ChangedSearch(search, SETTINGS).update(Request(np.zeros((960, 1280), np.uint8), small, 0.0, (), 0), Look(320, 30)).boxes
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((320, 240, 960, 720), abs=3)
