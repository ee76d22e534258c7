import json

import numpy as np
import pytest

from models.datasets import load_fer2013
from models.evaluate import as_text, calibration_error, chips_of, confusion, score_rows, scores, wilson
from realtime.config import ClassifierSettings
from realtime.values import LABELS


def test_the_interval_of_a_share():
    low, high = wilson(8, 10)
    assert (low, high) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert wilson(0, 20)[0] == pytest.approx(0, abs=1e-9)


def one_hot(answers: list[int], sure: float) -> np.ndarray:
    probs = np.full((len(answers), len(LABELS)), (1 - sure) / (len(LABELS) - 1))
    probs[np.arange(len(answers)), answers] = sure
    return probs


def test_scores_by_hand():
    truth, answers = np.array([0, 0, 0, 1, 1, 2]), [0, 0, 1, 1, 1, 0]
    made = scores(one_hot(answers, 0.7), truth)
    assert confusion(truth, np.array(answers))[:3, :3].tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert made["accuracy"] == pytest.approx(4 / 6, abs=1e-4)
    assert made["recall"]["anger"] == pytest.approx(2 / 3, abs=1e-3)
    # F1 of the three classes: 2*2/(3+3), 2*2/(2+3), 0; the other four have none.
    assert made["macro_f1"] == pytest.approx((2 / 3 + 0.8 + 0) / 7, abs=1e-4)
    assert made["ece"] == pytest.approx(abs(4 / 6 - 0.7), abs=1e-4)
    assert "66.7% right" in as_text("x", made)


def test_calibration_error_is_zero_for_honest_answers():
    truth = np.array([0] * 8 + [1] * 2)
    assert calibration_error(one_hot([0] * 10, 0.8), truth) == pytest.approx(0)
    assert calibration_error(one_hot([0] * 10, 1.0), truth) == pytest.approx(0.2)


@pytest.mark.timeout(120)
def test_the_shipped_model_is_as_good_as_its_description_says(classifier, shared):
    faces = load_fer2013(shared("fer2013/labels.csv").parent, "public_test")
    made = score_rows(classifier.probabilities(chips_of(faces)), faces)
    card = json.loads(ClassifierSettings().model.with_suffix(".json").read_text())
    told = card["scores"]["public_test, FER+ majority, int8"]
    assert made["official"]["n"] == told["official"]["n"] == 3186
    assert made["official"]["accuracy"] >= 0.84
    # Kernels differ by one int8 step between processors.
    assert made["official"]["accuracy"] == pytest.approx(told["official"]["accuracy"], abs=0.005)


def test_the_shipped_file_is_small_enough():
    assert ClassifierSettings().model.stat().st_size <= 1_300_000
