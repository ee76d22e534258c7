"""Which files in a folder are unfinished recordings: the program's own, which it may replace. One run at a time works there."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO, Self

from realtime.base.errors import Trouble, reason
from realtime.base.files import lock

LIST = ".unfinished"
"""The hidden file in the folder of the recordings that names the unfinished files, a line each. It is locked while a run is on."""
PART = ".part"
"""Stands in the names of unfinished files."""


class UnfinishedWork:
    """The unfinished recordings in a folder. Who is inside the `with` block is the only run that works there.

    A file that is not in the list is the user's, whatever its name: an unfinished recording then gets another one.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._own: set[Path] = set()

    def __enter__(self) -> Self:
        """Raises Trouble: another run is on, or the folder cannot be written."""
        try:
            self._file = self._open_locked()
            for line in self._file.read().splitlines():
                # The last line is cut where the power failed.
                with suppress(ValueError, TypeError):
                    self._own.add(self.folder / json.loads(line))
        except OSError as error:
            raise Trouble(f"cannot write into {self.folder} ({reason(error)}): check your rights and the disk") from error
        return self

    def _open_locked(self) -> BinaryIO:
        path = self.folder / LIST
        while True:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), "r+b")
            if not lock(file.fileno()):
                file.close()
                raise Trouble(f"another run is writing here, into {self.folder}: wait for its end, or name another folder")
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    return file
            # The run that held it has ended meanwhile, and removed it.
            file.close()

    def __exit__(self, *error: object) -> None:
        """Keeps the names of the files that are still there; with none the list is removed."""
        left = sorted(file for file in self._own if file.exists())
        with suppress(OSError), self._file as file:
            if not left:
                (self.folder / LIST).unlink()
            file.seek(0)
            file.truncate()
            file.write(self._lines(left))

    def _lines(self, files: Iterable[Path]) -> bytes:
        return b"".join(json.dumps(str(file.relative_to(self.folder))).encode() + b"\n" for file in files)

    def claim(self, files_of: Callable[[str], Sequence[Path]]) -> str:
        """A mark for the names of the unfinished files of a recording, such as ".part", under which no file of the user lies.

        The files are the program's own from now on.

        Args:
            files_of: the unfinished files for a mark, in the folder or below it.

        Raises:
            Trouble: the list cannot be written.
        """
        marks = (PART if n == 1 else f"{PART}{n}" for n in count(1))
        mark = next(mark for mark in marks if all(file in self._own or not os.path.lexists(file) for file in files_of(mark)))
        new = [file for file in files_of(mark) if file not in self._own]
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(self._lines(new))
            self._file.flush()
        except OSError as error:
            raise Trouble(f"cannot write into {self.folder} ({reason(error)}): check your rights and the disk") from error
        self._own.update(new)
        return mark
