"""Writes files so that a crash, a full disk or a kill leaves either the old content or the new one, never a part."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, private: bool = False) -> Iterator[BinaryIO]:
    """An open file that takes the place of `path` at the end of the `with` block; if the block fails, `path` stays as it was.

    The new file lies beside the old one until it is complete and on the disk.

    Args:
        private: whether only the owner may read the file.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(aside, flags, 0o600 if private else 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_file(path: Path, content: bytes, private: bool = False) -> None:
    """Writes `content` to `path`; an older file of that name stays whole until the new one is. See `replacing`."""
    with replacing(path, private) as file:
        file.write(content)


def sync_folder(path: Path) -> None:
    """Puts the names in a folder on the disk. Windows does so by itself and cannot open a folder."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def for_ffmpeg(path: Path) -> str:
    """The path as FFmpeg must be given it: without the prefix it takes what stands before a colon for the name of a protocol."""
    return f"file:{path}"
