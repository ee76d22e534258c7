"""Exports of the readings for other programs: a table (CSV) and subtitles (SRT). They take the lines of a readings file one by one."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from realtime.base.errors import Trouble, disk_remedy, reason
from realtime.base.files import open_to_write
from realtime.faces.pose import Pose

EXTEND_S = 0.5
"""Seconds after which the end of the running subtitle is moved forward: a crash costs no more."""
BOX = ("x0", "y0", "x1", "y1")


class Export(Protocol):
    """Takes the lines of a readings file without its header."""

    def write(self, line: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class CsvFile:
    """A table with one row for each face of each frame: t, frame, id, label, confidence, unsure, one column for each probability, the
    box as x0, y0, x1, y1, and the pose as yaw, pitch, roll, eyes.

    `unsure` is empty where the label is reliable. Every row is on disk when `write` returns.
    """

    def __init__(self, path: Path, labels: Sequence[str], replace: bool = True):
        """Creates the file with its first row.

        Args:
            path: the file.
            labels: the names of the probabilities, in their order.
            replace: whether a file of that name may exist.

        Raises:
            Trouble: it exists and may not, another run is writing it, or it cannot be written.
        """
        self.path = Path(path)
        try:
            # buffering=1: each row goes to the disk at once. newline="": the csv module ends rows itself.
            self._file = os.fdopen(open_to_write(self.path, replace), "w", encoding="utf-8", newline="", buffering=1)
            self._rows = csv.writer(self._file)
            self._rows.writerow(["t", "frame", "id", "label", "confidence", "unsure", *labels, *BOX, *Pose._fields])
        except OSError as error:
            raise _trouble(self.path, error) from error

    def write(self, line: dict[str, Any]) -> None:
        """Adds a row for each face of a frame.

        Raises:
            Trouble: the file cannot be written.
        """
        try:
            for face in line["faces"]:
                reading = (face["id"], face["label"], face["confidence"], face["unsure"])
                pose = (face[name] for name in Pose._fields)
                self._rows.writerow([line["t"], line["frame"], *reading, *face["probs"], *face["box"], *pose])
        except OSError as error:
            raise _trouble(self.path, error) from error

    def close(self) -> None:
        """Finishes the file; raises Trouble when that fails."""
        try:
            self._file.close()
        except OSError as error:
            raise _trouble(self.path, error) from error


class SrtFile:
    """Subtitles: each lasts as long as the labels of all faces stay the same; without a face there is none.

    The running subtitle is in the file from its first frame on, and its end is moved forward in place, so the file is complete at any
    moment.
    """

    def __init__(self, path: Path, replace: bool = True):
        """Creates the file; `replace` says whether one of that name may exist.

        Raises:
            Trouble: it exists and may not, another run is writing it, or it cannot be written.
        """
        self.path = Path(path)
        try:
            self._file = os.fdopen(open_to_write(self.path, replace), "wb", buffering=0)
        except OSError as error:
            raise _trouble(self.path, error) from error
        self._text = ""
        self._number = 0
        self._end_at = 0  # offset in the file of the running subtitle's end time
        self._end_ms = 0
        self._last_s: float | None = None
        self._step_s = 0.0

    def write(self, line: dict[str, Any]) -> None:
        """Takes the next frame; its time must not be earlier than that of the one before.

        Raises:
            Trouble: the file cannot be written.
        """
        t = line["t"]
        text = "  ".join(_caption(face) for face in line["faces"])
        if self._last_s is not None:
            self._step_s = max(0.0, t - self._last_s)
        self._last_s = t
        try:
            if text != self._text:
                self._end(t)
                self._text = text
                if text:
                    self._begin(t)
            elif text and t * 1000 - self._end_ms >= EXTEND_S * 1000:
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
        # Players refuse a subtitle that ends before it begins, or that begins inside another one.
        start_ms = max(round(t * 1000), self._end_ms)
        self._number += 1
        self._end_ms = start_ms + 1
        head = f"{self._number}\n{_stamp(start_ms)} --> "
        at = self._file.seek(0, 2)
        self._file.write(f"{head}{_stamp(self._end_ms)}\n{self._text}\n\n".encode())
        self._end_at = at + len(head)

    def _end(self, t: float) -> None:
        """Moves the end of the running subtitle forward to `t`, if there is one."""
        end_ms = round(t * 1000)
        if not self._text or end_ms <= self._end_ms:
            return
        self._file.seek(self._end_at)
        self._file.write(_stamp(end_ms).encode())
        self._end_ms = end_ms


def _caption(face: dict[str, Any]) -> str:
    return f"{face['id']} unsure ({face['unsure']})" if face["unsure"] else f"{face['id']} {face['label']}"


def _stamp(ms: int) -> str:
    """A time as SRT writes it: 12 characters up to 99 hours, so that one time can be written over another."""
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{ms:03}"


def _trouble(path: Path, error: OSError) -> Trouble:
    return Trouble(f"cannot write {path} ({reason(error)}): {disk_remedy(error)}")
