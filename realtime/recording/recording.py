"""A recording: a video and, beside it, its readings, written in a thread of its own."""

import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from realtime.base.errors import Trouble
from realtime.base.files import Exists
from realtime.config import Choices
from realtime.recording.disk import MB
from realtime.recording.files import RecordingFiles, RecordingSetup
from realtime.recording.privacy import RecordedFrame
from realtime.recording.video import TICKS
from realtime.values import Frame, Reading


def files_of(path: Path, choices: Choices) -> list[Path]:
    """All files of a recording into `path`: videos, table and subtitles as chosen, the readings last."""
    readings = path if path.suffix.lower() == ".jsonl" else path.with_suffix(".jsonl")
    exports = [path.with_suffix(f".{kind}") for kind, chosen in (("csv", choices.csv), ("srt", choices.srt)) if chosen]
    if choices.privacy == "numbers":
        return [*exports, readings]
    clean = [path.with_stem(f"{path.stem}_clean")] if choices.picture == "both" else []
    return [path, *clean, *exports, readings]


class Recording:
    """A video and, beside it, the readings file: a header line, then one line for each frame on the same clock.

    A thread draws, covers and encodes the pictures; a bounded queue leads to it. When the queue is full, live frames are dropped, and
    the readings end with a line that says how many; frames of a film wait. An error of the thread is raised by the next `write` or by
    `close`; what was written before it plays.

    No file is created before the first frame. A video has one size: later pictures of another size are fitted into it with black bars,
    and so are their boxes. Its time always grows: a frame whose `t` repeats or goes back is placed a tick after the one before, and
    later frames follow from there.
    """

    def __init__(self, path: Path, header: Callable[[], dict[str, Any]], setup: RecordingSetup, overwrite: bool = False):
        """`header()` is called with the first frame and goes into the first line of the readings, after the schema.

        Raises:
            Trouble: the name is not one for an MP4 file (or for readings where they are all that is written), its folder is missing, or a
                file of that name exists.
        """
        self.path, self.setup = Path(path), setup
        self.readings_path = self.files[-1]
        self.header, self.overwrite = header, overwrite
        suffixes = (".mp4", ".jsonl") if setup.choices.privacy == "numbers" else (".mp4",)
        if self.path.suffix.lower() not in suffixes:
            raise Trouble(f"cannot record to {self.path}: the name must end in {' or '.join(suffixes)}")
        if not self.path.parent.is_dir():
            raise Trouble(f"cannot record to {self.path}: there is no folder {self.path.parent}; create it first")
        for file in self.files:
            if os.path.lexists(file) and not overwrite:
                raise Exists(file)
        self.accepted = self.dropped = 0
        self.elapsed_s = 0.0
        self._before_t = 0.0
        self._files: RecordingFiles | None = None
        self._queue: deque[tuple[Frame, RecordedFrame]] = deque()
        self._queued_mb = 0.0
        self._changed = threading.Condition()
        self._closing = self._thread_over = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)

    @property
    def files(self) -> list[Path]:
        """All files of the recording: see `files_of`."""
        return files_of(self.path, self.setup.choices)

    @property
    def frames(self) -> int:
        """How many frames were written."""
        return self._files.frames if self._files else 0

    @property
    def size_mb(self) -> float:
        """Megabytes on disk."""
        return self._files.size / MB if self._files else 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        """Hands a frame and its readings over to the thread. The frame's picture must not be changed later.

        Raises:
            Trouble: the thread could not write an earlier frame.
        """
        self._raise_error()
        if self._files is None:
            self._files = RecordingFiles(self.files, self.header, self.setup, frame.t, self.overwrite)
            self._thread.start()
        else:
            self.elapsed_s += max(frame.t - self._before_t, 1 / TICKS)
        self._before_t = frame.t
        with self._changed:
            if not self.setup.live:
                self._changed.wait_for(lambda: self._has_room(frame) or self._thread_over)
            elif not self._has_room(frame):
                self.dropped += 1
                return
            self.accepted += 1
            self._queue.append((frame, RecordedFrame(frame.image, readings, self.elapsed_s)))
            self._queued_mb += frame.image.nbytes / MB
            self._changed.notify_all()

    def _has_room(self, frame: Frame) -> bool:
        return not self._queue or self._queued_mb + frame.image.nbytes / MB <= self.setup.settings.queue_mb

    def end(self) -> None:
        """Lets the thread write what is queued and finish the files, without waiting for it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    @property
    def is_finished(self) -> bool:
        """Whether the thread has ended, or was never started."""
        return self._files is None or self._thread_over

    def close(self) -> None:
        """Finishes all files and waits for that.

        Raises:
            Trouble: they cannot be finished, or an earlier frame could not be written.
        """
        self.end()
        if self._files is None:
            return
        self._thread.join(self.setup.settings.close_s)
        if self._thread.is_alive():
            within = f"within {self.setup.settings.close_s:g} s"
            raise Trouble(
                f"{self.path} could not be finished {within}: the disk or the encoder does not answer; what it holds plays without the end"
            )
        self._raise_error()

    def _raise_error(self) -> None:
        """Raises the thread's error, once."""
        with self._changed:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _next(self) -> tuple[Frame, RecordedFrame] | None:
        """The next frame to write; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if not self._queue:
                return None
            frame, recorded = self._queue.popleft()
            self._queued_mb -= frame.image.nbytes / MB
            self._changed.notify_all()
        return frame, recorded

    def _run(self) -> None:
        if self._files is None:
            return
        try:
            with self._files as files:
                for frame, recorded in iter(self._next, None):
                    files.write(recorded)
                    self.setup.written(frame)
                files.finish(self.dropped)
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._thread_over = True
                self._changed.notify_all()
