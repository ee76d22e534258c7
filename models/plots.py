"""Plots of training and of scores, as PNG files."""

import json
from pathlib import Path

import matplotlib
import numpy as np

from models.scores import reliability, weights_of
from realtime.config import PRIOR_OF_USE
from realtime.values import LABELS

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def save_confusion(counts: np.ndarray, title: str, path: Path) -> None:
    """Draws a confusion matrix: the share of each true label (rows) by answer (columns), with the counts (7, 7) as text."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
    picture = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        colour = "black" if share > 0.55 else "white"
        axes.text(column, row, f"{share:.0%}\n{counts[row, column]}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(LABELS)), LABELS, rotation=35, ha="right")
    axes.set_yticks(range(len(LABELS)), [f"{name} ({n})" for name, n in zip(LABELS, counts.sum(1), strict=True)])
    axes.set(xlabel="answer", ylabel="true label (faces)", title=title)
    figure.colorbar(picture, label="share of the true label", shrink=0.8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_reliability(curves: dict[str, np.ndarray], truth: np.ndarray, title: str, path: Path) -> None:
    """Draws how often answers of each confidence are right, under the prior of use. On the diagonal, probabilities equal these shares.

    `curves` maps a name to probabilities (n, 7) of the same faces.
    """
    figure, (axes, below) = plt.subplots(2, 1, figsize=(5.6, 6.4), height_ratios=(3, 1), sharex=True, layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="as often as it says")
    for (name, probs), colour, marker in zip(curves.items(), ("#D55E00", "#0072B2"), "so", strict=False):
        n, confidence, right = reliability(probs, truth, weights=weights_of(PRIOR_OF_USE, truth))
        some = n > 0
        error = np.abs(confidence - right).sum() / n.sum()
        axes.plot(confidence[some] / n[some], right[some] / n[some], marker=marker, color=colour, label=f"{name} (ECE {error:.3f})")
        below.step(np.linspace(0, 1, len(n) + 1)[1:], n, where="pre", color=colour)
    axes.set(ylabel="share that is right", title=title, xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    below.set(xlabel="highest probability", ylabel="faces, weighted")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_curves(log: Path, path: Path) -> None:
    """Draws loss and test accuracy by epoch, from a `log.jsonl` of `models.training.fit`."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    axes.plot([line["epoch"] for line in lines], [line["loss"] for line in lines], color="#0072B2")
    axes.set(xlabel="epoch", ylabel="training loss")
    right = axes.twinx()
    for key, colour, name in (("ferplus7", "#D55E00", "FER+ majority"), ("fer2013", "#CC79A7", "FER2013 label")):
        tested = [line for line in lines if key in line]
        right.plot([line["epoch"] for line in tested], [line[key] for line in tested], marker="o", color=colour, label=name)
    right.set(ylabel="right on the public test", ylim=(0.4, 1))
    right.legend(loc="lower center")
    figure.savefig(path, dpi=110)
    plt.close(figure)
