from dataclasses import replace

import numpy as np
import pytest
from test_fit import FULL, MODEL, RESTING, SAD, SETTINGS, person

from calibration.ending import describe_fit, describe_practice
from calibration.fit import NEUTRAL, fit
from calibration.practice import Attempt


@pytest.mark.parametrize(
    ("takes", "sentence"),
    [
        (person([NEUTRAL], SAD * 2, frames=90), "Before, your resting face was read as neutral in 0% of the pictures; now it is in 100%."),
        (person([NEUTRAL], np.eye(7)[6] * 3, frames=90), "Your resting face is read as neutral in 100% of the pictures already"),
        (person([NEUTRAL], SAD * 9, frames=90), "Before and after, your resting face is read as neutral in 0% of the pictures: no profile"),
        (person(FULL, SAD), "Before, "),
        (person(list(range(7))), "% of your pictures are read as you meant them, and no profile reads them better: nothing changes."),
    ],
)
def test_before_and_after_are_one_plain_sentence(takes, sentence):
    said = str(describe_fit(fit("ada", MODEL, takes, SETTINGS, RESTING)))
    assert sentence in said and not any(word in said for word in ("loss", "ECE", "nats"))


def test_the_shares_are_those_of_the_installed_step():
    result = fit("ada", MODEL, person(FULL, SAD), SETTINGS)
    proof = result.proofs[-1]
    assert str(describe_fit(result)) == (
        f"Before, {proof.before.accuracy:.0%} of your pictures were read as you meant them; now it is {proof.after.accuracy:.0%}."
    )
    # Where several things were held out, the least gain is told.
    better = replace(proof, gain=proof.gain + 1, after=replace(proof.after, accuracy=0.5))
    assert (
        describe_fit(replace(result, proofs=(better, proof)))
        == describe_fit(replace(result, proofs=(proof, better)))
        == describe_fit(result)
    )
    same = replace(proof, after=replace(proof.after, accuracy=proof.before.accuracy))
    assert "As before, " in str(describe_fit(replace(result, proofs=(same,))))


def test_practice_ends_with_how_many_were_recognised():
    attempts = [Attempt("fear", "surprise", 0.2), Attempt("anger", "anger", 0.6), Attempt("neutral", "neutral", 1.0)]
    assert str(describe_practice(attempts)) == "2 of 3 faces were recognised as what was asked for."
