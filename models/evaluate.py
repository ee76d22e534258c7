"""Scores a model file: FER2013 by FER+ votes, any other labelled faces, photos through the real chain, and the reject output.

python -m models.evaluate --model models/emotion.tflite --fer2013 DIR --split public_test --json scores.json --plots DIR
python -m models.evaluate --model models/emotion.tflite --wild DIR
python -m models.evaluate --model models/emotion.tflite --data DIR
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from models.cli import one_line
from models.datasets import Faces, chip_from_crop, chips_of, held_out, load, load_fer2013, load_wild, majority
from models.negatives import UNSEEN, false_alarms, unseen
from models.scores import (
    as_text,
    calibration_error,
    labelled,
    plain_label,
    reject_scores,
    score_rows,
    score_splits,
    wild_scores,
    wilson,
)
from realtime.base.errors import Trouble
from realtime.expression.classifier import EmotionClassifier, softmax
from realtime.faces.align import enlarge


def on_fer2013(model: EmotionClassifier, faces: Faces, chips: np.ndarray, weights: Path | None, plots: Path | None) -> dict[str, Any]:
    """All that one split of FER2013, with its chips, can tell of a model; `weights` adds its float original, `plots` the pictures."""
    split, truth = faces.splits[0], majority(faces.votes)
    raw = model.logits(chips)[0]
    probs, reject = model.calibrated(raw)
    if not (truth >= 0).any():
        raise Trouble(f"no face of the split {split} has a majority of its votes for one of the seven: nothing to score")
    plain = plain_label(faces.votes)
    made = score_rows(probs, faces) | labelled(probs, {"plain_rule": plain, "original_labels": faces.labels})
    for name, part in made.items():
        print(as_text(f"{model.path.name} on {split}, {name.replace('_', ' ')}", part))
    perfect = float((faces.labels == plain).mean())
    print(f"original labels: always the annotators' choice would be {perfect:.1%} right")
    made["annotators_on_original_labels"] = round(perfect, 4)
    made["ece_before_calibration"] = round(calibration_error(softmax(raw[truth >= 0, :-1]), truth[truth >= 0]), 4)
    print(f"ECE before temperature and bias {made['ece_before_calibration']:.3f}, after {made['official']['ece']:.3f}")

    strange = unseen(faces.pixels, np.random.default_rng(0))
    asked = {kind: model.read(np.stack([chip_from_crop(picture) for picture in strange[kind]])).reject for kind in UNSEEN}
    made["reject"] = reject_scores(reject[truth >= 0], asked)
    print_reject(made["reject"])
    if weights is not None:
        made["float"] = against_float(raw, weights, chips, faces)
    if plots is not None:
        from models.plots import save_confusion, save_reliability

        plots.mkdir(parents=True, exist_ok=True)
        title = f"{model.path.stem}, {split}, n = {made['official']['n']}"
        save_confusion(np.array(made["official"]["confusion"]), title, plots / f"{model.path.stem}-confusion.png")
        before, after = softmax(raw[truth >= 0, :-1]), probs[truth >= 0]
        save_reliability({"before": before, "after": after}, truth[truth >= 0], title, plots / f"{model.path.stem}-reliability.png")
        print(f"wrote {plots}/{model.path.stem}-confusion.png and -reliability.png")
    return made


def print_reject(made: dict[str, Any]) -> None:
    """One line a kind of picture."""
    print(f"reject, at a threshold that loses 2 % of {made['faces']} faces:")
    for kind, part in made["kinds"].items():
        print(f"  {kind}: {part['caught']:.1%} caught, AUROC {part['auroc']:.3f} (n = {part['n']})")


def against_float(raw: np.ndarray, weights: Path, chips: np.ndarray, faces: Faces) -> dict[str, Any]:
    """What int8 logits `raw` (n, 8) lost against the float network they came from, and the extra head's accuracy."""
    import torch

    from models.course import load_trained, logits_of

    plain, original = logits_of(load_trained(weights), chips, torch.device("cpu"))
    truth = majority(faces.votes)
    counted = truth >= 0
    int8, exact = raw[counted, :-1].argmax(1), plain[counted, :-1].argmax(1)
    right = int((original.argmax(1) == faces.labels).sum())
    made = {
        "accuracy": round(float((exact == truth[counted]).mean()), 4),
        "int8_accuracy": round(float((int8 == truth[counted]).mean()), 4),
        "same_answer": round(float((int8 == exact).mean()), 4),
        "original_labels_extra_head": {"n": len(faces), "accuracy": round(right / len(faces), 4)},
    }
    low, high = wilson(right, len(faces))
    print(f"float: {made['accuracy']:.1%} right, int8 {made['int8_accuracy']:.1%}, same answer {made['same_answer']:.1%}")
    print(f"original labels by the extra head, float: {right / len(faces):.1%} ({low:.1%} to {high:.1%}, n = {len(faces)})")
    return made


def on_wild(model: EmotionClassifier, folder: Path) -> dict[str, Any]:
    """Photos through the detector, the points and the alignment; every third person was never learned from."""
    photos = load_wild(folder)
    probs = model.probabilities(chips_of(photos))
    new = held_out(photos.persons)
    made: dict[str, Any] = {
        "found": len(photos),
        "all": wild_scores(probs, photos),
        "never_learned_from": wild_scores(probs[new], photos.where(new)),
    }
    for name in ("all", "never_learned_from"):
        print(as_text(f"{model.path.name} on {folder.name}, {name.replace('_', ' ')}, five classes", made[name]))
        print(f"neutral recall {made[name]['recall']['neutral']:.1%}")
    return made


def update_card(path: Path, split: str, found: dict[str, Any]) -> None:
    """Writes a split's scores into a model's description. What only the float weights can tell stays where they are not there."""
    card = json.loads(path.read_text())
    scores = card.setdefault("scores", {})
    scores[split] = found | {"float": found.get("float") or scores.get(split, {}).get("float")}
    path.write_text(json.dumps(card, indent=1) + "\n")
    print(f"wrote {path}")


@one_line
def main(
    model: Annotated[Path, typer.Option(help="The .tflite file.")],
    fer2013: Annotated[Path | None, typer.Option(help="Folder with labels.csv and the mosaics.")] = None,
    split: Annotated[str, typer.Option(help="Of FER2013: train, public_test or private_test.")] = "public_test",
    wild: Annotated[Path | None, typer.Option(help="Folder with labels.csv and photos: goes through detector and alignment.")] = None,
    data: Annotated[Path | None, typer.Option(help="Any other labelled faces that models.datasets can load.")] = None,
    without_faces: Annotated[Path | None, typer.Option(help="A film without faces: is what the detector takes for one rejected?")] = None,
    weights: Annotated[Path | None, typer.Option(help="With --fer2013: the float weights.pt to compare with.")] = None,
    plots: Annotated[Path | None, typer.Option(help="With --fer2013: folder for the plots.")] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the scores to this file.")] = None,
    card: Annotated[bool, typer.Option("--card", help="With --fer2013: write the scores into the model's .json.")] = False,
) -> None:
    """Scores a model file."""
    if not (fer2013 or wild or data or without_faces):
        raise typer.BadParameter("nothing to score on: give --fer2013, --wild, --data or --without-faces")
    classifier = EmotionClassifier(model)
    made: dict[str, Any] = {"model": model.name, "sha256": classifier.sha256}
    if fer2013 is not None:
        faces = load_fer2013(fer2013, split)
        fresh = on_fer2013(classifier, faces, chips_of(faces), weights, plots)
        made |= {"split": split} | fresh
        if card:
            update_card(model.with_suffix(".json"), split, fresh)
    if wild is not None:
        made["wild"] = on_wild(classifier, wild)
    if data is not None:
        faces = load(data)
        made["data"] = score_splits(classifier.probabilities(chips_of(faces)), faces)
        for name, part in made["data"].items():
            print(as_text(f"{model.name} on {data.name}, {name}", part))
    if without_faces is not None:
        found = false_alarms(without_faces)
        rejected = classifier.read(np.stack([enlarge(crop) for crop in found])).reject if len(found) else np.zeros(0)
        made["false_alarms"] = {"n": len(found), "rejected": int((rejected > 0.5).sum())}
        print(f"{made['false_alarms']['rejected']} of {len(found)} places in {without_faces.name} that look like a face are rejected")
    if out is not None:
        out.write_text(json.dumps(made, indent=1) + "\n")
        print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
