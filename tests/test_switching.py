import threading
import time
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
from fakes import NetworkCamera, RtspCamera, ScriptedSource
from source_fakes import Closed, Silent, frames_of, rising, wait_until

from realtime.base.errors import Trouble
from realtime.config import CameraSettings
from realtime.sources.newest import NewestFrame
from realtime.sources.opening import open_live
from realtime.sources.switching import SourceSwitch
from realtime.values import Frame


class Endless(ScriptedSource):
    """Gives a frame whenever it is asked, as fast as that is; ends when `left()`."""

    def __init__(self, name: str, left: Callable[[], bool], brightness: int = 0, first: int = 0):
        super().__init__([])
        self.name, self.left, self.brightness, self.first = name, left, brightness, first

    def __iter__(self):
        for index in count(self.first):
            if self.left():
                return
            yield Frame(np.full((48, 64, 3), self.brightness, np.uint8), time.monotonic(), index)


class Switched:
    """A SourceSwitch over cameras by name, with all that it tells."""

    def __init__(self, cameras: dict[str, Callable[[], ScriptedSource]]):
        self.cameras, self.opened, self.told = cameras, [], []
        self.source = SourceSwitch(self.make, list(cameras)[:1], lambda: list(cameras), self.told.append)

    def make(self, text: str) -> ScriptedSource:
        self.opened.append(self.cameras[text]())
        return self.opened[-1]


def two_cameras(**more: Callable[[], ScriptedSource]) -> Switched:
    def due() -> bool:
        return switched.source.due

    switched = Switched({"a": lambda: Endless("a", due, 10), "b": lambda: Endless("b", due, 200, first=50), **more})
    return switched


def test_the_first_source_that_opens_is_taken_and_the_reason_told():
    told, good = [], ScriptedSource([0.0, 0.1])
    sources = {"0": Closed([]), "demo": good}
    switch = SourceSwitch(sources.get, ["0", "demo"], list, told.append)
    assert len(frames_of(switch)) == 2
    assert told == ["this one is closed\nPlaying script instead."]
    assert (good.opened, good.closed) == (1, 1)
    assert switch.current == "demo"
    with pytest.raises(Trouble, match="this one is closed"):
        frames_of(SourceSwitch(sources.get, ["0"], list, told.append))


@pytest.mark.timeout(10)
def test_another_camera_takes_the_place_of_the_first_and_the_session_goes_on():
    switched, got = two_cameras(), []
    with switched.source as source:
        for frame in source:
            got.append(frame)
            if len(got) == 3:
                assert source.choose("b") == "opening b"
            if frame.image.max() == 200:
                assert (source.current, source.name) == ("b", "b")
                break
    assert [frame.index for frame in got] == list(range(len(got)))
    assert rising([frame.t for frame in got])
    assert switched.told == ["now b"]
    assert [(made.name, made.opened, made.closed) for made in switched.opened if made.opened] == [("a", 1, 1), ("b", 1, 1)]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("text", "said"), [("closed", "a stays: this one is closed"), ("a", "a stays: it is shown already")])
def test_a_camera_that_does_not_open_leaves_the_old_one_and_says_why(text, said):
    switched = two_cameras(closed=lambda: Closed([]))
    with switched.source as source:
        frames = iter(source)
        next(frames)
        source.choose(text)
        wait_until(lambda: switched.told)
        assert next(frames).image.max() == 10
        assert source.current == "a"
    assert switched.told == [said]


@pytest.mark.timeout(10)
def test_the_next_camera_is_the_one_after_in_a_round():
    switched = two_cameras()
    shown = []
    with switched.source as source:
        for _frame in source:
            if source.current not in shown[-1:]:
                shown.append(source.current)
                source.next()
            if len(shown) == 3:
                break
            time.sleep(0.001)
    assert shown == ["a", "b", "a"]


@pytest.mark.timeout(10)
def test_without_another_camera_next_says_so():
    switched = Switched({"a": lambda: ScriptedSource([0.0])})
    with switched.source as source:
        source.next()
        wait_until(lambda: switched.told)
    assert "there is no other camera" in switched.told[0]


@pytest.mark.timeout(10)
def test_a_camera_that_is_silent_can_be_left_for_another_one():
    """A stream that hangs waits for nothing but `due`."""
    switched = two_cameras()
    switched.cameras["a"] = lambda: NewestFrame(Silent([]), lambda: switched.source.due)
    threading.Timer(0.1, lambda: switched.source.choose("b")).start()
    with switched.source as source:
        assert next(iter(source)).image.max() == 200


@pytest.mark.timeout(10)
def test_one_camera_is_opened_at_a_time_and_one_that_opens_too_late_is_closed():
    hanging = threading.Event()

    class Slow(ScriptedSource):
        def __enter__(self):
            hanging.wait(5)
            return super().__enter__()

    late = Slow([0.0])
    switched = two_cameras(late=lambda: late)
    with switched.source as source:
        assert source.choose("late") == "opening late"
        assert source.choose("b") == "another camera is being opened: wait for it"
    hanging.set()
    wait_until(lambda: late.closed)
    assert late.opened == 1
    assert all(made.name != "b" for made in switched.opened)


@pytest.mark.timeout(40)
def test_a_camera_that_died_is_left_for_another_one_and_one_that_never_answers_is_not_taken():
    with NetworkCamera() as first, RtspCamera(size_wh=(96, 64), brightness=200) as second:

        def made(text):
            return open_live(text, time.monotonic, CameraSettings(), lambda: switch.due, said.append, told.append)

        def asked():
            wait_until(lambda: any("reconnecting" in line for line in told))
            switch.choose("http://127.0.0.1:9/x.mjpg")
            wait_until(lambda: any(f"{first.address} stays: http://127.0.0.1:9/x.mjpg cannot be read" in line for line in told))
            switch.choose(second.address)

        told, said, shapes = [], [], []
        switch = SourceSwitch(made, [first.address], list, told.append)
        threading.Thread(target=asked, daemon=True).start()
        with switch as source:
            for frame in source:
                shapes.append((frame.index, frame.image.shape))
                if len(shapes) == 3:
                    first.die()
                if frame.image.shape == (64, 96, 3):
                    break
    assert shapes[0] == (0, (48, 64, 3))
    assert rising([index for index, _ in shapes])
    assert told[-1] == f"now {second.address}"
