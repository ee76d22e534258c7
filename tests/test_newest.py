import threading
import time

import pytest
from fakes import ScriptedSource
from source_fakes import Silent, frames_of

from realtime.base.errors import Trouble
from realtime.sources.newest import NewestFrame
from realtime.sources.playing import Paced


class Gated(ScriptedSource):
    """Gives frame 0, waits for `go`, then gives all others at once."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.go, self.finished = threading.Event(), threading.Event()

    def __iter__(self):
        for frame in super().__iter__():
            yield frame
            if frame.index == 0:
                self.go.wait(5)
        self.finished.set()
        self.go.clear()
        self.go.wait(0.3)


@pytest.mark.timeout(10)
def test_a_slow_loop_gets_the_newest_frame_and_dropped_frames_are_counted():
    source = Gated([i / 30 for i in range(10)])
    with NewestFrame(source, lambda: False) as newest:
        frames = iter(newest)
        indices = [next(frames).index]
        source.go.set()
        assert source.finished.wait(5)
        indices += [frame.index for frame in frames]
    assert indices == [0, 9]
    assert newest.dropped == 8
    assert source.closed == 1


@pytest.mark.timeout(10)
def test_no_frame_comes_twice():
    with NewestFrame(Paced(ScriptedSource([i / 200 for i in range(40)]), time.monotonic), lambda: False) as newest:
        indices = [frame.index for frame in newest]
    assert indices == sorted(set(indices))
    assert len(indices) + newest.dropped == 40


@pytest.mark.timeout(10)
def test_an_error_in_the_reader_is_raised_in_the_loop_within_a_second():
    source = ScriptedSource([0.0], error=Trouble("the cable is out"))
    started = time.monotonic()
    with pytest.raises(Trouble, match="the cable is out"):
        frames_of(NewestFrame(source, lambda: False))
    assert time.monotonic() - started < 1
    assert source.closed == 1


@pytest.mark.timeout(10)
def test_leaving_a_camera_that_hangs_does_not_block():
    source = Silent([])
    started = time.monotonic()
    assert frames_of(NewestFrame(source, lambda: time.monotonic() - started > 0.3)) == []
    assert time.monotonic() - started < 4
    assert source.closed == 0


@pytest.mark.timeout(10)
def test_idle_is_called_while_no_frame_comes():
    idle = []
    assert frames_of(NewestFrame(Silent([]), lambda: len(idle) == 3, lambda: idle.append("idle"))) == []
    assert len(idle) == 3
