"""The loop's sinks: each gets every frame, and all are closed."""

import numpy as np
import pytest
from fakes import CollectSink

from realtime.loop import Sinks, Tap
from realtime.values import Frame


def frame(t: float, index: int = 0) -> Frame:
    return Frame(np.full((48, 64, 3), 50, np.uint8), t, index)


def test_every_sink_gets_every_frame_and_is_closed():
    first, second, seen = CollectSink(), CollectSink(), []
    with Sinks([first, second, Tap(lambda frame, readings: seen.append(frame.index))]) as sinks:
        for i in range(3):
            sinks.write(frame(i, i), [])
    assert [f.index for f in first.frames] == [f.index for f in second.frames] == seen == [0, 1, 2]
    assert (first.closed, second.closed) == (1, 1)


def test_a_sink_that_fails_does_not_keep_the_others_open():
    first, broken, last = CollectSink(), CollectSink(RuntimeError("full"), at=1), CollectSink()
    with pytest.raises(RuntimeError, match="full"), Sinks([first, broken, last]) as sinks:
        sinks.write(frame(0), [])
        sinks.write(frame(1), [])
    assert (first.closed, broken.closed, last.closed) == (1, 1, 1)


def test_a_sink_that_fails_while_closing_does_not_keep_the_others_open():
    class Stuck(CollectSink):
        def __exit__(self, *error):
            raise OSError("disk gone")

    first, last = CollectSink(), CollectSink()
    with pytest.raises(OSError, match="disk gone"), Sinks([first, Stuck(), last]) as sinks:
        sinks.write(frame(0), [])
    assert (first.closed, last.closed) == (1, 1)
