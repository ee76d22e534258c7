"""Finds errors in a data set of labelled faces: probably wrong labels, pictures without a face, copies of one picture.

    python -m models.clean --data DIR --out runs/clean
    python -m models.clean --data DIR --out runs/clean --tree runs/faces
    JUDGE_KEY=... python -m models.clean --data DIR --out runs/clean --judge-url https://judge.example/expression

Every face gets a second opinion: from networks that did not learn from it or from its copies, or from a web service. The command and its
files call either of them the judge. Nothing in `--data` is changed; whoever reads `faces.csv` decides what to drop. Writes `report.txt`,
`counts.json`, `counts.csv`, `faces.csv` (one row a face, with a verdict and the reason), `near_copies.csv` and `sheet_<label>.png` (the
least likely labels). A run that was stopped continues where it stopped. Without `--judge-url` no network connection is made.
"""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from models.cli import one_line
from models.datasets import load
from models.face_table import VOTED, FaceTable, majority, mark, without_single_votes
from models.near_copies import ALIKE, COPY, Copies, connected, near_copies, person_folds
from models.scores import confusion
from models.second_opinion import (
    KEY,
    TRAIN,
    CrossValidatedNetworks,
    WebService,
    detected_faces,
    learnable,
    networks,
    png,
    votes_or_label,
)
from realtime.base.errors import Trouble
from realtime.values import CROP, LABELS

KEEP, SUSPECT, NOT_A_FACE, DUPLICATE = VERDICTS = ("keep", "suspect", "not_a_face", "duplicate")


# Verdicts


@dataclass(frozen=True)
class Evidence:
    """What is known about each face except its label.

    Attributes:
        opinion: (n, 7) probabilities as `models.second_opinion.OpinionSource` describes them.
        detected: (n,) bool, whether the detector (or the web service) found a face.
        majority: (n,) int64, the annotators' majority, -1 where there is none.
        groups: (n,) int64, rows with the same number are copies of one picture.
    """

    opinion: np.ndarray
    detected: np.ndarray
    majority: np.ndarray
    groups: np.ndarray

    def where(self, mask: np.ndarray) -> "Evidence":
        """The rows that a boolean mask (n,) or an index array picks."""
        return Evidence(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    def answers(self) -> np.ndarray:
        """(n,) int64: the most likely expression by the second opinion, -1 where it has no face."""
        return np.where(np.isnan(self.opinion[:, 0]), -1, np.nan_to_num(self.opinion).argmax(1))

    def probability_of(self, labels: np.ndarray) -> np.ndarray:
        """(n,) the probability of each row's entry of `labels` (n,) by the second opinion; NaN where that is -1 or there is no face."""
        return np.where(labels < 0, np.nan, self.opinion[np.arange(len(labels)), labels])


def confident(evidence: Evidence) -> np.ndarray:
    """(n,) bool: the answer has at least the probability that answers of the same expression have on average.

    Each class has its own threshold, as in confident learning (Northcutt et al. 2021), because answers of happiness are surer than answers
    of fear. It is the mean over answers, not over labels, since the labels are in doubt.
    """
    answers = evidence.answers()
    sure = evidence.probability_of(answers)
    usual = np.array([sure[answers == c].mean() if (answers == c).any() else np.inf for c in range(len(LABELS))])
    return (answers >= 0) & (np.nan_to_num(sure) >= usual[answers])


def representatives(faces: FaceTable, evidence: Evidence) -> np.ndarray:
    """(n,) int64: the row that represents the group of each row: a test row before training rows, then the row with the likeliest label."""
    likely = np.nan_to_num(evidence.probability_of(faces.labels))
    order = np.lexsort((np.arange(len(faces)), -likely, faces.splits == TRAIN))
    _, first, which = np.unique(evidence.groups[order], return_index=True, return_inverse=True)
    rows = np.empty(len(faces), np.int64)
    rows[order] = order[first[which]]
    return rows


def copied_elsewhere(near_copy_in: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """(n,) text: the splits in `FaceTable.near_copy_in` for which a row is only a duplicate, "" for none.

    For a training row these are all test splits, for a test row those that are not in the table. Between rows of the table,
    `representatives` decides.
    """
    here = {TRAIN, *splits.tolist()}

    def splits_before(names: str, split: str) -> str:
        return "+".join(name for name in names.split("+") if name not in ({TRAIN} if split == TRAIN else here))

    return np.array([splits_before(names, split) for names, split in zip(near_copy_in.tolist(), splits.tolist(), strict=True)], str)


def verdicts(faces: FaceTable, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """What to do with each face, and the reason in a few words.

    not_a_face: more than half of the votes say so. Without votes: no face was detected, and the second opinion gives more than a half to
        "no face".
    duplicate: another copy of the picture represents it, in the table or as `copied_elsewhere` says.
    suspect: the annotators' majority or a `confident` second opinion is another expression, and neither of them is the label.
    keep: all others, so also a face without a label.

    Returns:
        (n,) texts of `VERDICTS`, (n,) texts.
    """
    labels, answers = faces.labels, evidence.answers()
    votes = without_single_votes(faces.votes)
    voted_out = votes[:, VOTED.index("not_face")] > 0.5 * votes.sum(1)
    doubted = ~evidence.detected & (1 - np.nan_to_num(evidence.opinion).sum(1) > 0.5)
    no_face = np.where(faces.votes.sum(1) > 0, voted_out, doubted)
    representative, elsewhere = representatives(faces, evidence), copied_elsewhere(faces.near_copy_in, faces.splits)
    voted, answered = evidence.majority >= 0, answers >= 0
    backed = (voted & (evidence.majority == labels)) | (answered & (answers == labels))
    denied = (voted & (evidence.majority != labels)) | (confident(evidence) & (answers != labels))
    copied = (representative != np.arange(len(faces))) | (elsewhere != "")
    verdict = np.select([no_face, copied, denied & ~backed & (labels >= 0)], [NOT_A_FACE, DUPLICATE, SUSPECT], KEEP)

    others: dict[int, Any] = {}
    for row in np.flatnonzero((np.bincount(evidence.groups)[evidence.groups] > 1) & (labels >= 0)):
        others.setdefault(evidence.groups[row], set()).add(LABELS[labels[row]])
    sure = evidence.probability_of(answers)

    def why(i: int) -> str:
        if verdict[i] == NOT_A_FACE:
            return "the annotators see no face" if voted_out[i] else "neither the detector nor the judge sees a face"
        if verdict[i] == DUPLICATE and representative[i] != i:
            return " ".join(["copy of", *faces.splits[representative[i]].split(), faces.names[representative[i]]])
        if verdict[i] == DUPLICATE:
            return f"copy of a picture in {elsewhere[i]}"
        opinions = [f"the annotators say {LABELS[evidence.majority[i]]}"] if voted[i] else []
        opinions += [f"the judge says {LABELS[answers[i]]} ({sure[i]:.0%})"] if answered[i] else []
        differing = others.get(evidence.groups[i], set()) - {label_name(labels[i])}
        opinions += [f"its copies are labelled {' and '.join(sorted(differing))}"] if differing else []
        return ", ".join(opinions) or "nobody says otherwise"

    return verdict, np.array([why(i) for i in range(len(faces))], str)


# Counts


def count(labels: np.ndarray, verdict: np.ndarray, evidence: Evidence) -> dict[str, Any]:
    """Compares labels (n,) with second opinions and votes, in numbers of faces; lists are in the order of `LABELS`.

    Returns:
        "faces" and, of these, "without_label", which count nowhere else.
        "classes": the `COUNTS` of each class. "wrong_by_label": row i has the faces with label i and another opinion, by opinion.
        "wrong_by_opinion": row i has the faces with opinion i and another label, by label. Both count only faces that were recognised.
        "agreement": with the annotators' majority, where there is one.
    """
    faces, labelled = len(labels), labels >= 0
    labels, verdict, evidence = labels[labelled], verdict[labelled], evidence.where(labelled)
    answers = evidence.answers()
    recognised = evidence.detected & (answers >= 0)
    table = confusion(labels[recognised], answers[recognised])
    wrong = table - np.diag(np.diag(table))
    total = np.bincount(labels, minlength=len(LABELS))
    columns = [total, total - table.sum(1), table.sum(1), np.diag(table), wrong.sum(1), wrong.sum(0)]
    columns += [np.bincount(labels[verdict == name], minlength=len(LABELS)) for name in VERDICTS]
    voted = evidence.majority >= 0
    both = voted & recognised
    differ = both & (labels != answers)
    label_backed, opinion_backed = labels == evidence.majority, answers == evidence.majority
    agreement = {
        "with_majority": voted,
        "label_is_majority": voted & label_backed,
        "recognised_with_majority": both,
        "opinion_is_majority": both & opinion_backed,
        "label_and_opinion_differ": differ,
        "then_majority_is_label": differ & label_backed,
        "then_majority_is_opinion": differ & opinion_backed,
    }
    return {
        "faces": faces,
        "without_label": faces - len(labels),
        "classes": {name: dict(zip(COUNTS, row, strict=True)) for name, row in zip(LABELS, np.stack(columns, 1).tolist(), strict=True)},
        "wrong_by_label": wrong.tolist(),
        "wrong_by_opinion": wrong.T.tolist(),
        "agreement": {name: int(rows.sum()) for name, rows in agreement.items()},
    }


COUNTS = ("total", "not_recognised", "recognised", "right", "wrong_by_label", "wrong_by_opinion", *VERDICTS)
"""What is counted of each class: in `right` opinion and label agree; `wrong_by_opinion` has this opinion, but another label."""


def table_of(corner: str, columns: Sequence[str], rows: dict[str, list[int]]) -> str:
    """Whole numbers as text in columns, with a sum under each."""
    rows = rows | {"sum": np.sum(list(rows.values()), axis=0).tolist()}
    widths = [max(len(name), 6) + 2 for name in columns]
    lines = [[corner.rjust(16), *(name.rjust(w) for name, w in zip(columns, widths, strict=True))]]
    lines += [[name.rjust(16), *(str(v).rjust(w) for v, w in zip(row, widths, strict=True))] for name, row in rows.items()]
    return "\n".join("".join(line) for line in lines)


def as_text(name: str, counts: dict[str, Any]) -> str:
    """What `count` gives, as text for people."""
    agreement, unlabelled = counts["agreement"], counts["without_label"]

    def share(part: str, whole: str) -> str:
        some, of = agreement[part], agreement[whole]
        return f"{some} of {of} ({some / of:.1%})" if of else f"{some} of {of}"

    texts = [
        f"{name}: {counts['faces']} faces" + (f", {unlabelled} of them without a label: these are not counted below" if unlabelled else ""),
        table_of("label", COUNTS, {label: list(row.values()) for label, row in counts["classes"].items()}),
        "Recognised wrong, by label: what the judge took each class for",
        table_of("label / opinion", LABELS, dict(zip(LABELS, counts["wrong_by_label"], strict=True))),
        "Recognised wrong, by opinion: how the faces that the judge took for each class are labelled",
        table_of("opinion / label", LABELS, dict(zip(LABELS, counts["wrong_by_opinion"], strict=True))),
        f"The label is the annotators' majority in {share('label_is_majority', 'with_majority')} faces,\n"
        f"the judge's opinion in {share('opinion_is_majority', 'recognised_with_majority')} recognised ones.\n"
        f"Where label and opinion differ, it is the label in {share('then_majority_is_label', 'label_and_opinion_differ')} faces, "
        f"the opinion in {share('then_majority_is_opinion', 'label_and_opinion_differ')}.",
    ]
    return "\n\n".join(texts if agreement["with_majority"] else texts[:-1]) + "\n"


# Lists and pictures


def label_name(index: int) -> str:
    """The label with this index, "" for -1."""
    return LABELS[index] if index >= 0 else ""


def number(value: float) -> str:
    """A probability as text, "" for NaN."""
    return "" if np.isnan(value) else f"{value:.4f}"


def write_csv(file: Path, head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(head)
        writer.writerows(rows)
    print(f"wrote {file}", flush=True)


def write_faces(file: Path, faces: FaceTable, evidence: Evidence, verdict: np.ndarray, why: np.ndarray) -> None:
    """One row a face; `copies` is the number of its group, empty where the picture has no copies."""
    answers = evidence.answers()
    columns = {
        "name": faces.names,
        "split": faces.splits,
        "label": [label_name(i) for i in faces.labels],
        "majority": [label_name(i) for i in evidence.majority],
        "opinion": [label_name(i) for i in answers],
        "probability": [number(p) for p in evidence.probability_of(answers)],
        "label_probability": [number(p) for p in evidence.probability_of(faces.labels)],
        "face_found": np.where(evidence.detected, "yes", "no"),
        "copies": np.where(np.bincount(evidence.groups)[evidence.groups] > 1, evidence.groups.astype(str), ""),
        "verdict": verdict,
        "why": why,
    }
    write_csv(file, columns, zip(*columns.values(), strict=True))


def write_copies(file: Path, faces: FaceTable, copies: Copies) -> None:
    """One row a pair: exact copies, near copies, or pictures that are alike, with a correlation below `COPY`."""
    (a, b), splits = copies.pairs.T, faces.splits
    columns = {
        "kind": np.where(copies.exact, "exact", np.where(copies.correlation >= COPY, "near", "alike")),
        "mirrored": np.where(copies.mirrored, "yes", "no"),
        "correlation": [number(c) for c in copies.correlation],
        "splits": np.where(splits[a] == splits[b], "within", "across"),
    }
    for side, rows in (("first", a), ("second", b)):
        columns |= {side: faces.names[rows], f"{side}_split": splits[rows], f"{side}_label": [label_name(i) for i in faces.labels[rows]]}
    write_csv(file, columns, zip(*columns.values(), strict=True))


def tree_place(label: int, answer: int, detected: bool) -> str:
    """The folder of a face: error/<label> where no face was recognised, else normal/right/<label> or normal/wrong/<label>.

    A face without a label lies in error/no_label or normal/no_label.
    """
    name = label_name(label) or "no_label"
    if not detected or answer < 0:
        return f"error/{name}"
    return f"normal/{name}" if label < 0 else f"normal/{'right' if answer == label else 'wrong'}/{name}"


def write_tree(folder: Path, faces: FaceTable, evidence: Evidence) -> None:
    """Every face as a PNG in the folder that `tree_place` names; the file's name begins with the row of `faces.csv`, from 0."""
    for i, (label, answer, detected) in enumerate(zip(faces.labels, evidence.answers(), evidence.detected, strict=True)):
        place = folder / tree_place(label, answer, detected)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:05d}_{Path(faces.names[i]).stem}.png").write_bytes(png(faces.pixels[i]))
    print(f"wrote {len(faces)} pictures under {folder}", flush=True)


SHEET_COLUMNS, SHEET_ROWS, TILE, GAP = 8, 5, 4 * CROP, 18
PAPER, INK, FAINT = (250, 250, 250), (30, 30, 30), (120, 120, 120)


def write_text(picture: np.ndarray, text: str, x: int, baseline: int, size: int, colour: tuple[int, int, int], weight: int = 400) -> None:
    cv2.putText(picture, text, (x, baseline), colour, cv2.FontFace("sans"), size, weight)


def contact_sheet(title: str, faces: np.ndarray, captions: list[tuple[str, str]]) -> np.ndarray:
    """(h, w, 3) uint8: (n, 48, 48) uint8 faces enlarged in a grid, two lines of text under each, a title above."""
    rows = max(1, -(-len(faces) // SHEET_COLUMNS))
    head, cell_w, cell_h = 70, TILE + GAP, TILE + 56
    sheet = np.full((head + rows * cell_h, SHEET_COLUMNS * cell_w + GAP, 3), PAPER, np.uint8)
    write_text(sheet, title, GAP, 44, 24, INK, 500)
    for i, (face, (first, second)) in enumerate(zip(faces, captions, strict=True)):
        x, y = GAP + cell_w * (i % SHEET_COLUMNS), head + cell_h * (i // SHEET_COLUMNS)
        large = cv2.resize(face, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
        sheet[y : y + TILE, x : x + TILE] = large[:, :, None]
        write_text(sheet, first, x, y + TILE + 17, 13, INK, 500)
        write_text(sheet, second, x, y + TILE + 35, 13, FAINT)
    return sheet


def write_sheets(out: Path, faces: FaceTable, evidence: Evidence, verdict: np.ndarray) -> None:
    """`sheet_<label>.png` for each class: the faces, without copies, whose label is least probable by the second opinion."""
    answers = evidence.answers()
    likely, sure = evidence.probability_of(faces.labels), evidence.probability_of(answers)
    for c, label in enumerate(LABELS):
        rows = np.flatnonzero((faces.labels == c) & (answers >= 0) & (verdict != DUPLICATE))
        worst = rows[np.argsort(likely[rows], kind="stable")][: SHEET_COLUMNS * SHEET_ROWS]
        if not len(worst):
            print(f"no sheet of {label}: the judge saw no face that is labelled so", flush=True)
            continue
        captions = []
        for i in worst:
            votes = f", votes: {label_name(evidence.majority[i])}" if evidence.majority[i] >= 0 else ""
            captions.append((f"{label} \N{RIGHTWARDS ARROW} {label_name(answers[i])} {sure[i]:.0%}", f"label {likely[i]:.1%}{votes}"))
        title = f"{label}: the {len(worst)} of {len(rows)} faces whose label the judge finds least likely"
        file = out / f"sheet_{label}.png"
        file.write_bytes(png(contact_sheet(title, faces.pixels[worst], captions)))
        print(f"wrote {file}", flush=True)


# The command


def write_all(out: Path, faces: FaceTable, evidence: Evidence, copies: Copies, settings: dict[str, Any]) -> None:
    """Finds the verdicts and writes the files that the module's docstring lists; prints the report."""
    verdict, why = verdicts(faces, evidence)
    parts = {"all": np.full(len(faces), True)} | {name: faces.splits == name for name in np.unique(faces.splits).tolist() if name}
    counts = {name: count(faces.labels[rows], verdict[rows], evidence.where(rows)) for name, rows in parts.items()}
    text = "\n\n".join(as_text(name, part) for name, part in counts.items())
    (out / "report.txt").write_text(text)
    (out / "counts.json").write_text(json.dumps({"settings": settings, "labels": LABELS, "parts": counts}, indent=1) + "\n")
    print(f"wrote {out / 'report.txt'} and {out / 'counts.json'}", flush=True)
    rows = [[part, label, *row.values()] for part, content in counts.items() for label, row in content["classes"].items()]
    write_csv(out / "counts.csv", ("part", "label", *COUNTS), rows)
    write_faces(out / "faces.csv", faces, evidence, verdict, why)
    write_copies(out / "near_copies.csv", faces, copies)
    write_sheets(out, faces, evidence, verdict)
    # Printed last: if the reader of a pipe has gone, all files are written.
    print(text)


@one_line
def main(
    data: Annotated[Path, typer.Option(help="Folder with a data set that models.datasets reads.")],
    out: Annotated[Path, typer.Option(help="Where lists, counts and sheets go; a cut run goes on there.")] = Path("runs/clean"),
    tree: Annotated[Path | None, typer.Option(help="Also write every face as a PNG under this folder, which must be new or empty.")] = None,
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Networks that judge, each the faces that it did not learn from.")] = 5,
    net: Annotated[str, typer.Option(help="Which network judges: emotion, nano.")] = "nano",
    epochs: Annotated[int, typer.Option(min=1, help="Passes of each network over its faces; fewer faces need more.")] = 12,
    seed: Annotated[int, typer.Option(help="Seed of the folds and of the networks.")] = 1,
    judge_url: Annotated[str | None, typer.Option(help=f"A web service judges instead; its key is in the variable {KEY}.")] = None,
    judge_rate: Annotated[float, typer.Option(min=0.01, help="Requests a second to that service, at most.")] = 2.0,
) -> None:
    """Finds wrong labels, pictures without a face and copies."""
    if tree is not None and tree.exists() and (not tree.is_dir() or any(tree.iterdir())):
        raise Trouble(f"--tree {tree} holds something already: name a new or an empty folder")
    out.mkdir(parents=True, exist_ok=True)
    # Both raise Trouble for wrong settings, before the long work starts.
    service = None if judge_url is None else WebService(judge_url, os.environ.get(KEY, ""), out, judge_rate)
    prepare = None if service else networks(net, epochs, seed)

    faces = load(data)
    sizes = ", ".join(f"{name or 'no split'} {(faces.splits == name).sum()}" for name in np.unique(faces.splits))
    print(f"read {len(faces)} faces from {data}: {sizes}", flush=True)
    alike = near_copies(faces.pixels, ALIKE)
    copies = alike.above(COPY)
    groups = connected(len(faces), copies.pairs)
    pairs = f"{len(copies.pairs)} pairs of copies, {copies.exact.sum()} of them exact"
    print(f"found {pairs}; {len(np.unique(groups))} different pictures", flush=True)

    if service:
        settings: dict[str, Any] = {"judge": service.address}
        opinion = service.opinion(faces)
        detected = ~np.isnan(opinion[:, 0])
    else:
        settings = {"judge": f"cross-validated {net}", "folds": n_folds, "epochs": epochs, "seed": seed}
        detected = detected_faces(faces, out / f"found-{mark(faces.pixels, faces.framed)}.npz")
        fold, usable = person_folds(alike, faces.persons, n_folds, seed), learnable(faces)
        name = mark(faces.pixels, faces.framed, *votes_or_label(faces), fold, usable, settings)
        assert prepare is not None, "there is no service, so networks were prepared above"
        opinion = CrossValidatedNetworks(fold, usable, prepare, out / f"judge-{name}").opinion(faces)

    evidence = Evidence(opinion, detected, majority(faces.votes), groups)
    write_all(out, faces, evidence, alike, settings | {"copy_threshold": COPY, "data": mark(faces.pixels, faces.labels)})
    if tree is not None:
        write_tree(tree, faces, evidence)


if __name__ == "__main__":
    typer.run(main)
