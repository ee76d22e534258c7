import functools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import ThreadingHTTPServer
from itertools import islice

import numpy as np
import pytest
from fakes import FakeClock, NetworkCamera, RtspCamera, ScriptedSource
from source_fakes import Closed, QuietHandler, rising, wait_until, write_film

from realtime.base.errors import Trouble
from realtime.base.messages import Message
from realtime.base.timing import Countdown
from realtime.config import CameraSettings
from realtime.sources.cameras import Delivery, Format
from realtime.sources.opening import open_live
from realtime.sources.reconnecting import MOST_HANGING, Reconnecting, pauses
from realtime.values import Frame


def test_pauses_double_up_to_a_limit_and_never_end():
    assert list(islice(pauses(0.5, 4.0), 6)) == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


class OneByOne(ScriptedSource):
    """Gives its next frame when the loop has taken the one before, so that none is dropped; then ends, raises, or hangs until `go`."""

    def __init__(self, n: int, clock: FakeClock, error: Exception | None = None, hangs: bool = False):
        super().__init__([0.0] * n, error)
        self.clock, self.hangs = clock, hangs
        self.took_frame, self.go = threading.Semaphore(), threading.Event()

    def __iter__(self):
        for frame in super().__iter__():
            assert self.took_frame.acquire(timeout=5)
            yield replace(frame, t=self.clock())
        if self.hangs:
            self.go.wait(5)
            yield Frame(np.full((48, 64, 3), 255, np.uint8), self.clock(), 99)


class Session:
    """A Reconnecting over scripted connections, one after the other; stores its messages. Each `idle` takes `tick_s` of the clock."""

    def __init__(self, connections: list[ScriptedSource], clock: FakeClock, tick_s: float = 0.0, until: Callable[[], bool] = lambda: False):
        self.connections, self.clock, self.tick_s = list(connections), clock, tick_s
        self.sources, self.messages, self.idle_texts, self.pauses = [], [], [], []
        self.source = Reconnecting(self.make, CameraSettings(), clock, until, self.idle, self.messages.append, self.sleep)

    def make(self) -> ScriptedSource:
        self.sources.append(self.connections.pop(0))
        return self.sources[-1]

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.sleep(seconds)

    def idle(self, message: Message | None) -> None:
        self.idle_texts.append(message and str(message))
        self.clock.sleep(self.tick_s)

    def frames(self, step_s: float = 0.03) -> list[Frame]:
        frames = []
        with self.source as source:
            for frame in source:
                frames.append(frame)
                self.clock.sleep(step_s)
                self.sources[-1].took_frame.release()
        return frames


@pytest.mark.timeout(10)
def test_a_camera_that_gives_another_format_than_requested_is_reported_at_the_start():
    clock = FakeClock()
    camera = OneByOne(1, clock)
    request = Format("MJPG", 640, 480, 30)
    camera.delivery = Delivery(request, replace(request, coding="YUYV", rate=15))
    session = Session([camera], clock)
    session.frames()
    assert session.messages == ["script gives YUYV 640x480 at 15 fps instead of MJPG 640x480 at 30 fps"]


@pytest.mark.timeout(10)
def test_a_camera_that_fails_is_opened_again_and_the_session_goes_on():
    clock = FakeClock(100.0)
    connections = [OneByOne(3, clock, Trouble("the cable is out")), Closed([]), Closed([]), Closed([]), OneByOne(2, clock)]
    session = Session(connections, clock)
    frames = session.frames()
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert rising([frame.t for frame in frames])
    # 0.5 + 1 + 2 + 3 s, in small steps, so that the window stays alive meanwhile.
    assert sum(session.pauses) == pytest.approx(6.5, abs=0.5)
    assert max(session.pauses) <= 0.1
    assert None in session.idle_texts
    assert session.idle_texts[-1] == "script: reconnecting (6 s)"
    assert session.messages == ["the cable is out; reconnecting", "script is back after 7 s"]
    assert [source.closed for source in session.sources] == [1, 0, 0, 0, 1]


@pytest.mark.timeout(10)
def test_no_frame_of_a_camera_that_hung_comes_after_the_reconnection():
    clock = FakeClock(100.0)
    hung = OneByOne(2, clock, hangs=True)
    back = OneByOne(3, clock)
    session = Session([hung, back], clock, tick_s=0.5)
    frames = []
    with session.source as source:
        for frame in source:
            frames.append(frame)
            if session.sources[-1] is back:
                hung.go.set()
                wait_until(lambda: hung.closed)
            session.sources[-1].took_frame.release()
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert all(frame.image.max() < 255 for frame in frames)
    assert (hung.closed, back.closed) == (1, 1)
    assert session.messages[0] == "script has given no picture for 2 s; reconnecting"
    # The connection ends after 2 s without a frame, and the next attempt brings a frame at once.
    assert frames[2].t - frames[1].t < 3.5


@pytest.mark.timeout(10)
def test_a_camera_that_opens_but_gives_no_frame_is_waited_for_with_a_message():
    clock = FakeClock(100.0)
    dark, good = OneByOne(0, clock, hangs=True), OneByOne(1, clock)
    session = Session([dark, good], clock, tick_s=1.0)
    assert [frame.index for frame in session.frames()] == [0]
    dark.go.set()
    assert "script: waiting for its first picture (3 s)" in session.idle_texts
    assert session.messages == ["script has given no picture for 10 s; reconnecting", "script is back after 11 s"]


@pytest.mark.timeout(10)
def test_the_number_of_hanging_readers_is_limited():
    clock = FakeClock(0.0)
    session = Session([OneByOne(0, clock, hangs=True) for _ in range(50)], clock, tick_s=10.0, until=lambda: clock.now > 1000)
    assert session.frames() == []
    assert len(session.sources) == MOST_HANGING
    for source in session.sources:
        source.go.set()


@pytest.mark.timeout(10)
def test_a_camera_that_cannot_be_opened_at_the_start_raises_trouble_at_once():
    clock = FakeClock()
    session = Session([Closed([]), OneByOne(1, clock)], clock)
    with pytest.raises(Trouble, match="this one is closed"):
        session.frames()
    assert session.pauses == []


@pytest.mark.timeout(10)
def test_errors_other_than_trouble_are_raised():
    clock = FakeClock()
    session = Session([OneByOne(1, clock, ValueError("a bug"))], clock)
    with pytest.raises(ValueError, match="a bug"):
        session.frames()


@pytest.mark.timeout(10)
def test_a_timed_session_ends_in_time_without_frames():
    clock = FakeClock(100.0)
    countdown = Countdown(clock, 5.0)
    silent = OneByOne(1, clock, Trouble("gone"))
    session = Session([silent, *(Closed([]) for _ in range(9))], clock, until=countdown.over)
    with session.source as source:
        for frame in source:
            countdown.update(frame)
            silent.took_frame.release()
    assert clock.now == pytest.approx(105, abs=0.2)


class Watched:
    """A network camera whose frames a loop takes in a thread of its own, until `leave`."""

    def __init__(self, address: str):
        self.stop = threading.Event()
        self.frames, self.messages, self.idle_messages, self.errors = [], [], [], []
        self.source = open_live(
            address, time.monotonic, CameraSettings(), self.stop.is_set, self.idle_messages.append, self.messages.append
        )
        self.loop = threading.Thread(target=self._run, daemon=True)
        self.loop.start()

    def _run(self) -> None:
        try:
            with self.source as source:
                for frame in source:
                    self.frames.append(frame)
        except Exception as error:
            self.errors.append(error)

    def wait_for_frames(self, n: int, seconds: float = 5.0) -> None:
        """Waits for `n` more frames."""
        goal = len(self.frames) + n
        wait_until(lambda: len(self.frames) >= goal or self.errors, seconds)

    def leave(self) -> None:
        self.stop.set()
        self.loop.join(3)
        assert not self.loop.is_alive()
        assert self.errors == []
        assert rising([frame.index for frame in self.frames])
        assert rising([frame.t for frame in self.frames])


@pytest.mark.timeout(40)
@pytest.mark.parametrize("make", [NetworkCamera, RtspCamera])
def test_a_network_camera_that_is_restarted_is_back_within_5_s(make):
    with make() as camera:
        watched = Watched(camera.address)
        watched.wait_for_frames(5)
    wait_until(lambda: any(message and message.key == "reconnecting" for message in watched.idle_messages))
    with make(camera.port):
        watched.wait_for_frames(5, seconds=5)
        watched.leave()
    assert watched.messages[0].endswith("; reconnecting")
    assert "is back after" in watched.messages[1]
    assert len(watched.messages) == 2


@pytest.mark.timeout(40)
def test_a_stalled_network_camera_is_reported_after_2_s_and_is_back_when_it_sends_again():
    with NetworkCamera() as camera:
        watched = Watched(camera.address)
        watched.wait_for_frames(5)
        camera.silent.set()
        stalled = time.monotonic()
        wait_until(lambda: watched.messages)
        assert 1.8 < time.monotonic() - stalled < 5
        camera.silent.clear()
        watched.wait_for_frames(5, seconds=5)
        watched.leave()
    assert watched.messages[0] == f"{camera.address} has given no picture for 2 s; reconnecting"


@pytest.mark.timeout(30)
def test_a_network_camera_with_a_picture_in_three_seconds_keeps_its_connection():
    with NetworkCamera(rate=1 / 3) as camera:
        watched = Watched(camera.address)
        watched.wait_for_frames(4, seconds=20)
        watched.leave()
        assert camera.connections == 1
    assert watched.messages == []
    assert not any(message and message.key == "reconnecting" for message in watched.idle_messages)


@pytest.mark.timeout(20)
def test_a_film_behind_an_address_ends_and_is_not_played_again(tmp_path):
    write_film(tmp_path / "film.ts", [0, 40, 80, 120])
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    watched = Watched(f"http://127.0.0.1:{server.server_port}/film.ts")
    watched.loop.join(10)
    server.shutdown()
    server.server_close()
    watched.leave()
    assert watched.frames
    assert watched.messages == []
