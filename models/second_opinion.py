"""Gives labelled faces a second opinion: networks that did not learn from them (`CrossValidated`), or a web service (`RemoteJudge`).

torch is needed for the networks alone, a connection for the service alone.
"""

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import cv2
import numpy as np

from models.datasets import Faces, chips_of, framing_of, targets
from realtime.base.errors import Trouble, reason
from realtime.config import DetectorSettings
from realtime.expression.classifier import softmax
from realtime.faces.align import CROP
from realtime.faces.detector import Detector
from realtime.values import LABELS

TRAIN = "train"
"""The split that a judge may learn from, and that gives way where a picture is in several."""


class Judge(Protocol):
    """Whoever gives a second opinion."""

    def opinion(self, faces: Faces) -> np.ndarray:
        """(n, 7) probabilities in the order of `LABELS`; rows are NaN where the judge recognised no face.

        A row may sum to less than 1: the rest is its doubt that the picture shows a face.
        """


# Networks


Examine = Callable[[np.ndarray, np.ndarray, Path], np.ndarray]
"""Teaches a network the rows that one mask (n,) picks and asks it about the m rows of another, which gives (m, 7).

The folder exists; what a cut run needs is kept there.
"""

Prepare = Callable[[Faces], Examine]
"""Does once what every fold needs of n faces."""


class CrossValidated:
    """Networks as a judge: the faces of each fold are answered by one that learned from the other folds alone.

    Args:
        fold: (n,) the fold of each row; copies of one picture must share one.
        learnable: (n,) bool, the rows that may be learned from. Test rows should not be: the verdicts on training rows would know them.
        prepare: how networks are made.
        out: a folder for these data and settings alone; `fold<i>.npz` keeps the answers of each fold.
    """

    def __init__(self, fold: np.ndarray, learnable: np.ndarray, prepare: Prepare, out: Path):
        self.fold, self.learnable, self.prepare, self.out = fold, learnable, prepare, out

    def opinion(self, faces: Faces) -> np.ndarray:
        """As `Judge` says.

        Raises:
            Trouble: beside one of the folds there is nothing to learn from.
        """
        said = np.full((len(faces), len(LABELS)), np.nan, np.float32)
        count, examine = int(self.fold.max()) + 1, None
        for i in range(count):
            asked, file = self.fold == i, self.out / f"fold{i}.npz"
            if file.exists():
                with np.load(file) as kept:
                    said[asked] = kept["said"]
                print(f"read {file}: fold {i + 1} of {count} is judged already", flush=True)
                continue
            learned = ~asked & self.learnable
            if not learned.any():
                raise Trouble(f"no {TRAIN} rows with a label are left to learn from beside fold {i + 1} of {count}: choose other --folds")
            print(f"fold {i + 1} of {count}: learning from {learned.sum()} faces, then judging {asked.sum()}", flush=True)
            work = self.out / f"fold{i}"
            work.mkdir(parents=True, exist_ok=True)
            examine = examine or self.prepare(faces)
            said[asked] = examine(learned, asked, work)
            saved(file, said=said[asked])
        return said


def saved(file: Path, **arrays: np.ndarray) -> None:
    """Writes an .npz that is whole or not there at all."""
    part = file.with_suffix(".part.npz")
    named: dict[str, Any] = dict(arrays)
    np.savez(part, **named)
    part.replace(file)
    print(f"wrote {file}", flush=True)


def best_known(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """What the judge's networks learn: the votes where there are any (`models.datasets.targets`), elsewhere the label.

    Returns:
        (n, 8) float32 distributions over the expressions and reject, and (n,) float32 weights, 0 where there is neither.
    """
    distribution, weight = targets(faces.votes)
    alone = (faces.votes.sum(1) == 0) & (faces.labels >= 0)
    distribution[alone] = np.eye(distribution.shape[1], dtype=np.float32)[faces.labels[alone]]
    return distribution, np.where(alone, 1, weight).astype(np.float32)


def learnable(faces: Faces) -> np.ndarray:
    """(n,) bool: the training rows, all where no row is called that, of which votes or label name something to learn."""
    known = faces.splits == TRAIN
    return (known if known.any() else ~known) & (best_known(faces)[1] > 0)


def networks(net: str, epochs: int, seed: int) -> Prepare:
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
    from models.augment import augment
    from models.course import RECIPES, best_device, build, fit, load_trained, logits_of, mixed_precision
    from models.network import N_LOGITS, NETWORKS

    if net not in NETWORKS:
        raise Trouble(f"no network called {net!r} for --net: choose one of {', '.join(NETWORKS)}")
    device = best_device()

    def prepare(faces: Faces) -> Examine:
        print(f"framing {len(faces)} faces", flush=True)
        arrays = (faces.pixels[:, None], framing_of(faces), *best_known(faces))
        crops, framing, wanted, trust = (torch.from_numpy(array).to(device) for array in arrays)

        def examine(learned: np.ndarray, asked: np.ndarray, out: Path) -> np.ndarray:
            lesson = torch.from_numpy(np.flatnonzero(learned)).to(device)
            recipe = replace(RECIPES[net], epochs=epochs, warmup_epochs=1, seed=seed, batch=min(RECIPES[net].batch, len(lesson)))
            steps = len(lesson) // recipe.batch
            # The recipe's average goes back 500 steps. In a short run that is the beginning, where nothing is learned yet: a fifth at most.
            recipe = replace(recipe, average_decay=min(recipe.average_decay, 1 - 5 / max(5, steps * epochs)))
            torch.manual_seed(seed)
            reject = F.one_hot(torch.tensor(N_LOGITS - 1, device=device), N_LOGITS).float()

            def losses_of(model: torch.nn.Module, _epoch: int) -> Iterator[torch.Tensor]:
                for rows in lesson[torch.randperm(len(lesson), device=device)].split(recipe.batch)[:steps]:
                    negative = torch.rand(len(rows), device=device) < recipe.negatives
                    chips = augment(crops[rows].float(), framing[rows], negative).contiguous(memory_format=torch.channels_last)
                    with mixed_precision(device):
                        logits, _ = model.training_logits(chips)
                    loss = F.cross_entropy(logits.float(), torch.where(negative[:, None], reject, wanted[rows]), reduction="none")
                    yield (loss * torch.where(negative, 1.0, trust[rows])).mean()

            model = build(net).to(device, memory_format=torch.channels_last)
            fit(model, net, recipe, steps, losses_of, lambda _model: {}, out)
            logits, _ = logits_of(load_trained(out / "weights.pt").to(device), chips_of(faces.where(asked)), device)
            return softmax(logits)[:, : len(LABELS)]

        return examine

    return prepare


# A web service


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
                        f"{self.shown} answered with {start!r}, not with the JSON of models.second_opinion.RemoteJudge: check --judge-url"
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


def faces_found(faces: Faces, file: Path) -> np.ndarray:
    """(n,) bool: whether the project's detector finds a face in each crop; kept in `file` for the next run.

    It has already where the camera's chain cut the face out.
    """
    if file.exists():
        with np.load(file) as kept:
            print(f"read {file}", flush=True)
            return kept["found"]
    # The crops are searched as they are: nothing is reduced.
    detector = Detector(DetectorSettings())
    found = faces.framed.copy()
    for i in range(len(faces)):
        found[i] = found[i] or bool(detector.find(enlarged(faces.pixels[i]), CROP * ENLARGE + 2 * BORDER))
        if (i + 1) % 2000 == 0 or i + 1 == len(faces):
            print(f"searched {i + 1} of {len(faces)} pictures for faces: {found[: i + 1].sum()} found", flush=True)
    saved(file, found=found)
    return found
