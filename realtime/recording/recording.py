"""A recording: a video and, beside it, its readings, written in a thread of its own."""

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.timing import Clock
from realtime.config import Choices, PrivacySettings, RecorderSettings
from realtime.drawing.draw import annotate, fitted
from realtime.drawing.words import LANGUAGES
from realtime.readings.format import face_values
from realtime.recording.disk import MB, DiskWatch
from realtime.recording.exports import CsvFile, Export, SrtFile
from realtime.recording.journal import Journal
from realtime.recording.privacy import FaceBlur, Search, Shot
from realtime.recording.video import SOFTWARE, TICKS, Sound, VideoWriter, best_encoder
from realtime.values import LABELS, Frame, Reading


class EvenRate:
    """Shots at a constant rate: one for every 1 / `fps` seconds, each the newest that there is at its time; others are left out."""

    def __init__(self, fps: float):
        self.fps = fps
        self._slot = 0
        self._last: Shot | None = None

    def update(self, shot: Shot) -> list[Shot]:
        """Takes a shot and gives those that stand before it."""
        # A millisecond: times are rounded to ticks.
        due = self._until(shot.t - 1e-3)
        self._last = shot
        return due

    def rest(self) -> list[Shot]:
        """The shots up to the end."""
        return self._until(self._last.t + 1e-3) if self._last else []

    def _until(self, t: float) -> list[Shot]:
        due = []
        while self._last is not None and self._slot / self.fps < t:
            due.append(replace(self._last, t=self._slot / self.fps))
            self._slot += 1
        return due


@dataclass(frozen=True)
class Means:
    """What recordings are made with.

    Attributes:
        clock: for looks at the disk.
        settings: of the files.
        choices: what is to be in them.
        live: whether frames are dropped when the encoder does not keep up, or wait for it.
        tell: gets what the user should know meanwhile, a line each, from the recording's thread.
        written: gets each frame when it has been encoded, from the recording's thread.
        search: finds the faces that are to be covered; needed for that only.
        sound: makes the sound of one recording; None for none.
        encoder: names the encoder for pictures of a size.
        free: the bytes that are free in a folder; None: the system's word.
    """

    clock: Clock
    settings: RecorderSettings = field(default_factory=RecorderSettings)
    choices: Choices = field(default_factory=Choices)
    live: bool = False
    tell: Callable[[str], None] = lambda line: None
    written: Callable[[Frame], None] = lambda frame: None
    search: Search | None = None
    sound: Callable[[], Sound | None] = lambda: None
    encoder: Callable[[tuple[int, int], RecorderSettings], str] = best_encoder
    free: Callable[[Path], int] | None = None


class Recording:
    """A video and, beside it, the readings file: a header line, then one line a frame on the same clock.

    Pictures are drawn, covered and encoded in a thread; a bounded queue leads there. Live, a frame that finds it full is dropped and
    counted, and the readings end with a line that says how many; from a file, frames wait. What fails in the thread is raised by the
    next `write`, or by `close`, and what was written until then plays.

    Nothing is created before the first frame. A film has one size: later pictures of another one are fitted into the first one's,
    with black bars, and so are their boxes. Its time always grows: a frame whose `t` repeats or goes back stands a tick after the
    one before, and what follows goes on from there.
    """

    def __init__(self, path: Path, header: Callable[[], dict[str, Any]], means: Means, overwrite: bool = False):
        """`header()` goes into the first line of the readings, after the schema; it is asked for with the first frame.

        Raises:
            Trouble: the name is not one for an MP4 file, its folder is missing, or a file of that name exists.
        """
        self.path, self.means = Path(path), means
        self.readings_path = self.path.with_suffix(".jsonl")
        self.header = header
        if self.path.suffix.lower() != ".mp4":
            raise Trouble(f"cannot record to {self.path}: the name must end in .mp4")
        if not self.path.parent.is_dir():
            raise Trouble(f"cannot record to {self.path}: there is no folder {self.path.parent}; create it first")
        for file in self.files:
            if file.exists() and not overwrite:
                raise Trouble(f"{file} exists and is kept: choose another name, or pass --overwrite")
        self.taken = self.dropped = 0
        self.elapsed_s = 0.0
        self._before_t = 0.0
        self._made: _Files | None = None
        self._queue: deque[tuple[Frame, Shot]] = deque()
        self._queued_mb = 0.0
        self._changed = threading.Condition()
        self._ended = self._done = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)

    @property
    def files(self) -> list[Path]:
        """All files that are to be made: videos, table and subtitles where they are wanted, the readings last."""
        choices = self.means.choices
        exports = [self.path.with_suffix(f".{kind}") for kind, wanted in (("csv", choices.csv), ("srt", choices.srt)) if wanted]
        if choices.privacy == "numbers":
            return [*exports, self.readings_path]
        clean = [self.path.with_stem(f"{self.path.stem}_clean")] if choices.picture == "both" else []
        return [self.path, *clean, *exports, self.readings_path]

    @property
    def frames(self) -> int:
        """How many frames are in the file."""
        return self._made.frames if self._made else 0

    @property
    def size_mb(self) -> float:
        """Megabytes on disk."""
        return self._made.size / MB if self._made else 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        """Hands a frame, which must not be written to later, and its readings over to the thread.

        Raises:
            Trouble: the thread could not write an earlier one.
        """
        self._surface()
        if self._made is None:
            self._made = _Files(self.files, self.header, self.means, frame.t)
            self._thread.start()
        else:
            self.elapsed_s += max(frame.t - self._before_t, 1 / TICKS)
        self._before_t = frame.t
        with self._changed:
            if not self.means.live:
                self._changed.wait_for(lambda: self._room(frame) or self._done)
            elif not self._room(frame):
                self.dropped += 1
                return
            self.taken += 1
            self._queue.append((frame, Shot(frame.image, readings, self.elapsed_s)))
            self._queued_mb += frame.image.nbytes / MB
            self._changed.notify_all()

    def _room(self, frame: Frame) -> bool:
        return not self._queue or self._queued_mb + frame.image.nbytes / MB <= self.means.settings.queue_mb

    def end(self) -> None:
        """Lets the thread finish what it has, without waiting for it."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._made is None or self._done

    def close(self) -> None:
        """Finishes all files.

        Raises:
            Trouble: they cannot be finished, or an earlier frame could not be written.
        """
        self.end()
        if self._made is None:
            return
        self._thread.join(self.means.settings.close_s)
        if self._thread.is_alive():
            within = f"within {self.means.settings.close_s:g} s"
            raise Trouble(
                f"{self.path} could not be finished {within}: the disk or the encoder does not answer; what it holds plays without the end"
            )
        self._surface()

    def _surface(self) -> None:
        """Raises what went wrong in the thread, once."""
        with self._changed:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _next(self) -> tuple[Frame, Shot] | None:
        """What is to be written next; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._ended)
            if not self._queue:
                return None
            frame, shot = self._queue.popleft()
            self._queued_mb -= frame.image.nbytes / MB
            self._changed.notify_all()
        return frame, shot

    def _run(self) -> None:
        if self._made is None:
            return
        try:
            with self._made as files:
                for frame, shot in iter(self._next, None):
                    files.write(shot)
                    self.means.written(frame)
                files.finish(self.dropped)
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()


class _Files:
    """The files of one recording, as its thread writes them. Closed whatever happens, each as whole as it can be."""

    def __init__(self, paths: Sequence[Path], header: Callable[[], dict[str, Any]], means: Means, source_t: float):
        """`source_t` is the time of the first frame on the source's clock."""
        self.paths, self.header, self.means, self.source_t = paths, header, means, source_t
        self.frames = 0
        self._watch = DiskWatch(means.settings, means.clock, means.tell, means.free)
        self._covers: FaceBlur | None = None
        if means.choices.privacy == "blur":
            if means.search is None:
                raise ValueError("faces that nobody searches for would be recorded uncovered")
            self._covers = FaceBlur(means.search, PrivacySettings(), means.live)
        self._even = EvenRate(means.choices.fps) if means.choices.fps else None
        self._words = LANGUAGES[means.choices.lang]
        self._videos: list[VideoWriter] = []
        self._lines: Journal | None = None
        self._exports: list[Export] = []
        self._open = ExitStack()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(video.size for video in self._videos) + (self._lines.size if self._lines else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, shot: Shot) -> None:
        """Takes the next shot in time."""
        if self._lines is None:
            self._begin(shot.image)
        if (shot.image.shape[1], shot.image.shape[0]) != self._size_wh:
            shot = Shot(*fitted(shot.image, shot.readings, self._size_wh), shot.t)
        self._put(self._evened(self._covers.update(shot) if self._covers else [shot]))
        self._watch.update([*(video.path for video in self._videos if video.frames), self.paths[-1]])

    def finish(self, dropped: int) -> None:
        """Writes what still waits, and how many frames were dropped."""
        self._put(self._evened(self._covers.rest() if self._covers else []))
        self._put(self._even.rest() if self._even else [])
        if dropped:
            self._say({"frames": self.frames, "dropped": dropped})

    def _evened(self, shots: list[Shot]) -> list[Shot]:
        return [even for shot in shots for even in self._even.update(shot)] if self._even else shots

    def _put(self, shots: list[Shot]) -> None:
        for shot in shots:
            for video in self._videos:
                plain = self.means.choices.picture == "clean" or video is not self._videos[0]
                picture = shot.image if plain else annotate(shot.image, shot.readings, words=self._words)
                video.write(picture, shot.t, self.source_t)
            line = {"frame": self.frames, "t": round(shot.t, 6), "faces": [face_values(reading) for reading in shot.readings]}
            self._say(line)
            for export in self._exports:
                export.write(line)
            self.frames += 1

    def _begin(self, image: np.ndarray) -> None:
        choices, settings = self.means.choices, self.means.settings
        self._size_wh = choices.size_wh or (image.shape[1], image.shape[0])
        pictures = [path for path in self.paths if path.suffix.lower() == ".mp4"]
        encoder = self.means.encoder(self._size_wh, settings) if pictures else None
        for path in pictures:
            video = VideoWriter(path, settings, encoder or SOFTWARE, self.means.sound())
            self._videos.append(video)
            self._open.push(lambda error, *_, video=video: video.close(cut=error is not None))
        try:
            self._lines = Journal(self.paths[-1])
        except OSError as error:
            raise self._trouble(error) from error
        self._open.callback(self._lines.close)
        facts = {
            "schema": "readings/1",
            **self.header(),
            "width": self._size_wh[0],
            "height": self._size_wh[1],
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "privacy": choices.privacy,
        }
        self._say(facts | ({"picture": choices.picture, "encoder": encoder} if pictures else {}))
        for path in self.paths:
            if path.suffix in (".csv", ".srt"):
                self._exports.append(CsvFile(path, LABELS) if path.suffix == ".csv" else SrtFile(path))
                self._open.callback(self._exports[-1].close)

    def _say(self, values: dict[str, Any]) -> None:
        """Writes a line of readings, whole and at once."""
        assert self._lines is not None, "opened before the first line"
        try:
            self._lines.write(json.dumps(values).encode() + b"\n")
            self._lines.commit()
        except OSError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> Trouble:
        return Trouble(f"cannot write {self.paths[-1]} ({reason(error)}): check your rights and the space left")
