import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from fakes import ScriptedDetector

from realtime.config import EFFORTS, FinderSettings
from realtime.faces.finder import BackgroundFinder, Detections, Finder, SearchSchedule
from realtime.values import Box

FULL = replace(EFFORTS[0], near_s=0.2, far_s=1.0, near_side=320)
SETTINGS = FinderSettings(smallest_px=80, min_face=0.1)
HERE = Box(0, 0, 10, 10)
GRAY = np.zeros((48, 64), np.uint8)


def searched(seconds: float, tracking: bool, effort=FULL, rate: float = 100.0) -> list[tuple[float, list[float]]]:
    schedule = SearchSchedule(SETTINGS)
    asked = [(i / rate, schedule.due(i / rate, tracking, effort)) for i in range(round(seconds * rate))]
    return [(t, sides) for t, sides in asked if sides]


class Seen(ScriptedDetector):
    """Finds one face in the middle of each picture, half as wide; remembers the pictures' sizes."""

    def __init__(self):
        super().__init__([[]])
        self.shapes = []

    def find(self, gray, short_side):
        self.shapes.append((gray.shape, short_side))
        height, width = gray.shape
        return [Box(width / 4, height / 4, width * 3 / 4, height * 3 / 4)]


def test_a_cameras_own_small_picture_is_searched_for_large_faces():
    search, small = Seen(), np.zeros((324, 432), np.uint8)
    gray = np.zeros((960, 1280), np.uint8)
    found = Finder(search, SETTINGS).update(gray, 0.0, False, FULL, small)
    assert search.shapes == [((324, 432), 320), ((960, 1280), 800)]
    for one in found:
        box = one.boxes[0]
        assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((320, 240, 960, 720))


def test_a_small_picture_that_is_too_small_is_left_alone():
    search = Seen()
    with BackgroundFinder(search, replace(SETTINGS, min_face=0.3), patience_s=0.0) as finder:
        for t in (0.0, 1.0):
            finder.update(np.zeros((480, 640), np.uint8), t, False, FULL, np.zeros((240, 320), np.uint8))
    assert search.shapes[0] == ((480, 640), 320)


def test_large_faces_often_small_ones_seldom():
    assert searched(1.1, tracking=False) == [(0.0, [320, 800]), (0.2, [320]), (0.4, [320]), (0.6, [320]), (0.8, [320]), (1.0, [320, 800])]


def test_half_as_often_while_faces_are_followed():
    assert [t for t, _ in searched(1.1, tracking=True)] == [0.0, 0.4, 0.8]


def test_beside_a_followed_face_a_far_search_stands_for_the_near_one():
    assert searched(2.7, tracking=True) == [
        (0.0, [800]),
        (0.4, [320]),
        (0.8, [320]),
        (1.2, [320]),
        (1.6, [320]),
        (2.0, [800]),
        (2.4, [320]),
    ]


def test_no_far_search_where_none_is_wanted_or_it_would_see_no_more():
    assert searched(0.3, False, replace(FULL, far_s=float("inf"))) == [(0.0, [320, 800]), (0.2, [320])]
    assert SearchSchedule(replace(SETTINGS, min_face=0.3)).due(0.0, False, FULL) == [320]


def test_a_clock_that_goes_back_and_a_cut_make_everything_due():
    schedule = SearchSchedule(SETTINGS)
    schedule.due(5.0, False, FULL)
    assert schedule.due(1.0, False, FULL) == [320, 800]
    assert schedule.due(1.1, False, FULL) == []
    schedule.restart()
    assert schedule.due(1.1, False, FULL) == [320, 800]


def test_in_step_what_is_due_is_found_at_once():
    finder = Finder(ScriptedDetector([[HERE], []]), SETTINGS)
    assert finder.update(GRAY, 0.0, False, FULL) == [Detections((HERE,), 0.0), Detections((), 0.0)]
    assert finder.update(GRAY, 0.1, False, FULL) == []


class Waiting(ScriptedDetector):
    """Finds nothing until it is let go."""

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
def test_in_the_background_no_frame_waits_and_what_is_found_comes_later_with_its_time():
    search = Waiting([[HERE]])
    with BackgroundFinder(search, SETTINGS) as finder:
        started = time.monotonic()
        assert [finder.update(GRAY, i / 30, False, FULL) for i in range(60)] == [[]] * 60
        assert time.monotonic() - started < 1
        search.go.set()
        found = []
        assert until(lambda: found.extend(finder.update(GRAY, 2.0, True, FULL)) or len(found) >= 2)
    assert found[:2] == [Detections((HERE,), 0.0)] * 2
    assert search.threads == {"finder"}
    assert not finder._thread.is_alive()


@pytest.mark.timeout(20)
def test_what_the_search_raises_in_its_thread_the_loop_raises():
    search = ScriptedDetector([RuntimeError("detector died")])
    with BackgroundFinder(search, SETTINGS) as finder, pytest.raises(RuntimeError, match="detector died"):
        until(lambda: bool(finder.update(GRAY, 0.0, False, FULL)))


@pytest.mark.timeout(20)
def test_after_a_cut_nothing_from_before_it_arrives():
    search = Waiting([[HERE], [HERE], []])
    with BackgroundFinder(search, SETTINGS) as finder:
        finder.update(GRAY, 0.0, False, FULL)
        assert until(lambda: bool(search.threads))
        finder.restart()
        search.go.set()
        found = []
        assert until(lambda: found.extend(finder.update(GRAY, 1.0, False, FULL)) or any(f.t == 1.0 for f in found))
    assert {f.t for f in found} == {1.0}


class Stepwise(ScriptedDetector):
    """Each search waits until `go` has been released once more."""

    def __init__(self, script):
        super().__init__(script)
        self.go = threading.Semaphore(0)

    def find(self, gray, short_side):
        assert self.go.acquire(timeout=5)
        return super().find(gray, short_side)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("calm", "t", "waits"), [(True, 0.9, False), (True, 1.1, True), (False, 0.4, False), (False, 0.6, True)])
def test_a_fast_film_waits_for_small_faces_sooner_where_nobody_is_followed(tracking, t, waits):
    search, after = Stepwise([[HERE], []]), []
    with BackgroundFinder(search, SETTINGS, patience_s=0.1) as finder:
        finder.update(GRAY, 0.0, False, FULL)
        search.go.release()
        assert until(lambda: finder._searching_far)
        frame = threading.Thread(target=lambda: after.append(finder.update(GRAY, t, tracking, FULL)))
        frame.start()
        frame.join(0.2)
        assert frame.is_alive() == waits
        search.go.release(3)
        frame.join(5)
    assert after[0][0] == Detections((HERE,), 0.0)
