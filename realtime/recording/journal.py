"""A file whose changes reach the disk completely or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from realtime.base.files import open_to_write


class Journal:
    """The file that a muxer writes to. Its writes wait in memory until `commit`, which puts them on disk completely or not at all.

    So neither a crash nor a full disk leaves half a fragment, and a muxer that is closed after a failure damages nothing.
    """

    def __init__(self, path: Path, replace: bool = True):
        """Creates the file, or empties the one that exists if `replace`; see `open_to_write` for what is raised."""
        self._file = os.fdopen(open_to_write(path, replace), "wb", buffering=0)
        self._pending: list[tuple[int, bytes]] = []
        self._at = self.size = self._end = 0

    def write(self, content: bytes) -> int:
        """Keeps bytes for the current position until the next `commit`."""
        self._pending.append((self._at, bytes(content)))
        self._at += len(content)
        self._end = max(self._end, self._at)
        return len(content)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves the current position, as a file does: relative to the start, to the current position, or to the end."""
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def commit(self) -> None:
        """Writes all pending bytes: first those that make the file longer, then those that change it.

        Raises:
            OSError: they cannot be written; the file keeps its old length.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        grown = bytearray(self._end - self.size)
        changes = []
        for at, content in pending:
            if at >= self.size:
                grown[at - self.size : at - self.size + len(content)] = content
            else:
                changes.append((at, content))
        try:
            self._put(self.size, grown)
            for at, content in changes:
                self._put(at, content)
        except OSError:
            with suppress(OSError):
                self._file.truncate(self.size)
            raise
        self.size = self._end

    def _put(self, at: int, content: bytes | bytearray) -> None:
        self._file.seek(at)
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[self._file.write(remaining) :]

    def close(self) -> None:
        self._file.close()
