import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fakes import sure

from models.pictures import cut_out
from realtime.base.timing import decay
from realtime.config import SmoothingSettings
from realtime.expression.smoothing import (
    AHEAD,
    FaceState,
    Smoother,
    agree_with_label,
    choose_label,
    contradicts,
    evidence,
    start_state,
    transition,
    weigh_evidence,
    weight,
)
from realtime.faces.align import enlarge
from realtime.values import LABELS

SETTINGS = SmoothingSettings()
ANGER, FEAR, HAPPINESS, NEUTRAL = (LABELS.index(name) for name in ("anger", "fear", "happiness", "neutral"))
YES, NO = np.array([True]), np.array([False])


def make_smoother(**changes: float) -> Smoother:
    return Smoother(replace(SETTINGS, **changes), 1.0)


def probs(**shares: float) -> np.ndarray:
    """(7,) probabilities by label; the remainder is spread evenly over the other labels."""
    values = np.full(7, (1 - sum(shares.values())) / (7 - len(shares)), np.float32)
    for name, share in shares.items():
        values[LABELS.index(name)] = share
    return values


def feed(smoother: Smoother, reading: str | np.ndarray, t: float, trusted=YES) -> FaceState:
    values = sure(reading) if isinstance(reading, str) else reading
    return smoother.update([1], values[None], trusted, t)[0]


def feed_all(smoother: Smoother, reading: str | np.ndarray, times) -> list[FaceState]:
    return [feed(smoother, reading, t) for t in times]


def every(step_s: float, begin: float, end: float) -> np.ndarray:
    """Times from `begin` up to, but without, `end`."""
    return begin + step_s * np.arange(round((end - begin) / step_s))


def time_to_change(smoother: Smoother, old: str, new: str | np.ndarray, times) -> float:
    """Seconds until the label changes: a second of readings of `old`, then `new` at `times` after the last of them."""
    feed_all(smoother, old, every(0.1, 0.0, 1.0))
    return next(t for t in times if feed(smoother, new, 0.9 + t).label != old)


@pytest.mark.parametrize(("elapsed", "weight_left"), [(0.0, 1.0), (0.2, math.exp(-1)), (2.0, math.exp(-10))])
def test_decay_is_exponential(elapsed, weight_left):
    assert decay(elapsed, 0.2) == pytest.approx(weight_left)


@pytest.mark.parametrize(
    ("before", "now", "chance"), [("anger", "anger", 0.999), ("anger", "fear", 0.001 / 6), ("neutral", "anger", 0.001 / 6)]
)
def test_transition_probabilities_of_a_short_time(before, now, chance):
    """In a thousandth of the dwell time the probability of a change is 0.001, the same to each other label."""
    matrix = transition(0.002, replace(SETTINGS, dwell_s=2.0))
    assert matrix[LABELS.index(before), LABELS.index(now)] == pytest.approx(chance, rel=0.002)


def test_in_the_long_run_no_label_is_preferred():
    assert transition(1000.0, SETTINGS) == pytest.approx(np.full((7, 7), 1 / 7))


@pytest.mark.parametrize("elapsed", [0.0, 0.033, 0.7, 5.0])
def test_the_closed_form_equals_many_tiny_steps(elapsed):
    changes = np.full((7, 7), 1 / 6)
    np.fill_diagonal(changes, -1)
    tiny = np.eye(7) + changes * elapsed / 0.8 / 2**20
    assert transition(elapsed, replace(SETTINGS, dwell_s=0.8)) == pytest.approx(np.linalg.matrix_power(tiny, 2**20), abs=1e-5)


def test_two_transitions_equal_one_of_the_summed_time():
    assert transition(0.1, SETTINGS) @ transition(0.3, SETTINGS) == pytest.approx(transition(0.4, SETTINGS))


def test_noise_leaves_every_label_possible():
    reading = np.eye(7)[ANGER]
    assert evidence(reading, replace(SETTINGS, noise=0.07)) == pytest.approx([0.94] + [0.01] * 6)


@pytest.mark.parametrize(("elapsed", "counts"), [(0.0, 0.0), (1 / 30, 0.15), (0.1, 0.45), (0.2, 0.9), (0.3, 1.0), (9.0, 1.0)])
def test_weight_grows_with_the_time_up_to_one(elapsed, counts):
    assert weight(elapsed, replace(SETTINGS, looks_per_s=4.5)) == pytest.approx(counts)


@pytest.mark.parametrize(
    ("belief", "picture", "counts", "expected"),
    [
        ((0.5, 0.5), (0.8, 0.2), 1.0, (0.8, 0.2)),
        ((0.2, 0.8), (0.8, 0.2), 1.0, (0.5, 0.5)),
        ((0.5, 0.5), (0.8, 0.2), 0.5, (2 / 3, 1 / 3)),  # the root of 4 to 1 is 2 to 1
        ((0.7, 0.3), (0.8, 0.2), 0.0, (0.7, 0.3)),
    ],
)
def test_belief_is_updated_by_bayes_rule(belief, picture, counts, expected):
    assert weigh_evidence(np.array(belief), np.array(picture), counts) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("belief", "label_index", "label_s", "expected"),
    [
        ((0.2, 0.8), 0, 1.0, 1),
        ((0.21, 0.79), 0, 1.0, 0),  # leads by less than 0.6
        ((0.2, 0.8), 0, 0.29, 0),  # the old label was shown for less than 0.3 s
        ((0.2, 0.8), 0, 0.30, 1),
        ((0.2, 0.8), 1, 1.0, 1),
    ],
)
def test_a_new_label_needs_a_lead_and_a_minimum_time_of_the_old_one(belief, label_index, label_s, expected):
    assert choose_label(np.array(belief), label_index, label_s, replace(SETTINGS, lead=0.599, hold_s=0.3)) == expected


@pytest.mark.parametrize(
    ("best", "second", "tie", "expected"),
    [(0.45, 0.36, False, True), (0.45, 0.34, False, False), (0.45, 0.36, True, False), (0.7, 0.19, True, True), (0.7, 0.21, True, False)],
)
def test_a_tie_begins_and_ends_at_different_leads(best, second, tie, expected):
    shares = np.array([0, second, best, 0, 0, 0, 1 - best - second])
    assert contradicts(shares, tie, replace(SETTINGS, tie=0.1, clear=0.5)) is expected


@pytest.mark.parametrize("t", [0.0, 12.5])
def test_the_first_reading_is_not_changed(t):
    face = feed(make_smoother(), probs(happiness=0.55, neutral=0.35), t)
    assert (face.label, face.tie) == ("happiness", False)
    assert face.probs == pytest.approx(probs(happiness=0.55, neutral=0.35))
    assert face.belief == pytest.approx(face.probs)


def test_step_response_of_the_shown_probabilities():
    smoother = make_smoother(average_s=0.2)
    feed(smoother, "neutral", 0.0)
    face = feed(smoother, "happiness", 0.2)
    before, after = sure("neutral")[HAPPINESS], sure("happiness")[HAPPINESS]
    assert face.average[HAPPINESS] == pytest.approx(before + (1 - math.exp(-1)) * (after - before), abs=1e-5)
    assert face.average.dtype == face.probs.dtype == np.float32


def test_a_clear_change_shows_within_300_ms_and_a_faint_one_later():
    clear = time_to_change(make_smoother(), "neutral", sure("happiness", 0.97), every(1 / 30, 1 / 30, 3.0))
    faint = time_to_change(make_smoother(), "neutral", probs(happiness=0.5, neutral=0.3), every(1 / 30, 1 / 30, 3.0))
    assert 0.1 < clear <= 0.3
    assert 1.0 < faint < 3.0


@pytest.mark.parametrize("step_s", [1 / 30, 1 / 10])
@pytest.mark.parametrize("share", [0.88, 0.999999])
def test_one_bad_frame_does_not_change_the_label(step_s, share):
    smoother = make_smoother()
    feed_all(smoother, "neutral", every(step_s, 0.0, 2.0))
    assert feed(smoother, sure("anger", share), 2.0).label == "neutral"
    assert {face.label for face in feed_all(smoother, "neutral", every(step_s, 2.0 + step_s, 3.0))} == {"neutral"}


@pytest.mark.parametrize("share", [0.6, 0.7, 0.88])
def test_all_frame_rates_and_uneven_gaps_behave_alike(share):
    rng = np.random.default_rng(0)
    uneven = np.cumsum(rng.uniform(0.01, 0.15, 100))
    reading = probs(sadness=share, neutral=1 - share - 0.05)
    series = [every(step_s, step_s, 5.0) for step_s in (1 / 30, 1 / 15, 1 / 10)] + [uneven]
    delays = [time_to_change(make_smoother(), "neutral", reading, times) for times in series]
    assert max(delays) - min(delays) <= 0.15 + 1e-6  # a frame at the lowest rate
    averages = []
    for times in series[:3]:
        smoother = make_smoother()
        feed(smoother, "neutral", 0.0)
        averages.append(feed_all(smoother, reading, times[times < 0.5 + 1e-6])[-1].probs)
    assert averages[0] == pytest.approx(averages[1], abs=0.02)
    assert averages[0] == pytest.approx(averages[2], abs=1e-5)


def test_after_a_gap_the_past_counts_less():
    """After a second without readings one clear picture changes the label; after a thirtieth of a second it does not."""
    for gap_s, label in ((0.95, "happiness"), (1 / 30, "neutral")):
        smoother = make_smoother()
        feed_all(smoother, "neutral", every(0.1, 0.0, 1.0))
        assert feed(smoother, sure("happiness", 0.98), 0.9 + gap_s).label == label


def test_a_repeated_time_changes_nothing():
    smoother = make_smoother()
    feed_all(smoother, "neutral", [0.0, 0.1])
    before = feed(smoother, "neutral", 0.2)
    for _ in range(50):
        face = feed(smoother, "anger", 0.2)
    assert face.label == "neutral"
    assert face.probs == pytest.approx(before.probs)
    assert face.belief == pytest.approx(before.belief)


def test_a_time_that_goes_back_forgets_all_faces():
    smoother = make_smoother()
    feed_all(smoother, "neutral", every(0.1, 5.0, 6.0))
    face = feed(smoother, "anger", 4.9)
    assert face.label == "anger"
    assert face.probs == pytest.approx(sure("anger"))


def test_untrusted_chips_do_not_change_the_state():
    with_them, without = make_smoother(), make_smoother()
    for smoother in (with_them, without):
        feed_all(smoother, "happiness", [0.0, 0.1, 0.2])
    for t in (0.3, 0.4, 0.5):
        face = feed(with_them, "anger", t, NO)
        assert face.label == "happiness"
        assert face.probs == pytest.approx(sure("happiness"))
    now, expected = (feed(smoother, "anger", 0.6) for smoother in (with_them, without))
    assert now.belief == pytest.approx(expected.belief)
    assert now.probs == pytest.approx(expected.probs)
    assert now.probs[ANGER] > sure("happiness")[ANGER]


def test_a_face_with_untrusted_chips_is_not_forgotten():
    smoother = make_smoother()
    feed(smoother, "happiness", 0.0)
    for t in every(0.5, 0.5, 4.0):
        feed(smoother, "anger", t, NO)
    assert feed(smoother, "neutral", 4.0, NO).label == "happiness"


def test_an_untrusted_first_chip_starts_no_state():
    smoother = make_smoother()
    assert feed(smoother, "anger", 0.0, NO).label == "anger"
    assert feed(smoother, "happiness", 0.03).probs == pytest.approx(sure("happiness"))


def test_faces_do_not_mix_and_are_forgotten():
    smoother = make_smoother()
    both = smoother.update([1, 2], np.stack([sure("anger"), sure("fear")]), np.array([True, True]), 0.0)
    assert [face.label for face in both] == ["anger", "fear"]
    alone = smoother.update([2], sure("surprise")[None], YES, 0.1)
    assert alone[0].label == "fear"
    assert alone[0].probs[ANGER] < 0.03
    assert feed(smoother, "neutral", 1.1).probs == pytest.approx(sure("neutral"))


def test_no_faces():
    assert make_smoother().update([], np.zeros((0, 7), np.float32), np.zeros(0, bool), 0.0) == []


@pytest.mark.parametrize(("leader", "label"), [(0.55, "fear"), (0.35, "neutral")])
def test_a_steady_face_ends_at_the_label_that_the_classifier_prefers(leader, label):
    """The probabilities are under the prior of use: the filter adds no preference of its own."""
    smoother = make_smoother()
    feed_all(smoother, "neutral" if label == "fear" else "fear", every(0.1, 0.0, 1.0))
    face = feed_all(smoother, probs(fear=leader, neutral=0.9 - leader), every(0.1, 1.0, 8.0))[-1]
    assert face.label == label


def test_where_filter_and_average_agree_the_average_is_shown():
    average = probs(happiness=0.6, neutral=0.3)
    assert agree_with_label(average, HAPPINESS) is average


@pytest.mark.parametrize(
    "shares", [{"happiness": 0.2, "neutral": 0.7}, {"happiness": 0.45, "neutral": 0.45}, {"happiness": 0.0, "neutral": 1.0}]
)
def test_the_shown_label_has_the_largest_number_by_as_little_as_possible(shares):
    average = probs(**shares)
    mixed = agree_with_label(average, HAPPINESS)
    assert mixed.sum() == pytest.approx(1) and mixed.dtype == np.float32
    assert mixed[HAPPINESS] - mixed[NEUTRAL] == pytest.approx(AHEAD, abs=1e-6)
    others = np.delete(np.arange(7), HAPPINESS)
    assert mixed[others] / mixed[others].sum() == pytest.approx(average[others] / average[others].sum(), abs=1e-6)


@pytest.mark.parametrize("step_s", [1 / 30, 1 / 10])
def test_while_expressions_change_the_label_always_has_the_largest_number(step_s):
    rng, smoother = np.random.default_rng(0), make_smoother()
    for t in every(step_s, 0.0, 60.0):
        expression = int(t / 0.9) % 6
        reading = rng.dirichlet(0.3 + 3 * np.eye(7)[expression]).astype(np.float32)
        face = feed(smoother, reading, t)
        assert np.round(face.probs, 4).argmax() == face.label_index
        assert (np.round(face.probs, 4) == np.round(face.probs, 4).max()).sum() == 1


@pytest.mark.parametrize(("hold_s", "shortest"), [(0.0, 0.1), (0.19, 0.2), (0.49, 0.5)])
def test_a_label_is_shown_for_its_minimum_time(hold_s, shortest):
    """A smoother that follows every reading, and readings of another label every 0.1 s."""
    smoother = make_smoother(hold_s=hold_s, lead=0.01, looks_per_s=50.0)
    labels = [feed(smoother, ("anger", "happiness", "fear")[i % 3], i * 0.1).label for i in range(60)]
    changes = [i for i in range(1, 60) if labels[i] != labels[i - 1]]
    assert min(np.diff(changes)) * 0.1 == pytest.approx(shortest)


def test_when_a_tie_begins_and_ends():
    smoother = make_smoother()
    feed_all(smoother, "happiness", every(0.1, 0.0, 1.0))
    tie_states = feed_all(smoother, probs(happiness=0.46, surprise=0.48), every(0.1, 1.0, 4.0))
    begin_s = next(i for i, face in enumerate(tie_states) if face.tie) * 0.1
    # The average takes 0.6 s to fall to a lead of 0.1; then half a second must pass.
    assert 0.5 < begin_s < 1.3
    assert all(face.tie for face in tie_states[round(begin_s / 0.1) :])
    assert tie_states[-1].label == "happiness"
    leading = feed_all(smoother, probs(happiness=0.62, surprise=0.3), every(0.1, 4.0, 6.0))
    assert all(face.tie for face in leading)
    clear = feed_all(smoother, "happiness", every(0.1, 6.0, 8.0))
    end_s = next(i for i, face in enumerate(clear) if not face.tie) * 0.1
    assert SETTINGS.tie_s <= end_s < 1.0
    assert not any(face.tie for face in clear[round(end_s / 0.1) :])


def test_a_short_tie_is_not_shown():
    smoother = make_smoother(average_s=0.01)
    for second in range(4):
        assert not any(face.tie for face in feed_all(smoother, "happiness", every(0.1, second, second + 0.6)))
        assert not any(
            face.tie for face in feed_all(smoother, probs(happiness=0.46, surprise=0.48), every(0.1, second + 0.6, second + 1.0))
        )


def test_a_single_photo_can_be_a_tie():
    assert start_state(probs(happiness=0.46, surprise=0.48), 0.0, SETTINGS).tie
    assert not start_state(probs(happiness=0.40, surprise=0.55), 0.0, SETTINGS).tie


def shaken_chips(crop: np.ndarray, n: int) -> np.ndarray:
    """(n, 64, 64) chips of one crop (48, 48), each turned and moved a little and with noise."""
    rng = np.random.default_rng(1)
    chips = []
    for _ in range(n):
        matrix = cv2.getRotationMatrix2D((23.5, 23.5), rng.uniform(-2, 2), rng.uniform(0.98, 1.02))
        matrix[:, 2] += rng.uniform(-1, 1, 2)
        moved = cv2.warpAffine(crop, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE)
        chips.append(enlarge(np.clip(moved + rng.normal(0, 3, moved.shape), 0, 255).astype(np.uint8)))
    return np.stack(chips)


@pytest.mark.parametrize("rate", [10, 30])
def test_labels_of_portraits_are_stable_and_follow_a_cut(classifier, gray, rate):
    """Two seconds each of a neutral, a laughing and a neutral face, through the real classifier: exactly two changes."""
    crops = [cut_out(gray(name)).pixels for name in ("biden", "obama", "biden")]
    readings = np.concatenate([classifier.probabilities(shaken_chips(crop, 2 * rate)) for crop in crops])
    smoother = Smoother(SETTINGS, 1.0)
    faces = [feed(smoother, reading, i / rate) for i, reading in enumerate(readings)]
    labels = [face.label for face in faces]
    changes = [i / rate for i in range(1, len(labels)) if labels[i] != labels[i - 1]]
    assert [labels[0], labels[3 * rate], labels[-1]] == ["neutral", "happiness", "neutral"]
    assert len(changes) == 2
    assert 2.0 <= changes[0] <= 2.4
    assert 4.0 <= changes[1] <= 4.4
    assert not any(face.tie for face in faces)
