import numpy as np
import pytest

from calibration.plan import FRONT, Prompt
from calibration.practice import Attempt, read_attempts, score_attempt, store_attempt, tabulate
from calibration.session import Observation
from realtime.base.errors import Trouble
from realtime.values import LABELS


def frame(**probs: float) -> Observation:
    values = np.array([probs.get(name, 0.0) for name in LABELS], np.float32)
    return Observation(0.0, 0, np.zeros((4, 4, 3), np.uint8), probs=values)


def test_an_attempt_is_scored_by_the_mean_of_its_frames():
    prompt = Prompt("fear", FRONT, "first", 1.5)
    attempt = score_attempt(prompt, [frame(fear=0.6, surprise=0.4), frame(fear=0.2, surprise=0.8)])
    assert attempt == Attempt("fear", "surprise", pytest.approx(0.4))


def test_attempts_are_stored_over_the_days_and_damaged_lines_are_left_out(tmp_path):
    assert read_attempts(tmp_path) == []
    first, second = Attempt("fear", "surprise", 0.4), Attempt("anger", "anger", 0.9)
    store_attempt(tmp_path, first)
    store_attempt(tmp_path, second)
    path = tmp_path / "practice.jsonl"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(path.read_text() + '{"asked": "joy", "shown": "fear", "match": 1}\n[]\n{"asked": "fea')
    assert read_attempts(tmp_path) == [first, second]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(Trouble, match="cannot write"):
        store_attempt(tmp_path / "nowhere", Attempt("fear", "fear", 1.0))


def test_the_table_counts_the_answers_to_each_expression():
    attempts = [
        Attempt("fear", "surprise", 0.2),
        Attempt("fear", "fear", 0.6),
        Attempt("fear", "surprise", 0.1),
        Attempt("neutral", "neutral", 1.0),
    ]
    assert tabulate(attempts) == [
        ("fear", "", "", "1", "", "", "2", "", "30%"),
        ("neutral", "", "", "", "", "", "", "1", "100%"),
    ]
