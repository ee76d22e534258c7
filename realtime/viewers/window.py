"""The window: shows the annotated picture and takes keys."""

from typing import Self

import numpy as np

from realtime.base.messages import Message, message
from realtime.drawing.draw import annotate, draw, waiting
from realtime.drawing.fitting import fitted, mirrored
from realtime.drawing.history import LabelHistory, Span
from realtime.drawing.hud import Hud, Rec
from realtime.values import Frame, Reading
from realtime.viewers.controls import Controls
from realtime.viewers.desktop import DesktopWindow
from realtime.viewers.keys import NO_KEY

NO_FACE_S = 3.0
"""After so many seconds without a face the window tells what helps."""
NO_PICTURE = np.zeros((480, 640, 3), np.uint8)
"""What the window shows until a camera's first picture comes."""


class Window:
    """Shows the annotated picture and takes keys; `realtime.drawing.words.KEYS` lists them."""

    title = "Facial expressions"

    def __init__(self, controls: Controls):
        self.controls, self.words = controls, controls.words
        self.closed = False
        """Whether the user has ended the session here."""
        self._desktop = DesktopWindow(self.title)
        self._history = LabelHistory()
        self._strip: tuple[tuple[Span, ...], ...] = ()
        self._help = self._numbers = self._paused = self._hidden = self._flipped = False
        self._sized = False
        self._face_t: float | None = None
        self._lonely = False
        self._last: tuple[np.ndarray, list[Reading]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._desktop.close()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        strip = self._history.update(frame.t, readings)
        if readings or self._face_t is None:
            self._face_t = frame.t
        self._lonely = frame.t - self._face_t >= NO_FACE_S
        if not self._paused or self._last is None:
            self._last, self._strip = (frame.image, readings), strip
        picture, readings = self._fitted(*self._last)
        draw(picture, readings, self._hud(idle=False), self.words)
        self._obey(self._desktop.show(picture))

    def idle(self, why: Message | None) -> None:
        """Keeps the window and its keys alive while no frame comes; `why` is shown over the last picture."""
        if why is None:
            self._obey(self._desktop.wait())
        else:
            image, _ = self._fitted(*(self._last or (NO_PICTURE, [])))
            self._obey(self._desktop.show(waiting(image, self.words.sentence(why), self._hud(idle=True), self.words)))

    def _fitted(self, image: np.ndarray, readings: list[Reading]) -> tuple[np.ndarray, list[Reading]]:
        """A new picture as large as the window, so that letters and lines are drawn on its own pixels."""
        wh = (image.shape[1], image.shape[0])
        if self._last is not None and not self._sized:
            # The first picture of a source makes the window of its size.
            self._sized = True
            self._desktop.resize(wh)
        return fitted(*self._turned(image, readings), self._desktop.size(wh))

    def _turned(self, image: np.ndarray, readings: list[Reading]) -> tuple[np.ndarray, list[Reading]]:
        return mirrored(image, readings) if self.controls.mirror != self._flipped else (image, readings)

    def _obey(self, key: int) -> None:
        self.closed = self.closed or self._desktop.closed
        letter = "" if key == NO_KEY else chr(key).lower()
        if letter == "\x1b":
            self._go_back()
        elif letter == "q":
            self.closed = True
        elif letter == "r":
            self.controls.record()
        elif letter == "s" and self._last is not None:
            self.controls.snapshot(annotate(*self._turned(*self._last), words=self.words))
        elif letter == " ":
            self._paused = not self._paused
        elif letter == "p":
            self.controls.toggle_profile()
        elif letter == "c":
            self.controls.next_camera()
        elif letter == "m":
            self._flipped = not self._flipped
        elif letter == "o":
            self._hidden = not self._hidden
        elif letter == "i":
            self._numbers = not self._numbers
        elif letter == "f":
            self._desktop.fill()
        elif letter in ("h", "?"):
            self._help = not self._help

    def _go_back(self) -> None:
        """What Esc does: closes the help, else leaves full screen, else ends the session."""
        if self._help:
            self._help = False
        elif self._desktop.filled:
            self._desktop.fill()
        else:
            self.closed = True

    def _hud(self, idle: bool) -> Hud:
        """What is drawn beside the faces; `idle` says that there is no frame whose rate and age could be told."""
        status = self.controls.status()
        recording = status.recording
        return Hud(
            fps=None if idle else status.fps,
            latency_ms=status.latency_ms,
            rec=Rec(recording.elapsed_s, recording.size_mb, recording.dropped) if recording else None,
            message=status.message,
            notice=self.words.sentence(message("no_face")) if self._lonely and not (idle or self._paused or self._hidden) else None,
            source=status.source,
            help=self._help,
            numbers=self._numbers,
            dropped=status.dropped,
            saving=status.saving,
            profile=status.profile,
            paused=self._paused,
            hidden=self._hidden,
            strip=self._strip,
        )
