"""For how long the next frame of a source is awaited, by how its frames came."""

from itertools import accumulate

import pytest

from realtime.config import CameraSettings
from realtime.sources.patience import Patience

SETTINGS = CameraSettings(stale_s=2.0, first_s=10.0, unknown_s=30.0)


def after(pauses: list[float], networked: bool = True) -> float:
    patience = Patience(SETTINGS, networked)
    patience.connect()
    for t in accumulate(pauses):
        patience.update(100.0 + t)
    return patience.seconds()


def test_a_camera_of_this_machine_has_a_constant_rate():
    assert after([], networked=False) == 10.0
    assert after([0.0], networked=False) == 2.0
    assert after([0.0, 1.5, 1.5], networked=False) == 2.0


def test_a_stream_is_awaited_long_until_its_rate_is_known():
    assert after([]) == 30.0
    assert after([0.0, 0.0, 0.0, 0.0]) == 30.0
    assert after([0.0] + [0.04] * 4) == 2.0


@pytest.mark.parametrize("pause_s", [3.0, 10.0])
def test_a_slow_camera_may_pause_three_times_as_long_as_usual(pause_s):
    assert after([0.0] + [pause_s] * 6) == pytest.approx(3 * pause_s)
    assert after([0.0, pause_s] + [0.01] * 50) == pytest.approx(3 * pause_s)


def test_a_pause_of_more_than_a_minute_ago_does_not_count():
    assert after([0.0, 0.1, 5.0] + [1.0] * 59) == pytest.approx(15.0)
    assert after([0.0, 0.1, 5.0] + [1.0] * 62) == pytest.approx(3.0)


def test_a_new_connection_has_the_patience_of_the_one_before():
    patience = Patience(SETTINGS, networked=True)
    patience.connect()
    for t in (0.0, 4.0, 8.0, 12.0, 16.0):
        patience.update(t)
    patience.connect()
    assert patience.seconds() == pytest.approx(12.0)
    patience.update(20.0)
    assert patience.seconds() == pytest.approx(12.0)


def test_a_camera_of_a_known_rate_that_falls_silent_at_once_after_a_new_connection_is_lost_soon():
    patience = Patience(SETTINGS, networked=True)
    patience.connect()
    for i in range(60):
        patience.update(i / 30)
    patience.connect()
    assert patience.seconds() == SETTINGS.first_s
    patience.update(10.0)
    assert patience.seconds() == SETTINGS.stale_s


def test_a_playlist_states_how_long_it_pauses():
    patience = Patience(SETTINGS, networked=True)
    patience.connect()
    for i in range(10):
        patience.update(i / 25)
    assert (patience.seconds(), patience.seconds(6.0)) == (2.0, 18.0)
