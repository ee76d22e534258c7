"""The files of one recording, as its thread writes them: videos, readings, exports."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from realtime.base.errors import Trouble, disk_remedy, reason
from realtime.base.timing import Clock
from realtime.config import Choices, PrivacySettings, RecorderSettings
from realtime.drawing.draw import annotate
from realtime.drawing.fitting import fitted
from realtime.drawing.words import LANGUAGES
from realtime.faces.cover_search import CoverSearch
from realtime.readings.format import SCHEMA, face_values
from realtime.recording.disk import DiskWatch
from realtime.recording.exports import CsvFile, Export, SrtFile
from realtime.recording.journal import Journal
from realtime.recording.losses import Losses
from realtime.recording.privacy import FaceBlur, RecordedFrame
from realtime.recording.video import FORMATS, SOFTWARE, Sound, VideoWriter, best_encoder
from realtime.values import LABELS, Frame


@dataclass(frozen=True)
class RecordingSetup:
    """Everything that a recording needs besides its name.

    Attributes:
        clock: times the checks of the disk.
        settings: settings of the files.
        choices: what the files hold.
        live: whether frames are dropped when the encoder does not keep up (True), or wait for it (False).
        tell: gets messages for the user, a line each, from the recording's thread.
        written: gets each frame after it was encoded, from the recording's thread.
        search: finds the faces to cover; needed only for that.
        sound: creates the sound of one recording; None for none.
        stopped: whether the program was asked to end; then a recording ends within seconds.
        encoder: names the encoder for pictures of a size (width, height).
        ending: returns what the readings' last line says of the source, once that has ended; nothing for a whole one.
        free: returns the free bytes in a folder; None: those that the system reports.
    """

    clock: Clock
    settings: RecorderSettings = field(default_factory=RecorderSettings)
    choices: Choices = field(default_factory=Choices)
    live: bool = False
    tell: Callable[[str], None] = lambda line: None
    written: Callable[[Frame], None] = lambda frame: None
    search: CoverSearch | None = None
    sound: Callable[[], Sound | None] = lambda: None
    stopped: Callable[[], bool] = lambda: False
    encoder: Callable[[tuple[int, int], RecorderSettings], str] = best_encoder
    ending: Callable[[], dict[str, Any]] = dict
    free: Callable[[Path], int] | None = None


class EvenRate:
    """Frames at a constant rate: one for every 1 / `fps` seconds, each time the newest frame; frames in between are left out."""

    def __init__(self, fps: float):
        self.fps = fps
        self._slot = 0
        self._last: RecordedFrame | None = None

    def update(self, frame: RecordedFrame) -> list[RecordedFrame]:
        """Takes a frame and returns those that are due before it."""
        # A millisecond: times are rounded to ticks.
        due = self._until(frame.t - 1e-3)
        self._last = frame
        return due

    def rest(self) -> list[RecordedFrame]:
        """The frames up to the end."""
        return self._until(self._last.t + max(1e-3, (self._last.duration or 0.0) - 1e-3)) if self._last else []

    def _until(self, t: float) -> list[RecordedFrame]:
        due = []
        while self._last is not None and self._slot / self.fps < t:
            due.append(replace(self._last, t=self._slot / self.fps, duration=1 / self.fps))
            self._slot += 1
        return due


class RecordingFiles:
    """The files of one recording. Leaving the `with` block closes them whatever happened, each as complete as it can be."""

    def __init__(
        self, paths: Sequence[Path], header: Callable[[], dict[str, Any]], setup: RecordingSetup, source_t: float, replace: bool = True
    ):
        """`source_t` is the time of the first frame on the source's clock; `replace` says whether files of these names may exist.

        Raises:
            ValueError: faces are to be covered and nothing searches for them.
        """
        self.paths, self.header, self.setup, self.source_t = paths, header, setup, source_t
        self.frames, self.replace = 0, replace
        self._watch = DiskWatch(setup.settings, setup.clock, setup.tell, setup.free)
        self._blur: FaceBlur | None = None
        if setup.choices.privacy == "blur":
            if setup.search is None:
                raise ValueError("faces would be recorded uncovered: no search was given")
            self._blur = FaceBlur(setup.search, PrivacySettings(), setup.live)
        self._even = EvenRate(setup.choices.fps) if setup.choices.fps else None
        self._words = LANGUAGES[setup.choices.lang]
        self._videos: list[VideoWriter] = []
        self._readings: Journal | None = None
        self._exports: list[Export] = []
        self._open = ExitStack()

    @property
    def size(self) -> int:
        """Bytes on disk of videos and readings."""
        return sum(video.size for video in self._videos) + (self._readings.size if self._readings else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, frame: RecordedFrame) -> None:
        """Takes the next frame in time.

        Raises:
            Full: the disk has no room for more.
            Trouble: a file cannot be written.
        """
        if self._readings is None:
            self._begin(frame.image)
        if (frame.image.shape[1], frame.image.shape[0]) != self._size_wh:
            frame = RecordedFrame(*fitted(frame.image, frame.readings, self._size_wh), frame.t, frame.duration)
        self._put(self._at_even_rate(self._blur.update(frame) if self._blur else [frame]))
        self._watch.update([*(video.path for video in self._videos if video.frames), self.paths[-1]])

    def finish(self, losses: Losses) -> None:
        """Writes the frames that still wait, which were dropped, and what the source lacked.

        Raises:
            Trouble: a file cannot be written.
        """
        self._put(self._at_even_rate(self._blur.rest() if self._blur else []))
        self._put(self._even.rest() if self._even else [])
        facts = losses.facts() | self.setup.ending()
        if self._blur:
            self.setup.tell(str(self._blur.coverage))
            facts |= {"covered": self._blur.coverage.covered, "doubtful": len(self._blur.coverage.doubtful)}
        if facts:
            self._put_line({"frames": self.frames, **facts})

    def _at_even_rate(self, frames: list[RecordedFrame]) -> list[RecordedFrame]:
        return [even for frame in frames for even in self._even.update(frame)] if self._even else frames

    def _put(self, frames: list[RecordedFrame]) -> None:
        for frame in frames:
            for video in self._videos:
                clean = self.setup.choices.picture == "clean" or video is not self._videos[0]
                picture = frame.image if clean else annotate(frame.image, frame.readings, words=self._words)
                video.write(picture, frame.t, self.source_t, frame.duration)
            line = {"frame": self.frames, "t": round(frame.t, 6), "faces": [face_values(reading) for reading in frame.readings]}
            self._put_line(line)
            for export in self._exports:
                export.write(line)
            self.frames += 1

    def _begin(self, image: np.ndarray) -> None:
        """Opens all files; the size of the first picture is that of the videos unless the user chose one."""
        choices, settings = self.setup.choices, self.setup.settings
        self._size_wh = choices.size_wh or (image.shape[1], image.shape[0])
        videos = [path for path in self.paths if path.suffix.lower() in FORMATS]
        encoder = self.setup.encoder(self._size_wh, settings) if videos else None
        for path in videos:
            video = VideoWriter(path, settings, encoder or SOFTWARE, self.setup.sound(), self.setup.tell, self.replace)
            self._videos.append(video)
            self._open.push(lambda error, *_, video=video: video.close(cut=error is not None))
        try:
            self._readings = Journal(self.paths[-1], self.replace)
        except OSError as error:
            raise self._trouble(error) from error
        self._open.callback(self._readings.close)
        facts = {
            "schema": SCHEMA,
            **self.header(),
            "width": self._size_wh[0],
            "height": self._size_wh[1],
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "privacy": choices.privacy,
            "live": self.setup.live,
        }
        self._put_line(facts | ({"picture": choices.picture, "encoder": encoder} if videos else {}))
        for path in self.paths:
            if path.suffix in (".csv", ".srt"):
                self._exports.append(CsvFile(path, LABELS, self.replace) if path.suffix == ".csv" else SrtFile(path, self.replace))
                self._open.callback(self._exports[-1].close)

    def _put_line(self, values: dict[str, Any]) -> None:
        """Writes a line of readings, which reaches the disk completely and at once."""
        assert self._readings is not None, "opened before the first line"
        try:
            self._readings.write(json.dumps(values).encode() + b"\n")
            self._readings.commit()
        except OSError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> Trouble:
        return Trouble(f"cannot write {self.paths[-1]} ({reason(error)}): {disk_remedy(error)}")
