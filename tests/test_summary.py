import numpy as np
import pytest
from recordings import a_face, as_lines, even_times, write_readings

from realtime.readings.file import read
from realtime.readings.summary import Run, at_moments, by_second, durations, runs_of, thin_curves


@pytest.mark.parametrize(
    ("t", "expected"),
    [([], []), ([0.0], [0.0]), ([0.0, 0.1, 0.3, 0.4], [0.1, 0.2, 0.1, 0.1]), ([0.0, 0.2, 9.0, 9.2], [0.2, 1.0, 0.2, 0.2])],
)
def test_a_frame_lasts_until_the_next_but_not_through_a_gap(t, expected):
    assert durations(np.array(t)) == pytest.approx(np.array(expected))


def test_a_second_has_its_mean_by_time_and_its_peak():
    t, probs = np.array([0.0, 0.6, 0.9, 2.5]), np.array([[0.2, 0.8], [0.8, 0.2], [0.4, 0.6], [1.0, 0.0]], np.float32)
    seconds = by_second(t, probs, np.array([0.6, 0.3, 0.1, 0.5]))
    assert seconds.second.tolist() == [0, 2]
    assert seconds.weight == pytest.approx([1.0, 0.5])
    assert seconds.mean[0] == pytest.approx([0.6 * 0.2 + 0.3 * 0.8 + 0.1 * 0.4, 0.6 * 0.8 + 0.3 * 0.2 + 0.1 * 0.6])
    assert seconds.peak.tolist() == [pytest.approx([0.8, 0.8]), [1.0, 0.0]]


def test_moments_are_whole_frames_from_first_to_last():
    t, values = np.arange(1000) / 30, np.random.default_rng(1).dirichlet([1.0] * 7, 1000)
    few_t, few = at_moments(t, values, 100)
    assert (len(few_t), few_t[0], few_t[-1]) == (100, t[0], t[-1])
    assert few.sum(axis=1) == pytest.approx(np.ones(100))
    assert len(at_moments(t, values, 5000)[0]) == 1000


def test_runs_end_with_a_change_of_label_or_doubt_and_with_absence(tmp_path):
    script = [
        a_face("anger"),
        a_face("anger"),
        a_face("fear", "tie"),
        a_face("anger", "tie"),
        a_face("anger", "dark"),
        None,
        a_face("anger", "dark"),
    ]
    readings = read(write_readings(tmp_path / "a.jsonl", as_lines(even_times(7, 10.0), lambda i: [script[i]] if script[i] else [])))
    runs = runs_of(readings, readings.people[0], durations(readings.t))
    times = [(0.0, 0.2), (0.2, 0.4), (0.4, 0.5), (0.6, 0.7)]
    reasons = [None, "tie", "dark", "dark"]
    labels = ["anger", "fear", "anger", "anger"]
    assert [(r.label, r.unsure) for r in runs] == list(zip(labels, reasons, strict=True))
    assert [(r.start, r.end) for r in runs] == [pytest.approx(edges) for edges in times]
    assert isinstance(runs[0], Run)


def test_thin_curves_keep_every_peak_and_break_where_the_face_was_away():
    n = 20_000
    t, values = np.arange(n) / 30, np.full((n, 2), 0.5)
    values[7_777] = [1.0, 0.0]
    rows = np.concatenate([np.arange(12_000), np.arange(13_000, 21_000)])
    thin_t, thin = thin_curves(t, values, rows, 1000)
    assert len(thin_t) == len(thin) <= 1010
    assert (np.nanmax(thin[:, 0]), np.nanmin(thin[:, 1])) == (1.0, 0.0)
    assert abs(thin_t[np.nanargmax(thin[:, 0])] - 7_777 / 30) < 2 * t[-1] / 1000
    assert np.isnan(thin[:, 0]).sum() == 1
    assert 11_999 / 30 < thin_t[np.isnan(thin[:, 0])][0] < 12_000 / 30
    assert (np.diff(thin_t) >= 0).all()


@pytest.mark.parametrize("down", [False, True])
def test_thin_curves_do_not_go_to_and_fro_where_the_curve_does_not(down):
    ramp = np.linspace(0, 1, 9000)[:: -1 if down else 1, None]
    _, thin = thin_curves(np.arange(9000) / 30, ramp, np.arange(9000), 500)
    steps = np.diff(thin[:, 0])
    assert len(thin) <= 510
    assert ((steps <= 0) if down else (steps >= 0)).all()


def test_short_curves_stay_as_they_are():
    t, values, rows = np.array([0.0, 0.1, 0.2]), np.eye(3, 2), np.array([0, 1, 5])
    thin_t, thin = thin_curves(t, values, rows, 100)
    assert thin_t.tolist() == pytest.approx([0.0, 0.1, 0.15, 0.2])
    assert np.isnan(thin[2]).all()
    assert thin[[0, 1, 3]].tolist() == values.tolist()
    assert len(thin_curves(np.zeros(0), np.zeros((0, 2)), np.zeros(0), 9)[0]) == 0
