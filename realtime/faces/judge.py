"""Says whether there is a face at five points of a picture: a small network that learned from what the detector mistakes for faces.

The detector knows frontal faces. Where one is turned, raised or covered its score is that of a wall, so the score cannot decide. This
network (`models/train_judge.py`) sees the head with what is around it, upright and in one size. The model's reject output sees the inner
face alone; it is handed in, because what finds faces does not know the model. Their mistakes differ, so both together decide on new faces.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from realtime.base.tflite import small_network
from realtime.config import JUDGE
from realtime.faces.align import align
from realtime.faces.detector import upright

PATCH = 64
"""Side in px of what the network sees: half of `realtime.faces.detector.upright`."""

MODEL_WEIGHT = 0.6
"""Of the model's log-odds, beside the network's. With more, more drawings and maps are faces, which are like nothing that the model learned
from; with less, fewer heads that are turned or raised."""

HOPELESS = -2.5
"""The network's logit up to which the model is not asked, which costs more: 92 of 100 places without a face have less, no posed head."""

SUREST = 1e-5
"""The model's probabilities count as at least this far from 0 and 1."""

LEAST_CONTRAST = 4.0
"""Grey levels of standard deviation; a patch with less is not stretched further, because that would show only noise."""

Reject = Callable[[np.ndarray], np.ndarray]
"""Gives the probabilities (n,) that chips (n, 64, 64) uint8 show no readable face; n is 1 or more."""


def patch(gray: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face of five points (5, 2) in a gray picture (h, w) uint8, with what is around it: (64, 64) uint8."""
    return cv2.resize(upright(gray, points), (PATCH, PATCH), interpolation=cv2.INTER_AREA)


def normalized(patches: np.ndarray) -> np.ndarray:
    """Patches (n, 64, 64) uint8 with mean 0 and standard deviation 1 each: (n, 64, 64) float32."""
    values = patches.astype(np.float32)
    centred = values - values.mean((1, 2), keepdims=True)
    return centred / np.maximum(centred.std((1, 2), keepdims=True), LEAST_CONTRAST)


def log_odds(reject: np.ndarray) -> np.ndarray:
    """Logits (n,) that there is a face, by the model's reject probabilities (n,)."""
    clipped = np.clip(reject, SUREST, 1 - SUREST)
    return np.log((1 - clipped) / clipped)


class FaceJudge:
    """The network on one thread, and the model's reject output."""

    def __init__(self, reject: Reject, path: Path = JUDGE):
        """Loads a network's file. The sha256 in the .json beside it must be that of the file.

        Raises:
            Trouble: a file is missing or damaged.
        """
        self.reject, self._network = reject, small_network(path, "the face judge's file")

    def of_patches(self, patches: np.ndarray) -> np.ndarray:
        """(n,) float32 logits of patches (n, 64, 64) uint8, the mean of each and its mirror image: above 0 it is more likely a face."""
        values = normalized(patches)
        return np.array([(self._ask(one) + self._ask(one[:, ::-1])) / 2 for one in values], np.float32)

    def of_places(self, gray: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
        """The same of faces with five points (5, 2) each, in a gray picture (h, w) uint8."""
        return self.of_patches(np.stack([patch(gray, points) for points in places])) if places else np.zeros(0, np.float32)

    def with_model(self, gray: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
        """The same with the model's opinion, where that can matter: (n,) logits."""
        likelihoods = self.of_places(gray, places)
        asked = np.flatnonzero(likelihoods > HOPELESS)
        if len(asked):
            chips = np.stack([align(gray, places[int(i)]) for i in asked])
            reject = (self.reject(chips) + self.reject(np.ascontiguousarray(chips[:, :, ::-1]))) / 2
            likelihoods[asked] += MODEL_WEIGHT * log_odds(reject)
        return likelihoods

    def _ask(self, values: np.ndarray) -> float:
        return float(self._network(values[None, None]).ravel()[0])
