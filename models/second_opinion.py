"""Gives labelled faces a second opinion: from networks that did not learn from them (`CrossValidatedNetworks`), or from a web service.

Only the networks need torch, and only the service needs a connection.
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

from models.chips import chips_of, framing_of
from models.face_table import FaceTable, targets
from realtime.base.errors import Trouble, reason
from realtime.base.files import replace_file, replacing
from realtime.config import DetectorSettings
from realtime.expression.classifier import softmax
from realtime.faces.detector import Detector
from realtime.values import CROP, LABELS

TRAIN = "train"
"""The split that networks may learn from. Where several splits have the same picture, its row here is the duplicate."""


class OpinionSource(Protocol):
    """What gives a second opinion."""

    def opinion(self, faces: FaceTable) -> np.ndarray:
        """(n, 7) probabilities in the order of `LABELS`; a row is NaN where no face was recognised.

        A row may sum to less than 1: the rest is the probability that the picture shows no readable face.
        """


# Networks


TrainAndAnswer = Callable[[np.ndarray, np.ndarray, Path], np.ndarray]
"""Trains a network on the rows that one mask (n,) picks, and gives its answers (m, 7) to the m rows of another mask.

The folder exists; checkpoints go there, from which a run that was stopped continues.
"""

Prepare = Callable[[FaceTable], TrainAndAnswer]
"""Does once what all folds of n faces need."""


class CrossValidatedNetworks:
    """A second opinion from networks: the faces of each fold are answered by a network that learned only from the other folds.

    Args:
        fold: (n,) the fold of each row; copies of one picture must share one.
        learnable: (n,) bool, the rows that may be learned from. Test rows should not be, or they would influence verdicts on training rows.
        prepare: how networks are trained.
        out: a folder for these data and settings only; `fold<i>.npz` has the answers of each fold.
    """

    def __init__(self, fold: np.ndarray, learnable: np.ndarray, prepare: Prepare, out: Path):
        self.fold, self.learnable, self.prepare, self.out = fold, learnable, prepare, out

    def opinion(self, faces: FaceTable) -> np.ndarray:
        """See `OpinionSource`.

        Raises:
            Trouble: outside one of the folds there is nothing to learn from.
        """
        probabilities = np.full((len(faces), len(LABELS)), np.nan, np.float32)
        count, train_and_answer = int(self.fold.max()) + 1, None
        for i in range(count):
            inside, file = self.fold == i, self.out / f"fold{i}.npz"
            if file.exists():
                with np.load(file) as arrays:
                    probabilities[inside] = arrays["said"]
                print(f"read {file}: fold {i + 1} of {count} is judged already", flush=True)
                continue
            outside = ~inside & self.learnable
            if not outside.any():
                raise Trouble(f"no {TRAIN} rows with a label are left to learn from beside fold {i + 1} of {count}: choose other --folds")
            print(f"fold {i + 1} of {count}: learning from {outside.sum()} faces, then judging {inside.sum()}", flush=True)
            work = self.out / f"fold{i}"
            work.mkdir(parents=True, exist_ok=True)
            train_and_answer = train_and_answer or self.prepare(faces)
            probabilities[inside] = train_and_answer(outside, inside, work)
            save_array(file, "said", probabilities[inside])
        return probabilities


def save_array(path: Path, name: str, array: np.ndarray) -> None:
    """Writes an .npz with one array; a run that is killed meanwhile leaves no part of it."""
    entries: dict[str, Any] = {name: array}
    with replacing(path) as file:
        np.savez(file, **entries)
    print(f"wrote {path}", flush=True)


def votes_or_label(faces: FaceTable) -> tuple[np.ndarray, np.ndarray]:
    """What the networks learn: the votes where there are any (`models.face_table.targets`), elsewhere the label.

    Returns:
        (n, 8) float32 distributions over the expressions and reject, and (n,) float32 weights, 0 where there is neither.
    """
    distribution, weight = targets(faces.votes)
    label_only = (faces.votes.sum(1) == 0) & (faces.labels >= 0)
    distribution[label_only] = np.eye(distribution.shape[1], dtype=np.float32)[faces.labels[label_only]]
    return distribution, np.where(label_only, 1, weight).astype(np.float32)


def learnable(faces: FaceTable) -> np.ndarray:
    """(n,) bool: the rows of the training split with votes or a label to learn; of all splits if none is called `TRAIN`."""
    train = faces.splits == TRAIN
    return (train if train.any() else ~train) & (votes_or_label(faces)[1] > 0)


def networks(net: str, epochs: int, seed: int) -> Prepare:
    """How `CrossValidatedNetworks` trains networks of `models.network`.

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
    from models.checkpoint import build, load_trained
    from models.device import best_device, mixed_precision
    from models.network import N_LOGITS, NETWORKS, ManyHeaded, logits_of
    from models.training import SETTINGS, fit

    if net not in NETWORKS:
        raise Trouble(f"no network called {net!r} for --net: choose one of {', '.join(NETWORKS)}")
    device = best_device()

    def prepare(faces: FaceTable) -> TrainAndAnswer:
        print(f"framing {len(faces)} faces", flush=True)
        arrays = (faces.pixels[:, None], framing_of(faces), *votes_or_label(faces))
        crops, framing, target, trust = (torch.from_numpy(array).to(device) for array in arrays)

        def train_and_answer(outside: np.ndarray, inside: np.ndarray, out: Path) -> np.ndarray:
            train_rows = torch.from_numpy(np.flatnonzero(outside)).to(device)
            batch = min(SETTINGS[net].batch, len(train_rows))
            settings = replace(SETTINGS[net], epochs=epochs, warmup_epochs=1, seed=seed, batch=batch)
            steps = len(train_rows) // settings.batch
            # The usual moving average reaches back 500 steps, in a short run to the untrained network. Here it covers a fifth at most.
            settings = replace(settings, average_decay=min(settings.average_decay, 1 - 5 / max(5, steps * epochs)))
            torch.manual_seed(seed)
            reject = F.one_hot(torch.tensor(N_LOGITS - 1, device=device), N_LOGITS).float()

            def losses_of(model: ManyHeaded, _epoch: int) -> Iterator[torch.Tensor]:
                for rows in train_rows[torch.randperm(len(train_rows), device=device)].split(settings.batch)[:steps]:
                    negative = torch.rand(len(rows), device=device) < settings.negatives
                    chips = augment(crops[rows].float(), framing[rows], negative).contiguous(memory_format=torch.channels_last)
                    with mixed_precision(device):
                        logits, _, _ = model.training_logits(chips)
                    loss = F.cross_entropy(logits.float(), torch.where(negative[:, None], reject, target[rows]), reduction="none")
                    yield (loss * torch.where(negative, 1.0, trust[rows])).mean()

            model = build(net).to(device, memory_format=torch.channels_last)
            fit(model, net, settings, steps, losses_of, lambda _model: {}, out)
            logits, _ = logits_of(load_trained(out / "weights.pt").to(device), chips_of(faces.where(inside)), device)
            return softmax(logits)[:, : len(LABELS)]

        return train_and_answer

    return prepare


# A web service


KEY = "JUDGE_KEY"
"""The environment variable with the web service's key."""

TIMEOUT_S, TRIES, FIRST_WAIT_S, LONGEST_WAIT_S = 20.0, 5, 1.0, 120.0
"""Seconds that one answer may take, requests for one picture, and seconds of the first and of the longest wait after a failure. The wait
doubles each time."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as a failure, because urllib would send the key to the new address."""

    def redirect_request(self, *_: Any) -> None:
        return None


def parse_answer(body: bytes) -> list[float] | None:
    """The seven probabilities in a service's answer, or None where it found no face.

    Raises:
        ValueError, KeyError, TypeError, OverflowError: it is not the JSON that `WebService` describes.
    """
    emotions = json.loads(body)["emotions"]
    if emotions is None:
        return None
    values = np.array([emotions[name] for name in LABELS], np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        raise ValueError("numbers below zero, not finite, or all zero")
    return (values / values.sum()).round(6).tolist()


class WebService:
    """A second opinion from a web service. Each picture is sent once; answers are written to `judged-<url's hash>.jsonl` as they come.

    The picture, enlarged by `enlarged`, is the PNG body of a POST, with the key in the header `Authorization: Bearer`. The answer is JSON:
    {"emotions": {"anger": 0.1, ...}} with a number of any scale for each of `LABELS`, or {"emotions": null} where the service finds no
    face. For a service with another protocol, write another `OpinionSource`.

    Args:
        url: http or https.
        key: the service's secret.
        out: existing folder for the answers.
        per_second: requests a second at most.
        timeout_s: how long to wait for one answer.
        clock, sleep: give the time in seconds, and wait.

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
        # Without the query: some services have secrets there.
        self.address = urlparse(url)._replace(query="", fragment="").geturl()
        if urlparse(url).scheme not in ("http", "https") or not urlparse(url).hostname:
            raise Trouble(f"--judge-url is {self.address!r}: expected an address that starts with https:// or http://")
        if not key.strip():
            raise Trouble(f"the key of {self.address} is missing: set the environment variable {KEY}")
        self.url, self.key, self.per_second, self.timeout_s = url, key.strip(), per_second, timeout_s
        self.file = out / f"judged-{hashlib.sha256(url.encode()).hexdigest()[:8]}.jsonl"
        self.clock, self.sleep = clock, sleep
        self._open = urllib.request.build_opener(NoRedirect).open
        self._next = clock()

    def opinion(self, faces: FaceTable) -> np.ndarray:
        """See `OpinionSource`.

        Raises:
            Trouble: the service refuses or fails; its answers so far are on disk.
        """
        answers = self._answers_on_disk()
        names = [hashlib.sha256(face.tobytes()).hexdigest() for face in faces.pixels]
        missing = {name: face for name, face in zip(names, faces.pixels, strict=True) if name not in answers}
        print(f"read {len(answers)} answers from {self.file}; asking {self.address} about {len(missing)} pictures", flush=True)
        with self.file.open("a") as file:
            for i, (name, face) in enumerate(missing.items(), 1):
                try:
                    answers[name] = self._ask(png(enlarged(face)))
                except Trouble as trouble:
                    raise Trouble(f"{trouble}; {len(answers)} answers are kept in {self.file}, the same command goes on there") from trouble
                file.write(json.dumps({"picture": name, "probabilities": answers[name]}) + "\n")
                file.flush()
                if i % 500 == 0 or i == len(missing):
                    print(f"judged {i} of {len(missing)} pictures", flush=True)
        nothing = [np.nan] * len(LABELS)
        return np.array([answers[name] or nothing for name in names], np.float32).reshape(len(names), len(LABELS))

    def _answers_on_disk(self) -> dict[str, list[float] | None]:
        """The answers on disk by picture. An incomplete last line, which a crash leaves, is removed."""
        if not self.file.exists():
            return {}
        text = self.file.read_text()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            replace_file(self.file, whole.encode())
        lines = [json.loads(line) for line in whole.splitlines()]
        return {line["picture"]: line["probabilities"] for line in lines}

    def _ask(self, picture: bytes) -> list[float] | None:
        """The answer to one PNG; repeats the request after failures that may pass."""
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
                        raise Trouble(f"{self.address} refuses the key ({error.code}): set {KEY} to a valid one") from error
                    if error.code != 429 and error.code < 500:
                        raise Trouble(f"{self.address} answered {error.code} ({error.reason}): check --judge-url") from error
                    problem = f"{error.code} {error.reason}"
                    retry_after_s = error.headers.get("Retry-After", "")
                    wait_s = max(wait_s, float(retry_after_s)) if retry_after_s.isdecimal() else wait_s
            except (OSError, http.client.HTTPException) as error:
                problem = reason(getattr(error, "reason", error))
            else:
                try:
                    return parse_answer(body)
                except (ValueError, KeyError, TypeError, OverflowError) as error:
                    start = body[:60].decode("utf-8", "replace").replace("\n", " ")
                    raise Trouble(
                        f"{self.address} answered with {start!r}, not with the JSON of models.second_opinion.WebService: check --judge-url"
                    ) from error
            if attempt + 1 < TRIES:
                self.sleep(min(wait_s, LONGEST_WAIT_S))
        raise Trouble(f"{self.address} failed {TRIES} times in a row ({problem}): try again later")


# The detector


ENLARGE, BORDER = 4, 32
"""How many times a crop is enlarged for a detector, and how many pixels of repeated edge are added then. dlib's detector needs faces of 80
pixels with some surroundings: of 300 faces of FER2013's public test it found 67 % without a border, 75 % with 32 pixels, 73 % with 64."""


def enlarged(face: np.ndarray) -> np.ndarray:
    """A (48, 48) uint8 crop as the (256, 256) uint8 picture that detectors get."""
    picture = cv2.resize(face, None, fx=ENLARGE, fy=ENLARGE, interpolation=cv2.INTER_CUBIC)
    return cv2.copyMakeBorder(picture, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)


def png(picture: np.ndarray) -> bytes:
    """A gray or BGR uint8 picture as a PNG file."""
    return cv2.imencode(".png", picture)[1].tobytes()


def detected_faces(faces: FaceTable, file: Path) -> np.ndarray:
    """(n,) bool: whether the project's detector finds a face in each crop. The answer is saved in `file` for the next run.

    Crops that the camera's chain cut out count as found: the detector found them before.
    """
    if file.exists():
        with np.load(file) as arrays:
            print(f"read {file}", flush=True)
            return arrays["found"]
    # The size limit is that of the pictures: they are searched at full size.
    detector = Detector(DetectorSettings())
    detected = faces.framed.copy()
    for i in range(len(faces)):
        detected[i] = detected[i] or bool(detector.find(enlarged(faces.pixels[i]), CROP * ENLARGE + 2 * BORDER))
        if (i + 1) % 2000 == 0 or i + 1 == len(faces):
            print(f"searched {i + 1} of {len(faces)} pictures for faces: {detected[: i + 1].sum()} found", flush=True)
    save_array(file, "found", detected)
    return detected
