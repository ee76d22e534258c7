"""Watches the disk while a recording is written."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from realtime.base.errors import Trouble, disk_remedy, reason
from realtime.base.files import make_private_folder
from realtime.base.timing import Clock
from realtime.config import RecorderSettings

MB = 1e6


def make_folder(folder: Path) -> None:
    """Makes a folder, where it is missing, and those that it lies in, for their owner alone.

    Raises:
        Trouble: it cannot be made.
    """
    try:
        make_private_folder(folder)
    except OSError as error:
        raise Trouble(f"cannot make the folder {folder} ({reason(error)}): {disk_remedy(error)}") from error


class Full(Trouble):
    """The disk is nearly full; the recording has been finished."""


class DiskWatch:
    """Checks once in a while that the disk has room and that the files still exist."""

    def __init__(self, settings: RecorderSettings, clock: Clock, tell: Callable[[str], None], free: Callable[[Path], int] | None = None):
        """`tell` gets one warning; `free(folder)` returns the free bytes, by default those that the system reports."""
        self.settings, self.clock, self.tell = settings, clock, tell
        self.free = free or (lambda folder: shutil.disk_usage(folder).free)
        self._next = -float("inf")
        self._warned = False

    def update(self, files: Sequence[Path]) -> None:
        """Checks the files that are being written, all in one folder.

        Raises:
            Full: there is no room for more.
            Trouble: a file is gone, or the folder cannot be reached.
        """
        now = self.clock()
        if now < self._next:
            return
        self._next = now + self.settings.check_s
        folder = files[0].parent
        # The room is read first and checked last: a removed folder must be reported as moved files, not as a broken disk.
        free_mb, failed = 0.0, None
        try:
            free_mb = self.free(folder) / MB
        except OSError as error:
            failed = error
        for file in files:
            if not file.exists():
                raise Trouble(f"{file} was moved or removed while it was written: leave the folder alone until the recording has ended")
        if failed:
            raise Trouble(f"{folder} cannot be reached any more ({reason(failed)}): check the disk") from failed
        if free_mb < self.settings.stop_free_mb:
            raise Full(f"only {free_mb:.0f} MB are left on the disk: {files[0]} was finished early; make room, or record to another disk")
        if free_mb < self.settings.warn_free_mb and not self._warned:
            self._warned = True
            self.tell(f"the disk is nearly full: {free_mb:.0f} MB left for {files[0].name}")
