"""Starts and stops recordings while the program runs, and names new files."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from realtime.base.errors import Trouble, disk_remedy, reason
from realtime.base.files import Exists, open_to_write, remove_if_empty, replace_file
from realtime.base.messages import Message, message
from realtime.readings.format import VIDEOS
from realtime.recording.disk import Full, make_folder
from realtime.recording.recording import Recording, RecordingSetup
from realtime.values import Frame, Reading


class RecordSwitch:
    """A recording that can be stopped and started while frames flow; each start makes a new file named by the date.

    Files are opened and closed in the recordings' threads: the frames do not wait for them.
    """

    def __init__(self, folder: Path, header: Callable[[], dict[str, Any]], setup: RecordingSetup, running: Recording | None = None):
        """New files go into `folder`; `running` is a recording that runs from the first frame on."""
        self.folder, self.header, self.setup = Path(folder), header, setup
        self.finished: list[Recording] = []
        self._running = running
        self._ending: list[Recording] = []

    @property
    def running(self) -> Recording | None:
        """The recording that takes the frames now."""
        return self._running

    def unfinished(self) -> set[str]:
        """Stems of the files that are not closed yet; from any thread."""
        return {one.path.stem for one in (self._running, *self._ending) if one is not None}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._running:
            self.toggle()
        with ExitStack() as stack:
            for recording in self._ending:
                stack.callback(recording.close)

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        for recording in [ending for ending in self._ending if ending.is_finished]:
            self._ending.remove(recording)
            recording.close()
        if self._running:
            try:
                self._running.write(frame, readings)
            except Full as full:
                self.setup.tell(str(full))
                self.toggle()

    def toggle(self) -> Message:
        """Stops or starts a recording, and says which."""
        if self._running:
            recording, self._running = self._running, None
            recording.end()
            self._ending.append(recording)
            if not recording.accepted:
                remove_if_empty(recording.readings_path)
                return message("nothing_recorded")
            self.finished.append(recording)
            return message("saved", file=recording.files[0])
        try:
            # The empty readings file keeps the name from other runs until the first frame is there.
            readings = create_dated(self.folder, ".jsonl")
            self._running = Recording(readings.with_suffix(".mp4"), self.header, self.setup, overwrite=True)
        except Trouble as trouble:
            return message("text", text=trouble)
        return message("recording")


def dated(folder: Path, suffix: str) -> Path:
    """A new file name in `folder` (made if missing) from the time of day, never one that exists.

    Raises:
        Trouble: the folder cannot be made.
    """
    return next(_dated_names(folder, suffix))


def create_dated(folder: Path, suffix: str, content: bytes = b"") -> Path:
    """Creates a file under a name as of `dated`; another run that does so at the same moment gets another name.

    Raises:
        Trouble: the folder cannot be made, or the file cannot be written.
    """
    for path in _dated_names(folder, suffix):
        try:
            os.close(open_to_write(path, replace=False))
            if content:
                replace_file(path, content, private=True)
        except Exists:
            continue
        except OSError as error:
            remove_if_empty(path)
            raise Trouble(f"cannot write {path} ({reason(error)}): {disk_remedy(error)}") from error
        return path
    raise Trouble(f"cannot find a free name in {folder}: too many files of this second are there")


def _dated_names(folder: Path, suffix: str) -> Iterator[Path]:
    make_folder(folder)
    stem = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    names = (folder / f"{stem}{'' if n == 1 else f'_{n}'}{suffix}" for n in range(1, 1000))
    return (name for name in names if not any(name.with_suffix(end).exists() for end in (name.suffix, *VIDEOS, ".jsonl")))
