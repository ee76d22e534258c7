"""Finds the dirt in a table of labelled faces: labels that nobody backs, pictures without a face, copies of one picture.

    python -m models.clean --data DIR --out runs/clean
    python -m models.clean --data DIR --out runs/clean --tree runs/faces
    JUDGE_KEY=... python -m models.clean --data DIR --out runs/clean --judge-url https://judge.example/expression

Every face gets a second opinion from a judge: networks that did not learn from it or from its copies, or a web service. Nothing in
`--data` is changed; what to drop is for the reader of `faces.csv` to decide. Writes `report.txt`, `counts.json`, `counts.csv`,
`faces.csv` (one row a face, with a verdict and why), `near_copies.csv` and `sheet_<label>.png` (the least likely labels). A run that
was cut goes on where it stopped. Without `--judge-url` no network connection is made.
"""

import csv
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol
from urllib.parse import urlparse

import cv2
import numpy as np
import typer

from models.datasets import VOTED, DatasetError, Faces, chip_from_crop, load_fer2013, majority, targets, without_single_votes
from models.evaluate import confusion
from realtime.align import CROP
from realtime.classifier import softmax
from realtime.config import DetectorSettings
from realtime.detector import Detector
from realtime.errors import Trouble, reason
from realtime.values import LABELS

SMALL = 16
"""Side in pixels at which pictures are compared: coarse enough that another compression or a shifted pixel changes little."""

COPY = 0.98
"""Correlation from which two pictures are copies: the value that the `near_copy_in` of the team's FER2013 was made with."""

ALIKE = 0.95
"""Correlation from which two pictures never lie in different folds. All of 48 pairs of FER2013 between this and `COPY` that were looked at
showed one photo, cut or compressed otherwise. They are listed as alike; their verdicts do not depend on it."""

BLOCK = 512
"""Rows of the correlation matrix that are in memory at a time: a matrix of 65 MB for 32,000 faces."""

TRAIN = "train"
"""The split that a judge may learn from, and that gives way where a picture is in several."""

KEEP, SUSPECT, NOT_A_FACE, DUPLICATE = VERDICTS = ("keep", "suspect", "not_a_face", "duplicate")


# Copies


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
        """Those with at least this correlation."""
        kept = self.correlation >= threshold
        return Copies(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


def signature(pixels: np.ndarray) -> np.ndarray:
    """(n, 48, 48) uint8 -> (n, 256) float32: averaged down to 16x16, mean 0 and length 1, so that products are correlations.

    A flat picture, which correlates with nothing, gets zeros.
    """
    block = CROP // SMALL
    reduced = pixels.reshape(len(pixels), SMALL, block, SMALL, block).mean((2, 4), dtype=np.float32).reshape(len(pixels), SMALL * SMALL)
    reduced -= reduced.mean(1, keepdims=True)
    length = np.linalg.norm(reduced, axis=1, keepdims=True)
    # A deviation of a thousandth of a grey level is rounding.
    return np.where(length > 1e-3 * SMALL, reduced / np.maximum(length, 1e-9), 0).astype(np.float32)


def near_copies(pixels: np.ndarray, threshold: float = COPY) -> Copies:
    """All pairs of (nearly) the same picture among (n, 48, 48) uint8, also of mirrored ones, since training mirrors its pictures.

    Flat pictures are copies where they are equal. The work is n * n * 256 multiply-adds, in blocks of rows.
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


def joined(n: int, pairs: np.ndarray) -> np.ndarray:
    """The group of each of n rows: rows that a chain of pairs (m, 2) connects share one, named after its first row."""
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
    """Deals whole groups out to k folds of (nearly) equal size, in an order that the seed decides.

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
    # The large groups first, each to the emptiest fold: the small ones then even the folds out.
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return fold[which]


def dealt(faces: Faces, splits: np.ndarray, alike: Copies, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Who is judged by whom: the fold of each row (n,), and the rows that may be learned from (n,) bool.

    Pictures that are alike share a fold, and so do those of one person, whom a network could know again. Learned from are the training
    rows; all where no row is called that.

    Raises:
        Trouble: there are too few different pictures for k folds.
    """
    known = splits == TRAIN
    groups = joined(len(faces), np.concatenate([alike.pairs, same_person(faces.persons)]))
    return folds(groups, k, seed), known if known.any() else ~known


# Judges


class Judge(Protocol):
    """Whoever gives a second opinion."""

    def opinion(self, faces: Faces) -> np.ndarray:
        """(n, 7) probabilities in the order of `LABELS`; rows are NaN where the judge recognised no face.

        A row may sum to less than 1: the rest is its doubt that the picture shows a face.
        """


Teach = Callable[[Faces, Path], Callable[[np.ndarray], np.ndarray]]
"""Learns from faces, with an existing folder for what a cut run needs; returns what answers (m, 48, 48) uint8 with (m, 7)."""


class CrossValidated:
    """Networks as a judge: the faces of each fold are answered by one that learned from the other folds alone.

    Args:
        fold: (n,) the fold of each row; copies of one picture must share one.
        learnable: (n,) bool, the rows that may be learned from. Test rows should not be: the verdicts on training rows would know them.
        teach: how a network is made.
        out: a folder for these data and settings alone; `fold<i>.npz` keeps the answers of each fold.
    """

    def __init__(self, fold: np.ndarray, learnable: np.ndarray, teach: Teach, out: Path):
        self.fold, self.learnable, self.teach, self.out = fold, learnable, teach, out

    def opinion(self, faces: Faces) -> np.ndarray:
        said = np.full((len(faces), len(LABELS)), np.nan, np.float32)
        count = int(self.fold.max()) + 1
        for i in range(count):
            asked, file = self.fold == i, self.out / f"fold{i}.npz"
            if file.exists():
                with np.load(file) as kept:
                    said[asked] = kept["said"]
                print(f"read {file}: fold {i + 1} of {count} is judged already", flush=True)
                continue
            learned = ~asked & self.learnable
            if not learned.any():
                raise Trouble(f"no {TRAIN} rows are left to learn from beside fold {i + 1} of {count}: choose other --folds")
            print(f"fold {i + 1} of {count}: learning from {learned.sum()} faces, then judging {asked.sum()}", flush=True)
            work = self.out / f"fold{i}"
            work.mkdir(parents=True, exist_ok=True)
            said[asked] = self.teach(faces.where(learned), work)(faces.pixels[asked])
            saved(file, said=said[asked])
        return said


def saved(file: Path, **arrays: np.ndarray) -> None:
    """Writes an .npz that is whole or not there at all."""
    part = file.with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.replace(file)
    print(f"wrote {file}", flush=True)


def best_known(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """What the judge's networks learn: the votes where there are any (`models.datasets.targets`), elsewhere the label.

    Returns:
        (n, 8) float32 distributions over the expressions and reject, and (n,) float32 weights.
    """
    distribution, weight = targets(faces.votes)
    unvoted = faces.votes.sum(1) == 0
    distribution[unvoted] = np.eye(distribution.shape[1], dtype=np.float32)[faces.labels[unvoted]]
    return distribution, np.where(unvoted, 1, weight).astype(np.float32)


def network_teacher(net: str, epochs: int, seed: int) -> Teach:
    """Trains networks of `models.network` for `CrossValidated`.

    Raises:
        Trouble: torch is missing, or no network has this name.
    """
    try:
        import torch
        import torch.nn.functional as F
    except ImportError as error:
        raise Trouble(
            "the judge is a network, and torch is not installed: run `pip install -r models/requirements.txt`, or give --judge-url"
        ) from error
    from models.network import N_LOGITS, STUDENTS
    from models.train import RECIPES, augment, build, fit, load_trained, logits_of

    if net not in STUDENTS:
        raise Trouble(f"no network called {net!r} for --net: choose one of {', '.join(STUDENTS)}")

    def teach(faces: Faces, out: Path) -> Callable[[np.ndarray], np.ndarray]:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        distribution, weight = best_known(faces)
        used = weight > 0
        crops, wanted, trust = (torch.from_numpy(a[used]).to(device) for a in (faces.pixels[:, None], distribution, weight))
        recipe = replace(RECIPES[net], epochs=epochs, warmup_epochs=1, seed=seed, batch=min(RECIPES[net].batch, len(crops)))
        steps = len(crops) // recipe.batch
        # The recipe's average goes back 500 steps. In a short run that is the beginning, where nothing is learned yet: a fifth at most.
        recipe = replace(recipe, average_decay=min(recipe.average_decay, 1 - 5 / max(5, steps * epochs)))
        torch.manual_seed(seed)
        reject = F.one_hot(torch.tensor(N_LOGITS - 1, device=device), N_LOGITS).float()

        def losses_of(model: torch.nn.Module, _epoch: int) -> Iterator[torch.Tensor]:
            for rows in torch.randperm(len(crops), device=device).split(recipe.batch)[:steps]:
                negative = torch.rand(len(rows), device=device) < recipe.negatives
                chips = augment(crops[rows].float(), negative).contiguous(memory_format=torch.channels_last)
                with torch.autocast(device.type, torch.bfloat16):
                    logits, _ = model.training_logits(chips)
                loss = F.cross_entropy(logits.float(), torch.where(negative[:, None], reject, wanted[rows]), reduction="none")
                yield (loss * torch.where(negative, 1.0, trust[rows])).mean()

        model = build(net).to(device, memory_format=torch.channels_last)
        fit(model, net, recipe, steps, losses_of, lambda _model: {}, out)
        trained = load_trained(out / "weights.pt").to(device)

        def answer(pixels: np.ndarray) -> np.ndarray:
            logits, _ = logits_of(trained, np.stack([chip_from_crop(face) for face in pixels]), device)
            return softmax(logits)[:, : len(LABELS)]

        return answer

    return teach


KEY = "JUDGE_KEY"
"""The environment variable with the web service's key."""

TIMEOUT_S, TRIES, FIRST_WAIT_S, LONGEST_WAIT_S = 20.0, 5, 1.0, 120.0
"""How long one answer may take, how often a face is asked about, and the wait after the first failure, which doubles each time."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for a failure: urllib would hand the key on to wherever it leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


def answer_in(body: bytes) -> list[float] | None:
    """The seven probabilities in a service's answer, or None where it found no face.

    Raises:
        ValueError: it is not the JSON that `RemoteJudge` describes.
    """
    emotions = json.loads(body)["emotions"]
    if emotions is None:
        return None
    values = np.array([emotions[name] for name in LABELS], np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        raise ValueError("numbers below zero, not finite, or all zero")
    return (values / values.sum()).round(6).tolist()


class RemoteJudge:
    """A web service as a judge. Each picture is asked about once; the answers are kept in `judged-<url's hash>.jsonl` as they come.

    The picture goes out as the PNG body of a POST, enlarged as `enlarged` does, with the key in the header `Authorization: Bearer`. The
    answer is JSON: {"emotions": {"anger": 0.1, ...}} with a number of any scale for each of `LABELS`, or {"emotions": null} where the
    service finds no face. For a service that speaks otherwise, write another `Judge`.

    Args:
        url: http or https.
        key: the service's secret.
        out: existing folder for the answers.
        per_second: requests a second at most.
        timeout_s: how long to wait for one answer.
        clock, sleep: the time in seconds, and how to wait.

    Raises:
        Trouble: the url or the key cannot be used.
    """

    def __init__(
        self,
        url: str,
        key: str,
        out: Path,
        per_second: float,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        # Some services take secrets in the query.
        self.shown = urlparse(url)._replace(query="", fragment="").geturl()
        if urlparse(url).scheme not in ("http", "https") or not urlparse(url).hostname:
            raise Trouble(f"--judge-url is {self.shown!r}: expected an address that starts with https:// or http://")
        if not key.strip():
            raise Trouble(f"the key of {self.shown} is missing: set the environment variable {KEY}")
        self.url, self.key, self.per_second, self.timeout_s = url, key.strip(), per_second, timeout_s
        self.file = out / f"judged-{hashlib.sha256(url.encode()).hexdigest()[:8]}.jsonl"
        self.clock, self.sleep = clock, sleep
        self._open = urllib.request.build_opener(NoRedirect).open
        self._next = clock()

    def opinion(self, faces: Faces) -> np.ndarray:
        """As `Judge` says.

        Raises:
            Trouble: the service refuses or fails; what it has answered so far is on disk.
        """
        said = self._kept()
        names = [hashlib.sha256(face.tobytes()).hexdigest() for face in faces.pixels]
        missing = {name: face for name, face in zip(names, faces.pixels, strict=True) if name not in said}
        print(f"read {len(said)} answers from {self.file}; asking {self.shown} about {len(missing)} pictures", flush=True)
        with self.file.open("a") as file:
            for i, (name, face) in enumerate(missing.items(), 1):
                try:
                    said[name] = self._ask(png(enlarged(face)))
                except Trouble as trouble:
                    raise Trouble(f"{trouble}; {len(said)} answers are kept in {self.file}, the same command goes on there") from trouble
                file.write(json.dumps({"picture": name, "probabilities": said[name]}) + "\n")
                file.flush()
                if i % 500 == 0 or i == len(missing):
                    print(f"judged {i} of {len(missing)} pictures", flush=True)
        nothing = [np.nan] * len(LABELS)
        return np.array([said[name] or nothing for name in names], np.float32).reshape(len(names), len(LABELS))

    def _kept(self) -> dict[str, list[float] | None]:
        """The answers on disk. A last line that a crash left without its end is cut off."""
        if not self.file.exists():
            return {}
        text = self.file.read_text()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self.file.write_text(whole)
        lines = [json.loads(line) for line in whole.splitlines()]
        return {line["picture"]: line["probabilities"] for line in lines}

    def _ask(self, picture: bytes) -> list[float] | None:
        """The answer about one PNG; asks again where that may help."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "image/png", "Accept": "application/json"}
        problem = ""
        for attempt in range(TRIES):
            wait_s = FIRST_WAIT_S * 2**attempt
            self.sleep(max(0.0, self._next - self.clock()))
            self._next = self.clock() + 1 / self.per_second
            try:
                request = urllib.request.Request(self.url, picture, headers, method="POST")
                with self._open(request, timeout=self.timeout_s) as answer:
                    body = answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    if error.code in (401, 403):
                        raise Trouble(f"{self.shown} refuses the key ({error.code}): set {KEY} to a valid one") from error
                    if error.code != 429 and error.code < 500:
                        raise Trouble(f"{self.shown} answered {error.code} ({error.reason}): check --judge-url") from error
                    problem = f"{error.code} {error.reason}"
                    asked_s = error.headers.get("Retry-After", "")
                    wait_s = max(wait_s, float(asked_s)) if asked_s.isdecimal() else wait_s
            except (OSError, http.client.HTTPException) as error:
                problem = reason(getattr(error, "reason", error))
            else:
                try:
                    return answer_in(body)
                except (ValueError, KeyError, TypeError, OverflowError) as error:
                    start = body[:60].decode("utf-8", "replace").replace("\n", " ")
                    raise Trouble(
                        f"{self.shown} answered with {start!r}, not with the JSON of models.clean.RemoteJudge: check --judge-url"
                    ) from error
            if attempt + 1 < TRIES:
                self.sleep(min(wait_s, LONGEST_WAIT_S))
        raise Trouble(f"{self.shown} failed {TRIES} times in a row ({problem}): try again later")


# What a detector sees


ENLARGE, BORDER = 4, 32
"""How a crop is shown to a detector: times, and pixels of repeated edge around it. dlib's detector needs faces of 80 pixels with some
surroundings: of 300 faces of FER2013's public test it found 67 % without a border, 75 % with 32 pixels, 73 % with 64."""


def enlarged(face: np.ndarray) -> np.ndarray:
    """A (48, 48) uint8 crop as the (256, 256) uint8 picture that detectors get."""
    picture = cv2.resize(face, None, fx=ENLARGE, fy=ENLARGE, interpolation=cv2.INTER_CUBIC)
    return cv2.copyMakeBorder(picture, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)


def png(picture: np.ndarray) -> bytes:
    """A gray or BGR uint8 picture as a PNG file."""
    return cv2.imencode(".png", picture)[1].tobytes()


def faces_found(pixels: np.ndarray, file: Path) -> np.ndarray:
    """(n,) bool: whether the project's detector finds a face in each of (n, 48, 48) uint8 crops; kept in `file` for the next run."""
    if file.exists():
        with np.load(file) as kept:
            print(f"read {file}", flush=True)
            return kept["found"]
    # The crops are searched as they are: nothing is reduced.
    detector = Detector(DetectorSettings(short_side=CROP * ENLARGE + 2 * BORDER))
    found = np.zeros(len(pixels), bool)
    for i, face in enumerate(pixels):
        found[i] = bool(detector.find(enlarged(face)))
        if (i + 1) % 2000 == 0 or i + 1 == len(pixels):
            print(f"searched {i + 1} of {len(pixels)} pictures for faces: {found.sum()} found", flush=True)
    saved(file, found=found)
    return found


# Verdicts


@dataclass(frozen=True)
class Evidence:
    """What is known of each face beside its label.

    Attributes:
        splits: (n,) text, the split of each row.
        opinion: (n, 7) the judge's probabilities as `Judge` describes them.
        found: (n,) bool, a detector (or the web service) found a face.
        majority: (n,) int64, the annotators' majority, -1 where there is none.
        groups: (n,) int64, rows with one number are copies of one picture.
    """

    splits: np.ndarray
    opinion: np.ndarray
    found: np.ndarray
    majority: np.ndarray
    groups: np.ndarray

    def where(self, mask: np.ndarray) -> "Evidence":
        """The rows that a boolean mask (n,) or an index array picks."""
        return Evidence(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    def answers(self) -> np.ndarray:
        """(n,) int64: what the judge holds for most likely, -1 where it recognised no face."""
        return np.where(np.isnan(self.opinion[:, 0]), -1, np.nan_to_num(self.opinion).argmax(1))

    def probability_of(self, labels: np.ndarray) -> np.ndarray:
        """(n,) the probability that the judge gives to each row's entry of `labels` (n,); NaN where that is -1 or it saw no face."""
        return np.where(labels < 0, np.nan, self.opinion[np.arange(len(labels)), labels])


def confident(evidence: Evidence) -> np.ndarray:
    """(n,) bool: the judge is at least as sure as it is on average when it names that expression.

    A threshold a class, as in confident learning (Northcutt et al. 2021), because a judge is surer of happiness than of fear. It is taken
    over the judge's own answers: the labels are what is in doubt.
    """
    answers = evidence.answers()
    sure = evidence.probability_of(answers)
    usual = np.array([sure[answers == c].mean() if (answers == c).any() else np.inf for c in range(len(LABELS))])
    return (answers >= 0) & (np.nan_to_num(sure) >= usual[answers])


def chosen(faces: Faces, evidence: Evidence) -> np.ndarray:
    """(n,) int64: the row that stands for each row's group. A test row goes before training rows, then the likeliest label decides."""
    likely = np.nan_to_num(evidence.probability_of(faces.labels))
    order = np.lexsort((np.arange(len(faces)), -likely, evidence.splits == TRAIN))
    _, first, which = np.unique(evidence.groups[order], return_index=True, return_inverse=True)
    stands = np.empty(len(faces), np.int64)
    stands[order] = order[first[which]]
    return stands


def copied_elsewhere(near_copy_in: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """(n,) text: the splits before which a row gives way by its `Faces.near_copy_in`, "" for none.

    A training row gives way to every test split, a test row to one that is not in the table: with those in it, `chosen` decides.
    """
    here = {TRAIN, *splits.tolist()}

    def ahead(names: str, split: str) -> str:
        return "+".join(name for name in names.split("+") if name not in ({TRAIN} if split == TRAIN else here))

    return np.array([ahead(names, split) for names, split in zip(near_copy_in.tolist(), splits.tolist(), strict=True)], str)


def verdicts(faces: Faces, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """What to do with each face, and why in a few words.

    not_a_face: more than half of the votes say so; where nobody voted, no face was found and the judge doubts it by more than a half.
    duplicate: another copy of the picture stands for it, in the table or as `copied_elsewhere` says.
    suspect: the annotators' majority names another expression or the judge is `confident` of another, and neither backs the label.
    keep: everything else.

    Returns:
        (n,) texts of `VERDICTS`, (n,) texts.
    """
    labels, answers = faces.labels, evidence.answers()
    kept_votes = without_single_votes(faces.votes)
    voted_out = kept_votes[:, VOTED.index("not_face")] > 0.5 * kept_votes.sum(1)
    doubted = ~evidence.found & (1 - np.nan_to_num(evidence.opinion).sum(1) > 0.5)
    no_face = np.where(faces.votes.sum(1) > 0, voted_out, doubted)
    stands, elsewhere = chosen(faces, evidence), copied_elsewhere(faces.near_copy_in, evidence.splits)
    voted, judged = evidence.majority >= 0, answers >= 0
    backed = (voted & (evidence.majority == labels)) | (judged & (answers == labels))
    denied = (voted & (evidence.majority != labels)) | (confident(evidence) & (answers != labels))
    verdict = np.select(
        [no_face, (stands != np.arange(len(faces))) | (elsewhere != ""), denied & ~backed], [NOT_A_FACE, DUPLICATE, SUSPECT], KEEP
    )

    others = {}
    for row in np.flatnonzero(np.bincount(evidence.groups)[evidence.groups] > 1):
        others.setdefault(evidence.groups[row], set()).add(LABELS[labels[row]])
    sure = evidence.probability_of(answers)

    def why(i: int) -> str:
        if verdict[i] == NOT_A_FACE:
            return "the annotators see no face" if voted_out[i] else "neither the detector nor the judge sees a face"
        if verdict[i] == DUPLICATE and stands[i] != i:
            return f"copy of {evidence.splits[stands[i]]} {faces.names[stands[i]]}"
        if verdict[i] == DUPLICATE:
            return f"copy of a picture in {elsewhere[i]}"
        heard = [f"the annotators say {LABELS[evidence.majority[i]]}"] if voted[i] else []
        heard += [f"the judge says {LABELS[answers[i]]} ({sure[i]:.0%})"] if judged[i] else []
        differing = others.get(evidence.groups[i], set()) - {LABELS[labels[i]]}
        heard += [f"its copies are labelled {' and '.join(sorted(differing))}"] if differing else []
        return ", ".join(heard) or "nobody says otherwise"

    return verdict, np.array([why(i) for i in range(len(faces))], str)


# Counts


def counted(labels: np.ndarray, verdict: np.ndarray, evidence: Evidence) -> dict[str, Any]:
    """The judge beside the labels, in numbers of faces; lists are in the order of `LABELS`.

    Returns:
        "classes": a list a class of what is in `COUNTS`. "wrong_by_label": row i holds the faces labelled i that the judge took for
        another, by what it took them for. "wrong_by_opinion": row i holds those that the judge took wrongly for i, by their label. Only
        faces that were recognised count there. "agreement": with the annotators' majority, where there is one.
    """
    answers = evidence.answers()
    recognised = evidence.found & (answers >= 0)
    table = confusion(labels[recognised], answers[recognised])
    wrong = table - np.diag(np.diag(table))
    total = np.bincount(labels, minlength=len(LABELS))
    columns = [total, total - table.sum(1), table.sum(1), np.diag(table), wrong.sum(1), wrong.sum(0)]
    columns += [np.bincount(labels[verdict == name], minlength=len(LABELS)) for name in VERDICTS]
    asked = evidence.majority >= 0
    both = asked & recognised
    differ = both & (labels != answers)
    return {
        "faces": len(labels),
        "classes": {name: dict(zip(COUNTS, row, strict=True)) for name, row in zip(LABELS, np.stack(columns, 1).tolist(), strict=True)},
        "wrong_by_label": wrong.tolist(),
        "wrong_by_opinion": wrong.T.tolist(),
        "agreement": {
            "with_majority": int(asked.sum()),
            "label_is_majority": int((asked & (labels == evidence.majority)).sum()),
            "recognised_with_majority": int(both.sum()),
            "opinion_is_majority": int((both & (answers == evidence.majority)).sum()),
            "label_and_opinion_differ": int(differ.sum()),
            "then_majority_is_label": int((differ & (labels == evidence.majority)).sum()),
            "then_majority_is_opinion": int((differ & (answers == evidence.majority)).sum()),
        },
    }


COUNTS = ("total", "not_recognised", "recognised", "right", "wrong_by_label", "wrong_by_opinion", *VERDICTS)
"""What is counted of each class: `right` agrees with the label, `wrong_by_opinion` was taken for the class but is labelled otherwise."""


def table_of(corner: str, columns: Sequence[str], rows: dict[str, list[int]]) -> str:
    """Whole numbers as text in columns, with a sum under each."""
    rows = rows | {"sum": np.sum(list(rows.values()), axis=0).tolist()}
    widths = [max(len(name), 6) + 2 for name in columns]
    lines = [[corner.rjust(16), *(name.rjust(w) for name, w in zip(columns, widths, strict=True))]]
    lines += [[name.rjust(16), *(str(v).rjust(w) for v, w in zip(row, widths, strict=True))] for name, row in rows.items()]
    return "\n".join("".join(line) for line in lines)


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else f"{part} of {whole}"


def as_text(name: str, made: dict[str, Any]) -> str:
    """What `counted` gives, for people."""
    agreement = made["agreement"]
    texts = [
        f"{name}: {made['faces']} faces",
        table_of("label", COUNTS, {label: list(row.values()) for label, row in made["classes"].items()}),
        "Recognised wrong, by label: what the judge took each class for",
        table_of("label / opinion", LABELS, dict(zip(LABELS, made["wrong_by_label"], strict=True))),
        "Recognised wrong, by opinion: how the faces that the judge took for each class are labelled",
        table_of("opinion / label", LABELS, dict(zip(LABELS, made["wrong_by_opinion"], strict=True))),
        "\n".join(
            [
                f"The label is the annotators' majority in {share(agreement['label_is_majority'], agreement['with_majority'])} faces,",
                f"the judge's opinion in {share(agreement['opinion_is_majority'], agreement['recognised_with_majority'])} recognised ones.",
                f"Where label and opinion differ, it is the label in "
                f"{share(agreement['then_majority_is_label'], agreement['label_and_opinion_differ'])} faces, the opinion in "
                f"{share(agreement['then_majority_is_opinion'], agreement['label_and_opinion_differ'])}.",
            ]
        ),
    ]
    return "\n\n".join(texts if agreement["with_majority"] else texts[:-1]) + "\n"


# Lists and pictures


def named(index: int) -> str:
    return LABELS[index] if index >= 0 else ""


def number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def write_csv(file: Path, head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(head)
        writer.writerows(rows)
    print(f"wrote {file}", flush=True)


def write_faces(file: Path, faces: Faces, evidence: Evidence, verdict: np.ndarray, why: np.ndarray) -> None:
    """One row a face; `copies` is the number of its group, empty where the picture is alone."""
    answers = evidence.answers()
    columns = {
        "name": faces.names,
        "split": evidence.splits,
        "label": [named(i) for i in faces.labels],
        "majority": [named(i) for i in evidence.majority],
        "opinion": [named(i) for i in answers],
        "probability": [number(p) for p in evidence.probability_of(answers)],
        "label_probability": [number(p) for p in evidence.probability_of(faces.labels)],
        "face_found": np.where(evidence.found, "yes", "no"),
        "copies": np.where(np.bincount(evidence.groups)[evidence.groups] > 1, evidence.groups.astype(str), ""),
        "verdict": verdict,
        "why": why,
    }
    write_csv(file, columns, zip(*columns.values(), strict=True))


def write_copies(file: Path, faces: Faces, splits: np.ndarray, copies: Copies) -> None:
    """One row a pair: exact or near copies, or alike, which is less than `COPY`."""
    a, b = copies.pairs.T
    columns = {
        "kind": np.where(copies.exact, "exact", np.where(copies.correlation >= COPY, "near", "alike")),
        "mirrored": np.where(copies.mirrored, "yes", "no"),
        "correlation": [number(c) for c in copies.correlation],
        "splits": np.where(splits[a] == splits[b], "within", "across"),
    }
    for side, rows in (("first", a), ("second", b)):
        columns |= {side: faces.names[rows], f"{side}_split": splits[rows], f"{side}_label": [named(i) for i in faces.labels[rows]]}
    write_csv(file, columns, zip(*columns.values(), strict=True))


def tree_place(label: int, answer: int, found: bool) -> str:
    """The folder of a face: error/<label> where no face was recognised, else normal/right/<label> or normal/wrong/<label>."""
    if not found or answer < 0:
        return f"error/{LABELS[label]}"
    return f"normal/{'right' if answer == label else 'wrong'}/{LABELS[label]}"


def write_tree(folder: Path, faces: Faces, evidence: Evidence) -> None:
    """Every face as a PNG in the folder that `tree_place` names; the file's name begins with the row of `faces.csv`, from 0."""
    for i, (label, answer, found) in enumerate(zip(faces.labels, evidence.answers(), evidence.found, strict=True)):
        place = folder / tree_place(label, answer, found)
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


def write_sheets(out: Path, faces: Faces, evidence: Evidence, verdict: np.ndarray) -> None:
    """`sheet_<label>.png` for each class: the faces, copies left out, to whose label the judge gives the least probability."""
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
            votes = f", votes: {named(evidence.majority[i])}" if evidence.majority[i] >= 0 else ""
            captions.append((f"{label} \N{RIGHTWARDS ARROW} {named(answers[i])} {sure[i]:.0%}", f"label {likely[i]:.1%}{votes}"))
        title = f"{label}: the {len(worst)} of {len(rows)} faces whose label the judge finds least likely"
        file = out / f"sheet_{label}.png"
        file.write_bytes(png(contact_sheet(title, faces.pixels[worst], captions)))
        print(f"wrote {file}", flush=True)


# The command


def read_data(folder: Path) -> tuple[Faces, np.ndarray]:
    """All faces of a folder and the split of each, (n,) text.

    Raises:
        DatasetError: the folder is not what it should be.
    """
    tables = {split: load_fer2013(folder, split) for split in (TRAIN, "public_test")}
    faces = Faces(*(np.concatenate([getattr(table, name) for table in tables.values()]) for name in Faces.__dataclass_fields__))
    return faces, np.repeat(list(tables), [len(table) for table in tables.values()])


def mark(*parts: object) -> str:
    """A short name for data and settings: other arrays or values give another one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return digest.hexdigest()[:12]


def write_all(out: Path, faces: Faces, evidence: Evidence, copies: Copies, settings: dict[str, Any]) -> None:
    """Weighs the evidence and writes what the module's docstring lists; prints the report."""
    verdict, why = verdicts(faces, evidence)
    parts = {"all": np.full(len(faces), True)} | {name: evidence.splits == name for name in np.unique(evidence.splits).tolist()}
    made = {name: counted(faces.labels[rows], verdict[rows], evidence.where(rows)) for name, rows in parts.items()}
    text = "\n\n".join(as_text(name, part) for name, part in made.items())
    (out / "report.txt").write_text(text)
    (out / "counts.json").write_text(json.dumps({"settings": settings, "labels": LABELS, "parts": made}, indent=1) + "\n")
    print(f"wrote {out / 'report.txt'} and {out / 'counts.json'}", flush=True)
    rows = [[part, label, *counts.values()] for part, of in made.items() for label, counts in of["classes"].items()]
    write_csv(out / "counts.csv", ("part", "label", *COUNTS), rows)
    write_faces(out / "faces.csv", faces, evidence, verdict, why)
    write_copies(out / "near_copies.csv", faces, evidence.splits, copies)
    write_sheets(out, faces, evidence, verdict)
    # Last, so that a closed pipe loses nothing.
    print(text)


def main(
    data: Annotated[Path, typer.Option(help="Folder with the faces: labels.csv and the mosaics of FER2013.")],
    out: Annotated[Path, typer.Option(help="Where lists, counts and sheets go; a cut run goes on there.")] = Path("runs/clean"),
    tree: Annotated[Path | None, typer.Option(help="Also write every face as a PNG under this folder, which must be new or empty.")] = None,
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Networks that judge, each the faces that it did not learn from.")] = 5,
    net: Annotated[str, typer.Option(help="Which network judges: emotion, nano.")] = "nano",
    epochs: Annotated[int, typer.Option(min=2, help="Passes of each network over its faces; fewer faces need more.")] = 12,
    seed: Annotated[int, typer.Option(help="Seed of the folds and of the networks.")] = 1,
    judge_url: Annotated[str | None, typer.Option(help=f"A web service judges instead; its key is in the variable {KEY}.")] = None,
    judge_rate: Annotated[float, typer.Option(min=0.01, help="Requests a second to that service, at most.")] = 2.0,
) -> None:
    """Finds wrong labels, pictures without a face and copies."""
    try:
        if tree is not None and tree.exists() and (not tree.is_dir() or any(tree.iterdir())):
            raise Trouble(f"--tree {tree} holds something already: name a new or an empty folder")
        out.mkdir(parents=True, exist_ok=True)
        # What can be wrong with a judge shows before the long work.
        service = None if judge_url is None else RemoteJudge(judge_url, os.environ.get(KEY, ""), out, judge_rate)
        teach = None if service else network_teacher(net, epochs, seed)

        faces, splits = read_data(data)
        sizes = ", ".join(f"{name} {(splits == name).sum()}" for name in np.unique(splits))
        print(f"read {len(faces)} faces from {data}: {sizes}", flush=True)
        alike = near_copies(faces.pixels, ALIKE)
        copies = alike.above(COPY)
        groups = joined(len(faces), copies.pairs)
        pairs = f"{len(copies.pairs)} pairs of copies, {copies.exact.sum()} of them exact"
        print(f"found {pairs}; {len(np.unique(groups))} different pictures", flush=True)

        if service:
            settings = {"judge": service.shown}
            opinion = service.opinion(faces)
            found = ~np.isnan(opinion[:, 0])
        else:
            settings = {"judge": f"cross-validated {net}", "folds": n_folds, "epochs": epochs, "seed": seed}
            found = faces_found(faces.pixels, out / f"found-{mark(faces.pixels)}.npz")
            fold, learnable = dealt(faces, splits, alike, n_folds, seed)
            name = mark(faces.pixels, *best_known(faces), fold, learnable, settings)
            opinion = CrossValidated(fold, learnable, teach, out / f"judge-{name}").opinion(faces)

        evidence = Evidence(splits, opinion, found, majority(faces.votes), groups)
        write_all(out, faces, evidence, alike, settings | {"copy_threshold": COPY, "data": mark(faces.pixels, faces.labels)})
        if tree is not None:
            write_tree(tree, faces, evidence)
    except (Trouble, DatasetError, OSError) as error:
        raise SystemExit(f"models.clean: {error}") from None


if __name__ == "__main__":
    typer.run(main)
