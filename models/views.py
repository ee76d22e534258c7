"""What a network sees while it learns: views of faces as a camera might cut them, and pictures that are no readable face.

A view is one cut of a crop before light is changed: (n, 1, 64, 64) float, 0 to 255.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.augment import covered, crowded, jumbled, lit, patched, placed, smeared, torn, twisted, warp
from models.face_table import mark
from models.lesson import Lesson, MeasuredFaces
from realtime.values import LABELS


@dataclass(frozen=True)
class Faces:
    """Faces to learn from, one row each, on the device that computes.

    Attributes:
        crops: (n, 1, 48, 48) uint8.
        framing: (n, 2, 3) float32, how each crop is sampled to frame its face.
        distribution: (n, 8) float32 target.
        weight: (n,) float32 trust in the target, 0 to 1.
        single: (n,) int64, the one original FER2013 label; -1 where there is none.
    """

    crops: Tensor
    framing: Tensor
    distribution: Tensor
    weight: Tensor
    single: Tensor

    def rows(self, picks: Tensor) -> "Faces":
        """The rows with these numbers."""
        return Faces(*(getattr(self, name)[picks] for name in self.__dataclass_fields__))

    def to(self, device: torch.device) -> "Faces":
        return Faces(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.crops)

    def mark(self) -> str:
        """A short name that changes with the faces and the targets."""
        return mark(*(getattr(self, name).cpu().numpy() for name in self.__dataclass_fields__))


def faces_of(lesson: Lesson, device: torch.device) -> Faces:
    """The faces of a lesson as tensors."""
    columns = (lesson.crops[:, None], lesson.framing, lesson.distribution, lesson.weight, lesson.single.astype("i8"))
    return Faces(*(torch.from_numpy(column).to(device) for column in columns))


def row_numbers(faces: Faces) -> Tensor:
    """The rows of one epoch: all once, but photos (rows without a FER2013 label) four times where their expression is rare.

    Rare is what is neither happy nor neutral.
    """
    common = torch.tensor([LABELS.index("happiness"), LABELS.index("neutral")], device=faces.single.device)
    rare = (faces.single < 0) & ~torch.isin(faces.distribution.argmax(1), common)
    return torch.cat([torch.arange(len(faces), device=rare.device), rare.nonzero()[:, 0].repeat(3)])


def batches(rows: Tensor, size: int) -> Iterator[Tensor]:
    """Random batches of `size` of the rows, epoch after epoch without end; what is left at the end of an epoch is dropped."""
    while True:
        order = rows[torch.randperm(len(rows), device=rows.device)]
        yield from order[: len(order) // size * size].split(size)


def measured_chips(faces: MeasuredFaces, whole: bool, device: torch.device) -> Tensor:
    """The chips (n, 64, 64) uint8 of faces that are measured on: framed, or their whole crops."""
    crops, framing = torch.from_numpy(faces.crops[:, None]).to(device), torch.from_numpy(faces.framing).to(device)
    return plain_chips(crops, torch.eye(2, 3, device=device).expand_as(framing) if whole else framing)


def plain_chips(crops: Tensor, framing: Tensor) -> Tensor:
    """The chips (n, 64, 64) uint8 of (n, 1, 48, 48) uint8 crops, framed by (n, 2, 3) and not changed."""
    return warp(crops.float(), framing).round().clamp(0, 255).to(torch.uint8).squeeze(1)


def cut(crops: Tensor, framing: Tensor, negative: bool = False) -> Tensor:
    """One cut of each (n, 1, 48, 48) uint8 crop by `models.augment.placed`; with `negative` all are badly placed, else none."""
    return placed(crops.float(), framing, torch.full((len(crops),), negative, device=crops.device))


def view(crops: Tensor, framing: Tensor) -> Tensor:
    """A view of each (n, 1, 48, 48) uint8 crop, some partly covered."""
    return patched(cut(crops, framing) / 255) * 255


def whole_framing(faces: Faces) -> Tensor:
    """The framing (n, 2, 3) that shows whole crops, for teachers that see what lies around a face."""
    return torch.eye(2, 3, device=faces.crops.device).expand(len(faces), 2, 3)


@dataclass(frozen=True)
class Blend:
    """How the faces of a batch are blended with other faces of it; only teachers can say which expression such a picture shows.

    Attributes:
        other: (n,) int64, the row of the face that each is blended with.
        own: (n,) float32, the weight of the face itself, 0.5 to 1; 1 where it is not blended.
    """

    other: Tensor
    own: Tensor

    def of(self, values: Tensor) -> Tensor:
        """Values (n, ...) of the faces, blended."""
        return torch.lerp(values[self.other], values, self.own.reshape(-1, *[1] * (values.ndim - 1)))

    @property
    def plain(self) -> Tensor:
        """(n,) bool: the faces that are not blended."""
        return self.own == 1


def random_blend(n: int, share: float, device: torch.device) -> Blend:
    """Blends a random share of n faces with others."""
    blended = torch.rand(n, device=device) < share
    own = torch.where(blended, torch.empty(n, device=device).uniform_(0.5, 1), torch.ones(n, device=device))
    return Blend(torch.randperm(n, device=device), own)


def beside(crops: Tensor, framing: Tensor, scenery: Tensor) -> Tensor:
    """Badly placed cuts of (n, 1, 48, 48) uint8 crops; where a crop ends, the cut shows (n, 1, 64, 64) scenery, not the repeated edge."""
    inside = F.pad(torch.full((len(crops), 1, 46, 46), 255, dtype=torch.uint8, device=crops.device), (1, 1, 1, 1))
    face, mask = cut(torch.cat([crops, inside], 1), framing, negative=True).split(1, 1)
    return torch.lerp(scenery, face, mask / 255)


def no_faces(faces: Faces, scenery: Tensor, n: int) -> Tensor:
    """Views of n pictures without a readable face: a third misplaced faces, a third spoilt ones, a third scenery.

    Half of the misplaced faces have other scenery around them. Spoilt ones are covered, smeared, jumbled, twisted, torn or crowded, a sixth
    each.

    Args:
        faces: what is misplaced and spoilt.
        scenery: (m, 1, 48, 48) uint8 pictures without a face.
        n: at least 18, so that there is one of each kind.
    """
    device, third = scenery.device, n // 3
    misplaced, spoilt = (torch.randint(len(faces), (third,), device=device) for _ in range(2))
    other = cut(scenery[torch.randint(len(scenery), (n,), device=device)], torch.eye(2, 3, device=device).expand(n, 2, 3))
    near = cut(faces.crops[spoilt], faces.framing[spoilt])
    half, sixth = third // 2, third // 6
    parts = [
        cut(faces.crops[misplaced[:half]], faces.framing[misplaced[:half]], negative=True),
        beside(faces.crops[misplaced[half:]], faces.framing[misplaced[half:]], other[half:third]),
        covered(near[:sixth], other[third : third + sixth]),
        smeared(near[sixth : 2 * sixth]),
        jumbled(near[2 * sixth : 3 * sixth]),
        twisted(near[3 * sixth : 4 * sixth]),
        torn(near[4 * sixth : 5 * sixth]),
        crowded(near[5 * sixth :]),
        other[2 * third :],
    ]
    return torch.cat(parts)


def to_network(views: Tensor) -> Tensor:
    """Views as the networks take them: (n, 1, 64, 64) in [-1, 1), channels last."""
    return (views.clamp(0, 255) / 128 - 1).contiguous(memory_format=torch.channels_last)


def in_light(views: Tensor) -> Tensor:
    """Network inputs from views, half of them mirrored, in other light."""
    views = torch.where(torch.rand(len(views), 1, 1, 1, device=views.device) < 0.5, views, views.flip(3))
    return to_network(lit(views / 255) * 255)
