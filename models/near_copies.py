"""Finds (nearly) equal pictures, and divides pictures into folds so that equal ones stay together. Pure functions on arrays."""

from dataclasses import dataclass

import numpy as np

from realtime.base.errors import Trouble
from realtime.values import CROP

SMALL = 16
"""Side in pixels at which pictures are compared: coarse enough that another compression or a shifted pixel changes little."""

COPY = 0.98
"""Correlation from which two pictures are copies. The column `near_copy_in` of the team's FER2013 was made with the same value."""

ALIKE = 0.95
"""Correlation from which two pictures always lie in the same fold. 48 pairs of FER2013 between this and `COPY` were looked at: each showed
one photo, cut or compressed otherwise. Such pairs are listed as alike; verdicts do not depend on them."""

BLOCK = 512
"""Rows of the correlation matrix that are computed at a time: 65 MB for 32,000 faces."""


@dataclass(frozen=True)
class Copies:
    """Pairs of (nearly) the same picture, one row each.

    Attributes:
        pairs: (m, 2) int64 rows of the pictures, the smaller first.
        correlation: (m,) float32 at 16x16.
        mirrored: (m,) bool, one is the other's mirror image.
        exact: (m,) bool, equal in every pixel (after mirroring where mirrored).
    """

    pairs: np.ndarray
    correlation: np.ndarray
    mirrored: np.ndarray
    exact: np.ndarray

    def above(self, threshold: float) -> "Copies":
        """The pairs with at least this correlation."""
        rows = self.correlation >= threshold
        return Copies(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def signature(pixels: np.ndarray) -> np.ndarray:
    """(n, 48, 48) uint8 -> (n, 256) float32: averaged to 16x16, then to mean 0 and length 1, so that scalar products are correlations.

    A flat picture has no correlation with others: it gets zeros.
    """
    block = CROP // SMALL
    reduced = pixels.reshape(len(pixels), SMALL, block, SMALL, block).mean((2, 4), dtype=np.float32).reshape(len(pixels), SMALL * SMALL)
    reduced -= reduced.mean(1, keepdims=True)
    length = np.linalg.norm(reduced, axis=1, keepdims=True)
    # A deviation of a thousandth of a grey level is rounding.
    return np.where(length > 1e-3 * SMALL, reduced / np.maximum(length, 1e-9), 0).astype(np.float32)


def near_copies(pixels: np.ndarray, threshold: float = COPY) -> Copies:
    """All pairs of (nearly) the same picture among (n, 48, 48) uint8, mirrored ones as well, since training mirrors its pictures.

    Flat pictures are copies only if they are equal. The work is n * n * 256 multiply-adds, in blocks of rows.
    """
    first: dict[bytes, int] = {}
    same = np.array([first.setdefault(face.tobytes(), i) for i, face in enumerate(pixels)], np.int64)
    turned = np.array([first.get(face[:, ::-1].tobytes(), -1) for face in pixels], np.int64)
    straight, mirror = signature(pixels), signature(pixels[:, :, ::-1])
    rows, columns, values, flips = [], [], [], []
    for start in range(0, len(pixels), BLOCK):
        plain, flipped = (side[start : start + BLOCK] @ straight[start:].T for side in (straight, mirror))
        best = np.maximum(plain, flipped)
        a, b = np.nonzero(np.triu(best >= threshold, 1))
        rows.append(a + start)
        columns.append(b + start)
        values.append(best[a, b])
        flips.append(flipped[a, b] > plain[a, b])
    flat = np.flatnonzero(~straight.any(1) & (same < np.arange(len(pixels))))
    a, b = np.concatenate([*rows, same[flat]]).astype(np.int64), np.concatenate([*columns, flat]).astype(np.int64)
    mirrored = np.concatenate([*flips, np.zeros(len(flat), bool)])
    return Copies(
        pairs=np.stack([a, b], 1),
        correlation=np.concatenate([*values, np.ones(len(flat))]).astype(np.float32),
        mirrored=mirrored,
        exact=np.where(mirrored, turned[a] == same[b], same[a] == same[b]),
    )


def connected(n: int, pairs: np.ndarray) -> np.ndarray:
    """The group (n,) of each row: rows that a chain of pairs (m, 2) connects have the number of the first of them."""
    parent = np.arange(n)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(i) for i in range(n)], np.int64)


def same_person(persons: np.ndarray) -> np.ndarray:
    """(m, 2) pairs that connect all rows of each named person of (n,) texts."""
    _, first, which = np.unique(persons, return_index=True, return_inverse=True)
    rows = np.flatnonzero(persons != "")
    return np.stack([first[which[rows]], rows], 1)


def folds(groups: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Divides whole groups into k folds of (nearly) equal size; the seed decides the order.

    Returns:
        (n,) int64 in [0, k).

    Raises:
        Trouble: there are fewer groups than folds.
    """
    names, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < k:
        raise Trouble(f"only {len(names)} pictures differ enough to be told apart: too few for {k} folds, choose fewer with --folds")
    order = np.random.default_rng(seed).permutation(len(names))
    fold, filled = np.zeros(len(names), np.int64), np.zeros(k, np.int64)
    # The large groups first, each into the smallest fold: the small groups then make the sizes equal.
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return fold[which]


def person_folds(alike: Copies, persons: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Divides n faces into k folds. Pictures that are alike share a fold, and so do those of one person: a network could recognise them.

    Args:
        alike: pairs among the n pictures.
        persons: (n,) text, "" where it is unknown.

    Returns:
        (n,) int64 in [0, k).

    Raises:
        Trouble: there are too few different pictures for k folds.
    """
    return folds(connected(len(persons), np.concatenate([alike.pairs, same_person(persons)])), k, seed)
