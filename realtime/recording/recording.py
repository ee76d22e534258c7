"""A recording: a video and, beside it, its readings, written in a thread of its own."""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

from realtime.base.errors import Trouble
from realtime.base.files import Exists
from realtime.base.memory import give_back_memory
from realtime.config import Choices
from realtime.readings.format import VIDEOS
from realtime.recording.disk import MB, make_folder
from realtime.recording.files import RecordingFiles, RecordingSetup
from realtime.recording.losses import CATCH_UP_S, Losses, StopWatch
from realtime.recording.privacy import RecordedFrame
from realtime.recording.video import ticks_of
from realtime.values import Frame, Reading

STEP_S = 0.1
"""Seconds between two looks at how a recording goes on while it is waited for."""


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

    Only the folder is created before the first frame. A video has one size: later pictures of another size are fitted into it with black
    bars, and so are their boxes. Its time always grows: a frame whose `t` repeats or goes back is placed a tick after the one before, and
    later frames follow from there.
    """

    def __init__(self, path: Path, header: Callable[[], dict[str, Any]], setup: RecordingSetup, overwrite: bool = False):
        """`header()` is called with the first frame and goes into the first line of the readings, after the schema.

        Raises:
            Trouble: the name is not one of a video (or of readings where they are all that is written), its folder cannot be made, or a
                file of that name exists.
        """
        self.path, self.setup = Path(path), setup
        self.readings_path = self.files[-1]
        self.header, self.overwrite = header, overwrite
        suffixes = (*VIDEOS, ".jsonl") if setup.choices.privacy == "numbers" else VIDEOS
        if self.path.suffix.lower() not in suffixes:
            raise Trouble(f"cannot record to {self.path}: the name must end in {', '.join(suffixes)}")
        make_folder(self.path.parent)
        for file in self.files:
            if os.path.lexists(file) and not overwrite:
                raise Exists(file)
        self.accepted = 0
        self.losses = Losses()
        self.elapsed_s = 0.0
        self._before_t = 0.0
        self._files: RecordingFiles | None = None
        self._frames = self._size = 0
        self._queue: deque[tuple[Frame, RecordedFrame]] = deque()
        self._queued_mb = 0.0
        self._changed = threading.Condition()
        self._closing = self._thread_over = False
        self._end_t = self._resumed_t = -float("inf")
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)

    @property
    def files(self) -> list[Path]:
        """All files of the recording: see `files_of`."""
        return files_of(self.path, self.setup.choices)

    @property
    def dropped(self) -> int:
        """How many frames were dropped."""
        return self.losses.total

    @property
    def frames(self) -> int:
        """How many frames were written."""
        files = self._files
        return files.frames if files else self._frames

    @property
    def size_mb(self) -> float:
        """Megabytes on disk."""
        files = self._files
        return (files.size if files else self._size) / MB

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
        if not self._is_started:
            self._files = RecordingFiles(self.files, self.header, self.setup, frame.t, self.overwrite)
            self._thread.start()
        else:
            self.elapsed_s += max(frame.t - self._before_t, 1 / ticks_of(self.path))
        self._before_t = frame.t
        with self._changed:
            while not self.setup.live and not self.setup.stopped():
                if self._changed.wait_for(lambda: self._has_room(frame) or self._thread_over, STEP_S):
                    break
            if not self._has_room(frame):
                self._count_dropped()
                return
            self.accepted += 1
            self._queue.append((frame, RecordedFrame(frame.image, readings, self.elapsed_s, frame.duration)))
            self._queued_mb += frame.image.nbytes / MB
            self._changed.notify_all()

    def _count_dropped(self) -> None:
        if self.setup.stopped():
            self.losses.ended += 1
        elif self.setup.clock() - self._resumed_t < CATCH_UP_S:
            self.losses.stopped += 1
        else:
            self.losses.slow += 1

    def _note_stop(self, seconds: float) -> None:
        """Remembers that the program stood still."""
        with self._changed:
            self.losses.stopped_s += seconds
            self._resumed_t = self.setup.clock()
        self.setup.tell(f"{self.path}: the program stood still for {seconds:.0f} s (the computer slept, or it was suspended)")

    def _has_room(self, frame: Frame) -> bool:
        return not self._queue or self._queued_mb + frame.image.nbytes / MB <= self.setup.settings.queue_mb

    def end(self) -> None:
        """Lets the thread write what is queued and finish the files, without waiting for it."""
        with self._changed:
            self._end_t = self._end_t if self._closing else self.setup.clock()
            self._closing = True
            self._changed.notify_all()

    @property
    def is_finished(self) -> bool:
        """Whether the thread has ended, or was never started."""
        return not self._is_started or self._thread_over

    @property
    def _is_started(self) -> bool:
        return self._thread.ident is not None

    def close(self) -> None:
        """Finishes all files and waits for that, as long as something is still being written.

        Where the program was asked to end, frames that still wait after `end_s` are dropped, so that it ends in time.

        Raises:
            Trouble: they cannot be finished, or an earlier frame could not be written.
        """
        self.end()
        if not self._is_started:
            return
        patience_s = self._wait()
        if self._thread.is_alive():
            raise Trouble(
                f"{self.path} could not be finished: the disk or the encoder has not answered for {patience_s:g} s; "
                "what it holds plays without the end"
            )
        self._raise_error()

    def _wait(self) -> float:
        """Waits until the thread ends or has written nothing for some time, and returns that time in seconds.

        Steps of waiting are counted, not the clock: the time in which a suspended program stands still does not count.
        """
        settings = self.setup.settings
        idle_s, progress, patience_s = 0.0, (-1, -1.0), settings.close_s
        while self._thread.is_alive() and idle_s < patience_s:
            self._thread.join(STEP_S)
            patience_s = min(settings.close_s, settings.stop_s) if self.setup.stopped() else settings.close_s
            before, progress = progress, (self.frames, self.size_mb)
            idle_s = idle_s + STEP_S if progress == before else 0.0
        return patience_s

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
            if self._closing and self.setup.stopped() and self.setup.clock() - self._end_t > self.setup.settings.end_s:
                self.losses.ended += len(self._queue)
                self._queue.clear()
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
            watch = StopWatch(self._note_stop) if self.setup.live else nullcontext()
            with watch, self._files as files:
                for frame, recorded in iter(self._next, None):
                    files.write(recorded)
                    self.setup.written(frame)
                files.finish(self.losses)
        except Exception as error:
            self._error = error
        finally:
            # The recording is kept for its name and its counts; its encoders and buffers are not.
            self._frames, self._size = self._files.frames, self._files.size
            self._files = None
            give_back_memory()
            with self._changed:
                self._queue.clear()
                self._thread_over = True
                self._changed.notify_all()
