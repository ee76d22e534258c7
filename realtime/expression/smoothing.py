"""Smooths each face's expression over time, after classification: decides about label, probabilities and tie.

A forward filter (hidden Markov model) decides about the label, because it weighs evidence: a clear change is shown soon, a faint one later,
noise almost never. The probabilities that are shown are an average of the readings instead. The filter treats pictures of one face as
independent, and so its belief is higher than its accuracy (docs/smoothing.md gives the calibration errors of both). Time is elapsed
seconds of the frames, so all frame rates behave alike.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from realtime.base.timing import decay
from realtime.config import SmoothingSettings
from realtime.values import LABELS

NEUTRAL = len(LABELS) - 1
"""Neutral is the last of `LABELS`."""


def transition(elapsed_s: float, settings: SmoothingSettings) -> np.ndarray:
    """The transition matrix (7, 7): row i, column j is the probability that a face changes from expression i to j in `elapsed_s`.

    A Markov chain in continuous time: two steps of 0.1 s equal one of 0.2 s. An expression lasts `dwell_s` on average. It then changes to
    neutral with probability `via_neutral`, else to one of the five others with equal probability; neutral changes to each of the six with
    equal probability. The matrix exponential has a closed form: the long-run distribution plus two exponential decays, one for "neutral or
    not" and one for which of the six others it is.
    """
    others, via = NEUTRAL, settings.via_neutral
    changes = elapsed_s / settings.dwell_s
    neutral_or_not = math.exp(-(1 + via) * changes)
    which_other = math.exp(-(1 + (1 - via) / (others - 1)) * changes)
    chances = np.empty((len(LABELS), len(LABELS)))
    chances[:, NEUTRAL] = via / (1 + via) * (1 - neutral_or_not)
    chances[NEUTRAL, NEUTRAL] += neutral_or_not
    chances[:, :others] = (1 - chances[:, NEUTRAL, None]) / others
    chances[:others, :others] += which_other * (np.eye(others) - 1 / others)
    return chances


def likelihood(probs: np.ndarray, prior: np.ndarray, settings: SmoothingSettings) -> np.ndarray:
    """The likelihood of each expression (7,), up to a factor: the model's probabilities (7,) divided by its training prior (7,).

    This is Bayes' rule solved for the likelihood. With probability `noise` a picture tells nothing about the face, so that one bad frame
    has a limited effect.
    """
    corrected = probs / np.maximum(prior, settings.rarest) ** settings.prior_power
    return (1 - settings.noise) * corrected / corrected.sum() + settings.noise / len(LABELS)


def weight(elapsed_s: float, settings: SmoothingSettings) -> float:
    """The weight of a picture by the seconds since the last one, 0 to 1: pictures close in time have similar errors and count less."""
    return min(1.0, settings.looks_per_s * elapsed_s)


def weigh_evidence(belief: np.ndarray, likelihood: np.ndarray, weight: float) -> np.ndarray:
    """Bayes' rule with a weight: the belief (7,) times the likelihood (7,) to the power of `weight`, normalised to sum 1."""
    product = belief * likelihood**weight
    return product / product.sum()


def choose_label(belief: np.ndarray, label_index: int, label_s: float, settings: SmoothingSettings) -> int:
    """The label to show, as an index: the most likely one if it leads the shown label by `lead` and that was shown for `hold_s`.

    `label_index` is the shown label, `label_s` how many seconds it has been shown.
    """
    best = int(belief.argmax())
    leads = belief[best] >= belief[label_index] + settings.lead
    return best if leads and label_s >= settings.hold_s else label_index


def contradicts(probs: np.ndarray, tie: bool, settings: SmoothingSettings) -> bool:
    """Whether probabilities (7,) contradict the state `tie`.

    They contradict a tie if the best leads the second by `settings.clear`, and its absence if it leads by less than `settings.tie`.
    """
    second, best = np.partition(probs, -2)[-2:]
    return bool(best - second >= settings.clear if tie else best - second < settings.tie)


@dataclass(frozen=True)
class FaceState:
    """The smoothed expression of one face. Times are in seconds.

    Attributes:
        probs: (7,) float32, the average of its readings.
        label_index: the index of the shown label.
        tie: whether no expression stands out.
        belief: (7,) float64, the probabilities of the filter, which decide about the label.
        t: the last time at which the face was tracked.
        reading_t: the last time at which a trusted chip was read.
        label_t: the time at which the label was shown first.
        agreed_t: the last time at which the probabilities agreed with `tie`.
    """

    probs: np.ndarray
    label_index: int
    tie: bool
    belief: np.ndarray
    t: float
    reading_t: float
    label_t: float
    agreed_t: float

    @property
    def label(self) -> str:
        return LABELS[self.label_index]


def start_state(probs: np.ndarray, t: float, settings: SmoothingSettings) -> FaceState:
    """The state of a new face: the probabilities (7,) of its first reading, without correction by the prior."""
    return FaceState(probs, int(probs.argmax()), contradicts(probs, False, settings), probs.astype(np.float64), t, t, t, t)


def next_state(before: FaceState, probs: np.ndarray, prior: np.ndarray, t: float, settings: SmoothingSettings) -> FaceState:
    """The state of a face after one more trusted reading (7,) at time `t`. A reading at the time of the last one changes nothing."""
    elapsed_s = t - before.reading_t
    predicted = before.belief @ transition(elapsed_s, settings)
    belief = weigh_evidence(predicted, likelihood(probs, prior, settings), weight(elapsed_s, settings))
    label_index = choose_label(belief, before.label_index, t - before.label_t, settings)

    keep = decay(elapsed_s, settings.average_s)
    average = keep * before.probs + (1 - keep) * probs
    contradicted = contradicts(average, before.tie, settings)
    tie_changes = contradicted and t - before.agreed_t >= settings.tie_s
    return FaceState(
        probs=average,
        label_index=label_index,
        tie=before.tie != tie_changes,
        belief=belief,
        t=t,
        reading_t=t,
        label_t=before.label_t if label_index == before.label_index else t,
        agreed_t=before.agreed_t if contradicted and not tie_changes else t,
    )


class Smoother:
    """Has the smoothed state of every face."""

    def __init__(self, settings: SmoothingSettings, forget_s: float, prior: np.ndarray):
        """`prior` (7,) is the share of each label in the training data. A face that was not there for `forget_s` seconds is forgotten."""
        self.settings = settings
        self.forget_s = forget_s
        self.prior = np.asarray(prior, np.float64)
        self._faces: dict[int, FaceState] = {}

    def update(self, ids: list[int], probs: np.ndarray, trusted: np.ndarray, t: float) -> list[FaceState]:
        """Takes the readings of one frame and returns the states of its faces, in the same order. If the time goes back, all are forgotten.

        Args:
            ids: the faces' ids.
            probs: (n, 7) float32.
            trusted: (n,) bool, whether each chip is good enough; one that is not leaves the state of its face as it is.
            t: the frame's time in seconds.
        """
        self._faces = {id: face for id, face in self._faces.items() if 0 <= t - face.t <= self.forget_s}
        states = []
        for id, reading, is_trusted in zip(ids, probs, trusted, strict=True):
            before = self._faces.get(id)
            if before is None:
                state = start_state(reading, t, self.settings)
            elif is_trusted:
                state = next_state(before, reading, self.prior, t, self.settings)
            else:
                state = replace(before, t=t)
            if is_trusted or before is not None:
                self._faces[id] = state
            states.append(state)
        return states
