from dataclasses import replace
from itertools import pairwise

from fakes import FakeClock

from realtime.base.governor import FixedEffort, Governor
from realtime.config import EFFORTS, Effort, GovernorSettings

SETTINGS = GovernorSettings(window_s=0.5, enough=0.9, patience_s=3.0, most_patience_s=60.0)
LAST = len(EFFORTS) - 1


class Bench:
    """A camera of 30 fps and a machine that needs `cost_s(level)` seconds of processor time a frame; late frames are dropped."""

    def __init__(self, cost_s, settings: GovernorSettings = SETTINGS):
        self.clock, self.cpu, self.cost_s = FakeClock(), FakeClock(), cost_s
        self.governor = Governor(settings, EFFORTS, self.clock, self.cpu)
        self.levels: list[int] = []

    def run(self, seconds: float) -> "Bench":
        end, last = self.clock.now + seconds, -1
        while self.clock.now < end:
            every = EFFORTS[self.governor.level].frame_every
            index = max(int(self.clock.now * 30 + 1e-6), last + every)
            self.clock.now = max(self.clock.now, index / 30)
            self.governor.update(index)
            last, cost = index, self.cost_s(self.governor.level)
            self.clock.sleep(cost)
            self.cpu.sleep(cost)
            self.levels.append(self.governor.level)
        return self


def test_a_fast_machine_keeps_the_full_effort():
    assert set(Bench(lambda level: 0.02).run(20).levels) == {0}


def test_the_effort_falls_until_the_machine_keeps_up():
    bench = Bench(lambda level: 0.06 / (level + 1)).run(3)
    assert bench.governor.level == 1
    assert Bench(lambda level: 0.5).run(10).governor.level == LAST


def test_the_effort_rises_again_when_frames_cost_less():
    bench = Bench(lambda level: 0.5).run(10)
    bench.cost_s = lambda level: 0.005
    assert bench.run(4 * LAST + 4).governor.level == 0


def test_failed_attempts_become_rare():
    bench = Bench(lambda level: 0.06 / (level + 1)).run(200)
    tried = [i for i in range(1, len(bench.levels)) if bench.levels[i] < bench.levels[i - 1]]
    assert 3 <= len(tried) <= 9
    assert bench.levels.count(1) > 0.9 * len(bench.levels)


def test_a_low_target_rate_keeps_the_full_effort():
    assert set(Bench(lambda level: 0.06, replace(SETTINGS, target_fps=15)).run(10).levels) == {0}


def test_the_effort_falls_while_processor_time_is_over_its_limit():
    bench = Bench(lambda level: 0.02 / (level + 1), replace(SETTINGS, max_cpu=25)).run(30)
    assert bench.governor.level >= 2
    assert Bench(lambda level: 0.002, replace(SETTINGS, max_cpu=25)).run(10).governor.level == 0


def test_fixed_effort_never_changes():
    steady = FixedEffort(EFFORTS[0])
    assert {steady.update(index) for index in (0, 1, 500)} == {EFFORTS[0]}
    assert steady.level == 0


def work_of(effort: Effort) -> float:
    """Milliseconds of work a second at 30 fps: searches of 5 and 60 ms, confirmations of 1 ms, landmarks 1 ms, classification 0.5 ms."""
    frames = 30 / effort.frame_every
    return 5 / effort.near_s + 60 / effort.far_s + 1 / effort.check_s + frames + 0.5 * min(frames, 1 / effort.classify_s)


def test_each_level_costs_less_and_confirms_faces_at_least_twice_a_second():
    for more, less in pairwise(EFFORTS):
        assert work_of(less) < work_of(more)
    assert max(effort.check_s for effort in EFFORTS) < 0.5
