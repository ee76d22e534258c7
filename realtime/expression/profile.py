"""A person's profile: a linear correction of the model's log-probabilities, as a small file that belongs to one model."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular, replace_file
from realtime.base.json_values import is_number, parse_json
from realtime.base.version import RELEASE
from realtime.values import LABELS

SCHEMA = "profile/1"
STEPS = ("resting", "offsets", "head")
MOST_BYTES = 20_000
MOST = 100.0
"""Largest number in a profile: what is beyond it is damage, and would overflow when applied."""


@dataclass(frozen=True)
class Profile:
    """What is added to the log-probabilities of the seven expressions for one person.

    Attributes:
        name: whose it is.
        model: sha256 of the model file it was fitted to, 64 hexadecimal digits.
        step: how it was fitted, one of `STEPS`.
        offsets: (7,) float32.
        weights: (e, 7) float32 by which the embedding is multiplied; None: the offsets alone.
        notes: the proof, the settings and the versions that made it; JSON values.
    """

    name: str
    model: str
    step: str
    offsets: np.ndarray
    weights: np.ndarray | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def personal(profile: Profile, probs: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Corrected probabilities (n, 7) float32 of the model's own (n, 7) and its embeddings (n, e)."""
    change = profile.offsets if profile.weights is None else profile.offsets + embedding @ profile.weights
    powers = np.maximum(probs, np.finfo(np.float32).tiny) * np.exp(change - change.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def save(profile: Profile, path: Path) -> None:
    """Writes a profile so that only its owner can read it; an older one of that name stays whole until the new one is.

    Raises:
        Trouble: the place cannot be written, or the profile is larger than 20 KB.
    """
    content = {
        "schema": SCHEMA,
        "name": profile.name,
        "model": profile.model,
        "labels": LABELS,
        "step": profile.step,
        "offsets": _numbers(profile.offsets),
        "weights": None if profile.weights is None else _numbers(profile.weights),
        "notes": profile.notes,
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > MOST_BYTES:
        raise Trouble(f"profile {profile.name!r} has {len(text)} bytes, more than {MOST_BYTES}: use a model with a smaller embedding")
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text, private=True)
    except OSError as error:
        raise Trouble(f"cannot write profile {path} ({reason(error)}): free the place or choose another") from error


def load(path: Path, model: str, embedding: int) -> Profile:
    """Reads a profile for the model with the sha256 `model` and embeddings of `embedding` numbers.

    Raises:
        Trouble: there is none, it is damaged, of another version or for another model. The caller can go on with the base model.
    """
    path = Path(path)
    again = "calibrate again with `run.py calibrate`"
    try:
        text = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise Trouble(f"cannot read profile {path} ({reason(error)}): name another, or {again}") from error
    try:
        content = parse_json(text)
        schema = content["schema"]
        if schema != SCHEMA:
            other = f"has the schema {schema!r:.60}, {RELEASE} reads {SCHEMA!r}"
            raise Trouble(f"profile {path} {other}: use the release that made it, or {again}")
        if content["model"] != model:
            raise Trouble(f"profile {path} was made for another model ({str(content['model'])[:8]!r}, not {model[:8]!r}): {again}")
        weights = content["weights"]
        profile = Profile(
            name=content["name"],
            model=model,
            step=content["step"],
            offsets=_array(content["offsets"], (len(LABELS),)),
            weights=None if weights is None else _array(weights, (embedding, len(LABELS))),
            notes=content["notes"],
        )
        if content["labels"] != list(LABELS) or profile.step not in STEPS or not isinstance(profile.notes, dict):
            raise ValueError("its labels, step or notes are not known")
        if not isinstance(profile.name, str) or not profile.name.isprintable():
            raise ValueError("its name is no text")
    except (ValueError, KeyError, TypeError) as error:
        raise Trouble(f"profile {path} is damaged ({error!r:.120}): {again}") from error
    return profile


def _numbers(values: np.ndarray) -> list:
    """Four decimals: a thousandth of what the model's own int8 steps change."""
    return [_numbers(row) for row in values] if values.ndim > 1 else [round(float(value), 4) for value in values]


def _array(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(values, object)
    if array.shape != shape:
        raise ValueError(f"expected {math.prod(shape)} numbers as {shape}, it has {array.shape}")
    if not all(is_number(value, MOST) for value in array.flat):
        raise ValueError(f"values that are no numbers up to {MOST:g}")
    return array.astype(np.float32)
