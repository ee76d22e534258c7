"""Follows each face's expression over time, in seconds of the frames: what to call it, how sure to be, and when to call it a tie.

A forward filter decides about the label, because it weighs evidence: a clear change shows soon, a faint one after a while, noise hardly
ever. What is shown as probability is an average of the readings: the filter counts pictures of one face as if each told something new and
is therefore surer than it is right (docs/smoothing.md has both errors).
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
    """The chance that a face which showed i shows j some seconds later, (7, 7); rows sum to 1.

    A Markov chain in continuous time, so that two steps of 0.1 s are one of 0.2 s: an expression lasts `dwell_s` on average, then turns
    to neutral by `via_neutral`, else to any of the other five alike; neutral turns to any of the six alike. The matrix exponential of
    such a chain is the long run plus two decays: of "neutral or not", and of which of the six it is.
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
    """How well each expression explains a picture (7,), up to a factor: the model's probabilities (7,) without the prior it learned (7,).

    Bayes' rule read backwards. A picture may also say nothing at all about the face, by `noise`: that bounds what one odd frame can do.
    """
    corrected = probs / np.maximum(prior, settings.rarest) ** settings.prior_power
    return (1 - settings.noise) * corrected / corrected.sum() + settings.noise / len(LABELS)


def weight(elapsed_s: float, settings: SmoothingSettings) -> float:
    """How much a picture counts that was taken some seconds after the last one, 0 to 1: pictures close in time share their errors."""
    return min(1.0, settings.looks_per_s * elapsed_s)


def weighed(belief: np.ndarray, likelihood: np.ndarray, weight: float) -> np.ndarray:
    """Bayes' rule with tempered evidence: belief times likelihood to the power of its weight, (7,) that sum to 1."""
    product = belief * likelihood**weight
    return product / product.sum()


def chosen(belief: np.ndarray, shown: int, shown_s: float, settings: SmoothingSettings) -> int:
    """The index to show: the best one if it leads the shown one by `lead` and that has been shown for `hold_s`."""
    best = int(belief.argmax())
    leads = belief[best] >= belief[shown] + settings.lead
    return best if leads and shown_s >= settings.hold_s else shown


def contradicts(probs: np.ndarray, tie: bool, settings: SmoothingSettings) -> bool:
    """Whether probabilities (7,) speak against calling it a tie, or against not calling it one: by the lead of the best over the second."""
    second, best = np.partition(probs, -2)[-2:]
    return bool(best - second >= settings.clear if tie else best - second < settings.tie)


@dataclass(frozen=True)
class Smoothed:
    """A face's state. Times are in seconds.

    Attributes:
        probs: (7,) float32, the average of its readings.
        shown: the index of the shown label.
        tie: whether no expression stands out.
        belief: (7,) float64, the filter's; it decides about `shown`.
        t: when the face was last there.
        believed_t: when its last believed picture was taken.
        shown_t: when `shown` was first shown.
        agreed_t: when the probabilities last agreed with `tie`.
    """

    probs: np.ndarray
    shown: int
    tie: bool
    belief: np.ndarray
    t: float
    believed_t: float
    shown_t: float
    agreed_t: float

    @property
    def label(self) -> str:
        return LABELS[self.shown]


def first(probs: np.ndarray, t: float, settings: SmoothingSettings) -> Smoothed:
    """The state of a face that was not there before: its reading (7,) as it is, whatever expressions are frequent."""
    return Smoothed(probs, int(probs.argmax()), contradicts(probs, False, settings), probs.astype(np.float64), t, t, t, t)


def after(before: Smoothed, probs: np.ndarray, prior: np.ndarray, t: float, settings: SmoothingSettings) -> Smoothed:
    """The state of a face after one more believed reading (7,) at time `t`; at the same time as the last, it changes nothing."""
    elapsed_s = t - before.believed_t
    predicted = before.belief @ transition(elapsed_s, settings)
    belief = weighed(predicted, likelihood(probs, prior, settings), weight(elapsed_s, settings))
    shown = chosen(belief, before.shown, t - before.shown_t, settings)

    keep = decay(elapsed_s, settings.average_s)
    average = keep * before.probs + (1 - keep) * probs
    contradicted = contradicts(average, before.tie, settings)
    turns = contradicted and t - before.agreed_t >= settings.tie_s
    return Smoothed(
        probs=average,
        shown=shown,
        tie=before.tie != turns,
        belief=belief,
        t=t,
        believed_t=t,
        shown_t=before.shown_t if shown == before.shown else t,
        agreed_t=before.agreed_t if contradicted and not turns else t,
    )


class Smoother:
    """The state of every face. Elapsed time is all that counts, so that 10 and 30 frames a second behave alike."""

    def __init__(self, settings: SmoothingSettings, forget_s: float, prior: np.ndarray):
        """`prior` (7,) is how often the classifier met each label when it learned; faces are forgotten `forget_s` after they were there."""
        self.settings = settings
        self.forget_s = forget_s
        self.prior = np.asarray(prior, np.float64)
        self._faces: dict[int, Smoothed] = {}

    def update(self, ids: list[int], probs: np.ndarray, trusted: np.ndarray, t: float) -> list[Smoothed]:
        """Takes one frame's probabilities and gives the faces' states, in the same order. A clock that went back forgets all faces.

        Args:
            ids: the faces' ids.
            probs: (n, 7) float32.
            trusted: (n,) bool; a chip that is not trusted leaves its face's state as it is, and the next one finds more time elapsed.
            t: the frame's time in seconds.
        """
        self._faces = {id: face for id, face in self._faces.items() if 0 <= t - face.t <= self.forget_s}
        now = []
        for id, fresh, believed in zip(ids, probs, trusted, strict=True):
            before = self._faces.get(id)
            if before is None:
                face = first(fresh, t, self.settings)
            elif believed:
                face = after(before, fresh, self.prior, t, self.settings)
            else:
                face = replace(before, t=t)
            if believed or before is not None:
                self._faces[id] = face
            now.append(face)
        return now
