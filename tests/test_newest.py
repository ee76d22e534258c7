import threading
import time

import pytest
from fakes import ScriptedSource
from source_fakes import Silent, frames_of

from realtime.base.errors import Trouble
from realtime.sources.newest import NewestFrame
from realtime.sources.playing import Paced


class Gated(ScriptedSource):
    """Gives frame 0, then waits for `go`, then gives the rest at once."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.go, self.done = threading.Event(), threading.Event()

    def __iter__(self):
        for frame in super().__iter__():
            yield frame
            if frame.index == 0:
                self.go.wait(5)
        self.done.set()
        self.go.clear()
        self.go.wait(0.3)


@pytest.mark.timeout(10)
def test_a_slow_loop_gets_the_newest_frame_and_the_dropped_are_counted():
    source = Gated([i / 30 for i in range(10)])
    with NewestFrame(source, lambda: False) as newest:
        frames = iter(newest)
        got = [next(frames).index]
        source.go.set()
        assert source.done.wait(5)
        got += [frame.index for frame in frames]
    assert got == [0, 9]
    assert newest.dropped == 8
    assert source.closed == 1


@pytest.mark.timeout(10)
def test_no_frame_is_handed_out_twice():
    with NewestFrame(Paced(ScriptedSource([i / 200 for i in range(40)]), time.monotonic), lambda: False) as newest:
        got = [frame.index for frame in newest]
    assert got == sorted(set(got))
    assert len(got) + newest.dropped == 40


@pytest.mark.timeout(10)
def test_what_the_reader_raises_the_loop_raises_within_a_second():
    source = ScriptedSource([0.0], error=Trouble("the cable is out"))
    started = time.monotonic()
    with pytest.raises(Trouble, match="the cable is out"):
        frames_of(NewestFrame(source, lambda: False))
    assert time.monotonic() - started < 1
    assert source.closed == 1


@pytest.mark.timeout(10)
def test_a_camera_that_hangs_can_be_left():
    source = Silent([])
    started = time.monotonic()
    assert frames_of(NewestFrame(source, lambda: time.monotonic() - started > 0.3)) == []
    assert time.monotonic() - started < 4
    assert source.closed == 0


@pytest.mark.timeout(10)
def test_while_nothing_comes_the_loop_is_told():
    idle = []
    assert frames_of(NewestFrame(Silent([]), lambda: len(idle) == 3, lambda: idle.append("idle"))) == []
    assert len(idle) == 3
