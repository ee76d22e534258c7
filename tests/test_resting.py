import json
import shutil

import cv2
import numpy as np
import pytest

from models.chips import chips_of
from models.datasets import load_wild
from models.resting import main, mean_of_people
from realtime.config import SHIPPED
from realtime.expression.classifier import EmotionClassifier


def test_every_person_counts_once():
    probs = np.exp([[-1.0] * 7] * 3 + [[-3.0] * 7])
    assert mean_of_people(probs, np.array(["7", "7", "7", "8"])) == pytest.approx([-2] * 7)


def test_the_card_gets_the_resting_face_of_people_learned_from_and_nothing_else_changes(tmp_path, gray):
    wild, model = tmp_path / "wild", tmp_path / "model.tflite"
    wild.mkdir()
    rows = "obama2.png,7,neutral\nbiden.png,8,neutral\nobama.png,8,fear\nastronaut.png,9,neutral\n"
    (wild / "labels.csv").write_text("image,person,label\n" + rows)
    for name in ("obama2", "biden", "obama", "astronaut"):
        cv2.imwrite(str(wild / f"{name}.png"), gray(name))
    shutil.copy(SHIPPED["nano"], model)
    before = json.loads(SHIPPED["nano"].with_suffix(".json").read_text())
    model.with_suffix(".json").write_text(json.dumps(before))
    main([model], wild)
    main([model], wild)
    card = json.loads(model.with_suffix(".json").read_text())
    classifier = EmotionClassifier(model)
    first_two = classifier.probabilities(chips_of(load_wild(wild)))[:2]
    assert classifier.resting == pytest.approx(np.log(first_two).mean(0), abs=1e-3)
    assert {**card, "resting": None} == {**before, "resting": None}
    assert list(card).index("resting") == list(card).index("prior") + 1


@pytest.mark.parametrize("name", ["emotion", "nano"])
def test_the_mean_resting_face_is_read_as_neutral_and_next_as_sad(name):
    resting = EmotionClassifier(SHIPPED[name]).resting
    assert resting.argsort()[-2:].tolist() == [4, 6]
    assert -0.5 < resting[6] < -0.05
    assert np.exp(resting).sum() < 1
