"""Scores of answers against labels: accuracy, intervals, F1, calibration error. Pure functions."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.face_table import FaceTable, PosedFaces, majority
from realtime.base.errors import Trouble
from realtime.config import PRIOR_OF_USE
from realtime.values import LABELS

WILD_LABELS = ("happiness", "neutral", "surprise", "anger", "sadness")
"""The classes of faces_wild that have enough photos to be scored."""

POSED_LABELS = ("anger", "happiness", "sadness", "neutral")
"""The expressions that people were asked for in posed faces."""


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which unlike the normal interval holds for small n and for shares near 0 or 1."""
    z = 1.96
    centre, spread = (right + z * z / 2) / (n + z * z), z / (n + z * z) * math.sqrt(right * (n - right) / n + z * z / 4)
    # Rounding can put the ends a hair outside.
    return max(0.0, centre - spread), min(1.0, centre + spread)


def confusion(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """(7, 7) counts: rows are the true label, columns the answer."""
    counts = np.zeros((len(LABELS), len(LABELS)), np.int64)
    np.add.at(counts, (truth, answer), 1)
    return counts


def f1(counts: np.ndarray) -> np.ndarray:
    """(7,) F1 of each class from a confusion matrix; 0 for a class that neither occurs nor is answered."""
    return 2 * np.diag(counts) / np.maximum(counts.sum(0) + counts.sum(1), 1)


def reliability(
    probs: np.ndarray, truth: np.ndarray, bins: int = 15, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """In equal-width bins of the highest probability, (bins,) each: number of answers, sum of their probabilities, right answers.

    `weights` (n,) say how much each row counts; None for once each.
    """
    confidence, right = probs.max(1), probs.argmax(1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.ones(len(truth)) if weights is None else weights
    return np.bincount(which, counts, bins), np.bincount(which, counts * confidence, bins), np.bincount(which, counts * right, bins)


def weights_of(prior: Sequence[float], truth: np.ndarray) -> np.ndarray:
    """Weights (n,) with mean 1 of rows with true labels (n,): with them the labels are as frequent as the prior (7,) says.

    Labels that do not occur are left out of the prior.
    """
    counts = np.bincount(truth, minlength=len(LABELS))
    weights = (np.array(prior) / np.maximum(counts, 1))[truth]
    return weights / weights.mean()


def calibration_error(probs: np.ndarray, truth: np.ndarray, bins: int = 15, weights: np.ndarray | None = None) -> float:
    """Expected calibration error (Guo et al. 2017): mean distance between confidence and accuracy over equal-width bins.

    `weights` (n,) of the rows; None for the same weight for all.
    """
    counts, confidence, right = reliability(probs, truth, bins, weights)
    return float(np.abs(confidence - right).sum() / counts.sum())


def scores(probs: np.ndarray, truth: np.ndarray, prior: Sequence[float] = PRIOR_OF_USE) -> dict[str, Any]:
    """Accuracy with n and interval, macro-F1, mean recall, recall and count of each class, confusion and calibration error.

    The calibration error is under `prior` (7,), as the probabilities are.

    Args:
        probs: (n, 7), n at least 1.
        truth: (n,) indices of the true labels. Macro-F1 and mean recall are over those that occur.
    """
    counts = confusion(truth, probs.argmax(1))
    right, n = int(np.trace(counts)), len(truth)
    return {
        "n": n,
        "accuracy": round(right / n, 4),
        "interval95": [round(v, 4) for v in wilson(right, n)],
        "macro_f1": round(float(f1(counts)[counts.sum(1) > 0].mean()), 4),
        "mean_recall": round(float((np.diag(counts) / np.maximum(counts.sum(1), 1))[counts.sum(1) > 0].mean()), 4),
        "recall": {name: round(counts[i, i] / max(counts[i].sum(), 1), 3) for i, name in enumerate(LABELS)},
        "count": {name: int(counts[i].sum()) for i, name in enumerate(LABELS)},
        "ece": round(calibration_error(probs, truth, weights=weights_of(prior, truth)), 4),
        "confusion": counts.tolist(),
    }


def plain_label(votes: np.ndarray) -> np.ndarray:
    """The expression with the most votes (n,), however few; -1 where two share the first place or no expression has a vote."""
    seven = votes[:, : len(LABELS)]
    top = seven.max(1)
    single = (seven == top[:, None]).sum(1) == 1
    return np.where(single & (top > 0), seven.argmax(1), -1)


def scores_by_truth(probs: np.ndarray, truths: dict[str, np.ndarray]) -> dict[str, Any]:
    """`scores` by each of several truths (n,), over the rows that it labels (0 or above); a truth without any label is left out."""
    return {name: scores(probs[truth >= 0], truth[truth >= 0]) for name, truth in truths.items() if (truth >= 0).any()}


def score_rows(probs: np.ndarray, faces: FaceTable) -> dict[str, Any]:
    """Scores by FER+ majority over all rows ("official") and over those without a near copy in another split ("leak_free").

    `probs` (n, 7) are a model's answers for these faces.
    """
    truth = majority(faces.votes)
    return scores_by_truth(probs, {"official": truth, "leak_free": np.where(faces.near_copy_in == "", truth, -1)})


def score_splits(probs: np.ndarray, faces: FaceTable) -> dict[str, Any]:
    """Scores of each split of any data set: by FER+ majority where there are votes, and by its own labels where there are any.

    Raises:
        Trouble: no face has one of the seven labels.
    """
    truths = {}
    for split in np.unique(faces.splits).tolist():
        here = faces.splits == split
        for name, truth in (("majority", majority(faces.votes)), ("its own labels", faces.labels)):
            truths[", ".join(filter(None, (split, name)))] = np.where(here, truth, -1)
    by_truth = scores_by_truth(probs, truths)
    if not by_truth:
        raise Trouble(f"none of the {len(faces)} faces has one of the labels {', '.join(LABELS)}: nothing to score")
    return by_truth


def auroc(faces: np.ndarray, others: np.ndarray) -> float:
    """How often a random picture of `others` (n,) scores higher than a random face (m,); ties count half (Mann-Whitney)."""
    ordered = np.sort(faces)
    below = np.searchsorted(ordered, others, "left") + np.searchsorted(ordered, others, "right")
    return float(below.mean() / (2 * len(faces)))


def reject_scores(faces: np.ndarray, others: dict[str, np.ndarray], lost_share: float = 0.02) -> dict[str, Any]:
    """How well the reject probability separates other pictures from faces.

    Args:
        faces: (m,) reject probabilities of real faces.
        others: of each kind of other picture, (n,) reject probabilities.
        lost_share: share of the faces that lie above the threshold at which `caught` is counted.
    """
    threshold = float(np.quantile(faces, 1 - lost_share))
    kinds = {
        kind: {"n": len(values), "auroc": round(auroc(faces, values), 4), "caught": round(float((values > threshold).mean()), 4)}
        for kind, values in others.items()
    }
    return {"faces": len(faces), "threshold_at_2_percent_lost": round(threshold, 4), "kinds": kinds}


def wild_scores(probs: np.ndarray, photos: FaceTable) -> dict[str, Any]:
    """Accuracy, macro-F1 over `WILD_LABELS` and neutral recall over the photos of these classes."""
    picked = [LABELS.index(name) for name in WILD_LABELS]
    rows = np.isin(photos.labels, picked)
    all_seven = scores(probs[rows], photos.labels[rows])
    return all_seven | {"macro_f1": round(float(f1(np.array(all_seven["confusion"]))[picked].mean()), 4)}


def share(right: np.ndarray) -> dict[str, Any]:
    """How many of n answers are right, from (n,) bool, with the 95 % interval of `wilson`; None as the interval of no answer."""
    n, count = len(right), int(right.sum())
    return {"n": n, "right": count, "interval95": [round(v, 4) for v in wilson(count, n)] if n else None}


def posed_scores(probs: np.ndarray, posed: PosedFaces) -> dict[str, Any]:
    """Scores of posed faces: what was found, the faces that look straight, and London's people by sex and ethnicity.

    `expressions` has the share recognised of each of `POSED_LABELS` among the faces that look straight, with sunglasses and without, and
    among those of them without. Happiness is there that of London's smiles alone; `straight` has the other smiles too. The intervals of
    `london` count pictures: where smiles and neutral faces are together, most people count twice.

    Args:
        probs: (n, 7), the answers for these faces.
        posed: n faces.

    Raises:
        Trouble: no face looks straight.
    """
    labels, straight = posed.faces.labels, posed.poses == "straight"
    if not straight.any():
        raise Trouble(f"none of the {len(labels)} posed faces that were found looks straight: nothing to score")
    right, of_london = probs.argmax(1) == labels, posed.sets == "london"
    targets = {name: labels == LABELS.index(name) for name in POSED_LABELS}
    counted = targets | {"happiness": targets["happiness"] & of_london}
    found = Counter(f"{where}, {pose}" for where, pose in zip(posed.sets, posed.poses, strict=True))
    looks = {"straight": straight, "straight, open eyes": straight & (posed.eyes == "open")}
    groups = {"all": {"all": of_london}} | {
        kind: {group: of_london & (values == group) for group in np.unique(values[of_london]).tolist()}
        for kind, values in (("sex", posed.sexes), ("ethnicity", posed.ethnicities))
    }
    columns = {"both": targets["happiness"] | targets["neutral"], "happiness": targets["happiness"], "neutral": targets["neutral"]}
    return {
        "searched": posed.searched,
        "found": {name: found[name] for name in posed.searched},
        "expressions": {look: {name: share(right[rows & here]) for name, rows in counted.items()} for look, here in looks.items()},
        "straight": scores(probs[straight], labels[straight]),
        "london": {
            kind: {
                group: {"people": len(np.unique(posed.faces.persons[here]))}
                | {name: share(right[here & rows]) for name, rows in columns.items()}
                for group, here in rows_of.items()
            }
            for kind, rows_of in groups.items()
        },
    }


def posed_as_text(name: str, part: dict[str, Any]) -> str:
    """What `posed_scores` gives, as text for people."""
    searched, found = part["searched"], part["found"]
    missed = ", ".join(f"{n - found[which]} of {n} ({which})" for which, n in searched.items() if n > found[which])
    lines = [
        f"a face was found in {sum(found.values())} of {sum(searched.values())} pictures" + (f", but not in {missed}" if missed else "")
    ]
    for look, shares in part["expressions"].items():
        recognised = ", ".join(f"{label} {each['right']} of {each['n']}" for label, each in shares.items())
        lines.append(f"{look} (happiness: London's smiles): {recognised}")
    lines.append(as_text(f"{name}, all that look straight", part["straight"]))
    lines.append(f"{'London: right of n, 95 % interval':<36}{'people':>6}{'smiles and neutral':>29}{'smiles':>29}{'neutral':>29}")
    for kind, groups in part["london"].items():
        for group, row in groups.items():
            title = f"{kind}: {group or 'not said'}" if kind != "all" else "all"
            cells = "".join(f"{share_as_text(row[which]):>29}" for which in ("both", "happiness", "neutral"))
            lines.append(f"{title:<36}{row['people']:>6}{cells}")
    return "\n".join(lines)


def share_as_text(part: dict[str, Any]) -> str:
    """What `share` gives, as "37 of 65 (44.8% to 68.2%)"."""
    interval = part["interval95"]
    return f"{part['right']} of {part['n']}" + (f" ({interval[0]:.1%} to {interval[1]:.1%})" if interval else "")


def as_text(name: str, part: dict[str, Any]) -> str:
    """What `scores` gives, as text for people."""
    low, high = part["interval95"]
    head = f"{name}: {part['accuracy']:.1%} right (95 % interval {low:.1%} to {high:.1%}, n = {part['n']})"
    lines = [
        f"{head}, macro-F1 {part['macro_f1']:.3f}, mean recall {part['mean_recall']:.3f}, ECE {part['ece']:.3f}",
        f"{'true / answer':>14}" + "".join(f"{c:>11}" for c in LABELS),
    ]
    lines += [f"{c:>14}" + "".join(f"{v:>11}" for v in row) for c, row in zip(LABELS, part["confusion"], strict=True)]
    return "\n".join(lines)
