"""The packed lesson: all that training on another machine needs, in one file that numpy alone can read.

It holds the faces with their targets, scenery, test faces, and the weights that teachers start from. It is made to be small, because such a
machine is often reached through a narrow door:

- Pictures keep the six highest of their eight bits. The rounding, at most two grey levels, is less than a camera's noise, which training
  adds anyway. Each pixel is written as its difference from a guess by its neighbours, and that is compressed (LZMA): 3.6 bits a pixel
  instead of the 5.9 of a PNG (4,000 faces of FER2013).
- The matrices of a start network are whole numbers of eight bits with one scale for each output channel. They are trained further, so the
  rounding is lost in the first steps.
"""

import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import replacing
from realtime.values import CROP

LOST_BITS = 2
"""How many of a pixel's eight bits are dropped."""

LEVELS = 256 >> LOST_BITS


@dataclass(frozen=True)
class MeasuredFaces:
    """Faces that are only measured on.

    Attributes:
        crops: (n, 48, 48) uint8.
        framing: (n, 2, 3) float32, how each crop is sampled to frame its face (`models.framing.sampling_matrix`).
        labels: (n,) int8, the true expression; -1 where there is none.
        single: (n,) int8, the one original FER2013 label; -1 where there is none.
    """

    crops: np.ndarray
    framing: np.ndarray
    labels: np.ndarray
    single: np.ndarray


@dataclass(frozen=True)
class Lesson:
    """What training needs.

    Attributes:
        crops: (n, 48, 48) uint8 faces to learn from.
        framing: (n, 2, 3) float32.
        distribution: (n, 8) float32, the target of each face.
        weight: (n,) float32, trust in the target, 0 to 1.
        single: (n,) int8, the one original FER2013 label; -1 where there is none.
        prior: (7,) float32, how often each expression occurs in the votes.
        scenery: (m, 48, 48) uint8 pictures without a face.
        tests: faces to measure on, by the name of their set.
        starts: the weights that networks start from, by network and then by the name of the tensor.
    """

    crops: np.ndarray
    framing: np.ndarray
    distribution: np.ndarray
    weight: np.ndarray
    single: np.ndarray
    prior: np.ndarray
    scenery: np.ndarray
    tests: dict[str, MeasuredFaces]
    starts: dict[str, dict[str, np.ndarray]]


def guess(levels: np.ndarray, y: int, x: int) -> np.ndarray:
    """(n,) int16: what the neighbours say of pixel (y, x) of (48, 48, n) int16 pictures; beyond the first row and column they are 0.

    It is the median of left, above, and left + above - diagonal: the predictor of LOCO-I (Weinberger, Seroussi and Sapiro 2000), the basis
    of JPEG-LS.
    """
    nothing = np.zeros_like(levels[0, 0])
    left, above = levels[y, x - 1] if x else nothing, levels[y - 1, x] if y else nothing
    diagonal = levels[y - 1, x - 1] if x and y else nothing
    return np.clip(left + above - diagonal, np.minimum(left, above), np.maximum(left, above))


def pack_pictures(pictures: np.ndarray) -> np.ndarray:
    """(n, 48, 48) uint8 pictures as a flat uint8 array; the lowest bits are lost."""
    # The pixels of all pictures at one place lie side by side in memory: numpy works through them at once.
    levels = np.ascontiguousarray((pictures >> LOST_BITS).transpose(1, 2, 0)).astype(np.int16)
    differences = np.empty(levels.shape, np.uint8)
    for y in range(CROP):
        for x in range(CROP):
            differences[y, x] = (levels[y, x] - guess(levels, y, x)) % LEVELS
    return np.frombuffer(lzma.compress(differences.transpose(2, 0, 1).tobytes(), preset=6), np.uint8)


def unpack_pictures(packed: np.ndarray) -> np.ndarray:
    """The pictures (n, 48, 48) uint8 of `pack_pictures`, each pixel in the middle of the levels that it may have had."""
    differences = np.frombuffer(lzma.decompress(packed.tobytes()), np.uint8).reshape(-1, CROP, CROP)
    differences = np.ascontiguousarray(differences.transpose(1, 2, 0))
    levels = np.empty(differences.shape, np.int16)
    for y in range(CROP):
        for x in range(CROP):
            levels[y, x] = (differences[y, x] + guess(levels, y, x)) % LEVELS
    middle = 1 << LOST_BITS >> 1
    return np.ascontiguousarray(((levels << LOST_BITS) + middle).transpose(2, 0, 1)).astype(np.uint8)


def pack_weights(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a network by name: matrices as int8 with a tensor `NAME/scale` (float32, one for each output channel), vectors as
    they are."""
    packed = {}
    for name, tensor in weights.items():
        if tensor.ndim < 2:
            packed[name] = tensor
            continue
        scale = np.abs(tensor).reshape(len(tensor), -1).max(1) / 127 + 1e-12
        packed[name] = np.rint(tensor / scale.reshape(-1, *[1] * (tensor.ndim - 1))).astype(np.int8)
        packed[f"{name}/scale"] = scale.astype(np.float32)
    return packed


def unpack_weights(packed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors, float32, of `pack_weights`."""
    weights = {}
    for name, tensor in packed.items():
        if name.endswith("/scale"):
            continue
        scale = packed.get(f"{name}/scale")
        weights[name] = tensor if scale is None else tensor.astype(np.float32) * scale.reshape(-1, *[1] * (tensor.ndim - 1))
    return weights


def save_lesson(lesson: Lesson, path: Path) -> int:
    """Writes a lesson and gives the size of the file in bytes."""
    arrays: dict[str, Any] = {"crops": pack_pictures(lesson.crops), "scenery": pack_pictures(lesson.scenery)}
    arrays |= {name: getattr(lesson, name).astype(np.float16) for name in ("framing", "distribution", "weight")}
    arrays |= {"single": lesson.single, "prior": lesson.prior}
    for name, faces in lesson.tests.items():
        arrays[f"tests:{name}:crops"] = pack_pictures(faces.crops)
        arrays |= {f"tests:{name}:{part}": getattr(faces, part) for part in ("framing", "labels", "single")}
    for net, weights in lesson.starts.items():
        arrays |= {f"starts:{net}:{name}": tensor for name, tensor in pack_weights(weights).items()}
    with replacing(path) as file:
        np.savez(file, **arrays)
    return path.stat().st_size


def load_lesson(path: Path) -> Lesson:
    """Reads a lesson.

    Raises:
        Trouble: the file is missing, damaged or no lesson.
    """
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        tests, starts = nested(arrays, "tests"), nested(arrays, "starts")
        return Lesson(
            crops=unpack_pictures(arrays["crops"]),
            **{name: arrays[name].astype(np.float32) for name in ("framing", "distribution", "weight", "prior")},
            single=arrays["single"],
            scenery=unpack_pictures(arrays["scenery"]),
            tests={name: MeasuredFaces(**parts | {"crops": unpack_pictures(parts["crops"])}) for name, parts in tests.items()},
            starts={net: unpack_weights(weights) for net, weights in starts.items()},
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, lzma.LZMAError) as error:
        raise Trouble(f"{path} is no lesson that can be read ({reason(error)}): make it with `python -m models.pack_lesson`") from error


def nested(arrays: dict[str, np.ndarray], kind: str) -> dict[str, dict[str, np.ndarray]]:
    """The arrays named "kind:group:name", by group and name."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        head, _, rest = key.partition(":")
        if head == kind:
            group, _, name = rest.partition(":")
            groups.setdefault(group, {})[name] = array
    return groups
