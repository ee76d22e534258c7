"""Smooths each face's expression over time, after classification: decides about label, probabilities and tie.

A forward filter (hidden Markov model) decides about the label, because it weighs evidence: a clear change is shown soon, a faint one later,
noise almost never. The probabilities that are shown are an average of the readings. The filter treats pictures of one face as independent,
and so its belief is higher than its accuracy (docs/smoothing.md gives the calibration errors of both). Where the two disagree, as while a
change is under way, the average is moved as little as the label needs to be the largest. Time is elapsed seconds of the frames, so all
frame rates behave alike.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from realtime.base.timing import decay
from realtime.config import SmoothingSettings
from realtime.values import LABELS

AHEAD = 0.001
"""By how much more than its best rival's the label's probability is, at least, so that it stays the largest when it is rounded."""


def transition(elapsed_s: float, settings: SmoothingSettings) -> np.ndarray:
    """The transition matrix (7, 7): row i, column j is the probability that a face changes from expression i to j in `elapsed_s`.

    A Markov chain in continuous time: two steps of 0.1 s equal one of 0.2 s. An expression lasts `dwell_s` on average and then changes to
    each of the six others with equal probability. No expression is preferred: how frequent each is, the prior of use in the classifier's
    probabilities says.
    """
    n = len(LABELS)
    same = math.exp(-elapsed_s / settings.dwell_s * n / (n - 1))
    return same * np.eye(n) + (1 - same) / n


def evidence(probs: np.ndarray, settings: SmoothingSettings) -> np.ndarray:
    """What one picture says about each expression (7,), from the model's probabilities (7,).

    They are under the prior of use already (`realtime.config.PRIOR_OF_USE`): a steady face ends at the label that they prefer. With
    probability `noise` a picture tells nothing about the face, so that one bad frame has a limited effect.
    """
    return (1 - settings.noise) * probs + settings.noise / len(LABELS)


def weight(elapsed_s: float, settings: SmoothingSettings) -> float:
    """The weight of a picture by the seconds since the last one, 0 to 1: pictures close in time have similar errors and count less."""
    return min(1.0, settings.looks_per_s * elapsed_s)


def weigh_evidence(belief: np.ndarray, evidence: np.ndarray, weight: float) -> np.ndarray:
    """Bayes' rule with a weight: the belief (7,) times the evidence (7,) to the power of `weight`, normalised to sum 1."""
    product = belief * evidence**weight
    return product / product.sum()


def choose_label(belief: np.ndarray, label_index: int, label_s: float, settings: SmoothingSettings) -> int:
    """The label to show, as an index: the most likely one if it leads the shown label by `lead` and that was shown for `hold_s`.

    `label_index` is the shown label, `label_s` how many seconds it has been shown.
    """
    best = int(belief.argmax())
    leads = belief[best] >= belief[label_index] + settings.lead
    return best if leads and label_s >= settings.hold_s else label_index


def agree_with_label(average: np.ndarray, label_index: int) -> np.ndarray:
    """Probabilities (7,) with the shown label first: the average (7,), mixed with as little of certainty about the label as that takes.

    While the filter and the average agree, nothing changes. While a change is under way, the filter is ahead of the average: label and best
    rival are then about equal.
    """
    best, second = average.argmax(), np.partition(average, -2)[-2]
    gap = float((second if best == label_index else average[best]) - average[label_index])
    if gap <= -AHEAD:
        return average
    share = (gap + AHEAD) / (gap + 1)
    mixed = (1 - share) * average
    mixed[label_index] += share
    return mixed


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
        average: (7,) float32, the average of its readings.
        label_index: the index of the shown label.
        tie: whether no expression stands out.
        belief: (7,) float64, the probabilities of the filter, which decide about the label.
        t: the last time at which the face was tracked.
        reading_t: the last time at which a trusted chip was read.
        label_t: the time at which the label was shown first.
        agreed_t: the last time at which the probabilities agreed with `tie`.
    """

    average: np.ndarray
    label_index: int
    tie: bool
    belief: np.ndarray
    t: float
    reading_t: float
    label_t: float
    agreed_t: float

    @property
    def probs(self) -> np.ndarray:
        """The shown probabilities (7,) float32; the label's is the largest."""
        return agree_with_label(self.average, self.label_index)

    @property
    def label(self) -> str:
        return LABELS[self.label_index]


def start_state(probs: np.ndarray, t: float, settings: SmoothingSettings) -> FaceState:
    """The state of a new face, from the probabilities (7,) of its first reading."""
    return FaceState(probs, int(probs.argmax()), contradicts(probs, False, settings), probs.astype(np.float64), t, t, t, t)


def next_state(before: FaceState, probs: np.ndarray, t: float, settings: SmoothingSettings) -> FaceState:
    """The state of a face after one more trusted reading (7,) at time `t`. A reading at the time of the last one changes nothing."""
    elapsed_s = t - before.reading_t
    predicted = before.belief @ transition(elapsed_s, settings)
    belief = weigh_evidence(predicted, evidence(probs, settings), weight(elapsed_s, settings))
    label_index = choose_label(belief, before.label_index, t - before.label_t, settings)

    keep = decay(elapsed_s, settings.average_s)
    average = keep * before.average + (1 - keep) * probs
    contradicted = contradicts(average, before.tie, settings)
    tie_changes = contradicted and t - before.agreed_t >= settings.tie_s
    return FaceState(
        average=average,
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

    def __init__(self, settings: SmoothingSettings, forget_s: float):
        """A face that was not there for `forget_s` seconds is forgotten."""
        self.settings = settings
        self.forget_s = forget_s
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
                state = next_state(before, reading, t, self.settings)
            else:
                state = replace(before, t=t)
            if is_trusted or before is not None:
                self._faces[id] = state
            states.append(state)
        return states
