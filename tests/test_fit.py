from dataclasses import replace

import cv2
import numpy as np
import pytest

from calibration.fit import NEUTRAL, Takes, fit, head, offsets, rested, scored
from calibration.proof import as_picture, as_text
from realtime.base.errors import Trouble
from realtime.config import FitSettings
from realtime.expression.classifier import softmax
from realtime.expression.profile import load, personal, save
from realtime.values import LABELS

SETTINGS = FitSettings()
MODEL = "a" * 64
CENTRES = np.random.default_rng(7).normal(size=(7, 40))
RESTING = np.log(np.array([0.03, 0.01, 0.02, 0.03, 0.1, 0.01, 0.8]))


def person(labels, bias=0, blur=0, seed=0, frames=8, lights=1) -> Takes:
    """Takes of a made-up person: blobs of embeddings, and the logits that a good model gives them, moved by a bias (7,)."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.asarray(labels, int), frames)
    takes = np.repeat(np.arange(len(labels)), frames)
    own = np.repeat(rng.normal(size=(len(labels), 40)) * 0.3, frames, 0)
    embedding = CENTRES[rows] + own + rng.normal(size=(len(rows), 40)) * 0.1
    logits = embedding @ CENTRES.T / 20 * (1 - blur) + bias
    light = np.array([f"light {i % lights}" for i in range(len(labels))])[takes]
    return Takes(softmax(logits).astype(np.float32), embedding.astype(np.float32), rows, takes, light)


SAD = np.eye(7)[4] * 2.5
FULL = [label for label in range(7) for _ in range(5)]


def test_seven_offsets_take_a_bias_away():
    takes = person(FULL, SAD)
    found = offsets(takes, SETTINGS)
    assert found[4] == min(found)
    assert found[4] - np.delete(found, 4).mean() < -1


def test_offsets_are_the_minimum_of_the_posterior():
    takes = person(list(range(7)), SAD, frames=1)
    found = offsets(takes, SETTINGS)

    def loss(b):
        after = softmax(np.log(takes.probs) + b)
        return -np.log(after[np.arange(7), takes.labels]).sum() + (b**2).sum() / 2 / SETTINGS.offset_sigma**2

    around = [loss(found + 0.01 * sign * np.eye(7)[i]) for i in range(7) for sign in (-1, 1)]
    assert loss(found) < min(around)


def test_an_expression_that_was_not_shown_is_not_pushed_away():
    assert offsets(person([0, 3, 6] * 3, SAD), SETTINGS)[[1, 2, 4, 5]] == pytest.approx(0)


def test_the_head_separates_what_offsets_cannot():
    takes, fresh = (replace(person(FULL, seed=seed), probs=np.full((280, 7), 1 / 7, np.float32)) for seed in (0, 1))
    bias, weights = head(takes, SETTINGS)
    assert scored(softmax(fresh.embedding @ weights + bias), fresh).accuracy > 0.9


def test_what_hides_a_resting_face_is_lowered_until_neutral_leads_as_it_should():
    takes = person([NEUTRAL], SAD * 2, frames=90)
    assert np.median(takes.probs, 0).argmax() == 4
    found = rested(takes, SETTINGS, RESTING)
    moved = np.median(np.log(takes.probs), 0) + found
    assert moved[6] - moved[4] == pytest.approx(SETTINGS.rest_lead * (RESTING[6] - RESTING[4]), abs=0.05)
    assert found[6] == 0 and found.max() == 0 and found.argmin() == 4
    assert rested(person([NEUTRAL], SAD * 9, frames=90), SETTINGS, RESTING).min() == -SETTINGS.rest_most
    assert (rested(person([3]), SETTINGS, RESTING) == 0).all()


def test_a_resting_face_that_is_read_well_is_left_alone_however_it_differs_from_everybodys():
    assert (rested(person([NEUTRAL], np.eye(7)[6] * 6, frames=90), SETTINGS, RESTING) == 0).all()


def test_a_blink_among_the_frames_is_no_resting_face():
    takes = person([NEUTRAL], SAD * 2, frames=90)
    blink = takes.probs.copy()
    blink[:20] = np.eye(7)[5] * 0.94 + 0.01
    assert rested(replace(takes, probs=blink), SETTINGS, RESTING) == pytest.approx(rested(takes, SETTINGS, RESTING), abs=0.3)


def test_resting_faces_alone_make_a_profile_that_says_what_it_did_not_prove():
    result = fit("ada", MODEL, person([NEUTRAL], SAD * 3, frames=90), SETTINGS, RESTING)
    assert result.profile.step == "resting"
    assert "nothing held out" in result.why
    well = fit("ada", MODEL, person([NEUTRAL], np.eye(7)[6] * 3, frames=90), SETTINGS, RESTING)
    assert well.profile is None
    assert "is read as neutral in 100% of the frames already" in well.why


def test_the_first_step_that_helps_is_taken_and_proved_on_held_out_takes_and_lights(tmp_path):
    takes = person(FULL, SAD, lights=2)
    result = fit("ada", MODEL, takes, SETTINGS)
    assert result.profile.step == "offsets"
    assert [proof.held_out for proof in result.proofs] == ["take", "light"]
    assert all(proof.after.accuracy > proof.before.accuracy and proof.gain > proof.error for proof in result.proofs)
    save(result.profile, tmp_path / "ada.json")
    again = load(tmp_path / "ada.json", MODEL, 40)
    fresh = person(FULL, SAD, seed=5)
    assert scored(personal(again, fresh.probs, fresh.embedding), fresh).accuracy > scored(fresh.probs, fresh).accuracy


def test_takes_that_do_not_show_what_was_asked_for_are_told_of():
    # Whatever was asked for, the face was happy; what little there is to gain is gained.
    laughing = person(FULL, np.eye(7)[3] * 8, lights=2)
    said = fit("ada", MODEL, laughing, replace(SETTINGS, offset_sigma=0.05, pull=1e6)).why
    assert "helps" in said and "only 14% of them are read as what was asked for" in said
    assert "only" not in fit("ada", MODEL, person(FULL, SAD, lights=2), SETTINGS).why


def test_a_person_whom_offsets_cannot_help_gets_a_head_that_fits_into_the_file(tmp_path):
    takes = person(FULL, blur=0.9)
    # What the model says is turned by one expression for half of them: no offset mends that.
    turned = replace(takes, probs=np.roll(takes.probs, 1, axis=1))
    result = fit("ada", MODEL, turned, SETTINGS)
    assert result.profile.step == "head"
    save(result.profile, tmp_path / "ada.json")


def test_frames_of_a_held_out_take_are_never_learned_from():
    """Each take's frames share a mark that says its label: who held out by frame would find it, and be proud of it."""
    rng = np.random.default_rng(3)
    takes = np.repeat(np.arange(21), 10)
    marks = rng.normal(size=(21, 60))[takes]
    labels = (np.arange(21) % 7)[takes]
    probs = softmax(rng.normal(size=(21, 7)))[takes].astype(np.float32)
    result = fit("ada", MODEL, Takes(probs, marks.astype(np.float32), labels, takes, np.full(210, "day")), SETTINGS)
    assert result.profile is None or result.profile.step != "head"
    assert max(proof.after.accuracy for proof in result.proofs) < 0.5


def test_a_profile_that_helps_nobody_is_not_installed_and_says_why():
    result = fit("ada", MODEL, person(list(range(7))), SETTINGS)
    assert result.profile is None
    assert result.why.startswith("no profile installed, the base model stays: offsets ")
    assert "\n" not in result.why


def test_a_profile_that_breaks_an_expression_is_refused():
    takes = person(FULL, SAD * 0.2)
    wrong = np.log(takes.probs)
    happy = takes.labels == 3
    # Happiness and surprise are read alike, happiness a little more; five takes of surprise outvote the one of happiness.
    wrong[(takes.labels == 3) | (takes.labels == 5)] = np.log(np.array([0.01, 0.01, 0.01, 0.5, 0.01, 0.45, 0.01]))
    keep = ~happy | (takes.takes == takes.takes[happy][0])
    result = fit("ada", MODEL, replace(takes, probs=softmax(wrong).astype(np.float32), embedding=takes.embedding * 0).where(keep), SETTINGS)
    assert result.profile is None
    assert "breaks happiness, which was right" in result.why


@pytest.mark.parametrize(("labels", "shown"), [([], "none"), ([3, 3], "happiness"), ([3, 6], "happiness, neutral")])
def test_too_few_takes(labels, shown):
    with pytest.raises(Trouble, match=rf"too few takes for a profile \({shown}\): it needs 3 expressions"):
        fit("ada", MODEL, person(labels), SETTINGS)


def test_scores_count_every_take_once():
    probs = np.repeat(np.eye(7, dtype=np.float32)[[3, 4]], [9, 1], 0)
    takes = Takes(probs, np.zeros((10, 1)), np.full(10, 3), np.repeat([0, 1], [9, 1]), np.full(10, "day"))
    scores = scored(probs, takes)
    assert scores.accuracy == pytest.approx(0.5)
    assert scores.confusion[3, [3, 4]] == pytest.approx([1, 1])
    assert scores.macro_f1 == pytest.approx(2 / 3)
    assert scores.ece == pytest.approx(0.5)


def test_the_proof_is_shown_as_text_and_as_a_picture(tmp_path):
    proof = fit("ada", MODEL, person(FULL, SAD), SETTINGS).proofs[-1]
    text = as_text(proof)
    assert f"accuracy    {proof.before.accuracy:8.1%}{proof.after.accuracy:8.1%}" in text
    assert all(text.count(f"\n{name}") == 2 for name in LABELS)
    picture = as_picture(proof)
    assert picture.dtype == np.uint8 and picture.ndim == 3
    left, right = np.hsplit(picture, 2)
    assert (left != right).any()
    assert cv2.imwrite(str(tmp_path / "proof.png"), picture)
