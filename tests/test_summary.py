import numpy as np
import pytest
from recordings import a_face, as_lines, even_times, write_readings

from realtime.readings.file import read
from realtime.readings.summary import Run, durations, summarise, thin_curves


def summary_of(tmp_path, times, faces):
    readings = read(write_readings(tmp_path / "a.jsonl", as_lines(times, faces)))
    return summarise(readings, readings.people[0], durations(readings.t))


@pytest.mark.parametrize(
    ("t", "expected"),
    [([], []), ([0.0], [0.0]), ([0.0, 0.1, 0.3, 0.4], [0.1, 0.2, 0.1, 0.1]), ([0.0, 0.2, 9.0, 9.2], [0.2, 1.0, 0.2, 0.2])],
)
def test_a_frame_lasts_until_the_next_but_not_through_a_gap(t, expected):
    assert durations(np.array(t)) == pytest.approx(np.array(expected))


def test_shares_are_of_the_time_seen_and_uneven_frames_count_by_their_time(tmp_path):
    labels = ["anger", "anger", "fear", "fear", "fear"]
    summary = summary_of(tmp_path, [0.0, 0.4, 0.5, 0.6, 0.7], lambda i: [a_face(labels[i])])
    assert (summary.shown_s["anger"], summary.shown_s["fear"], summary.seen_s) == pytest.approx((0.5, 0.3, 0.8))
    assert (summary.share("anger"), summary.share("neutral")) == pytest.approx((0.625, 0.0))


def test_switches_are_counted_over_doubt_and_absence(tmp_path):
    shown = ["anger", "tie", "anger", "", "anger", "fear", "tie", "neutral", "fear"]

    def faces(i):
        if not shown[i]:
            return []
        return [a_face("anger", "tie") if shown[i] == "tie" else a_face(shown[i])]

    summary = summary_of(tmp_path, even_times(9, 10.0), faces)
    assert {label: n for label, n in summary.switches.items() if n} == {"fear": 2, "neutral": 1}
    assert summary.seen_s == pytest.approx(0.8)
    assert (summary.unsure_s, summary.unsure_share) == ({"tie": pytest.approx(0.2)}, pytest.approx(0.25))


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
    summary = summary_of(tmp_path, even_times(7, 10.0), lambda i: [script[i]] if script[i] else [])
    times = [(0.0, 0.2), (0.2, 0.4), (0.4, 0.5), (0.6, 0.7)]
    reasons = [None, "tie", "dark", "dark"]
    labels = ["anger", "fear", "anger", "anger"]
    assert [(r.label, r.unsure) for r in summary.runs] == list(zip(labels, reasons, strict=True))
    assert [(r.start, r.end) for r in summary.runs] == [pytest.approx(edges) for edges in times]
    assert isinstance(summary.runs[0], Run)


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
