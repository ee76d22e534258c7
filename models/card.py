"""Writes a model file and its card, the `.json` beside it, so that the two always belong together."""

import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from realtime.base.files import replace_file, replacing
from realtime.base.machine import package_versions
from realtime.base.version import __version__


def points_card(schema: str, name: str, content: bytes, teacher: Path, faces: dict[str, int], settings: Any) -> dict[str, Any]:
    """What the cards of both finders of the five points begin with.

    Args:
        content: the finder's file.
        teacher: the file of the predictor whose answers were the truth.
        faces: how many faces were learned from and measured on.
        settings: of the training, as JSON values.
    """
    return {
        "schema": schema,
        "name": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "made": date.today().isoformat(),
        "teacher": {"name": teacher.name, "sha256": hashlib.sha256(teacher.read_bytes()).hexdigest()},
        "faces": faces,
        "settings": settings,
        "program": {"version": __version__},
        "versions": package_versions(),
    }


def write_card(path: Path, card: dict[str, Any]) -> None:
    """Writes a card; a run that is killed meanwhile keeps the older one."""
    replace_file(path, card_bytes(card))


def card_bytes(card: dict[str, Any]) -> bytes:
    """A card as the content of its file."""
    return (json.dumps(card, indent=1) + "\n").encode()


def replace_model(path: Path, content: bytes, card: dict[str, Any]) -> None:
    """Puts a model file and its card in the place of an older pair, or into a new folder.

    Both are complete on the disk before the first of them moves; the card moves last. If anything fails, the older pair is put back. A kill
    between the two moves leaves the new model with the old card: loading refuses such a pair, since the card has the sha256 of its model.

    Args:
        path: the model file; the card has the same name with `.json`.
        content: the model.
        card: has its sha256.

    Raises:
        OSError: a file cannot be written.
    """
    beside = path.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    older = {file: file.read_bytes() if file.exists() else None for file in (path, beside)}
    try:
        with replacing(beside) as file:
            file.write(card_bytes(card))
            file.flush()
            os.fsync(file.fileno())
            replace_file(path, content)
    except BaseException:
        for file_path, old_content in older.items():
            restore(file_path, old_content)
        raise


def restore(path: Path, content: bytes | None) -> None:
    """Gives a file its older content again; None means that it did not exist."""
    if content is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != content:
        replace_file(path, content)
