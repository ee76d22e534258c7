import math

import numpy as np
import pytest
from fakes import sure

from realtime.config import SmoothingSettings
from realtime.smoothing import Smoother, decay, steady
from realtime.values import LABELS

YES, NO = np.array([True]), np.array([False])


def smoother() -> Smoother:
    return Smoother(SmoothingSettings(time_constant_s=0.2, lead=0.08), forget_s=1.0)


def feed(made: Smoother, label: str, t: float, trusted=YES):
    return made.update([1], sure(label)[None], trusted, t)[0]


@pytest.mark.parametrize(("elapsed", "left"), [(0.0, 1.0), (0.2, math.exp(-1)), (-1.0, 1.0), (2.0, math.exp(-10))])
def test_decay_is_exponential_and_never_grows(elapsed, left):
    assert decay(elapsed, 0.2) == pytest.approx(left)


@pytest.mark.parametrize(("second", "shown", "expected"), [(0.45, None, 0), (0.45, 1, 1), (0.36, 1, 0), (0.45, 0, 0)])
def test_a_new_label_must_lead(second, shown, expected):
    assert steady(np.array([0.5, second]), shown, 0.08) == expected


def test_the_first_reading_is_taken_as_it_is_also_at_time_zero():
    face = feed(smoother(), "surprise", 0.0)
    assert face.label == "surprise"
    assert face.probs == pytest.approx(sure("surprise"))


def test_the_step_answer_after_one_time_constant():
    made = smoother()
    feed(made, "neutral", 0.0)
    face = feed(made, "happiness", 0.2)
    happy, before, after = LABELS.index("happiness"), sure("neutral"), sure("happiness")
    assert face.probs[happy] == pytest.approx(before[happy] + (1 - math.exp(-1)) * (after[happy] - before[happy]), abs=1e-5)


def test_ten_and_thirty_frames_a_second_arrive_at_the_same_place():
    ends = []
    for rate in (10, 30):
        made = smoother()
        feed(made, "neutral", 0.0)
        for i in range(1, rate // 2 + 1):
            face = feed(made, "sadness", i / rate)
        ends.append(face.probs)
    assert ends[0] == pytest.approx(ends[1], abs=1e-5)
    assert ends[0].sum() == pytest.approx(1)


def test_one_odd_frame_does_not_change_the_label():
    made = smoother()
    for i in range(10):
        feed(made, "neutral", i / 30)
    assert feed(made, "anger", 10 / 30).label == "neutral"
    assert feed(made, "neutral", 11 / 30).label == "neutral"


def test_a_real_change_shows_within_300_ms():
    made = smoother()
    for i in range(10):
        feed(made, "neutral", i / 30)
    labels = [feed(made, "happiness", (10 + i) / 30).label for i in range(9)]
    assert labels[0] == "neutral"
    assert labels[-1] == "happiness"


def test_chips_that_are_not_trusted_leave_the_state_alone():
    made = smoother()
    feed(made, "happiness", 0.0)
    assert feed(made, "anger", 0.5, NO).probs == pytest.approx(sure("happiness"))


def test_faces_do_not_mix_and_are_forgotten():
    made = smoother()
    both = made.update([1, 2], np.stack([sure("anger"), sure("fear")]), np.array([True, True]), 0.0)
    assert [face.label for face in both] == ["anger", "fear"]
    alone = made.update([2], sure("fear")[None], YES, 0.1)
    assert alone[0].label == "fear"
    assert feed(made, "neutral", 1.2).probs == pytest.approx(sure("neutral"))
