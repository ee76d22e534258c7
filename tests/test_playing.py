import pytest
from fakes import FakeClock, ScriptedSource
from source_fakes import frames_of

from realtime.sources.playing import FirstSeconds, Paced, Repeated


def test_a_repeated_film_goes_on_in_time():
    script = ScriptedSource([5.0, 5.1, 5.2])
    frames = iter(Repeated(script))
    got = [next(frames) for _ in range(7)]
    assert [frame.t for frame in got] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert [frame.index for frame in got] == list(range(7))


def test_a_paced_film_waits_for_each_frame():
    clock = FakeClock(1000.0)
    arrivals = []
    with Paced(ScriptedSource([0.0, 0.1, 0.5]), clock, clock.sleep) as source:
        for frame in source:
            arrivals.append((clock.now, frame.t))
            clock.now += 0.2
    assert arrivals == [pytest.approx(pair) for pair in [(1000.0, 1000.0), (1000.2, 1000.1), (1000.5, 1000.5)]]


def test_only_the_first_seconds():
    assert [frame.index for frame in frames_of(FirstSeconds(ScriptedSource([7.0, 7.5, 7.99, 8.0, 9.0]), 1.0))] == [0, 1, 2]
