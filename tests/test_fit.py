from dataclasses import replace

import cv2
import numpy as np
import pytest

from calibration.fit import NEUTRAL, Takes, TooFewTakes, fit, fit_head, fit_offsets, fit_resting, prove, score
from calibration.proof import as_picture, as_text
from realtime.config import FitSettings
from realtime.expression.classifier import softmax
from realtime.expression.profile import load, personal, save
from realtime.values import LABELS

SETTINGS = FitSettings()
MODEL = "a" * 64
CENTRES = np.random.default_rng(7).normal(size=(7, 40))
RESTING = np.log(np.array([0.03, 0.01, 0.02, 0.03, 0.1, 0.01, 0.8]))


def person(labels, bias=0, blur=0, seed=0, frames=8, lights=1) -> Takes:
    """Takes of a made-up person: clusters of embeddings, and the logits that a good model gives them plus a bias (7,)."""
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
    offsets = fit_offsets(takes, SETTINGS)
    assert offsets[4] == min(offsets)
    assert offsets[4] - np.delete(offsets, 4).mean() < -1


def test_offsets_are_the_minimum_of_the_posterior():
    takes = person(list(range(7)), SAD, frames=1)
    offsets = fit_offsets(takes, SETTINGS)

    def loss(b):
        after = softmax(np.log(takes.probs) + b)
        return -np.log(after[np.arange(7), takes.labels]).sum() + (b**2).sum() / 2 / SETTINGS.offset_sigma**2

    nearby = [loss(offsets + 0.01 * sign * np.eye(7)[i]) for i in range(7) for sign in (-1, 1)]
    assert loss(offsets) < min(nearby)


def test_an_expression_that_was_not_shown_is_not_pushed_away():
    assert fit_offsets(person([0, 3, 6] * 3, SAD), SETTINGS)[[1, 2, 4, 5]] == pytest.approx(0)


def test_the_head_separates_what_offsets_cannot():
    takes, fresh = (replace(person(FULL, seed=seed), probs=np.full((280, 7), 1 / 7, np.float32)) for seed in (0, 1))
    bias, weights = fit_head(takes, SETTINGS)
    assert score(softmax(fresh.embedding @ weights + bias), fresh).accuracy > 0.9


def test_what_hides_a_resting_face_is_lowered_until_neutral_leads_as_it_should():
    takes = person([NEUTRAL], SAD * 2, frames=90)
    assert np.median(takes.probs, 0).argmax() == 4
    offsets = fit_resting(takes, SETTINGS, RESTING)
    after = np.median(np.log(takes.probs), 0) + offsets
    assert after[6] - after[4] == pytest.approx(SETTINGS.rest_lead * (RESTING[6] - RESTING[4]), abs=0.05)
    assert offsets[6] == 0 and offsets.max() == 0 and offsets.argmin() == 4
    assert fit_resting(person([NEUTRAL], SAD * 9, frames=90), SETTINGS, RESTING).min() == -SETTINGS.rest_most
    assert (fit_resting(person([3]), SETTINGS, RESTING) == 0).all()


def test_a_resting_face_that_is_read_well_is_left_alone_however_it_differs_from_everybodys():
    assert (fit_resting(person([NEUTRAL], np.eye(7)[6] * 6, frames=90), SETTINGS, RESTING) == 0).all()


def test_a_blink_among_the_frames_is_no_resting_face():
    takes = person([NEUTRAL], SAD * 2, frames=90)
    blink = takes.probs.copy()
    blink[:20] = np.eye(7)[5] * 0.94 + 0.01
    assert fit_resting(replace(takes, probs=blink), SETTINGS, RESTING) == pytest.approx(fit_resting(takes, SETTINGS, RESTING), abs=0.3)


def test_resting_faces_alone_make_a_profile_that_says_what_it_did_not_prove():
    result = fit("ada", MODEL, person([NEUTRAL], SAD * 2, frames=90), SETTINGS, RESTING)
    assert result.profile.step == "resting"
    assert "nothing held out" in result.why
    refused = fit("ada", MODEL, person([NEUTRAL], np.eye(7)[6] * 3, frames=90), SETTINGS, RESTING)
    assert refused.profile is None
    assert "is read as neutral in 100% of the frames already" in refused.why


def test_resting_faces_of_which_no_more_are_read_as_neutral_get_no_profile():
    """So far from neutral that the largest correction does not bring it back, though the log loss falls."""
    result = fit("ada", MODEL, person([NEUTRAL], SAD * 9, frames=90), SETTINGS, RESTING)
    assert result.profile is None and not result.is_good_already
    assert result.proofs[0].gain > 1 and result.proofs[0].after.accuracy == result.proofs[0].before.accuracy == 0
    assert "in 0% of the frames, and with a profile in no more" in result.why


def test_the_first_step_that_helps_is_taken_and_proved_on_held_out_takes_and_lights(tmp_path):
    takes = person(FULL, SAD, lights=2)
    result = fit("ada", MODEL, takes, SETTINGS)
    assert result.profile.step == "offsets"
    assert [proof.held_out for proof in result.proofs] == ["take", "light"]
    assert all(proof.after.accuracy > proof.before.accuracy and proof.gain > proof.error for proof in result.proofs)
    save(result.profile, tmp_path / "ada.json")
    profile = load(tmp_path / "ada.json", MODEL, 40)
    fresh = person(FULL, SAD, seed=5)
    assert score(personal(profile, fresh.probs, fresh.embedding), fresh).accuracy > score(fresh.probs, fresh).accuracy


def test_the_user_is_told_that_takes_do_not_show_what_was_asked_for():
    # The face was happy whatever was asked for; there is little to gain, but some.
    laughing = person(FULL, np.eye(7)[3] * 8, lights=2)
    why = fit("ada", MODEL, laughing, replace(SETTINGS, offset_sigma=0.05, pull=1e6)).why
    assert "helps" in why and "only 14% of them are read as what was asked for" in why
    assert "only" not in fit("ada", MODEL, person(FULL, SAD, lights=2), SETTINGS).why


def test_a_person_whom_offsets_cannot_help_gets_a_head_that_fits_into_the_file(tmp_path):
    takes = person(FULL, blur=0.9)
    # The model takes every expression for the next one, and embeddings still tell them apart: no offset mends that.
    wrong = replace(takes, probs=np.roll(takes.probs, 1, axis=1))
    result = fit("ada", MODEL, wrong, SETTINGS)
    assert result.profile.step == "head"
    save(result.profile, tmp_path / "ada.json")


def test_frames_of_a_held_out_take_are_never_learned_from():
    """All frames of a take share a random embedding: a fit that held out frames, not takes, would learn the label of each."""
    rng = np.random.default_rng(3)
    numbers = np.repeat(np.arange(21), 10)
    embedding = rng.normal(size=(21, 60))[numbers].astype(np.float32)
    probs = softmax(rng.normal(size=(21, 7)))[numbers].astype(np.float32)
    takes = Takes(probs, embedding, numbers % 7, numbers, np.full(210, "day"))
    by_frame = prove("head", takes, lambda some: fit_head(some, SETTINGS), np.arange(210), "take")
    assert by_frame.refusal is None, "held out by frame, the head would be installed"
    result = fit("ada", MODEL, takes, SETTINGS)
    assert result.profile is None or result.profile.step != "head"
    assert {proof.step for proof in result.proofs} == {"offsets", "head"}
    assert max(proof.after.accuracy for proof in result.proofs) < by_frame.after.accuracy - 0.2


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


@pytest.mark.parametrize(("labels", "names"), [([], "none"), ([3, 3], "happiness"), ([3, 6], "happiness, neutral")])
def test_too_few_takes(labels, names):
    with pytest.raises(TooFewTakes, match=rf"too few takes for a profile \({names}\): it needs 3 expressions"):
        fit("ada", MODEL, person(labels), SETTINGS)


def test_scores_count_every_take_once():
    probs = np.repeat(np.eye(7, dtype=np.float32)[[3, 4]], [9, 1], 0)
    takes = Takes(probs, np.zeros((10, 1)), np.full(10, 3), np.repeat([0, 1], [9, 1]), np.full(10, "day"))
    scores = score(probs, takes)
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
    before, after = np.hsplit(picture, 2)
    # Below the titles: the confusions differ as well.
    assert (before[110:] != after[110:]).any()
    assert cv2.imwrite(str(tmp_path / "proof.png"), picture)
