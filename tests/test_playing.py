import numpy as np
import pytest
from fakes import FakeClock, ScriptedSource
from source_fakes import frames_of

from realtime.sources.playing import FirstSeconds, Paced, Repeated
from realtime.values import Frame


def test_times_and_numbers_go_on_when_a_film_repeats():
    script = ScriptedSource([5.0, 5.1, 5.2])
    repeated = iter(Repeated(script))
    frames = [next(repeated) for _ in range(7)]
    assert [frame.t for frame in frames] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert [frame.index for frame in frames] == list(range(7))


def test_a_paced_film_waits_until_each_frame_is_due():
    clock = FakeClock(1000.0)
    arrivals = []
    with Paced(ScriptedSource([0.0, 0.1, 0.5]), clock, clock.sleep) as source:
        for frame in source:
            arrivals.append((clock.now, frame.t))
            clock.now += 0.2
    assert arrivals == [pytest.approx(pair) for pair in [(1000.0, 1000.0), (1000.2, 1000.1), (1000.5, 1000.5)]]


def test_a_paced_film_that_comes_too_late_goes_on_later():
    clock = FakeClock(1000.0)

    class Slow(ScriptedSource):
        def __iter__(self):
            for frame in super().__iter__():
                clock.now += {1: 0.3, 2: 2.0}.get(frame.index, 0.0)
                yield frame

    frames = frames_of(Paced(Slow([0.0, 0.1, 0.2, 0.3]), clock, clock.sleep, late_s=0.5))
    assert [frame.t for frame in frames] == pytest.approx([1000.0, 1000.1, 1002.3, 1002.4])


def test_first_seconds_ends_after_them():
    assert [frame.index for frame in frames_of(FirstSeconds(ScriptedSource([7.0, 7.5, 7.99, 8.0, 9.0]), 1.0))] == [0, 1, 2]


def test_the_last_frame_is_shown_no_longer_than_the_first_seconds():
    frames = [Frame(np.zeros((2, 2, 3), np.uint8), float(i), i, duration=duration) for i, duration in enumerate([1.0, 1.0, 9.0])]
    first = frames_of(FirstSeconds(ScriptedFrames(frames), 2.5))
    assert [(frame.t, frame.duration) for frame in first] == [(0.0, 1.0), (1.0, 1.0), (2.0, 0.5)]


def test_durations_survive_other_times():
    frames = [Frame(np.zeros((2, 2, 3), np.uint8), float(i), i, duration=9.0) for i in range(2)]
    clock = FakeClock(50.0)
    assert [frame.duration for frame in frames_of(Paced(ScriptedFrames(frames), clock, clock.sleep))] == [9.0, 9.0]
    assert next(iter(Repeated(ScriptedFrames(frames)))).duration == 9.0


class ScriptedFrames(ScriptedSource):
    """A film of these frames."""

    def __init__(self, frames):
        super().__init__([])
        self.frames = frames

    def __iter__(self):
        return iter(self.frames)
