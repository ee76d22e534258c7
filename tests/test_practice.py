import numpy as np
import pytest

from calibration.observation import Observation
from calibration.plan import FRONT, Prompt
from calibration.practice import Attempt, describe_attempt, read_attempts, score_attempt, store_attempt, tabulate
from calibration.rest import average_logs
from calibration.words import CaptureWords
from realtime.base.errors import Trouble
from realtime.config import CaptureSettings
from realtime.values import LABELS

SETTINGS, ENGLISH = CaptureSettings(), CaptureWords("en")


def frame(**probs: float) -> Observation:
    values = np.array([probs.get(name, 0.0) for name in LABELS], np.float32)
    return Observation(0.0, 0, np.zeros((4, 4, 3), np.uint8), probs=values)


def test_without_a_rest_an_attempt_is_scored_by_the_mean_of_its_frames():
    prompt = Prompt("fear", FRONT, "first", 1.5)
    attempt = score_attempt(prompt, [frame(fear=0.6, surprise=0.4), frame(fear=0.2, surprise=0.8)], None, SETTINGS)
    assert attempt == Attempt("fear", "surprise", pytest.approx(0.4), rest_known=False)
    assert describe_attempt(attempt, ENGLISH) == "fear: recognised as surprise, match 40% (by everybody's rest: yours is not known yet)"
    rest = score_attempt(Prompt("neutral", FRONT, "first", 1.5), [frame(neutral=0.3, sadness=0.7)], None, SETTINGS)
    assert describe_attempt(rest, ENGLISH).endswith("sadness, match 30% (by everybody's rest: yours is known from now on)")


def test_with_a_rest_a_faint_smile_counts_and_a_frame_without_a_face_does_not():
    rest, prompt = average_logs([frame(neutral=0.98, happiness=0.002, sadness=0.018).probs]), Prompt("happiness", FRONT, "first", 1.5)
    nobody = Observation(0.0, 0, np.zeros((4, 4, 3), np.uint8))
    attempt = score_attempt(prompt, [nobody, frame(neutral=0.89, happiness=0.1, sadness=0.01)], rest, SETTINGS)
    # ln(0.1 / 0.9) - ln(0.002 / 0.998), of 7 nats
    assert attempt == Attempt("happiness", "happiness", pytest.approx(0.574, abs=0.001), rest_known=True)
    assert describe_attempt(attempt, ENGLISH) == "happiness: recognised as happiness, match 57%"


def test_attempts_are_stored_over_the_days_and_damaged_lines_are_left_out(tmp_path):
    assert read_attempts(tmp_path) == []
    first, second = Attempt("fear", "surprise", 0.4), Attempt("anger", "anger", 0.9, rest_known=True)
    store_attempt(tmp_path, first)
    store_attempt(tmp_path, second)
    path = tmp_path / "practice.jsonl"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(path.read_text() + '{"asked": "joy", "shown": "fear", "match": 1}\n[]\n' + "[" * 100_000 + '\n{"asked": "fea')
    assert read_attempts(tmp_path) == [first, second]


def test_lines_that_know_of_no_rest_are_read(tmp_path):
    (tmp_path / "practice.jsonl").write_text('{"asked": "fear", "shown": "anger", "match": 0.25}\n')
    assert read_attempts(tmp_path) == [Attempt("fear", "anger", 0.25, rest_known=False)]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(Trouble, match="cannot write"):
        store_attempt(tmp_path / "nowhere", Attempt("fear", "fear", 1.0))


def test_the_table_counts_the_answers_to_each_expression():
    attempts = [
        Attempt("fear", "surprise", 0.2, rest_known=True),
        Attempt("fear", "fear", 0.6, rest_known=True),
        # By everybody's rest: its match is a probability.
        Attempt("fear", "surprise", 0.1),
        Attempt("neutral", "neutral", 1.0),
    ]
    assert tabulate(attempts, ENGLISH) == [
        ("fear", "", "", "1", "", "", "2", "", "40%"),
        ("neutral", "", "", "", "", "", "", "1", ""),
    ]
