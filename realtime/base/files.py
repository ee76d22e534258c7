"""Writes files so that a crash, a full disk or a kill leaves either the old content or the new one, never a part; reads files of others."""

import errno
import os
import secrets
import stat
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


def open_regular(path: Path, follow: bool = True) -> BinaryIO:
    """Opens a regular file to read it. A pipe would wait for its writer for ever, and a device may have no end.

    Args:
        follow: whether `path` itself may be a link.

    Raises:
        OSError: there is no such file, it is no regular one, or it may not be read.
    """
    _check_regular(path, Path(path).stat(follow_symlinks=follow))
    # Another program may put something else in its place in between.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_regular(path, os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: Path, most: int, follow: bool = True) -> bytes:
    """The content of a regular file of at most `most` bytes. See `open_regular`.

    Raises:
        OSError: it cannot be read, or is larger.
    """
    with open_regular(path, follow) as file:
        content = file.read(most + 1) if os.fstat(file.fileno()).st_size <= most else None
    if content is None or len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def _check_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "no regular file"
        raise OSError(errno.EINVAL, f"it is {kind}", str(path))


def sync_folder(path: Path) -> None:
    """Puts the names in a folder on the disk. Windows does so by itself and cannot open a folder."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
