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
from realtime.base.timing import Countdown
from realtime.config import CameraSettings
from realtime.sources.cameras import Delivery, Format
from realtime.sources.opening import open_live
from realtime.sources.reconnecting import MOST_HANGING, Reconnecting, pauses
from realtime.values import Frame


def test_attempts_come_less_and_less_often_but_never_end():
    assert list(islice(pauses(0.5, 4.0), 6)) == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


class OneByOne(ScriptedSource):
    """Gives its next frame when the one before has been taken, so that none is dropped; then ends, raises, or hangs until `go`."""

    def __init__(self, n: int, clock: FakeClock, error: Exception | None = None, hangs: bool = False):
        super().__init__([0.0] * n, error)
        self.clock, self.hangs = clock, hangs
        self.taken, self.go = threading.Semaphore(), threading.Event()

    def __iter__(self):
        for frame in super().__iter__():
            assert self.taken.acquire(timeout=5)
            yield replace(frame, t=self.clock())
        if self.hangs:
            self.go.wait(5)
            yield Frame(np.full((48, 64, 3), 255, np.uint8), self.clock(), 99)


class Session:
    """A Reconnecting over scripted connections, one after the other, and all that it says. Each silent tick takes `tick_s` of the clock."""

    def __init__(self, connections: list[ScriptedSource], clock: FakeClock, tick_s: float = 0.0, until: Callable[[], bool] = lambda: False):
        self.connections, self.clock, self.tick_s = list(connections), clock, tick_s
        self.made, self.told, self.said, self.slept = [], [], [], []
        self.source = Reconnecting(self.make, CameraSettings(), clock, until, self.idle, self.told.append, self.sleep)

    def make(self) -> ScriptedSource:
        self.made.append(self.connections.pop(0))
        return self.made[-1]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.sleep(seconds)

    def idle(self, why: str | None) -> None:
        self.said.append(why)
        self.clock.sleep(self.tick_s)

    def frames(self, step_s: float = 0.03) -> list[Frame]:
        got = []
        with self.source as source:
            for frame in source:
                got.append(frame)
                self.clock.sleep(step_s)
                self.made[-1].taken.release()
        return got


@pytest.mark.timeout(10)
def test_a_camera_that_gives_another_size_than_asked_for_says_so_at_the_start():
    clock = FakeClock()
    camera = OneByOne(1, clock)
    asked = Format("MJPG", 640, 480, 30)
    camera.delivery = Delivery(asked, replace(asked, coding="YUYV", rate=15))
    session = Session([camera], clock)
    session.frames()
    assert session.told == ["script gives YUYV 640x480 at 15 fps instead of MJPG 640x480 at 30 fps"]


@pytest.mark.timeout(10)
def test_a_camera_that_fails_is_opened_again_and_the_session_goes_on():
    clock = FakeClock(100.0)
    connections = [OneByOne(3, clock, Trouble("the cable is out")), Closed([]), Closed([]), Closed([]), OneByOne(2, clock)]
    session = Session(connections, clock)
    frames = session.frames()
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert rising([frame.t for frame in frames])
    # 0.5 + 1 + 2 + 3 s, in small steps, so that the window is served meanwhile.
    assert sum(session.slept) == pytest.approx(6.5, abs=0.5)
    assert max(session.slept) <= 0.1
    assert None in session.said
    assert session.said[-1] == "script: reconnecting (6 s)"
    assert session.told == ["the cable is out; reconnecting", "script is back after 7 s"]
    assert [made.closed for made in session.made] == [1, 0, 0, 0, 1]


@pytest.mark.timeout(10)
def test_a_camera_that_hangs_is_left_behind_and_none_of_its_frames_comes_through():
    clock = FakeClock(100.0)
    hung = OneByOne(2, clock, hangs=True)
    back = OneByOne(3, clock)
    session = Session([hung, back], clock, tick_s=0.5)
    got = []
    with session.source as source:
        for frame in source:
            got.append(frame)
            if session.made[-1] is back:
                hung.go.set()
                wait_until(lambda: hung.closed)
            session.made[-1].taken.release()
    assert [frame.index for frame in got] == [0, 1, 2, 3, 4]
    assert all(frame.image.max() < 255 for frame in got)
    assert (hung.closed, back.closed) == (1, 1)
    assert session.told[0] == "script has given no picture for 2 s; reconnecting"
    # Given up after 2 s, and the picture is back as soon as the next attempt is due.
    assert got[2].t - got[1].t < 3.5


@pytest.mark.timeout(10)
def test_a_camera_that_opens_but_stays_dark_is_waited_for_and_that_is_said():
    clock = FakeClock(100.0)
    dark, good = OneByOne(0, clock, hangs=True), OneByOne(1, clock)
    session = Session([dark, good], clock, tick_s=1.0)
    assert [frame.index for frame in session.frames()] == [0]
    dark.go.set()
    assert "script: waiting for its first picture (3 s)" in session.said
    assert session.told == ["script has given no picture for 10 s; reconnecting", "script is back after 11 s"]


@pytest.mark.timeout(10)
def test_readers_that_hang_do_not_pile_up():
    clock = FakeClock(0.0)
    session = Session([OneByOne(0, clock, hangs=True) for _ in range(50)], clock, tick_s=10.0, until=lambda: clock.now > 1000)
    assert session.frames() == []
    assert len(session.made) == MOST_HANGING
    for made in session.made:
        made.go.set()


@pytest.mark.timeout(10)
def test_a_camera_that_never_opened_fails_at_once():
    clock = FakeClock()
    session = Session([Closed([]), OneByOne(1, clock)], clock)
    with pytest.raises(Trouble, match="this one is closed"):
        session.frames()
    assert session.slept == []


@pytest.mark.timeout(10)
def test_a_fault_of_the_program_is_no_lost_connection():
    clock = FakeClock()
    session = Session([OneByOne(1, clock, ValueError("a bug"))], clock)
    with pytest.raises(ValueError, match="a bug"):
        session.frames()


@pytest.mark.timeout(10)
def test_a_session_of_some_seconds_ends_in_time_though_the_camera_is_silent():
    clock = FakeClock(100.0)
    countdown = Countdown(clock, 5.0)
    silent = OneByOne(1, clock, Trouble("gone"))
    session = Session([silent, *(Closed([]) for _ in range(9))], clock, until=countdown.over)
    with session.source as source:
        for frame in source:
            countdown.update(frame)
            silent.taken.release()
    assert clock.now == pytest.approx(105, abs=0.2)


class Watched:
    """A network camera, looked at by a loop in a thread of its own until it is left."""

    def __init__(self, address: str):
        self.left = threading.Event()
        self.frames, self.told, self.said, self.errors = [], [], [], []
        self.source = open_live(address, time.monotonic, CameraSettings(), self.left.is_set, self.said.append, self.told.append)
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
        self.left.set()
        self.loop.join(3)
        assert not self.loop.is_alive()
        assert self.errors == []
        assert rising([frame.index for frame in self.frames])
        assert rising([frame.t for frame in self.frames])


@pytest.mark.timeout(40)
@pytest.mark.parametrize("make", [NetworkCamera, RtspCamera])
def test_a_network_camera_that_dies_and_is_started_again_is_back_within_5_s(make):
    with make() as camera:
        watched = Watched(camera.address)
        watched.wait_for_frames(5)
    wait_until(lambda: any(why and "reconnecting" in why for why in watched.said))
    with make(camera.port):
        watched.wait_for_frames(5, seconds=5)
        watched.leave()
    assert watched.told[0].endswith("; reconnecting")
    assert "is back after" in watched.told[1]
    assert len(watched.told) == 2


@pytest.mark.timeout(40)
def test_a_network_camera_that_stalls_is_noticed_after_2_s_and_back_when_it_sends_again():
    with NetworkCamera() as camera:
        watched = Watched(camera.address)
        watched.wait_for_frames(5)
        camera.silent.set()
        stalled = time.monotonic()
        wait_until(lambda: watched.told)
        assert 1.8 < time.monotonic() - stalled < 5
        camera.silent.clear()
        watched.wait_for_frames(5, seconds=5)
        watched.leave()
    assert watched.told[0] == f"{camera.address} has given no picture for 2 s; reconnecting"


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
    assert watched.told == []
