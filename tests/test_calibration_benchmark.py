import importlib.util
import sys

import numpy as np
import pytest
from conftest import ROOT

from calibration.fit import NEUTRAL
from realtime.config import SHIPPED, FitSettings
from realtime.expression.classifier import EmotionClassifier, softmax
from realtime.values import LABELS

SAD = LABELS.index("sadness")


@pytest.fixture(scope="module")
def bench():
    """The benchmark. Its name is that of the package which it measures, so it is loaded under another."""
    folder = ROOT / "tests" / "benchmarks"
    spec = importlib.util.spec_from_file_location("calibration_benchmark", folder / "calibration.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    # Last, so that `calibration` stays the package: the benchmark imports another one of this folder.
    sys.path.append(str(folder))
    spec.loader.exec_module(module)
    sys.path.remove(str(folder))
    return module


@pytest.fixture(scope="module")
def model() -> EmotionClassifier:
    return EmotionClassifier(SHIPPED["nano"])


@pytest.fixture
def films(bench):
    """Made-up photos of seven expressions, read rightly by a head that is known: the embedding is the logits."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(7), 12)
    embedding = (4 * np.eye(7)[labels] + rng.normal(size=(84, 7)))[:, None] + 0.1 * rng.normal(size=(84, bench.FRAMES, 7))
    return bench.Films(labels, np.arange(84).astype(str), softmax(embedding).astype(np.float32), embedding.astype(np.float32))


def test_the_head_is_found_by_its_logits(bench, model):
    chips = np.random.default_rng(0).integers(0, 256, (200, 8, 8), np.uint8).repeat(8, 1).repeat(8, 2)
    logits, embedding = model.logits(chips)
    estimate = embedding @ bench.head_of(model, chips)
    difference = estimate - logits[:, :7] / model.temperature
    # The offsets, the same for all, and the int8 steps remain.
    assert (difference - difference.mean(0)).std() < 0.1 * estimate.std()


def test_a_person_who_rests_sad_is_one_whose_rest_is_read_so(bench, films):
    leads = []
    for seed in range(20):
        person = bench.make_person("rests sad", films, np.eye(7), np.random.default_rng(seed))
        logs = np.log(person.shift_films(films).probs[films.labels == NEUTRAL]).mean(1)
        leads.append(np.median(logs[:, SAD] - logs[:, NEUTRAL]))
    assert min(leads) > bench.STRENGTH[0] - 0.01 and max(leads) < bench.STRENGTH[1] + 0.01
    assert max(leads) - min(leads) > 1


def test_who_needs_no_help_is_as_filmed(bench, films):
    shifted = bench.make_person("needs no help", films, np.eye(7), np.random.default_rng(0)).shift_films(films)
    assert shifted.probs == pytest.approx(films.probs, abs=1e-6)


def test_photos_that_were_takes_are_not_tested_on(bench, films, model):
    """All photos but the takes are read wrongly: a test on a take would find one that is right."""
    rows = list(range(0, 84, 12))
    probs = np.roll(films.probs, 1, axis=2)
    probs[rows] = films.probs[rows]
    mixed = bench.Films(films.labels, films.persons, probs, films.embedding)
    outcome = bench.calibrate(mixed, mixed, rows, model, FitSettings())
    assert (outcome.before == 0).all()


def test_a_resting_face_is_longer_and_the_frames_of_a_take_are_of_one_photo(bench, films):
    rows = [12 * NEUTRAL, 3, 4]
    takes = bench.takes_of(films, rows)
    assert np.bincount(takes.takes).tolist() == [bench.FRAMES, bench.HOLD, bench.HOLD]
    assert (takes.embedding[takes.takes == 1] == films.embedding[3, : bench.HOLD]).all()
    assert takes.labels[takes.takes == 0].tolist() == [NEUTRAL] * bench.FRAMES


def test_a_resting_face_alone_gives_biased_people_something_back(bench, films, model):
    outcomes = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        shifted = bench.make_person("rests sad", films, np.eye(7), rng).shift_films(films)
        outcomes.append(bench.calibrate(films, shifted, bench.draw_photos(films, "neutral", rng), model, FitSettings()))
    alike, _ = bench.mixes()
    assert {outcome.step for outcome in outcomes} == {"none", "resting"}
    assert alike.gain(outcomes).mean() > 0.3 * alike.loss(outcomes).mean() > 0
    assert alike.harm(outcomes) == 0


def test_the_report_has_the_text_of_the_script(bench):
    report = (ROOT / "docs" / "calibration.md").read_text()
    about = bench.ABOUT.format(low=bench.STRENGTH[0], high=bench.STRENGTH[1], differs=bench.DIFFERS, people=300, fewer=60)
    for text in (about, bench.COLUMNS, bench.REAL.format(repeats=bench.REPEATS), bench.TRIED):
        assert text in report
