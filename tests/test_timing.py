import numpy as np
import pytest
from fakes import FakeClock

from realtime.base.timing import Countdown, LatencyMeter, RateMeter, StageTimer, percentile, summary_ms
from realtime.values import Frame


def test_n_times_make_n_minus_one_intervals():
    meter = RateMeter(window_s=1.0)
    rates = [meter.update(i / 10) for i in range(5)]
    assert rates[0] == 0.0
    assert rates[1:] == pytest.approx([10.0] * 4)


def test_the_rate_follows_a_change_within_its_window():
    meter = RateMeter(window_s=1.0)
    for i in range(31):
        meter.update(i / 30)
    for i in range(1, 21):
        rate = meter.update(1 + i / 10)
    assert rate == pytest.approx(10, rel=0.01)


def test_a_stage_is_timed_and_its_result_returned():
    clock = FakeClock()
    timer = StageTimer(clock)

    def work(seconds: float) -> str:
        clock.sleep(seconds)
        return "done"

    assert timer.run("work", work, 0.25) == "done"
    assert list(timer.seconds["work"]) == [0.25]
    timer.clear()
    assert timer.seconds == {}


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 3), (0.95, 4.8), (1.0, 5)])
def test_percentiles_of_unsorted_values(share, expected):
    assert percentile([5, 1, 4, 2, 3], share) == pytest.approx(expected)


def test_summaries_of_few_values():
    assert summary_ms([]) == {"median_ms": 0.0, "p95_ms": 0.0, "p99_ms": 0.0, "n": 0}
    assert summary_ms([0.002]) == {"median_ms": 2.0, "p95_ms": 2.0, "p99_ms": 2.0, "n": 1}


def a_frame(t: float, index: int = 0) -> Frame:
    return Frame(np.zeros((1, 1, 3), np.uint8), t, index)


def test_latency_is_the_age_of_the_frame():
    clock = FakeClock(100.0)
    meter = LatencyMeter(clock)
    for i in range(101):
        clock.now = 100 + i / 10
        meter.update(a_frame(clock.now - i / 1000, i))
    assert meter.summary() == "101 frames in 10.0 s, 10.0 fps, 0 dropped"
    assert meter.latency() == "50 ms (p95 95, p99 99)"


def test_one_frame_is_no_plural():
    meter = LatencyMeter(FakeClock(100.0))
    meter.update(a_frame(99.0, 0))
    assert meter.summary() == "1 frame in 0.0 s, 0.0 fps, 0 dropped"


def test_dropped_frames_are_counted_also_before_the_first():
    meter = LatencyMeter(FakeClock())
    for index in (2, 3, 7):
        meter.update(a_frame(0.0, index))
    assert (meter.frames, meter.dropped) == (3, 5)


def test_a_countdown_runs_from_the_first_frame():
    clock = FakeClock(50.0)
    countdown = Countdown(clock, 2.0)
    assert not countdown.over()
    clock.now = 51.5
    countdown.update(a_frame(51.4))
    clock.now = 53.3
    countdown.update(a_frame(53.2))
    assert not countdown.over()
    clock.now = 53.5
    assert countdown.over()


def test_a_countdown_ends_without_any_frame():
    clock = FakeClock(50.0)
    countdown = Countdown(clock, 2.0)
    assert not countdown.over()
    clock.now = 52.0
    assert countdown.over()
    assert not Countdown(clock, None).over()
