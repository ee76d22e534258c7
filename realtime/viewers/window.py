"""The window: shows the annotated picture and takes keys."""

from collections.abc import Callable
from dataclasses import replace
from typing import Self

import numpy as np

from realtime.base.timing import Clock, RateMeter
from realtime.drawing.draw import Hud, Rec, annotate, mirrored, waiting
from realtime.drawing.history import LabelHistory, Span
from realtime.drawing.words import ENGLISH, Words
from realtime.expression.people import ProfileSwitch
from realtime.recording.switch import RecordSwitch, snapshot
from realtime.values import Frame, Reading
from realtime.viewers.desktop import NO_KEY, Screen

MESSAGE_S = 3.0
"""How long a message stays on the picture."""


NO_PICTURE = np.zeros((480, 640, 3), np.uint8)
"""What the window shows before a camera's first picture, should that be long in coming."""


class Window:
    """Shows the annotated picture and takes keys; `realtime.drawing.words` lists them."""

    title = "Facial expressions"

    def __init__(
        self,
        clock: Clock,
        mirror: Callable[[], bool],
        switch: RecordSwitch,
        dropped: Callable[[], int],
        saving: Callable[[], int],
        profiles: ProfileSwitch | None = None,
        next_camera: Callable[[], str] = lambda: "no other camera",
        words: Words = ENGLISH,
    ):
        """
        Args:
            mirror: whether what is shown is to be flipped; what is recorded is not.
            switch: what the r key turns.
            dropped, saving: frames that were too old, and the governor's level; they are told.
            profiles: what the p key turns, and whose profile is told.
            next_camera: what the c key does; it says in a few words what it did.
            words: of the picture.
        """
        self.clock, self.mirror, self.switch, self.dropped, self.saving = clock, mirror, switch, dropped, saving
        self.profiles, self.next_camera, self.words = profiles, next_camera, words
        self.closed = False
        self._screen = Screen(self.title)
        self._rate = RateMeter()
        self._history = LabelHistory()
        self._strip: tuple[tuple[Span, ...], ...] = ()
        self._latency_ms = 0.0
        self._message, self._message_until = "", 0.0
        self._help = self._paused = self._hidden = self._flipped = False
        self._sized = False
        self._last: tuple[np.ndarray, list[Reading]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._screen.close()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        fps = self._rate.update(self.clock())
        strip = self._history.update(frame.t, readings)
        if not self._paused or self._last is None:
            self._last, self._strip = (frame.image, readings), strip
        # From capture to shown; averaged over about ten frames, so that it can be read.
        key = self._show(annotate(*self._turned(*self._last), replace(self._hud(), fps=fps), self.words))
        self._latency_ms += 0.1 * ((self.clock() - frame.t) * 1000 - self._latency_ms)
        self._obey(key)

    def idle(self, why: str | None) -> None:
        """Keeps the window and its keys alive while no frame comes; `why` is shown over the last picture."""
        if why is None:
            self._obey(self._screen.wait())
        else:
            image, _ = self._turned(*(self._last or (NO_PICTURE, [])))
            self._obey(self._show(waiting(image, self.words.message(why), self._hud(), self.words)))

    def say(self, message: str) -> None:
        """Shows a message on the picture for a few seconds."""
        self._message, self._message_until = message, self.clock() + MESSAGE_S

    def _show(self, picture: np.ndarray) -> int:
        """Shows a picture, and gives the key that was pressed, if any. The first picture of a source makes the window of its size."""
        if self._last is not None and not self._sized:
            self._sized = True
            self._screen.resize(picture)
        return self._screen.show(picture)

    def _turned(self, image: np.ndarray, readings: list[Reading]) -> tuple[np.ndarray, list[Reading]]:
        return mirrored(image, readings) if self.mirror() != self._flipped else (image, readings)

    def _obey(self, key: int) -> None:
        self.closed = self.closed or self._screen.closed
        pressed = "" if key == NO_KEY else chr(key).lower()
        if pressed in ("q", "\x1b"):
            self.closed = True
        elif pressed == "r":
            self.say(self.switch.toggle())
        elif pressed == "s" and self._last is not None:
            self.say(snapshot(self.switch, annotate(*self._turned(*self._last), words=self.words)))
        elif pressed == " ":
            self._paused = not self._paused
        elif pressed == "p" and self.profiles is not None:
            self.say(self.profiles.toggle())
        elif pressed == "c":
            self.say(self.next_camera())
        elif pressed == "m":
            self._flipped = not self._flipped
        elif pressed == "o":
            self._hidden = not self._hidden
        elif pressed == "f":
            self._screen.fill()
        elif pressed in ("h", "?"):
            self._help = not self._help

    def _hud(self) -> Hud:
        recording = self.switch.running
        return Hud(
            fps=None,
            latency_ms=self._latency_ms,
            rec=Rec(recording.elapsed_s, recording.size_mb, recording.dropped) if recording else None,
            message=self.words.message(self._message) if self.clock() < self._message_until else None,
            help=self._help,
            dropped=self.dropped(),
            saving=self.saving(),
            profile=self.profiles.name if self.profiles else None,
            paused=self._paused,
            hidden=self._hidden,
            strip=self._strip,
        )
