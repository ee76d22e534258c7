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
    """Gives frames as fast as they are taken, until `stopped()`."""

    def __init__(self, name: str, stopped: Callable[[], bool], brightness: int = 0, first: int = 0):
        super().__init__([])
        self.name, self.stopped, self.brightness, self.first = name, stopped, brightness, first

    def __iter__(self):
        for index in count(self.first):
            if self.stopped():
                return
            yield Frame(np.full((48, 64, 3), self.brightness, np.uint8), time.monotonic(), index)


class Switched:
    """A SourceSwitch over cameras by name; stores the cameras that it made and its messages in English."""

    def __init__(self, cameras: dict[str, Callable[[], ScriptedSource]]):
        self.cameras, self.opened, self.messages = cameras, [], []
        self.source = SourceSwitch(self.make, list(cameras)[:1], lambda: list(cameras), lambda message: self.messages.append(str(message)))

    def make(self, text: str) -> ScriptedSource:
        self.opened.append(self.cameras[text]())
        return self.opened[-1]


def two_cameras(**more: Callable[[], ScriptedSource]) -> Switched:
    def due() -> bool:
        return switched.source.due

    switched = Switched({"a": lambda: Endless("a", due, 10), "b": lambda: Endless("b", due, 200, first=50), **more})
    return switched


def test_the_first_source_that_opens_is_used_and_the_error_of_the_other_reported():
    messages, good = [], ScriptedSource([0.0, 0.1])
    sources = {"0": Closed([]), "demo": good}
    switch = SourceSwitch(sources.get, ["0", "demo"], list, lambda message: messages.append(str(message)))
    assert len(frames_of(switch)) == 2
    assert messages == ["this one is closed", "Playing script instead."]
    assert (good.opened, good.closed) == (1, 1)
    assert switch.current == "demo"
    with pytest.raises(Trouble, match="this one is closed"):
        frames_of(SourceSwitch(sources.get, ["0"], list, messages.append))


@pytest.mark.timeout(10)
def test_the_session_goes_on_with_another_camera():
    switched, frames = two_cameras(), []
    with switched.source as source:
        for frame in source:
            frames.append(frame)
            if len(frames) == 3:
                assert str(source.choose("b")) == "opening b"
            if frame.image.max() == 200:
                assert (source.current, source.name) == ("b", "b")
                break
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert rising([frame.t for frame in frames])
    assert switched.messages == ["now b"]
    assert [(camera.name, camera.opened, camera.closed) for camera in switched.opened if camera.opened] == [("a", 1, 1), ("b", 1, 1)]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("text", "message"), [("closed", "a stays: this one is closed"), ("a", "a stays: it is shown already")])
def test_the_old_camera_stays_if_the_new_one_cannot_be_opened(text, message):
    switched = two_cameras(closed=lambda: Closed([]))
    with switched.source as source:
        frames = iter(source)
        next(frames)
        source.choose(text)
        wait_until(lambda: switched.messages)
        assert next(frames).image.max() == 10
        assert source.current == "a"
    assert switched.messages == [message]


@pytest.mark.timeout(10)
def test_next_goes_round_through_the_cameras():
    switched = two_cameras()
    names = []
    with switched.source as source:
        for _frame in source:
            if source.current not in names[-1:]:
                names.append(source.current)
                source.next()
            if len(names) == 3:
                break
            time.sleep(0.001)
    assert names == ["a", "b", "a"]


@pytest.mark.timeout(10)
def test_next_without_another_camera_gives_a_message():
    switched = Switched({"a": lambda: ScriptedSource([0.0])})
    with switched.source as source:
        source.next()
        wait_until(lambda: switched.messages)
    assert "there is no other camera" in switched.messages[0]


@pytest.mark.timeout(10)
def test_a_camera_that_hangs_can_be_replaced():
    """A camera that hangs is left as soon as `due` is true."""
    switched = two_cameras()
    switched.cameras["a"] = lambda: NewestFrame(Silent([]), lambda: switched.source.due)
    threading.Timer(0.1, lambda: switched.source.choose("b")).start()
    with switched.source as source:
        assert next(iter(source)).image.max() == 200


@pytest.mark.timeout(10)
def test_one_camera_is_opened_at_a_time_and_a_late_one_is_closed():
    hanging = threading.Event()

    class Slow(ScriptedSource):
        def __enter__(self):
            hanging.wait(5)
            return super().__enter__()

    late = Slow([0.0])
    switched = two_cameras(late=lambda: late)
    with switched.source as source:
        assert str(source.choose("late")) == "opening late"
        assert str(source.choose("b")) == "another camera is being opened: wait for it"
    hanging.set()
    wait_until(lambda: late.closed)
    assert late.opened == 1
    assert all(camera.name != "b" for camera in switched.opened)


@pytest.mark.timeout(40)
def test_a_dead_camera_is_replaced_by_one_that_answers():
    with NetworkCamera() as first, RtspCamera(size_wh=(96, 64), brightness=200) as second:

        def make_camera(text):
            return open_live(text, time.monotonic, CameraSettings(), lambda: switch.due, idle_texts.append, messages.append)

        def choose_cameras():
            wait_until(lambda: any("reconnecting" in line for line in messages))
            switch.choose("http://127.0.0.1:9/x.mjpg")
            wait_until(lambda: any(f"{first.address} stays: http://127.0.0.1:9/x.mjpg cannot be read" in line for line in messages))
            switch.choose(second.address)

        messages, idle_texts, shapes = [], [], []
        switch = SourceSwitch(make_camera, [first.address], list, lambda message: messages.append(str(message)))
        threading.Thread(target=choose_cameras, daemon=True).start()
        with switch as source:
            for frame in source:
                shapes.append((frame.index, frame.image.shape))
                if len(shapes) == 3:
                    first.die()
                if frame.image.shape == (64, 96, 3):
                    break
    assert shapes[0] == (0, (48, 64, 3))
    assert rising([index for index, _ in shapes])
    assert messages[-1] == f"now {second.address}"
