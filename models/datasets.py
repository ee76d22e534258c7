"""Reads labelled faces into one table: pixels, votes, original label, split.

FER2013 with FER+ votes comes as mosaics of 48x48 tiles (one PNG a split) and a `labels.csv` with one row a tile.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime.align import CROP, enlarge, sample, similarity
from realtime.values import LABELS

VOTED = (*LABELS, "contempt", "unknown", "not_face")
COLUMNS = {"train": 170, "public_test": 60, "private_test": 60}


class DatasetError(Exception):
    """A dataset on disk is not what it should be; the message says which file, what was expected and what to do."""


@dataclass(frozen=True)
class Faces:
    """A table of faces, one row each.

    Attributes:
        names: (n,) picture names.
        pixels: (n, 48, 48) uint8 gray.
        votes: (n, 10) float32, how many annotators chose each of `VOTED`.
        labels: (n,) int64, the original single label as an index into `LABELS`.
        near_copy_in: (n,) text, the test splits that hold (nearly) the same picture; empty where none does.
        persons: (n,) text, who is shown; empty where nobody knows.
    """

    names: np.ndarray
    pixels: np.ndarray
    votes: np.ndarray
    labels: np.ndarray
    near_copy_in: np.ndarray
    persons: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def where(self, mask: np.ndarray) -> "Faces":
        """The rows that a boolean mask (n,) or an index array picks."""
        return Faces(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def load_fer2013(folder: Path, split: str) -> Faces:
    """Reads one split ("train", "public_test" or "private_test") of the FER2013 mosaics with FER+ votes.

    Raises:
        DatasetError: a file is missing or does not fit the others.
    """
    if split not in COLUMNS:
        raise DatasetError(f"no split called {split!r} in FER2013: it has {', '.join(COLUMNS)}")
    table, picture = Path(folder) / "labels.csv", Path(folder) / f"{split}.png"
    for path in (table, picture):
        if not path.is_file():
            raise DatasetError(f"{path} is missing: a FER2013 folder holds labels.csv and one mosaic a split, such as {split}.png")
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    if not rows:
        raise DatasetError(f"{table} has no row of the split {split!r}")
    mosaic = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    if mosaic is None:
        raise DatasetError(f"{picture} is not a picture that OpenCV can read")
    tiles = np.array([int(row["tile"]) for row in rows])
    top, left = CROP * (tiles // COLUMNS[split]), CROP * (tiles % COLUMNS[split])
    if top.max() + CROP > mosaic.shape[0] or left.max() + CROP > mosaic.shape[1]:
        raise DatasetError(f"{picture} is {mosaic.shape[1]}x{mosaic.shape[0]}, too small for tile {tiles.max()} of {table}")
    unknown = sorted({row["fer2013_label"] for row in rows} - set(LABELS))
    if unknown:
        raise DatasetError(f"{table} has the label {unknown[0]!r}: expected one of {', '.join(LABELS)}")
    return Faces(
        names=np.array([row["name"] for row in rows]),
        pixels=np.stack([mosaic[y : y + CROP, x : x + CROP] for y, x in zip(top, left, strict=True)]),
        votes=np.array([[int(row[f"votes_{name}"]) for name in VOTED] for row in rows], np.float32),
        labels=np.array([LABELS.index(row["fer2013_label"]) for row in rows]),
        near_copy_in=np.array([row["near_copy_in"] for row in rows]),
        persons=np.full(len(rows), ""),
    )


def without_single_votes(votes: np.ndarray) -> np.ndarray:
    """FER+ (Barsoum et al. 2016) counts a class that one annotator alone chose as an outlier: such votes become 0."""
    return np.where(votes > 1, votes, 0).astype(np.float32)


def majority(votes: np.ndarray) -> np.ndarray:
    """The FER+ paper's label of each face: single votes dropped, the top class must hold more than half of what remains.

    Returns:
        (n,) int64: an index into `LABELS`, or -1 where no class has the majority or the winner is contempt, unknown or not a face.
    """
    kept = without_single_votes(votes)
    winner = kept.argmax(axis=1)
    clear = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    return np.where(clear & (winner < len(LABELS)), winner, -1)


def targets(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network learns from the votes: a distribution over the seven expressions and reject, and how much to trust it.

    Reject is "not a face". Votes for contempt and unknown name none of the seven: they are left out and lower the weight.

    Returns:
        (n, 8) float32 rows that sum to 1, and (n,) float32 weights in [0, 1]; rows of weight 0 are all zero.
    """
    kept = without_single_votes(votes)
    learned = np.concatenate([kept[:, : len(LABELS)], kept[:, [VOTED.index("not_face")]]], axis=1)
    total = learned.sum(axis=1)
    return learned / np.maximum(total, 1)[:, None], total / np.maximum(kept.sum(axis=1), 1)


def chip_from_crop(face48: np.ndarray) -> np.ndarray:
    """One (48, 48) uint8 dataset crop as the (64, 64) uint8 chip that the model expects."""
    return enlarge(face48)


def load_wild(folder: Path) -> Faces:
    """Reads `labels.csv` (image, person, label) and cuts each photo's most central face out as a camera's would be.

    The real detector, points and sampling do it; photos in which no face is found are left out. There are no votes: `votes` is zero.
    """
    from realtime.config import DetectorSettings
    from realtime.detector import Detector
    from realtime.landmarks import PointPredictor, predictor_path

    table = Path(folder) / "labels.csv"
    if not table.is_file():
        raise DatasetError(f"{table} is missing: expected one line a photo, image,person,label")
    detector, predictor = Detector(DetectorSettings(short_side=10_000)), PointPredictor(predictor_path())
    rows, crops = [], []
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            gray = cv2.imread(str(Path(folder) / row["image"]), cv2.IMREAD_GRAYSCALE)
            if gray is None:
                raise DatasetError(f"{Path(folder) / row['image']} is named in {table} but is not a picture that OpenCV can read")
            if row["label"] not in LABELS:
                raise DatasetError(f"{table} has the label {row['label']!r}: expected one of {', '.join(LABELS)}")
            middle = np.array(gray.shape[::-1]) / 2
            boxes = sorted(detector.find(gray), key=lambda box: np.abs(np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2 - middle).sum())
            if boxes:
                rows.append(row)
                crops.append(sample(gray, similarity(predictor.points(gray, boxes[0]))))
    return Faces(
        names=np.array([row["image"] for row in rows]),
        pixels=np.stack(crops),
        votes=np.zeros((len(rows), len(VOTED)), np.float32),
        labels=np.array([LABELS.index(row["label"]) for row in rows]),
        near_copy_in=np.full(len(rows), ""),
        persons=np.array([row["person"] for row in rows]),
    )
