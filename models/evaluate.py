"""Scores a model file: FER2013 by FER+ votes, other labelled faces, photos and posed faces through the real chain, the reject output.

python -m models.evaluate --model models/emotion.tflite --fer2013 DIR --split public_test --json scores.json --plots DIR
python -m models.evaluate --model models/emotion.tflite --wild DIR
python -m models.evaluate --model models/emotion.tflite --posed DIR
python -m models.evaluate --model models/emotion.tflite --data DIR
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from models.card import write_card
from models.chips import chips_of
from models.cli import one_line
from models.datasets import load, load_fer2013, load_posed, load_wild
from models.face_table import FaceTable, held_out, majority
from models.framing import framed_chip
from models.negatives import UNSEEN, false_alarms, unseen
from models.scores import (
    as_text,
    calibration_error,
    plain_label,
    posed_as_text,
    posed_scores,
    reject_scores,
    score_rows,
    score_splits,
    scores_by_truth,
    weights_of,
    wild_scores,
    wilson,
)
from realtime.base.errors import Trouble
from realtime.config import PRIOR_OF_USE
from realtime.expression.classifier import EmotionClassifier, softmax
from realtime.faces.align import enlarge


def on_fer2013(model: EmotionClassifier, faces: FaceTable, chips: np.ndarray, weights: Path | None, plots: Path | None) -> dict[str, Any]:
    """All scores of a model on one split of FER2013; prints them as well.

    Args:
        model: the model file.
        faces: the rows of the split.
        chips: their chips (n, 64, 64) uint8.
        weights: the float weights that the model was made from, to compare with.
        plots: a folder for plots.

    Raises:
        Trouble: no row has a majority of its votes for one of the seven expressions.
    """
    split, truth = faces.splits[0], majority(faces.votes)
    raw = model.logits(chips)[0]
    probs, reject = model.calibrated(raw)
    if not (truth >= 0).any():
        raise Trouble(f"no face of the split {split} has a majority of its votes for one of the seven: nothing to score")
    plain = plain_label(faces.votes)
    results = score_rows(probs, faces) | scores_by_truth(probs, {"plain_rule": plain, "original_labels": faces.labels})
    for name, part in results.items():
        print(as_text(f"{model.path.name} on {split}, {name.replace('_', ' ')}", part))
    perfect = float((faces.labels == plain).mean())
    print(f"original labels: always the annotators' choice would be {perfect:.1%} right")
    results["annotators_on_original_labels"] = round(perfect, 4)
    results["ece_before_calibration"] = round(
        calibration_error(softmax(raw[truth >= 0, :-1]), truth[truth >= 0], weights=weights_of(PRIOR_OF_USE, truth[truth >= 0])), 4
    )
    print(f"ECE before temperature and bias {results['ece_before_calibration']:.3f}, after {results['official']['ece']:.3f}")

    negatives = unseen(faces.pixels, np.random.default_rng(0))
    rejects = {kind: model.read(np.stack([framed_chip(picture) for picture in negatives[kind]])).reject for kind in UNSEEN}
    results["reject"] = reject_scores(reject[truth >= 0], rejects)
    print_reject(results["reject"])
    if weights is not None:
        results["float"] = against_float(raw, weights, chips, faces)
    if plots is not None:
        title = f"{model.path.stem}, {split}, n = {results['official']['n']}"
        curves = {"before": softmax(raw[truth >= 0, :-1]), "after": probs[truth >= 0]}
        save_plots(plots, model.path.stem, title, np.array(results["official"]["confusion"]), curves, truth[truth >= 0])
    return results


def save_plots(folder: Path, name: str, title: str, counts: np.ndarray, curves: dict[str, np.ndarray], truth: np.ndarray) -> None:
    """Writes the confusion matrix and the reliability curves of a model into a folder; needs matplotlib."""
    from models.plots import save_confusion, save_reliability

    folder.mkdir(parents=True, exist_ok=True)
    save_confusion(counts, title, folder / f"{name}-confusion.png")
    save_reliability(curves, truth, title, folder / f"{name}-reliability.png")
    print(f"wrote {folder}/{name}-confusion.png and -reliability.png")


def print_reject(scores: dict[str, Any]) -> None:
    """Prints what `reject_scores` gives, one line a kind of picture."""
    print(f"reject, at a threshold that loses 2 % of {scores['faces']} faces:")
    for kind, part in scores["kinds"].items():
        print(f"  {kind}: {part['caught']:.1%} caught, AUROC {part['auroc']:.3f} (n = {part['n']})")


def against_float(raw: np.ndarray, weights: Path, chips: np.ndarray, faces: FaceTable) -> dict[str, Any]:
    """Compares int8 logits `raw` (n, 8) with those of the float network in `weights`, and scores its extra head; needs torch."""
    import torch

    from models.checkpoint import load_trained
    from models.network import logits_of

    plain, original = logits_of(load_trained(weights), chips, torch.device("cpu"))
    truth = majority(faces.votes)
    labelled = truth >= 0
    int8, exact = raw[labelled, :-1].argmax(1), plain[labelled, :-1].argmax(1)
    right = int((original.argmax(1) == faces.labels).sum())
    results = {
        "accuracy": round(float((exact == truth[labelled]).mean()), 4),
        "int8_accuracy": round(float((int8 == truth[labelled]).mean()), 4),
        "same_answer": round(float((int8 == exact).mean()), 4),
        "original_labels_extra_head": {"n": len(faces), "accuracy": round(right / len(faces), 4)},
    }
    low, high = wilson(right, len(faces))
    print(f"float: {results['accuracy']:.1%} right, int8 {results['int8_accuracy']:.1%}, same answer {results['same_answer']:.1%}")
    print(f"original labels by the extra head, float: {right / len(faces):.1%} ({low:.1%} to {high:.1%}, n = {len(faces)})")
    return results


def on_wild(model: EmotionClassifier, folder: Path) -> dict[str, Any]:
    """Scores on the photos of faces_wild, which pass detector, points and alignment: all, and those of people never learned from."""
    photos = load_wild(folder)
    probs = model.probabilities(chips_of(photos))
    new = held_out(photos.persons)
    results: dict[str, Any] = {
        "found": len(photos),
        "all": wild_scores(probs, photos),
        "never_learned_from": wild_scores(probs[new], photos.where(new)),
    }
    for name in ("all", "never_learned_from"):
        print(as_text(f"{model.path.name} on {folder.name}, {name.replace('_', ' ')}, five classes", results[name]))
        print(f"neutral recall {results[name]['recall']['neutral']:.1%}")
    return results


def on_posed(model: EmotionClassifier, folder: Path) -> dict[str, Any]:
    """Scores on posed faces, which pass detector, points and alignment; prints them as well."""
    posed = load_posed(folder)
    results = posed_scores(model.probabilities(chips_of(posed.faces)), posed)
    print(posed_as_text(f"{model.path.name} on {folder.name}", results))
    return results


def update_card(path: Path, data: str, results: dict[str, Any]) -> None:
    """Writes the scores of some data into a model's card. Those of the float weights stay as they are if `results` has none."""
    card = json.loads(path.read_text())
    scores = card.setdefault("scores", {})
    older = scores.get(data, {})
    scores[data] = ({"float": older["float"]} if "float" in older else {}) | results
    write_card(path, card)
    print(f"wrote {path}")


@one_line
def main(
    model: Annotated[Path, typer.Option(help="The .tflite file.")],
    fer2013: Annotated[Path | None, typer.Option(help="Folder with labels.csv and the mosaics.")] = None,
    split: Annotated[str, typer.Option(help="Of FER2013: train, public_test or private_test.")] = "public_test",
    wild: Annotated[Path | None, typer.Option(help="Folder with labels.csv and photos: goes through detector and alignment.")] = None,
    posed: Annotated[Path | None, typer.Option(help="Folder with labels.csv and pictures of people asked for an expression.")] = None,
    data: Annotated[Path | None, typer.Option(help="Any other labelled faces that models.datasets can load.")] = None,
    without_faces: Annotated[Path | None, typer.Option(help="A film without faces: is what the detector takes for one rejected?")] = None,
    weights: Annotated[Path | None, typer.Option(help="With --fer2013: the float weights.pt to compare with.")] = None,
    plots: Annotated[Path | None, typer.Option(help="With --fer2013: folder for the plots.")] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the scores to this file.")] = None,
    card: Annotated[bool, typer.Option("--card", help="With --fer2013, --posed: write the scores into the model's .json.")] = False,
) -> None:
    """Scores a model file."""
    if not (fer2013 or wild or posed or data or without_faces):
        raise typer.BadParameter("nothing to score on: give --fer2013, --wild, --posed, --data or --without-faces")
    classifier = EmotionClassifier(model)
    results: dict[str, Any] = {"model": model.name, "sha256": classifier.sha256}
    if fer2013 is not None:
        faces = load_fer2013(fer2013, split)
        fresh = on_fer2013(classifier, faces, chips_of(faces), weights, plots)
        results |= {"split": split} | fresh
        if card:
            update_card(model.with_suffix(".json"), split, fresh)
    if wild is not None:
        results["wild"] = on_wild(classifier, wild)
    if posed is not None:
        results["posed"] = on_posed(classifier, posed)
        if card:
            update_card(model.with_suffix(".json"), "posed", results["posed"])
    if data is not None:
        faces = load(data)
        results["data"] = score_splits(classifier.probabilities(chips_of(faces)), faces)
        for name, part in results["data"].items():
            print(as_text(f"{model.name} on {data.name}, {name}", part))
    if without_faces is not None:
        crops = false_alarms(without_faces)
        reject = classifier.read(np.stack([enlarge(crop) for crop in crops])).reject if len(crops) else np.zeros(0)
        results["false_alarms"] = {"n": len(crops), "rejected": int((reject > 0.5).sum())}
        print(f"{results['false_alarms']['rejected']} of {len(crops)} places in {without_faces.name} that look like a face are rejected")
    if out is not None:
        out.write_text(json.dumps(results, indent=1) + "\n")
        print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
