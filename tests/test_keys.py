"""Presses and repeats, as systems give them: after a delay, then at a rate."""

import pytest
from fakes import FakeClock

from realtime.viewers.keys import NO_KEY, KeyPresses

R, S = ord("r"), ord("s")


def obeyed(events: dict[float, int], seconds: float, frame_s: float = 0.03) -> list[tuple[float, int]]:
    """What a window obeys that asks once a frame, and of several keys since the last frame is given the last, as HighGUI does."""
    clock = FakeClock(100.0)
    presses, result, waiting = KeyPresses(clock), [], sorted(events.items())
    for i in range(round(seconds / frame_s)):
        clock.now = 100 + i * frame_s
        key = NO_KEY
        while waiting and 100 + waiting[0][0] <= clock.now:
            key = waiting.pop(0)[1]
        if (press := presses.update(key)) != NO_KEY:
            result.append((round(clock.now - 100, 2), press))
    return result


def held(start: float, seconds: float, delay: float, rate: float) -> dict[float, int]:
    repeats = int((seconds - delay) * rate)
    return {start: R} | {start + delay + i / rate: R for i in range(repeats)}


@pytest.mark.parametrize("frame_s", [0.01, 0.033, 0.1, 0.2])
@pytest.mark.parametrize(("delay", "rate"), [(0.25, 30), (0.375, 11), (0.5, 33), (0.66, 25), (0.66, 10)])
def test_a_held_key_is_one_press(delay, rate, frame_s):
    assert [key for _, key in obeyed(held(0.1, 2.0, delay, rate), 4.0, frame_s)] == [R]


def test_two_presses_are_two_also_when_the_second_comes_soon():
    assert [key for _, key in obeyed({0.1: R, 1.2: R}, 3.0)] == [R, R]
    soon = obeyed({0.1: R, 0.5: R}, 3.0)
    # The second waits until it can be no repeat.
    assert [key for _, key in soon] == [R, R] and 0.74 <= soon[1][0] <= 0.82


def test_other_keys_are_obeyed_at_once_and_in_their_order():
    assert obeyed({0.09: R, 0.3: S, 0.6: R}, 2.0) == [(0.09, R), (0.3, S), (0.6, R)]
    # R is kept back when S comes: both are obeyed.
    assert [key for _, key in obeyed({0.1: R, 0.5: R, 0.6: S}, 2.0)] == [R, R, S]


def test_three_presses_in_a_row_with_pauses_are_three():
    assert [key for _, key in obeyed({0.1: R, 0.5: R, 0.9: R}, 3.0)] == [R, R, R]
