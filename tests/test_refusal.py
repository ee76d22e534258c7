import numpy as np
import pytest
from conftest import DATA

from calibration.plan import ORDER
from calibration.refusal import plainly_shown
from calibration.rest import average_logs
from models.pictures import cut_out, read_gray
from realtime.config import SHIPPED, CaptureSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.faces.align import enlarge
from realtime.values import LABELS

SETTINGS = CaptureSettings()


def face(**probs: float) -> np.ndarray:
    rest = (1 - sum(probs.values())) / (7 - len(probs))
    return np.array([probs.get(name, rest) for name in LABELS], np.float32)


@pytest.fixture(scope="module", params=SHIPPED)
def classifier(request):
    return EmotionClassifier(SHIPPED[request.param])


def probs_of(classifier: EmotionClassifier, path) -> list[np.ndarray]:
    return [classifier.probabilities(enlarge(cut_out(read_gray(path)).pixels)[None])[0]]


@pytest.mark.parametrize("portrait", ["obama.jpg", "astronaut.jpg"])
def test_a_laugh_is_taken_for_nothing_but_happiness(classifier, portrait):
    seen = {target: plainly_shown(target, probs_of(classifier, DATA / portrait), None, SETTINGS) for target in ORDER}
    assert seen == {target: None if target == "happiness" else "happiness" for target in ORDER}


def test_a_calm_face_can_be_taken_for_everything(classifier):
    """The model calls it neutral, with 0.95 and more: a frown that it does not see must be takeable."""
    calm = probs_of(classifier, DATA / "biden.jpg")
    assert calm[0][LABELS.index("neutral")] > 0.9
    assert [plainly_shown(target, calm, None, SETTINGS) for target in ORDER] == [None] * 7


def test_resting_faces_of_real_people_are_taken(classifier, shared):
    neutral = sorted(shared("posed/images").glob("london_*_neutral.jpg"))[:20]
    assert len(neutral) == 20
    assert [plainly_shown("neutral", probs_of(classifier, path), None, SETTINGS) for path in neutral] == [None] * 20


@pytest.mark.parametrize(
    ("target", "probs", "seen"),
    [
        ("neutral", {"happiness": 0.91}, "happiness"),
        ("neutral", {"happiness": 0.89}, None),
        ("neutral", {"surprise": 0.95}, "surprise"),
        ("fear", {"surprise": 0.95}, None),
        ("fear", {"happiness": 0.95}, "happiness"),
        ("neutral", {"sadness": 0.99}, None),
        ("anger", {"neutral": 0.99}, None),
        ("happiness", {"sadness": 0.99}, None),
    ],
)
def test_only_what_the_model_knows_well_counts_and_not_beside_what_looks_alike(target, probs, seen):
    assert plainly_shown(target, [face(**probs)], None, SETTINGS) == seen


def test_a_mouth_that_curls_up_at_rest_is_no_laugh():
    rest = face(happiness=0.93)
    assert plainly_shown("anger", [rest], None, SETTINGS) == "happiness"
    assert plainly_shown("anger", [rest], average_logs([rest]), SETTINGS) is None


def test_a_laugh_counts_that_lasts_for_more_than_half_of_a_take():
    laugh, calm = face(happiness=0.98), face(neutral=0.98)
    assert plainly_shown("neutral", [laugh] * 3 + [calm] * 2, None, SETTINGS) == "happiness"
    assert plainly_shown("neutral", [laugh] * 2 + [calm] * 3, None, SETTINGS) is None
