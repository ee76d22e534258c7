"""The bytes of a pipe, for several readers: the pictures and the sound of a film are read independently, each from its beginning."""

import errno
import os
import select
import struct
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Protocol

from realtime.base.errors import Trouble, reason
from realtime.sources.source import TICK_S

CHUNK = 65536
"""Bytes that are read from a pipe at a time at most: what Linux' pipes hold."""
WINDOW = 64_000_000
"""Bytes of a film that are stored for a reader that begins later."""
MOST_HEAD = 10_000_000
"""Bytes within which an MP4 file's index or pictures must begin."""
BEFORE_INDEX = (b"ftyp", b"styp", b"wide", b"free", b"skip", b"uuid", b"mdat", b"moov")
"""Boxes with which an MP4 or MOV file may begin."""


class Readable(Protocol):
    """What FFmpeg reads through PyAV, which does not close it.

    `is_left` is to be set to a function that says whether nobody reads it any more.
    """

    is_left: Callable[[], bool]

    def read(self, size: int) -> bytes: ...


class PipeBytes:
    """What comes through a pipe. The writer waits while no reader takes what it has written.

    An MP4 file whose index is at its end cannot be read before all of it has come: it is written into a temporary file first.
    """

    def __init__(self, descriptor: int, stopped: Callable[[], bool]):
        """
        Args:
            descriptor: the file descriptor to read.
            stopped: the bytes end when it is true, also while none come.
        """
        self.descriptor, self.stopped = descriptor, stopped
        self._lock = threading.Lock()
        self._stored = bytearray()
        self._start = 0
        self._ended = False
        self._window = WINDOW
        self._readers: list[_PipeReader] = []
        self._file: IO[bytes] | None = None

    def open(self) -> Readable:
        """A reader from the beginning.

        Raises:
            OSError: the beginning is not stored any more.
            Trouble: the temporary file cannot be written.
        """
        if self._file is None and self._start == 0 and index_is_last(self._exactly):
            self._file = self._written()
        if self._file is not None:
            return _FileReader(self._file, self._lock)
        with self._lock:
            if self._start:
                raise OSError(errno.ESPIPE, "the beginning of the pipe is gone")
            reader = _PipeReader(self)
            self._readers.append(reader)
        return reader

    def forget(self) -> None:
        """Stores no bytes for readers that begin later: there will be none."""
        self._window = 0

    def close(self) -> None:
        """Deletes the temporary file. The pipe stays open."""
        if self._file is not None:
            self._file.close()

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on, as soon as there are any; none at the end. No reader that is left may have passed them."""
        with self._lock:
            if start == self._start + len(self._stored):
                self._fill()
            at = start - self._start
            return bytes(self._stored[at : at + size])

    def _fill(self) -> None:
        """Waits for more bytes and stores them; those that every reader has passed are dropped now and then."""
        chunk = self._next()
        self._ended = not chunk
        self._stored += chunk
        if len(self._stored) > 2 * self._window + CHUNK:
            self._readers = [reader for reader in self._readers if not reader.is_left()]
            passed = min((reader.position for reader in self._readers), default=self._start) - self._start
            drop = min(passed, len(self._stored) - self._window)
            del self._stored[:drop]
            self._start += drop

    def _next(self) -> bytes:
        """The next bytes of the pipe; none at its end and after `stopped`."""
        # Windows cannot wait for a pipe with a limit.
        while os.name != "nt" and not select.select([self.descriptor], [], [], TICK_S)[0]:
            if self.stopped():
                return b""
        return b"" if self._ended else os.read(self.descriptor, CHUNK)

    def _exactly(self, start: int, size: int) -> bytes:
        """`size` bytes from `start` on, fewer only at the end of the pipe."""
        with self._lock:
            while len(self._stored) < start + size and not self._ended:
                self._fill()
            return bytes(self._stored[start : start + size])

    def _written(self) -> IO[bytes]:
        """A temporary file with all that comes through the pipe."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - open until `close`
        try:
            file.write(self._stored)
            while chunk := self._next():
                file.write(chunk)
        except OSError as error:
            raise Trouble(
                f"the film in the pipe has its index at its end and cannot be stored until then ({reason(error)}): make room in the "
                "folder for temporary files (TMPDIR), or save the film and name its file"
            ) from error
        self._ended = True
        return file


class _PipeReader:
    """Reads a pipe on its own; it has no `seek`, so that FFmpeg reads forward."""

    def __init__(self, source: PipeBytes):
        self.source, self.position = source, 0
        self.is_left: Callable[[], bool] = lambda: False

    def read(self, size: int) -> bytes:
        content = self.source.read(self.position, size)
        self.position += len(content)
        return content


class _FileReader:
    """Reads a file that others read as well, at its own position."""

    def __init__(self, file: IO[bytes], lock: threading.Lock):
        self._file, self._lock, self._position = file, lock, 0
        self.is_left: Callable[[], bool] = lambda: False

    def read(self, size: int) -> bytes:
        with self._lock:
            self._file.seek(self._position)
            content = self._file.read(size)
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with self._lock:
            begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
            self._position = offset + (self._file.seek(0, os.SEEK_END) if begin is None else begin)
        return self._position

    def tell(self) -> int:
        return self._position


def index_is_last(read: Callable[[int, int], bytes]) -> bool:
    """Whether this is an MP4 or MOV file whose pictures come before its index; `read(start, size)` gives bytes of it.

    Such a file is a row of boxes: the length in 4 bytes, the kind in 4, the content (ISO/IEC 14496-12, section 4.2).
    """
    start = 0
    while start < MOST_HEAD:
        head = read(start, 8)
        if len(head) < 8 or head[4:] not in BEFORE_INDEX:
            return False
        if head[4:] in (b"mdat", b"moov"):
            return head[4:] == b"mdat"
        length = struct.unpack(">I", head[:4])[0]
        if length < 8:
            return False
        start += length
    return False
