"""The file under a video: what is written reaches the disk whole or not at all."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class Journal:
    """The file under a muxer. What the muxer writes is kept until `commit`, which puts it on disk whole or not at all.

    So neither a crash nor a full disk leaves half a fragment, and a muxer that is closed after a failure spoils nothing.
    """

    def __init__(self, path: Path):
        """Creates the file; raises OSError."""
        self._file = path.open("wb", buffering=0)
        self._pending: list[tuple[int, bytes]] = []
        self._at = self.size = self._end = 0

    def write(self, content: bytes) -> int:
        """Takes bytes for the current place."""
        self._pending.append((self._at, bytes(content)))
        self._at += len(content)
        self._end = max(self._end, self._at)
        return len(content)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's; relative to the start, to here, or to the end."""
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def commit(self) -> None:
        """Writes what is pending: first what makes the file longer, then what changes it. Raises OSError; the file is then as it was."""
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
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        self._file.close()
