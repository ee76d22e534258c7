"""The int8 TFLite model: chips -> probabilities, reject, embedding. Reads its contract from the files and checks it once."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular
from realtime.base.json_values import is_number, parse_json
from realtime.base.silence import quiet
from realtime.base.tflite import interpreter_class
from realtime.base.version import RELEASE
from realtime.config import PRIOR_OF_USE, SHIPPED
from realtime.values import CHIP, LABELS

SCHEMA = "model/1"
MOST_CARD_BYTES, MOST_MODEL_BYTES = 1_000_000, 200_000_000
"""Of the JSON beside a model, and of a model's file."""
MOST = 1000.0
"""Largest number in the JSON beside a model but for the size of its embedding; what is beyond it is damage, and would overflow."""
LEAST_TEMPERATURE = 0.01
MOST_EMBEDDING = 65_536


class Opinion(NamedTuple):
    """What the model says of n chips: probs (n, 7) that sum to 1, reject (n,) 0 to 1, embedding (n, e); all float32."""

    probs: np.ndarray
    reject: np.ndarray
    embedding: np.ndarray


def dequantize(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """int8 values as float32; widened before the zero point is taken away."""
    return ((values.astype(np.int32) - zero_point) * scale).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class EmotionClassifier:
    """A model file and the JSON beside it, checked against each other at load."""

    def __init__(self, path: Path, threads: int = 1):
        """Loads `path` and `path` with the suffix .json.

        Raises:
            Trouble: a file is missing or damaged, or the two do not describe the model that this program expects.
        """
        self.path = path = Path(path)
        self.card = self._read_card(path)
        content = self._read(path, MOST_MODEL_BYTES)
        if hashlib.sha256(content).hexdigest() != self.card["sha256"]:
            raise Trouble(
                f"model {path} is damaged: its sha256 is not the one in {path.with_suffix('.json')}; restore both files from {RELEASE}"
            )
        interpreter, self.runtime = interpreter_class()
        try:
            with quiet():
                self._model = interpreter(model_content=content, num_threads=threads)
                self._model.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise Trouble(f"model {path} does not load in {self.runtime}: {reason(error)}; upgrade it or retrain the model") from error
        self.sha256 = self.card["sha256"]
        self.temperature = float(self._numbers("temperature", ()))
        if self.temperature < LEAST_TEMPERATURE:
            raise Trouble(f"{path.with_suffix('.json')} is damaged (temperature is {self.temperature}): restore it from {RELEASE}")
        self.bias = self._numbers("bias", (len(LABELS) + 1,)).astype(np.float32)
        self.prior = self._numbers("prior", (len(LABELS),)).astype(np.float32)
        """How often each label occurs in what the model learned from; (7,), sums to 1."""
        if (self.prior <= 0).any():
            raise Trouble(f"{path.with_suffix('.json')} is damaged (its prior has values of 0 or less): restore it from {RELEASE}")
        self._shift = np.append(np.log(np.array(PRIOR_OF_USE) / self.prior), 0).astype(np.float32)
        """What is added to the scaled logits (8,), so that the training prior is replaced by the prior of use."""
        self.resting = None if self.card.get("resting") is None else self._numbers("resting", (len(LABELS),))
        """Mean log-probabilities (7,) of everybody's resting face; None where the card does not tell."""
        self.embedding = int(self._numbers("embedding", (), MOST_EMBEDDING))
        """Numbers in an embedding."""
        self._input = self._tensor(self._model.get_input_details(), (1, CHIP, CHIP, 1), "input")
        outputs = self._model.get_output_details()
        self._logits = self._tensor(outputs, (1, len(LABELS) + 1), "logits")
        self._embedding = self._tensor(outputs, (1, self.embedding), "embedding")
        if self._input["quantization"] != (1 / 128, 0):
            raise Trouble(
                f"model {path} has an input of scale and zero point {self._input['quantization']}, expected {(1 / 128, 0)}: "
                "export it with `python -m models.quantize`"
            )

    @property
    def fast(self) -> bool:
        """Whether the runtime gave part of the model to XNNPACK, its fast kernels; without them it takes several times longer."""
        return any(step["op_name"] == "DELEGATE" for step in self._model._get_ops_details())

    @staticmethod
    def _read(path: Path, most: int) -> bytes:
        try:
            return read_regular(path, most)
        except OSError as error:
            raise Trouble(f"cannot read model file {path} ({reason(error)}): restore it, or name another with --model") from error

    def _read_card(self, path: Path) -> dict[str, Any]:
        beside = path.with_suffix(".json")
        if path.suffix != ".tflite":
            what = f"{path} is not a .tflite file" if path.suffix else f"there is no {path}"
            raise Trouble(f"model: {what}; name one of {', '.join(SHIPPED)}, or a .tflite file that `python -m models.quantize` wrote")
        try:
            card = parse_json(self._read(beside, MOST_CARD_BYTES))
            schema, labels = card["schema"], tuple(card["labels"])
            missing = {"sha256", "embedding", "temperature", "bias", "prior"} - card.keys()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Trouble(f"{beside} is damaged ({error!r:.120}): restore it from {RELEASE}") from error
        if schema != SCHEMA:
            raise Trouble(f"{beside} has the schema {schema!r:.60}, this program reads {SCHEMA!r}: use a model of {RELEASE}")
        if missing:
            raise Trouble(f"{beside} is damaged (no {sorted(missing)[0]}): restore it from {RELEASE}")
        if labels != LABELS:
            raise Trouble(f"{beside} has the labels {', '.join(map(repr, labels)):.200}; expected, in this order: {', '.join(LABELS)}")
        return card

    def _numbers(self, name: str, shape: tuple[int, ...], most: float = MOST) -> np.ndarray:
        """The card's numbers under a name, of up to `most` in size, in float64."""
        entry = self.card[name]
        try:
            values = np.array(entry, object)
        except ValueError:
            values = np.full(1, None)
        if values.shape != shape or not all(is_number(value, most) for value in values.flat):
            expected = f"{shape[0]} numbers" if shape else "a number"
            raise Trouble(
                f"{self.path.with_suffix('.json')} is damaged ({name} is {entry!r:.60}, expected {expected}): restore it from {RELEASE}"
            )
        return values.astype(float)

    def _tensor(self, details: list[dict[str, Any]], shape: tuple[int, ...], name: str) -> dict[str, Any]:
        for detail in details:
            if tuple(detail["shape"]) == shape and detail["dtype"] == np.int8:
                return detail
        have = ", ".join(f"{tuple(int(n) for n in d['shape'])} {np.dtype(d['dtype']).name}" for d in details)
        raise Trouble(f"model {self.path} has no {name} tensor {shape} int8 (it has {have}): export it with `python -m models.quantize`")

    def logits(self, chips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Raw logits (n, 8), seven expressions then reject, and embeddings (n, e), both float32, of (n, 64, 64) uint8 chips."""
        if chips.dtype != np.uint8 or chips.shape[1:] != (CHIP, CHIP):
            raise ValueError(f"chips must be (n, {CHIP}, {CHIP}) uint8, got {chips.shape} {chips.dtype}")
        logits = np.empty((len(chips), len(LABELS) + 1), np.float32)
        embedding = np.empty((len(chips), self.embedding), np.float32)
        for i, chip in enumerate(chips):
            # The input's scale is one grey level: the int8 value is the byte minus 128, which flips its highest bit.
            self._model.set_tensor(self._input["index"], (chip ^ 0x80).view(np.int8)[None, :, :, None])
            self._model.invoke()
            for row, detail in ((logits[i], self._logits), (embedding[i], self._embedding)):
                row[:] = dequantize(self._model.get_tensor(detail["index"])[0], *detail["quantization"])
        return logits, embedding

    def read(self, chips: np.ndarray) -> Opinion:
        """Calibrated probabilities, reject probability and embedding of (n, 64, 64) uint8 chips; n may be 0."""
        logits, embedding = self.logits(chips)
        probs, reject = self.calibrated(logits)
        return Opinion(probs, reject, embedding)

    def calibrated(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (n, 7) and reject probability (n,) of raw logits (n, 8), under `realtime.config.PRIOR_OF_USE`.

        Bias-corrected temperature scaling (Alexandari et al. 2020): one divisor and one offset a class, fitted when the model was made.
        Bayes' rule replaces the training prior by the prior of use, which adds the logarithm of their ratio. The offset of reject puts
        the threshold that loses 1 of 200 real faces at 0.5.
        """
        scaled = logits / self.temperature + self.bias + self._shift
        return softmax(scaled[:, :-1]), softmax(scaled)[:, -1]

    def probabilities(self, chips: np.ndarray) -> np.ndarray:
        """(n, 7) float32 calibrated probabilities of (n, 64, 64) uint8 chips."""
        return self.read(chips).probs
