"""Scores a model file on a FER2013 split with FER+ votes.

    python -m models.evaluate --model models/emotion.tflite --fer2013 DIR --split public_test --json scores.json

Only faces with a clear FER+ majority count (`models.datasets.majority`: the FER+ paper's rule), over the seven expressions.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from models.datasets import Faces, chip_from_crop, load_fer2013, majority
from realtime.classifier import EmotionClassifier
from realtime.values import LABELS


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): holds its level for small n and shares near 0 or 1, unlike the normal one."""
    z = 1.96
    centre, spread = (right + z * z / 2) / (n + z * z), z / (n + z * z) * math.sqrt(right * (n - right) / n + z * z / 4)
    return centre - spread, centre + spread


def confusion(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """(7, 7) counts: rows are the true label, columns the answer."""
    counts = np.zeros((len(LABELS), len(LABELS)), np.int64)
    np.add.at(counts, (truth, answer), 1)
    return counts


def calibration_error(probs: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017): mean distance between confidence and accuracy over equal-width bins."""
    sure, right = probs.max(1), probs.argmax(1) == truth
    which = np.minimum((sure * bins).astype(int), bins - 1)
    return float(sum(abs(sure[which == b].sum() - right[which == b].sum()) for b in range(bins)) / len(truth))


def scores(probs: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Accuracy with n and interval, macro-F1, recall and count of each class, confusion and calibration error.

    Args:
        probs: (n, 7).
        truth: (n,) indices of the true labels.
    """
    counts = confusion(truth, probs.argmax(1))
    right, n = int(np.trace(counts)), len(truth)
    f1 = 2 * np.diag(counts) / np.maximum(counts.sum(0) + counts.sum(1), 1)
    return {
        "n": n,
        "accuracy": round(right / n, 4),
        "interval95": [round(v, 4) for v in wilson(right, n)],
        "macro_f1": round(float(f1.mean()), 4),
        "recall": {name: round(counts[i, i] / max(counts[i].sum(), 1), 3) for i, name in enumerate(LABELS)},
        "count": {name: int(counts[i].sum()) for i, name in enumerate(LABELS)},
        "ece": round(calibration_error(probs, truth), 4),
        "confusion": counts.tolist(),
    }


def chips_of(faces: Faces) -> np.ndarray:
    """(n, 64, 64) uint8 chips of a table of faces."""
    return np.stack([chip_from_crop(face) for face in faces.pixels])


def score_rows(probs: np.ndarray, faces: Faces) -> dict[str, Any]:
    """Scores over all rows with a clear majority ("official") and over those without a near copy elsewhere ("leak_free").

    `probs` (n, 7) are a model's answers for these faces.
    """
    truth = majority(faces.votes)
    alone = faces.near_copy_in == ""
    return {
        "official": scores(probs[truth >= 0], truth[truth >= 0]),
        "leak_free": scores(probs[alone & (truth >= 0)], truth[alone & (truth >= 0)]),
    }


def as_text(name: str, made: dict[str, Any]) -> str:
    """Scores for people."""
    low, high = made["interval95"]
    head = f"{name}: {made['accuracy']:.1%} right (95 % interval {low:.1%} to {high:.1%}, n = {made['n']})"
    lines = [
        f"{head}, macro-F1 {made['macro_f1']:.3f}, ECE {made['ece']:.3f}",
        f"{'true / answer':>14}" + "".join(f"{c:>11}" for c in LABELS),
    ]
    lines += [f"{c:>14}" + "".join(f"{v:>11}" for v in row) for c, row in zip(LABELS, made["confusion"], strict=True)]
    return "\n".join(lines)


def main(
    model: Annotated[Path, typer.Option(help="The .tflite file.")],
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    split: Annotated[str, typer.Option(help="train, public_test or private_test.")] = "public_test",
    out: Annotated[Path | None, typer.Option("--json", help="Write the scores to this file.")] = None,
) -> None:
    """Scores a model file on one split."""
    faces = load_fer2013(fer2013, split)
    made = score_rows(EmotionClassifier(model).probabilities(chips_of(faces)), faces)
    for name, part in made.items():
        print(as_text(f"{model.name} on {split}, {name} rows", part))
    if out is not None:
        out.write_text(json.dumps({"model": model.name, "split": split, **made}, indent=1) + "\n")
        print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
