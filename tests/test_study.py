"""`study`: what a person showed, over a film and in intervals, and the tables that pandas, R and spreadsheets read."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas
import pytest
from recordings import a_face, as_lines, even_times, write_readings

from realtime.base.errors import Trouble
from realtime.commands.study import study_recordings
from realtime.readings.file import read
from realtime.readings.study import film_columns, in_intervals, interval_columns, people_of, whole
from realtime.readings.summary import durations, runs_of


def a_day(path: Path) -> Path:
    """Two people at 10 frames a second for 6 s: one laughs, is in doubt, then sad, is lost at 3 s and found again as number 3; the other,
    far to the right, is there from 1 s to 2 s.
    """

    def faces(i: int) -> list[dict]:
        first = a_face("happiness") if i < 10 else a_face("happiness", "tie") if i < 20 else a_face("sadness")
        first |= {"yaw": 10.0 if i < 30 else 20.0, "id": 1 if i < 30 else 3}
        second = a_face("anger", id=2) | {"box": [400.0, 20.0, 450.0, 70.0]}
        return [*([first] if not 30 <= i < 40 else []), *([second] if 10 <= i < 20 else [])]

    return write_readings(path, as_lines(even_times(60, 10.0), faces))


def tables(folder: Path) -> dict[str, pandas.DataFrame]:
    return {name: pandas.read_csv(folder / f"{name}.csv") for name in ("people", "intervals", "codebook")}


def test_a_person_is_counted_over_all_tracks(tmp_path):
    readings = read(a_day(tmp_path / "a.jsonl"))
    assert [ids for ids, _ in people_of(readings)] == [[1, 3], [2]]
    _, tracks = people_of(readings)[0]
    one = whole(readings, tracks, durations(readings.t))
    assert (one.first_s, one.last_s) == pytest.approx((0.0, 6.0))
    expected = {"seen_s": 5, "unsure_s": 1, "unsure_tie_s": 1, "unsure_dark_s": 0, "happiness_s": 1, "happiness_share": 0.2}
    expected |= {"sadness_s": 3, "sadness_share": 0.6, "switches": 1, "yaw_mean": 14, "yaw_sd": np.sqrt(24), "pitch_mean": -3}
    expected |= {"happiness_mean": (2 * 0.88 + 3 * 0.02) / 5, "happiness_peak": 0.88, "eyes_mean": 21.7}
    assert {name: one.values[name] for name in expected} == pytest.approx(expected, abs=1e-5)


def test_the_sums_are_those_of_the_report(tmp_path):
    readings = read(a_day(tmp_path / "a.jsonl"))
    each = durations(readings.t)
    for _, tracks in people_of(readings):
        values = whole(readings, tracks, durations(readings.t)).values
        runs = [run for track in tracks for run in runs_of(readings, track, each)]
        assert values["seen_s"] == pytest.approx(sum(run.end - run.start for run in runs))
        for label in readings.labels:
            assert values[f"{label}_s"] == pytest.approx(sum(r.end - r.start for r in runs if r.label == label and not r.unsure))


def test_intervals_add_up_to_the_film(tmp_path):
    readings = read(a_day(tmp_path / "a.jsonl"))
    _, tracks = people_of(readings)[0]
    found = dict(in_intervals(readings, tracks, durations(readings.t), 1.0))
    assert list(found) == [0, 1, 2, 4, 5]
    film = whole(readings, tracks, durations(readings.t)).values
    for name in ("seen_s", "unsure_s", "happiness_s", "sadness_s", "switches"):
        assert sum(stretch.values[name] for stretch in found.values()) == pytest.approx(film[name])
    assert found[2].values["switches"] == 1
    assert found[5].values["yaw_mean"] == pytest.approx(20)


def test_pandas_reads_what_was_written(tmp_path, capsys):
    (tmp_path / "films" / "P01").mkdir(parents=True)
    a_day(tmp_path / "films" / "P01" / "talk.jsonl")
    write_readings(tmp_path / "films" / "empty.jsonl", as_lines(even_times(5), lambda i: []))
    assert study_recordings([tmp_path / "films"], tmp_path / "out", 2.0, overwrite=False) == 0
    assert "empty: nobody was seen" in capsys.readouterr().out
    found = tables(tmp_path / "out")
    assert list(found["people"]) == [column.name for column in film_columns()]
    assert list(found["intervals"]) == [column.name for column in interval_columns()]
    assert found["people"]["film"].tolist() == ["P01/talk"] * 2
    assert found["people"]["tracks"].tolist() == ["1 3", "2"]
    assert found["people"]["happiness_share"].tolist() == pytest.approx([0.2, 0.0])
    ours = found["intervals"][found["intervals"]["person"] == 1]
    assert ours["from_s"].tolist() == [0, 2, 4]
    assert ours["to_s"].tolist() == [2, 4, 6]
    told = found["codebook"].groupby("table")["column"].apply(list)
    assert told["people.csv"] == list(found["people"]) and told["intervals.csv"] == list(found["intervals"])
    assert found["codebook"]["meaning"].str.len().min() > 10


def test_r_and_spreadsheets_can_read_it(tmp_path):
    """By their rules: names of columns are names in R, a missing value is NA, the first bytes say UTF-8, and no text is a formula."""
    lines = as_lines(even_times(5), lambda i: [{k: v for k, v in a_face().items() if k not in ("yaw", "pitch", "roll", "eyes")}])
    write_readings(tmp_path / '=HYPERLINK("x"),1.jsonl', lines, source="@SUM(1+1)", started=None)
    write_readings(tmp_path / "größe, 大.jsonl", lines)
    assert study_recordings([tmp_path], tmp_path / "out", 10.0, overwrite=False) == 0
    content = (tmp_path / "out" / "people.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in rows[0])
    assert [row["film"] for row in rows] == ['./=HYPERLINK("x"),1', "größe, 大"]
    assert rows[0]["source"] == "./@SUM(1+1)"
    assert rows[0]["started"] == "NA"
    assert rows[0]["yaw_mean"] == rows[0]["yaw_sd"] == "NA"
    assert np.isnan(tables(tmp_path / "out")["people"]["yaw_mean"]).all()


def test_labels_of_another_model_become_plain_names(tmp_path):
    face = a_face() | {"label": "=a b", "probs": [0.9, 0.1]}
    text = [{"schema": 1, "labels": ["=a b", "c"], "source": "x"}, *as_lines(even_times(3), lambda i: [face])]
    header = json.loads(write_readings(tmp_path / "0.jsonl", []).read_text())
    text[0] = header | text[0] | {"schema": header["schema"]}
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in text))
    assert study_recordings([tmp_path / "a.jsonl"], tmp_path / "out", 10.0, overwrite=False) == 0
    assert {"_a_b_s", "c_s"} <= set(tables(tmp_path / "out")["people"])


def test_one_damaged_file_stops_no_other(tmp_path, capsys):
    a_day(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text("damaged")
    write_readings(tmp_path / "c.jsonl", as_lines(even_times(3), lambda i: []), labels=["one", "two"])
    assert study_recordings([tmp_path, tmp_path / "none"], tmp_path / "out", 10.0, overwrite=False) == 3
    told = capsys.readouterr().err
    assert "b.jsonl" in told and "c has other labels" in told
    assert set(tables(tmp_path / "out")["people"]["film"]) == {"a"}


def test_older_tables_stay(tmp_path):
    a_day(tmp_path / "a.jsonl")
    study_recordings([tmp_path / "a.jsonl"], tmp_path / "out", 10.0, overwrite=False)
    before = (tmp_path / "out" / "people.csv").read_bytes()
    with pytest.raises(Trouble, match="exists and is kept"):
        study_recordings([tmp_path / "a.jsonl"], tmp_path / "out", 10.0, overwrite=False)
    (tmp_path / "bad.jsonl").write_text("damaged")
    with pytest.raises(Trouble, match="no readings can be read"):
        study_recordings([tmp_path / "bad.jsonl"], tmp_path / "out", 10.0, overwrite=True)
    assert (tmp_path / "out" / "people.csv").read_bytes() == before
    assert study_recordings([tmp_path / "a.jsonl"], tmp_path / "out", 5.0, overwrite=True) == 0
    assert len(tables(tmp_path / "out")["intervals"]) == 3
