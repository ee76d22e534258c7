"""Writes files so that nothing is lost: whole or not at all, by one run at a time, never over what is read; reads files of others."""

import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from realtime.base.errors import Trouble, reason
from realtime.base.json_values import parse_json
from realtime.base.version import RELEASE

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCKED_BYTE = 1 << 40
"""Windows locks bytes against reading too, so the lock lies far behind the end of any file."""


class Exists(Trouble):
    """A file of that name exists, and is kept."""

    def __init__(self, path: Path):
        super().__init__(f"{path} exists and is kept: choose another name, or pass --overwrite")


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


def read_checked(path: Path, what: str, most: int, needs_card: bool = True) -> bytes:
    """The content of a file that came with a .json beside it, which has the file's sha256.

    Args:
        path: the file.
        what: it is, for messages.
        most: bytes of each of the two at most.
        needs_card: whether a file without its .json is refused too.

    Raises:
        Trouble: one of the two cannot be read, or they do not belong together.
    """
    card, remedy = path.with_suffix(".json"), f"restore {'both files' if needs_card else 'it'} from {RELEASE}"
    try:
        content = read_regular(path, most)
        expected = parse_json(read_regular(card, most))["sha256"] if needs_card or card.is_file() else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Trouble(f"cannot read {what} {path} or its .json ({reason(error)}): {remedy}") from error
    if expected not in (None, hashlib.sha256(content).hexdigest()):
        raise Trouble(f"{what} {path} is damaged: its sha256 is not the one in {card.name}; {remedy}")
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


def open_to_write(path: Path, replace: bool) -> int:
    """A descriptor of an empty file that only its owner may read and that no other run writes to as long as it is open.

    Args:
        replace: whether a file of that name may exist; it is emptied, and keeps its rights.

    Raises:
        Exists: a file of that name exists, and is not to be replaced.
        Trouble: another run is writing to the file.
        OSError: it cannot be opened.
    """
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags if replace else flags | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Exists(path) from error
    try:
        if not lock(handle):
            raise Trouble(f"another run is writing {path}: wait for its end, or choose another name")
        # Devices have no length.
        if stat.S_ISREG(os.fstat(handle).st_mode):
            os.truncate(handle, 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def remove_if_empty(path: Path) -> None:
    """Removes a file without content, if it can be removed."""
    with suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()


def lock(handle: int) -> bool:
    """Locks an open file until it is closed; False if another run has locked it. Where the disk knows no locks, nothing is locked."""
    try:
        if sys.platform == "win32":
            os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass
    return True


def publish(parts: Sequence[Path], names: Sequence[Path], replace: bool) -> None:
    """Gives finished files their names, all or none of them.

    A process that is killed meanwhile leaves some files under both names, so that `names` can be told from others of these names.

    Args:
        parts: the files.
        names: their new names, one for each.
        replace: whether files of these names may exist.

    Raises:
        Exists: a name is taken, and the file there is not to be replaced.
        OSError: a file cannot be renamed.
    """
    for part, name in zip(parts, names, strict=True):
        if replace:
            part.replace(name)
    if replace:
        return
    linked: list[Path] = []
    try:
        for part, name in zip(parts, names, strict=True):
            _link(part, name)
            linked.append(name)
    except FileExistsError as error:
        for earlier, taken in zip(parts, linked, strict=False):
            if earlier.exists():
                taken.unlink()
            else:
                taken.rename(earlier)
        raise Exists(name) from error
    for part in parts:
        part.unlink(missing_ok=True)


def _link(path: Path, new: Path) -> None:
    """A second name for a file; where the disk knows no links, the new one alone. Raises FileExistsError."""
    try:
        os.link(path, new, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        if os.path.lexists(new):
            raise FileExistsError(f"{new} exists") from None
        path.rename(new)


def make_private_folder(path: Path) -> None:
    """Makes a folder and those above it where they are missing, for their owner alone; those that exist keep their rights.

    Raises:
        OSError: it cannot be made, or is a file.
    """
    for folder in [*reversed(path.parents), path]:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Makes sure that nothing which is read would be written over: under its own name, or through a link.

    Raises:
        Trouble: one of `outputs` is one of `inputs`.
    """
    read = {}
    for path in inputs:
        with suppress(OSError, ValueError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                read[status.st_dev, status.st_ino] = path
    for out in outputs:
        with suppress(OSError, ValueError):
            status = out.stat()
            source = read.get((status.st_dev, status.st_ino))
            if source is not None:
                what = "the file to be read" if source == out else f"the same file as {source}, which is read"
                raise Trouble(f"{out} is {what}: choose another name to write to")
