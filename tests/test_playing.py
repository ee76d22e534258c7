import pytest
from fakes import FakeClock, ScriptedSource
from source_fakes import frames_of

from realtime.sources.playing import FirstSeconds, Paced, Repeated


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


def test_first_seconds_ends_after_them():
    assert [frame.index for frame in frames_of(FirstSeconds(ScriptedSource([7.0, 7.5, 7.99, 8.0, 9.0]), 1.0))] == [0, 1, 2]
