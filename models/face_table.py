"""The table that every data set is read into: one row a face, with its crop, votes and label; and what votes mean as labels and targets."""

import hashlib
from dataclasses import dataclass

import numpy as np

from realtime.values import LABELS

VOTED = (*LABELS, "contempt", "unknown", "not_face")
"""What an annotator of FER+ could choose, in the order of the columns of `FaceTable.votes`."""


@dataclass(frozen=True)
class FaceTable:
    """A table of faces, one row each.

    Attributes:
        names: (n,) picture names.
        pixels: (n, 48, 48) uint8 gray.
        votes: (n, 10) float32, how many annotators chose each of `VOTED`; all zero where there are no votes.
        labels: (n,) int64, the original single label as an index into `LABELS`; -1 where it is unknown or contempt.
        near_copy_in: (n,) text, the test splits that hold (nearly) the same picture; empty where none does or it was not searched.
        persons: (n,) text, who is shown; empty where that is unknown.
        splits: (n,) text: "train", "public_test", "private_test", "test" or a split folder's name; empty where there is no split.
        framed: (n,) bool, whether the crop was cut by the camera's chain (detector, points, sampling) and not by somebody else.
    """

    names: np.ndarray
    pixels: np.ndarray
    votes: np.ndarray
    labels: np.ndarray
    near_copy_in: np.ndarray
    persons: np.ndarray
    splits: np.ndarray
    framed: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def where(self, mask: np.ndarray) -> "FaceTable":
        """The rows that a boolean mask (n,) or an index array picks."""
        return FaceTable(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class PosedFaces:
    """Faces of people who were asked for an expression, and what their rows are grouped by.

    Attributes:
        faces: the n faces that were found, without votes and splits.
        sets: (n,) text, the data set that a face is of: "london" or "cmu".
        poses: (n,) text, where the head points: "straight", "left", "right" or "up".
        eyes: (n,) text: "open" or "sunglasses".
        sexes: (n,) text, as the data set says; empty where it does not.
        ethnicities: (n,) text, as the data set says; empty where it does not.
        searched: how many pictures of each set and pose were searched for a face, by "SET, POSE".
    """

    faces: FaceTable
    sets: np.ndarray
    poses: np.ndarray
    eyes: np.ndarray
    sexes: np.ndarray
    ethnicities: np.ndarray
    searched: dict[str, int]


def without_votes(names: list[str], pixels: list[np.ndarray], labels: list[int], splits: list[str]) -> FaceTable:
    """A table of at least one row without votes, near copies and persons."""
    n = len(names)
    empty = np.full(n, "")
    return FaceTable(
        names=np.array(names),
        pixels=np.stack(pixels),
        votes=np.zeros((n, len(VOTED)), np.float32),
        labels=np.array(labels, np.int64),
        near_copy_in=empty,
        persons=empty,
        splits=np.array(splits),
        framed=np.zeros(n, bool),
    )


def joined_tables(parts: list[FaceTable]) -> FaceTable:
    """The rows of several tables in one."""
    return FaceTable(*(np.concatenate([getattr(part, name) for part in parts]) for name in FaceTable.__dataclass_fields__))


def held_out(persons: np.ndarray) -> np.ndarray:
    """(n,) bool: every third person (n,) of faces_wild is only measured on, never learned from."""
    return np.array([is_held_out(person) for person in persons])


def is_held_out(person: str) -> bool:
    """The same of one person."""
    return int(person) % 3 == 0


def without_single_votes(votes: np.ndarray) -> np.ndarray:
    """Votes (n, 10) with every single vote set to 0: FER+ (Barsoum et al. 2016) counts a class that one annotator chose as an outlier."""
    return np.where(votes > 1, votes, 0).astype(np.float32)


def majority(votes: np.ndarray) -> np.ndarray:
    """The label of each face by the rule of the FER+ paper: single votes dropped, the top class must hold more than half of the rest.

    Returns:
        (n,) int64: an index into `LABELS`, or -1 where no class has the majority or the winner is contempt, unknown or not a face.
    """
    votes = without_single_votes(votes)
    winner = votes.argmax(axis=1)
    clear = votes.max(axis=1) > 0.5 * votes.sum(axis=1)
    return np.where(clear & (winner < len(LABELS)), winner, -1)


def targets(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network learns from votes (n, 10): a distribution over the seven expressions and reject, and how much to trust it.

    Reject is "not a face". Votes for contempt and unknown name none of the seven: they are left out and lower the weight.

    Returns:
        (n, 8) float32 rows that sum to 1, and (n,) float32 weights in [0, 1]; rows of weight 0 are all zero.
    """
    votes = without_single_votes(votes)
    usable = np.concatenate([votes[:, : len(LABELS)], votes[:, [VOTED.index("not_face")]]], axis=1)
    total = usable.sum(axis=1)
    return usable / np.maximum(total, 1)[:, None], total / np.maximum(votes.sum(axis=1), 1)


def mark(*parts: object) -> str:
    """A short name for data and settings: other arrays or values have another name."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return digest.hexdigest()[:12]
