"""A face against the same person's resting face: how far an expression has risen, and whether it counts as shown.

The world's resting face is another one: a person whose brows lie low would seem angry at rest, and a faint smile would be taken for none.
"""

from collections.abc import Sequence

import numpy as np

from calibration.plan import Prompt
from realtime.config import CaptureSettings
from realtime.values import LABELS

NEUTRAL = LABELS.index("neutral")
EXPRESSIONS = tuple(name for name in LABELS if name != "neutral")
TINY = 1e-6
"""Smaller probabilities say no more: int8 logits are too coarse for them."""


def log_odds(logs: np.ndarray) -> np.ndarray:
    """Of log-probabilities (..., 7): each one's log odds against the other six together, in nats; (..., 7)."""
    others = np.where(np.eye(len(LABELS), dtype=bool), -np.inf, logs[..., None, :])
    return logs - np.logaddexp.reduce(others, axis=-1)


def average_logs(probs: Sequence[np.ndarray]) -> np.ndarray:
    """Mean log-probabilities (7,) of one frame or more, (7,) each: of a resting take, the person's own rest."""
    return np.log(np.maximum(np.stack(probs).astype(float), TINY)).mean(0)


def measure_rises(probs: Sequence[np.ndarray], rest: np.ndarray) -> np.ndarray:
    """How far each of `LABELS` has risen above the own rest, in nats of log odds; (7,).

    The median over the frames: an expression counts that is held for half of a take, and not one that passes over the face.

    Args:
        probs: of one frame or more, (7,) each.
        rest: mean log-probabilities (7,) of the same person's resting face.
    """
    logs = np.log(np.maximum(np.stack(probs).astype(float), TINY))
    return np.median(log_odds(logs) - log_odds(rest), axis=0)


def choose_shown(target: str, probs: Sequence[np.ndarray], rest: np.ndarray | None, settings: CaptureSettings) -> str:
    """The expression, one of `LABELS`, that frames show for which `target` was asked.

    It is the one that has risen most above the own rest, if it was asked for and has risen by `settings.risen`, or if it was not and has
    risen by `settings.risen_unasked`; else neutral. For the one that was asked for, half of the rise is enough if it is the most probable
    one too. Where no rest is known it is the most probable one. Arguments as in `measure_rises`.
    """
    most_probable = LABELS[int(np.mean(probs, 0).argmax())]
    if rest is None:
        return most_probable
    rises = np.delete(measure_rises(probs, rest), NEUTRAL)
    if target == most_probable != LABELS[NEUTRAL] and rises[EXPRESSIONS.index(target)] >= settings.risen / 2:
        return target
    most = EXPRESSIONS[int(rises.argmax())]
    return most if rises.max() >= (settings.risen if most == target else settings.risen_unasked) else LABELS[NEUTRAL]


def match_target(target: str, probs: Sequence[np.ndarray], rest: np.ndarray | None, settings: CaptureSettings) -> float:
    """How far frames have gone from the own rest towards the expression that was asked for, 0 to 1.

    It is that expression's rise in parts of `settings.risen_unasked`, with which it would count even unasked. For neutral it is the way
    back: 1 at rest, 0 where another expression counts. Where no rest is known it is the mean probability of what was asked for.
    Arguments as in `measure_rises`.
    """
    if rest is None:
        return float(np.mean(probs, 0)[LABELS.index(target)])
    rises = measure_rises(probs, rest)
    if target == LABELS[NEUTRAL]:
        return 1.0 - _share(np.delete(rises, NEUTRAL).max(), settings)
    return _share(rises[LABELS.index(target)], settings)


def match_needed(target: str, settings: CaptureSettings) -> float:
    """The match from which on what was asked for counts as shown, 0 to 1, though it is not the most probable one.

    That is, if no other expression has risen more.
    """
    return 0.0 if target == LABELS[NEUTRAL] else _share(settings.risen, settings)


def _share(rise: float, settings: CaptureSettings) -> float:
    return min(max(float(rise) / settings.risen_unasked, 0.0), 1.0)


class OwnRest:
    """A person's resting face as a session gets to know it: that of its first resting take, before that an earlier session's."""

    def __init__(self, earlier: np.ndarray | None = None):
        """`earlier`: mean log-probabilities (7,); None: not known."""
        self._earlier = earlier
        self._takes: dict[Prompt, np.ndarray] = {}

    @property
    def logs(self) -> np.ndarray | None:
        """Mean log-probabilities (7,); None as long as they are not known."""
        return next(iter(self._takes.values()), self._earlier)

    def add(self, prompt: Prompt, probs: Sequence[np.ndarray]) -> None:
        """Learns from a take, of its frames' probabilities (7,) each; only from one of the resting face."""
        if prompt.expression == LABELS[NEUTRAL]:
            self._takes[prompt] = average_logs(probs)

    def drop(self, prompt: Prompt) -> None:
        """Forgets a take that is to be repeated."""
        self._takes.pop(prompt, None)
