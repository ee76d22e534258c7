import numpy as np
import pytest

from calibration.plan import FRONT, Prompt
from calibration.practice import Try, judged, note, past, rows
from calibration.session import Seen
from realtime.base.errors import Trouble
from realtime.values import LABELS


def frame(**probs: float) -> Seen:
    values = np.array([probs.get(name, 0.0) for name in LABELS], np.float32)
    return Seen(0.0, 0, np.zeros((4, 4, 3), np.uint8), probs=values)


def test_a_try_is_judged_by_the_mean_of_its_frames():
    prompt = Prompt("fear", FRONT, "first", 1.5)
    one = judged(prompt, [frame(fear=0.6, surprise=0.4), frame(fear=0.2, surprise=0.8)])
    assert one == Try("fear", "surprise", pytest.approx(0.4))


def test_tries_are_kept_over_the_days_and_a_cut_line_is_left_out(tmp_path):
    assert past(tmp_path) == []
    first, second = Try("fear", "surprise", 0.4), Try("anger", "anger", 0.9)
    note(tmp_path, first)
    note(tmp_path, second)
    path = tmp_path / "practice.jsonl"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(path.read_text() + '{"asked": "joy", "shown": "fear", "match": 1}\n[]\n{"asked": "fea')
    assert past(tmp_path) == [first, second]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(Trouble, match="cannot write"):
        note(tmp_path / "nowhere", Try("fear", "fear", 1.0))


def test_the_table_counts_what_each_expression_was_taken_for():
    tries = [Try("fear", "surprise", 0.2), Try("fear", "fear", 0.6), Try("fear", "surprise", 0.1), Try("neutral", "neutral", 1.0)]
    assert rows(tries) == [
        ("fear", "", "", "1", "", "", "2", "", "30%"),
        ("neutral", "", "", "", "", "", "", "1", "100%"),
    ]
