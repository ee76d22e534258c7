"""Faces that were made from those of the lesson, for `models.course` and `models.make`: turned in depth, or with an expression transferred.

    python -m models.made_faces --transferred runs/transferred13.npz --transferred runs/transferred14.npz --turned runs/turned.npz

writes some of both into one file, packed as the lesson is, so that they can go with it to another machine.
"""

import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
import typer
from torch import Tensor

from models.cli import one_line
from models.lesson import pack_pictures, unpack_pictures
from models.network import N_LOGITS
from realtime.base.errors import Trouble, reason
from realtime.base.files import replacing

MOST = 7000
"""How many faces of each of the two kinds are packed: 13 MiB in all, beside the 45 of the lesson."""


@dataclass(frozen=True)
class TransferredFaces:
    """Faces from `models.transfer_faces`: crops (n, 1, 48, 48) uint8, their framing (n, 2, 3) and targets (n, 8)."""

    crops: Tensor
    framing: Tensor
    target: Tensor


@dataclass(frozen=True)
class TurnedFaces:
    """Faces from `models.turn_faces`: crops (n, 1, 48, 48) uint8, their framing (n, 2, 3), and which faces (n,) of the lesson they are."""

    crops: Tensor
    framing: Tensor
    rows: Tensor


def load_transferred(path: Path) -> TransferredFaces:
    """Reads transferred faces.

    Raises:
        Trouble: the file is missing or damaged.
    """
    return TransferredFaces(*_read(path, "target", "transfer_faces"))


def load_turned(path: Path) -> TurnedFaces:
    """Reads turned faces.

    Raises:
        Trouble: the file is missing or damaged.
    """
    return TurnedFaces(*_read(path, "rows", "turn_faces"))


def _read(path: Path, last: str, maker: str) -> tuple[Tensor, Tensor, Tensor]:
    """Crops (n, 1, 48, 48), framing, and the column `last` of a file that the module `maker` wrote."""
    with _made_by(maker, path), np.load(path) as file:
        crops, framing, column = (torch.from_numpy(file[name]) for name in ("crops", "framing", last))
        return crops[:, None], framing, column


@contextmanager
def _made_by(maker: str, path: Path) -> Iterator[None]:
    """Turns the errors of reading a damaged file into a `Trouble` that names the module which makes such a file."""
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, lzma.LZMAError) as error:
        raise Trouble(f"{path} cannot be read ({reason(error)}): make it with `python -m models.{maker}`") from error


class MadeFaces(NamedTuple):
    """Faces of both kinds.

    Attributes:
        crops: (n, 1, 48, 48) uint8.
        framing: (n, 2, 3) float32.
        target: (n, 8) float32, what a face is to show under the prior of use; zeros if that is what the face it was made from shows.
        rows: (n,) int64, which face of the lesson it was made from; -1 where `target` counts.
    """

    crops: Tensor
    framing: Tensor
    target: Tensor
    rows: Tensor

    def to(self, device: torch.device) -> "MadeFaces":
        return MadeFaces(*(column.to(device) for column in self))


def joined(transferred: list[TransferredFaces], turned: list[TurnedFaces], most: int) -> MadeFaces:
    """At most `most` transferred faces and as many turned ones, drawn at random, always the same."""
    draw = torch.Generator().manual_seed(0)

    def some(sets: list[TransferredFaces] | list[TurnedFaces], *names: str) -> list[Tensor]:
        columns = [torch.cat([getattr(one, name) for one in sets]) for name in names]
        picks = torch.randperm(len(columns[0]), generator=draw)[:most]
        return [column[picks] for column in columns]

    crops, framing, target = some(transferred, "crops", "framing", "target")
    turned_crops, turned_framing, rows = some(turned, "crops", "framing", "rows")
    return MadeFaces(
        torch.cat([crops, turned_crops]),
        torch.cat([framing, turned_framing]),
        torch.cat([target, torch.zeros(len(rows), N_LOGITS)]),
        torch.cat([torch.full((len(target),), -1), rows]),
    )


def save_made(made: MadeFaces, path: Path) -> int:
    """Writes made faces and gives the size of the file in bytes."""
    with replacing(path) as file:
        np.savez(
            file,
            crops=pack_pictures(made.crops[:, 0].numpy()),
            framing=made.framing.half().numpy(),
            target=made.target.half().numpy(),
            rows=made.rows.int().numpy(),
        )
    return path.stat().st_size


def load_made(path: Path, faces: int) -> MadeFaces:
    """Reads made faces for a lesson with so many faces.

    Raises:
        Trouble: the file is missing or damaged, or its faces were made from another lesson.
    """
    with _made_by("made_faces", path), np.load(path) as file:
        crops, framing, target, rows = unpack_pictures(file["crops"]), file["framing"], file["target"], file["rows"]
    if rows.max(initial=-1) >= faces:
        raise Trouble(f"{path} has faces that were made from another lesson, of more than {faces} faces: make them from this one")
    columns = (crops[:, None], framing.astype(np.float32), target.astype(np.float32), rows.astype(np.int64))
    return MadeFaces(*(torch.from_numpy(column) for column in columns))


@one_line
def main(
    transferred: Annotated[list[Path], typer.Option(help="A file that models.transfer_faces wrote; give several.")],
    turned: Annotated[list[Path], typer.Option(help="A file that models.turn_faces wrote; give several.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("runs/made.npz"),
) -> None:
    """Packs made faces."""
    made = joined([load_transferred(path) for path in transferred], [load_turned(path) for path in turned], MOST)
    size = save_made(made, out)
    print(f"wrote {out}: {len(made.rows)} faces, {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    typer.run(main)
