"""What the window and the page show beside the faces, and what their keys and buttons do: one `Controls` serves both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import cv2
import numpy as np

from realtime.base.errors import Trouble
from realtime.base.messages import Message, message
from realtime.base.timing import Clock, LatencyMeter, RateMeter
from realtime.drawing.words import ENGLISH, Words
from realtime.recording.recording import Recording
from realtime.recording.switch import RecordSwitch, create_dated
from realtime.values import Frame, Reading

MESSAGE_S = 3.0
"""How long a message stays on the picture."""
SMOOTHING = 0.1
"""Weight of the newest frame in the shown latency: about ten frames count, so that the number can be read."""


class Cameras(Protocol):
    """What changes the camera; a `realtime.sources.switching.SourceSwitch` is one."""

    current: str
    candidates: Sequence[str]

    @property
    def mirror(self) -> bool: ...
    def others(self) -> Sequence[str]: ...
    def choose(self, text: str) -> Message: ...
    def next(self) -> Message: ...


class Profiles(Protocol):
    """What changes the profile; a `realtime.expression.people.ProfileSwitch` is one."""

    @property
    def name(self) -> str | None: ...
    def names(self) -> list[str]: ...
    def choose(self, name: str | None) -> Message: ...
    def toggle(self) -> Message: ...


class Saving(Protocol):
    """What tells how much work is left out to keep up; a `realtime.base.governor.Governor` is one."""

    level: int


@dataclass(frozen=True)
class Status:
    """What is shown beside the faces.

    Attributes:
        fps: frames a second.
        latency_ms: from the capture of a frame to its display.
        dropped: frames that were too old to be shown.
        saving: the governor's level; 0 for the full work.
        recording: the recording that runs; None when there is none.
        profile: whose profile is applied; None for nobody's.
        message: a sentence for the user, in the language of the screen.
        source: the same about the source, where that is the demo clip; else None.
    """

    fps: float
    latency_ms: float
    dropped: int
    saving: int
    recording: Recording | None
    profile: str | None
    message: str | None
    source: str | None


class Controls:
    """A sink that measures rate and latency, and carries out the commands of all viewers.

    It comes after the viewers in the list of sinks, so that a frame counts once all of them have it. Every command leaves a message about
    its result, which all viewers show for `MESSAGE_S`.
    """

    def __init__(
        self, clock: Clock, recordings: RecordSwitch, profiles: Profiles, cameras: Cameras, saving: Saving, words: Words = ENGLISH
    ):
        self.recordings, self.profiles, self.cameras, self.words = recordings, profiles, cameras, words
        self.latency = LatencyMeter(clock)
        self._clock, self._saving = clock, saving
        self._rate = RateMeter()
        self._fps = self._latency_ms = 0.0
        self._message, self._message_until = message("text", text=""), 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        now, first = self._clock(), self.latency.frames == 0
        self.latency.update(frame)
        self._fps = self._rate.update(now)
        self._latency_ms += (1.0 if first else SMOOTHING) * ((now - frame.t) * 1000 - self._latency_ms)

    def status(self) -> Status:
        current = self._clock() < self._message_until
        return Status(
            fps=self._fps,
            latency_ms=self._latency_ms,
            dropped=self.latency.dropped,
            saving=self._saving.level,
            recording=self.recordings.running,
            profile=self.profiles.name,
            message=self.words.sentence(self._message) if current else None,
            source=self._source(),
        )

    def _source(self) -> str | None:
        if self.cameras.current != "demo":
            return None
        # Nobody asked for the clip if a camera was to be tried before it.
        return self.words.sentence(message("demo_instead" if len(self.cameras.candidates) > 1 else "demo_clip"))

    @property
    def mirror(self) -> bool:
        """Whether the picture is to be shown as in a mirror; recordings are not."""
        return self.cameras.mirror

    def say(self, what: Message) -> None:
        """Shows a message in all viewers for a while; from any thread."""
        self._message, self._message_until = what, self._clock() + MESSAGE_S

    def record(self, start: bool | None = None) -> None:
        """Starts or stops a recording; `start` says which is meant, so that two viewers who press at once do not undo each other."""
        if start is None or start != (self.recordings.running is not None):
            self.say(self.recordings.toggle())

    def snapshot(self, picture: np.ndarray) -> Path | None:
        """Saves an annotated picture (h, w, 3) BGR uint8 beside the recordings; gives its file, or None where it cannot be saved."""
        if self.recordings.setup.choices.privacy != "none":
            self.say(message("no_snapshots"))
            return None
        _, png = cv2.imencode(".png", picture)
        try:
            file = create_dated(self.recordings.folder, ".png", png.tobytes())
        except Trouble as trouble:
            self.say(message("text", text=trouble))
            return None
        self.say(message("saved", file=file))
        return file

    def toggle_profile(self) -> None:
        self.say(self.profiles.toggle())

    def choose_profile(self, name: str | None) -> None:
        self.say(self.profiles.choose(name))

    def next_camera(self) -> None:
        self.say(self.cameras.next())

    def choose_camera(self, text: str) -> None:
        self.say(self.cameras.choose(text))
