"""Smooths each face's probabilities over time, in seconds, and keeps the shown label from flickering."""

import math
from dataclasses import dataclass

import numpy as np

from realtime.config import SmoothingSettings
from realtime.values import LABELS


def decay(elapsed_s: float, time_constant_s: float) -> float:
    """What is left of an old value after a time: exp(-elapsed / time constant), 0 to 1."""
    return math.exp(-max(0.0, elapsed_s) / time_constant_s)


def steady(probs: np.ndarray, shown: int | None, lead: float) -> int:
    """The index to show: the best one, unless the shown one is less than `lead` behind it."""
    best = int(probs.argmax())
    return best if shown is None or probs[best] >= probs[shown] + lead else shown


@dataclass(frozen=True)
class Smoothed:
    """A face's state: probabilities (7,) float32 at time `t` in seconds, and the index of the shown label."""

    probs: np.ndarray
    t: float
    shown: int

    @property
    def label(self) -> str:
        return LABELS[self.shown]


class Smoother:
    """An exponential average per face whose weights depend on elapsed time, so that 10 and 30 frames a second behave alike."""

    def __init__(self, settings: SmoothingSettings, forget_s: float):
        self.settings = settings
        self.forget_s = forget_s
        self._faces: dict[int, Smoothed] = {}

    def update(self, ids: list[int], probs: np.ndarray, trusted: np.ndarray, t: float) -> list[Smoothed]:
        """Takes one frame's probabilities and gives the smoothed ones, in the same order.

        Args:
            ids: the faces' ids.
            probs: (n, 7) float32.
            trusted: (n,) bool; a chip that is not trusted leaves its face's state as it is.
            t: the frame's time in seconds.
        """
        self._faces = {id: face for id, face in self._faces.items() if 0 <= t - face.t <= self.forget_s}
        now = []
        for id, fresh, believed in zip(ids, probs, trusted, strict=True):
            before = self._faces.get(id)
            if before is None:
                face = Smoothed(fresh, t, steady(fresh, None, self.settings.lead))
            elif not believed:
                face = Smoothed(before.probs, t, before.shown)
            else:
                keep = np.float32(decay(t - before.t, self.settings.time_constant_s))
                mixed = keep * before.probs + (1 - keep) * fresh
                face = Smoothed(mixed, t, steady(mixed, before.shown, self.settings.lead))
            self._faces[id] = face
            now.append(face)
        return now
