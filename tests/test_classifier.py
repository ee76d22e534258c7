import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import HOSTILE_JSON

from realtime.base.errors import Trouble
from realtime.config import PRIOR_OF_USE, ClassifierSettings, DetectorSettings
from realtime.expression.classifier import EmotionClassifier, dequantize, softmax
from realtime.faces.detector import Detector
from realtime.faces.landmarks import PointPredictor
from realtime.values import LABELS

MODEL = ClassifierSettings().model


def test_dequantising_widens_before_the_zero_point_is_taken_away():
    assert dequantize(np.array([127, -128], np.int8), 0.5, -100) == pytest.approx([113.5, -14.0])


def test_softmax_of_large_numbers():
    assert softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]])) == pytest.approx(np.array([[0.5, 0.5], [0.0, 1.0]]))


def test_probabilities_have_the_promised_form(classifier):
    chips = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    opinion = classifier.read(chips)
    assert opinion.probs.shape == (3, 7)
    assert opinion.probs.dtype == opinion.reject.dtype == opinion.embedding.dtype == np.float32
    assert opinion.probs.sum(1) == pytest.approx(np.ones(3), abs=1e-5)
    assert ((opinion.reject >= 0) & (opinion.reject <= 1)).all()
    assert classifier.probabilities(chips) == pytest.approx(opinion.probs)


def test_no_chips_no_answers(classifier):
    opinion = classifier.read(np.zeros((0, 64, 64), np.uint8))
    assert opinion.probs.shape == (0, 7)
    assert opinion.reject.shape == (0,)


def test_other_chips_are_refused_with_what_was_expected(classifier):
    with pytest.raises(ValueError, match=r"\(n, 64, 64\) uint8, got \(1, 48, 48\) uint8"):
        classifier.probabilities(np.zeros((1, 48, 48), np.uint8))


@pytest.mark.parametrize(
    ("name", "labels"),
    [("obama", {"happiness"}), ("obama2", {"neutral", "surprise"}), ("biden", {"neutral", "sadness"}), ("astronaut", {"happiness"})],
)
def test_portraits_are_read_as_a_person_would(classifier, gray, name, labels):
    from realtime.faces.align import align

    picture = gray(name)
    box = Detector(DetectorSettings()).find(picture, 400)[0]
    chip = align(picture, PointPredictor().points(picture, box))
    opinion = classifier.read(chip[None])
    assert LABELS[int(opinion.probs[0].argmax())] in labels
    assert opinion.probs[0].max() > 0.4
    assert opinion.reject[0] < 0.2


def test_an_upside_down_face_is_rejected(classifier, gray):
    from realtime.faces.align import align

    picture = gray("obama")
    box = Detector(DetectorSettings()).find(picture, 400)[0]
    chip = align(picture, PointPredictor().points(picture, box))
    assert classifier.read(chip[None, ::-1].copy()).reject[0] > 0.5


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped model that a test may damage: (path, change the card)."""
    path = tmp_path / "emotion.tflite"
    shutil.copy(MODEL, path)
    beside = path.with_suffix(".json")
    shutil.copy(MODEL.with_suffix(".json"), beside)

    def change(**fields):
        beside.write_text(json.dumps({**json.loads(beside.read_text()), **fields}))

    return path, change


def test_a_whole_copy_loads(copy):
    EmotionClassifier(copy[0])


def test_a_missing_model(tmp_path):
    with pytest.raises(Trouble, match=r"cannot read model file .*nothing\.json .*no such file.*--model"):
        EmotionClassifier(tmp_path / "nothing.tflite")


def test_something_that_is_no_tflite_name(tmp_path):
    with pytest.raises(Trouble, match=r"not a \.tflite file"):
        EmotionClassifier(tmp_path / "model.h5")


def test_a_name_that_no_model_has_is_answered_with_the_names():
    with pytest.raises(Trouble, match="there is no nosuch; name one of emotion, nano, or"):
        EmotionClassifier(Path("nosuch"))


def test_a_damaged_model_is_told_by_its_hash(copy):
    path, _ = copy
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(Trouble, match="is damaged: its sha256"):
        EmotionClassifier(path)


def test_a_file_that_is_no_model_but_has_the_right_hash(copy):
    import hashlib

    path, change = copy
    path.write_bytes(b"not a model" * 100)
    change(sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(Trouble, match="does not load in"):
        EmotionClassifier(path)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"labels": ["happiness", *LABELS[:6]]}, "expected, in this order: anger, disgust"),
        ({"labels": None}, "is damaged"),
        ({"schema": "model/99"}, "this program reads 'model/1'"),
        ({"resting": [0.0] * 6}, r"is damaged \(resting is \[0\.0, .*, expected 7 numbers\)"),
        ({"resting": [float("nan")] * 7}, "is damaged"),
        ({"resting": "rested"}, "expected 7 numbers"),
        ({"resting": [[1], 2]}, "expected 7 numbers"),
        ({"temperature": 0}, r"is damaged \(temperature is 0\.0\)"),
        ({"temperature": "warm"}, r"is damaged \(temperature is 'warm', expected a number\)"),
        ({"bias": [0.0] * 7}, "expected 8 numbers"),
        ({"prior": None}, r"prior is None, expected 7 numbers"),
        ({"prior": [0, 0, 0, 0.5, 0, 0, 0.5]}, r"its prior has values of 0 or less"),
        ({"embedding": [208]}, r"embedding is \[208\], expected a number"),
        ({"embedding": 123}, r"has no embedding tensor \(1, 123\) int8 \(it has"),
    ],
)
def test_a_description_that_does_not_fit(copy, fields, said):
    path, change = copy
    change(**fields)
    with pytest.raises(Trouble, match=said):
        EmotionClassifier(path)


def test_a_model_that_knows_no_resting_face_loads(copy):
    path, change = copy
    assert EmotionClassifier(path).resting.shape == (7,)
    change(resting=None)
    assert EmotionClassifier(path).resting is None


def test_a_damaged_description(copy):
    path, _ = copy
    path.with_suffix(".json").write_text("{")
    with pytest.raises(Trouble, match="is damaged"):
        EmotionClassifier(path)


def test_the_probabilities_are_under_the_prior_of_use(copy):
    """A card that says the model learned from other shares gets probabilities in which these shares are divided out."""
    path, change = copy
    chips = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    change(prior=list(PRIOR_OF_USE))
    even = EmotionClassifier(path).read(chips)
    prior = np.array([0.2, 0.1, 0.1, 0.1, 0.2, 0.1, 0.2])
    change(prior=prior.tolist())
    other = EmotionClassifier(path).read(chips)
    expected = even.probs * np.array(PRIOR_OF_USE) / prior
    assert other.probs == pytest.approx(expected / expected.sum(1, keepdims=True), rel=1e-4)


@pytest.mark.parametrize("entry", ["temperature", "bias", "prior", "resting", "embedding", "labels", "schema", "sha256"])
def test_whatever_stands_in_a_card_is_one_line_of_trouble(copy, entry):
    path, _ = copy
    card = path.with_suffix(".json")
    whole = json.loads(card.read_text())
    for raw in HOSTILE_JSON:
        if (entry, raw) == ("resting", "null"):
            continue
        card.write_text(json.dumps(whole | {entry: "a hole"}).replace('"a hole"', raw))
        with pytest.raises(Trouble) as caught:
            EmotionClassifier(path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.timeout(10)
@pytest.mark.parametrize("suffix", [".tflite", ".json"])
def test_a_pipe_in_place_of_a_model_or_its_card_is_not_waited_for(copy, suffix):
    path = copy[0].with_suffix(suffix)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Trouble, match="no regular file"):
        EmotionClassifier(copy[0])
