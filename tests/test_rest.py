import numpy as np
import pytest

from calibration.plan import FRONT, Prompt
from calibration.rest import OwnRest, average_logs, choose_shown, log_odds, match_needed, match_target
from models.pictures import cut_out, read_gray
from realtime.config import SHIPPED, CaptureSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.faces.align import enlarge
from realtime.values import LABELS

SETTINGS = CaptureSettings(risen=3.5, risen_unasked=7.0)


def face(**probs: float) -> np.ndarray:
    """Probabilities of which neutral has what the others leave."""
    values = np.array([probs.get(name, 1e-4) for name in LABELS])
    values[-1] = 0.0
    values[-1] = 1 - values.sum()
    return values.astype(np.float32)


def risen(rest: np.ndarray, **nats: float) -> np.ndarray:
    """A face whose expressions have other log odds than at rest; neutral and the other expressions share what is left."""
    odds = {name: np.exp(log_odds(rest)[LABELS.index(name)] + rise) for name, rise in nats.items()}
    values = np.exp(rest)
    mine = [LABELS.index(name) for name in odds]
    values[mine] = [odd / (1 + odd) for odd in odds.values()]
    others = [i for i in range(len(LABELS)) if i not in mine]
    values[others] *= (1 - values[mine].sum()) / values[others].sum()
    return values


REST = average_logs([face(sadness=0.01, happiness=0.001)])


def test_log_odds_are_against_all_the_others():
    probs = face(anger=0.2, sadness=0.3)
    assert log_odds(np.log(probs)) == pytest.approx(np.log(probs / (1 - probs)), rel=1e-4)


def test_the_rest_is_the_mean_of_log_probabilities():
    assert np.exp(average_logs([face(fear=0.04), face(fear=0.01)]))[LABELS.index("fear")] == pytest.approx(0.02, rel=1e-3)
    assert np.isfinite(average_logs([np.eye(7, dtype=np.float32)[0]])).all()


@pytest.mark.parametrize(
    ("asked", "rises", "shown"),
    [
        ("happiness", {"happiness": 3.6}, "happiness"),
        ("happiness", {"happiness": 3.4}, "neutral"),
        ("anger", {"happiness": 4.0}, "neutral"),
        ("neutral", {"happiness": 6.9}, "neutral"),
        ("neutral", {"happiness": 7.1}, "happiness"),
        ("anger", {"happiness": 7.1, "anger": 5.0}, "happiness"),
        ("fear", {"happiness": 4.0, "fear": 3.8}, "neutral"),
        ("fear", {"happiness": 3.8, "fear": 4.0}, "fear"),
    ],
)
def test_what_was_asked_for_counts_from_a_smaller_rise_on_and_none_may_have_risen_more(asked, rises, shown):
    assert choose_shown(asked, [risen(REST, **rises)], REST, SETTINGS) == shown


def test_half_of_the_rise_is_enough_for_the_most_probable_one():
    grim = average_logs([face(anger=0.2)])
    assert choose_shown("anger", [risen(grim, anger=1.8)], grim, SETTINGS) == "anger"
    assert choose_shown("anger", [risen(grim, anger=1.7)], grim, SETTINGS) == "neutral"
    assert choose_shown("fear", [risen(grim, anger=1.8)], grim, SETTINGS) == "neutral"
    # Another one has risen more and is still less probable.
    assert choose_shown("anger", [risen(grim, anger=2.5, fear=5.0)], grim, SETTINGS) == "anger"


def test_a_face_that_seems_sad_at_rest_is_neutral_at_rest():
    sad = face(sadness=0.7)
    assert choose_shown("neutral", [sad], None, SETTINGS) == "sadness"
    assert choose_shown("neutral", [sad], average_logs([sad]), SETTINGS) == "neutral"
    assert match_target("neutral", [sad], None, SETTINGS) == pytest.approx(0.3, abs=0.001)
    assert match_target("neutral", [sad], average_logs([sad]), SETTINGS) == pytest.approx(1)


@pytest.mark.parametrize("model", SHIPPED)
@pytest.mark.parametrize("person", ["067", "135", "143"])
def test_a_faint_smile_that_the_world_takes_for_neutral_counts_against_the_own_rest(shared, person, model):
    classifier = EmotionClassifier(SHIPPED[model])
    crops = [cut_out(read_gray(shared(f"posed/images/london_{person}_{name}.jpg"))) for name in ("neutral", "happiness")]
    neutral, smile = classifier.probabilities(np.stack([enlarge(crop.pixels) for crop in crops]))
    rest = average_logs([neutral])
    assert choose_shown("happiness", [smile], None, CaptureSettings()) == "neutral"
    assert choose_shown("happiness", [smile], rest, CaptureSettings()) == "happiness"
    assert match_target("happiness", [smile], rest, CaptureSettings()) > match_needed("happiness", CaptureSettings())
    assert choose_shown("happiness", [neutral], rest, CaptureSettings()) == "neutral"
    assert choose_shown("neutral", [neutral], rest, CaptureSettings()) == "neutral"


def test_an_expression_counts_that_is_held_for_half_of_a_take_and_not_one_that_passes():
    smile, calm = risen(REST, happiness=9.0), np.exp(REST)
    assert choose_shown("happiness", [smile] * 3 + [calm] * 2, REST, SETTINGS) == "happiness"
    assert choose_shown("happiness", [smile] * 2 + [calm] * 3, REST, SETTINGS) == "neutral"


@pytest.mark.parametrize(
    ("asked", "rise", "match"),
    [
        ("happiness", -2.0, 0),
        ("happiness", 1.75, 0.25),
        ("happiness", 9.0, 1),
        ("neutral", 1.75, 0.75),
        ("neutral", 9.0, 0),
        ("anger", 9.0, 0),
    ],
)
def test_the_match_is_the_way_from_the_own_rest(asked, rise, match):
    assert match_target(asked, [risen(REST, happiness=rise)], REST, SETTINGS) == pytest.approx(match, abs=1e-5)


def test_the_match_counts_where_the_answer_changes():
    assert match_needed("happiness", SETTINGS) == pytest.approx(0.5)
    assert match_needed("neutral", SETTINGS) == 0


def test_the_rest_is_that_of_the_first_resting_take_else_an_earlier_one():
    first, second, smile = (
        Prompt(name, FRONT, "first", 1.5, number) for name, number in (("neutral", 0), ("neutral", 1), ("happiness", 0))
    )
    assert OwnRest().logs is None
    rest = OwnRest(REST)
    rest.add(smile, [face(happiness=0.9)])
    assert rest.logs is REST
    rest.add(first, [face(sadness=0.5)])
    rest.add(second, [face(sadness=0.2)])
    assert np.exp(rest.logs)[LABELS.index("sadness")] == pytest.approx(0.5)
    rest.drop(smile)
    rest.drop(first)
    assert np.exp(rest.logs)[LABELS.index("sadness")] == pytest.approx(0.2)
    rest.drop(second)
    assert rest.logs is REST
