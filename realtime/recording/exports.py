"""The readings for other programs: as a table (CSV) and as subtitles (SRT). Each takes the frames' lines of a readings file, one by one."""

import csv
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

from realtime.base.errors import Trouble, reason
from realtime.readings.file import each_line

RENEWED_S = 0.5
"""How often the end of the running subtitle is moved on: a crash costs no more than that."""
BOX = ("x0", "y0", "x1", "y1")


class Export(Protocol):
    """Takes the lines of a readings file, the header left out, as they stand in it."""

    def write(self, line: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class CsvFile:
    """One row a face and frame: t, frame, id, label, confidence, unsure, a column a probability, and the box as x0, y0, x1, y1.

    `unsure` is empty where nothing is in doubt. Every row is on disk when `write` returns.
    """

    def __init__(self, path: Path, labels: Sequence[str]):
        """Creates the file, with its head, in place of one that is there.

        Args:
            path: the file.
            labels: the order of the probabilities.

        Raises:
            Trouble: it cannot be written.
        """
        self.path = Path(path)
        try:
            # Line by line to the disk; the csv module ends lines itself.
            self._file = self.path.open("w", encoding="utf-8", newline="", buffering=1)
            self._rows = csv.writer(self._file)
            self._rows.writerow(["t", "frame", "id", "label", "confidence", "unsure", *labels, *BOX])
        except OSError as error:
            raise _trouble(self.path, error) from error

    def write(self, line: dict[str, Any]) -> None:
        """Adds a row for each face of a frame.

        Raises:
            Trouble: the file cannot be written.
        """
        try:
            for face in line["faces"]:
                said = (face["id"], face["label"], face["confidence"], face["unsure"])
                self._rows.writerow([line["t"], line["frame"], *said, *face["probs"], *face["box"]])
        except OSError as error:
            raise _trouble(self.path, error) from error

    def close(self) -> None:
        """Finishes the file; raises Trouble when that fails."""
        try:
            self._file.close()
        except OSError as error:
            raise _trouble(self.path, error) from error


class SrtFile:
    """Subtitles: one as long as what is shown of all faces stays the same; none while there is no face.

    The running one is in the file from its first frame on, and its end is moved on in place, so the file is whole at any moment.
    """

    def __init__(self, path: Path):
        """Creates the file in place of one that is there.

        Raises:
            Trouble: it cannot be written.
        """
        self.path = Path(path)
        try:
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise _trouble(self.path, error) from error
        self._text = ""
        self._number = 0
        self._end_at = 0  # the place in the file where the running subtitle's end stands
        self._end_ms = 0
        self._last_s: float | None = None
        self._step_s = 0.0

    def write(self, line: dict[str, Any]) -> None:
        """Takes the next frame; its time must not fall.

        Raises:
            Trouble: the file cannot be written.
        """
        t = line["t"]
        text = "  ".join(_said(face) for face in line["faces"])
        if self._last_s is not None:
            self._step_s = max(0.0, t - self._last_s)
        self._last_s = t
        try:
            if text != self._text:
                self._end(t)
                self._text = text
                if text:
                    self._begin(t)
            elif text and t * 1000 - self._end_ms >= RENEWED_S * 1000:
                self._end(t)
        except OSError as error:
            raise _trouble(self.path, error) from error

    def close(self) -> None:
        """Finishes the file: the last frame is shown as long as the one before it. Raises Trouble when that fails."""
        try:
            if self._last_s is not None:
                self._end(self._last_s + self._step_s)
            self._file.close()
        except OSError as error:
            raise _trouble(self.path, error) from error

    def _begin(self, t: float) -> None:
        # A subtitle that ends before it begins, or inside another one, is refused by players.
        start_ms = max(round(t * 1000), self._end_ms)
        self._number += 1
        self._end_ms = start_ms + 1
        head = f"{self._number}\n{_stamp(start_ms)} --> "
        at = self._file.seek(0, 2)
        self._file.write(f"{head}{_stamp(self._end_ms)}\n{self._text}\n\n".encode())
        self._end_at = at + len(head)

    def _end(self, t: float) -> None:
        """Moves the end of the running subtitle to `t`, if there is one that ends before."""
        end_ms = round(t * 1000)
        if not self._text or end_ms <= self._end_ms:
            return
        self._file.seek(self._end_at)
        self._file.write(_stamp(end_ms).encode())
        self._end_ms = end_ms


def convert(path: Path, exports: Iterable[Export]) -> None:
    """Hands every frame of a readings file to the exports, and closes them.

    Raises:
        Trouble: the file cannot be read, or an export cannot be written.
    """
    lines = each_line(path)
    with ExitStack() as open_files:
        taking = [open_files.enter_context(closing(export)) for export in exports]
        next(lines)
        for line in lines:
            for export in taking:
                export.write(line)


def _said(face: dict[str, Any]) -> str:
    return f"{face['id']} unsure ({face['unsure']})" if face["unsure"] else f"{face['id']} {face['label']}"


def _stamp(ms: int) -> str:
    """A subtitle's time; always 12 characters up to 99 hours, so that one can be written over another."""
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{ms:03}"


def _trouble(path: Path, error: OSError) -> Trouble:
    return Trouble(f"cannot write {path} ({reason(error)}): check the folder, your rights and the space left")
