"""What came of a session, in a plain sentence; the numbers behind it are in the proof."""

from collections.abc import Sequence
from dataclasses import dataclass

from calibration.fit import NEUTRAL, Fit
from calibration.practice import Attempt
from calibration.words import Remark, remark


@dataclass(frozen=True)
class Ending:
    """What the last screen says: one sentence, and lines with what can be done with it."""

    sentence: Remark
    details: tuple[Remark, ...] = ()


def describe_fit(fit: Fit) -> Remark:
    """Before and after in one sentence: shares of the pictures that are read as what was asked for.

    Shares are those on held-out takes; of a resting face alone, for which nothing can be held out, those of its own pictures. Where several
    things were held out, the sentence tells of the least gain.
    """
    last = [proof for proof in fit.proofs if proof.step == fit.proofs[-1].step]
    worst = min(last, key=lambda proof: proof.gain)
    before, after = worst.before.accuracy, worst.after.accuracy
    shown = {int(label) for label in range(len(worst.before.confusion)) if worst.before.confusion[label].any()}
    if fit.profile is None:
        if shown != {NEUTRAL}:
            return remark("end_none", before=f"{before:.0%}")
        return remark("end_rest_fine" if fit.is_good_already else "end_rest_none", before=f"{before:.0%}")
    if shown == {NEUTRAL}:
        return remark("end_rest", before=f"{before:.0%}", after=f"{after:.0%}")
    if f"{before:.0%}" == f"{after:.0%}":
        return remark("end_surer", after=f"{after:.0%}")
    return remark("end_better", before=f"{before:.0%}", after=f"{after:.0%}")


def describe_practice(attempts: Sequence[Attempt]) -> Remark:
    """How many attempts were recognised as what was asked for."""
    return remark("end_practice", right=sum(attempt.answer == attempt.expression for attempt in attempts), count=len(attempts))
