"""The window: shows the annotated picture, and takes keys and the mouse."""

import time
from typing import Self

import numpy as np

from realtime.base.messages import Message, message
from realtime.base.timing import Clock
from realtime.drawing.bar import Bar
from realtime.drawing.draw import annotate, draw, unit_of, waiting
from realtime.drawing.fitting import fitted, mirrored
from realtime.drawing.history import LabelHistory, Span
from realtime.drawing.hud import Hud, Rec
from realtime.drawing.layout import area_of
from realtime.values import Frame, Reading
from realtime.viewers.controls import Controls, Status
from realtime.viewers.desktop import DesktopWindow
from realtime.viewers.inputs import ESCAPE, F1, Input, Key
from realtime.viewers.mouse import Mouse

NO_FACE_S = 3.0
"""After so many seconds without a face the window tells what helps."""
NO_PICTURE = np.zeros((480, 640, 3), np.uint8)
"""What the window shows until a camera's first picture comes."""
LETTERS = {
    "q": "quit",
    "r": "record",
    "s": "snapshot",
    " ": "pause",
    "p": "profile",
    "c": "camera",
    "m": "mirror",
    "o": "hide",
    "i": "numbers",
    "f": "fill",
    "h": "help",
    "?": "help",
    F1: "help",
}
"""What the keys do, by the names of `realtime.drawing.words.KEYS`."""


class Window:
    """Shows the annotated picture, and takes keys and clicks; `realtime.drawing.words.KEYS` lists what they do."""

    title = "Facial expressions"

    def __init__(self, controls: Controls, clock: Clock = time.monotonic):
        self.controls, self.words = controls, controls.words
        self.closed = False
        """Whether the user has ended the session here."""
        self._desktop = DesktopWindow(self.title)
        self._mouse = Mouse(clock)
        self._history = LabelHistory()
        self._strip: tuple[tuple[Span, ...], ...] = ()
        self._help = self._numbers = self._paused = self._hidden = self._flipped = False
        self._sized = False
        self._face_t: float | None = None
        self._lonely = False
        self._last: tuple[np.ndarray, list[Reading]] | None = None
        self._actions = {
            "quit": self._quit,
            "record": controls.record,
            "snapshot": self._snapshot,
            "pause": self._pause,
            "profile": controls.toggle_profile,
            "camera": controls.next_camera,
            "mirror": self._mirror,
            "hide": self._hide,
            "numbers": self._number,
            "fill": self._fill,
            "help": self._explain,
        }

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
        self._show(*self._last, idle=False)

    def idle(self, why: Message | None) -> None:
        """Keeps the window, its keys and its buttons alive while no frame comes; `why` is shown over the last picture."""
        if why is not None:
            picture, readings = self._fitted(*(self._last or (NO_PICTURE, [])))
            hud = self._hud(picture, readings, idle=True)
            self._obey(self._desktop.show(waiting(picture, self.words.sentence(why), hud, self.words)))
            return
        inputs = self._desktop.wait()
        self._obey(inputs)
        if self._last is not None and (inputs or self._mouse.changed):
            self._show(*self._last, idle=False)

    def _show(self, image: np.ndarray, readings: list[Reading], idle: bool) -> None:
        picture, readings = self._fitted(image, readings)
        draw(picture, readings, self._hud(picture, readings, idle), self.words)
        self._obey(self._desktop.show(picture))

    def _fitted(self, image: np.ndarray, readings: list[Reading]) -> tuple[np.ndarray, list[Reading]]:
        """A new picture as large as the window, so that letters and lines are drawn on its own pixels."""
        wh = (image.shape[1], image.shape[0])
        if self._last is not None and not self._sized:
            # The first picture of a source makes the window of its size.
            self._sized = True
            self._desktop.resize(wh)
        return fitted(*self._turned(image, readings), self._desktop.size(wh))

    @property
    def _turned_round(self) -> bool:
        """Whether the picture is shown as in a mirror."""
        return self.controls.mirror != self._flipped

    def _turned(self, image: np.ndarray, readings: list[Reading]) -> tuple[np.ndarray, list[Reading]]:
        return mirrored(image, readings) if self._turned_round else (image, readings)

    def _obey(self, inputs: list[Input]) -> None:
        self.closed = self.closed or self._desktop.closed
        for item in inputs:
            if isinstance(item, Key):
                action = LETTERS.get(item.letter)
                if item.letter == ESCAPE:
                    self._go_back()
            else:
                action = self._mouse.hear(item)
            if action is not None:
                self._actions[action]()

    def _go_back(self) -> None:
        """What Esc does: closes the help, else leaves full screen, else ends the session."""
        if self._help:
            self._help = False
        elif self._desktop.filled:
            self._desktop.fill()
        else:
            self.closed = True

    def _quit(self) -> None:
        self.closed = True

    def _snapshot(self) -> None:
        if self._last is not None:
            self.controls.snapshot(annotate(*self._turned(*self._last), words=self.words))

    def _pause(self) -> None:
        self._paused = not self._paused

    def _mirror(self) -> None:
        self._flipped = not self._flipped

    def _hide(self) -> None:
        self._hidden = not self._hidden

    def _number(self) -> None:
        self._numbers = not self._numbers

    def _fill(self) -> None:
        self._desktop.fill()

    def _explain(self) -> None:
        self._help = not self._help

    def _hud(self, picture: np.ndarray, readings: list[Reading], idle: bool) -> Hud:
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
            bar=self._bar(picture, readings, status),
        )

    def _bar(self, picture: np.ndarray, readings: list[Reading], status: Status) -> Bar | None:
        faces = [area_of(reading.face.box) for reading in readings]
        buttons = self._mouse.buttons((picture.shape[1], picture.shape[0]), unit_of(picture), faces)
        if not buttons:
            return None
        states = {
            "record": status.recording is not None,
            "pause": self._paused,
            "profile": status.profile is not None,
            "mirror": self._turned_round,
            "hide": self._hidden,
            "numbers": self._numbers,
            "fill": self._desktop.filled,
            "help": self._help,
        }
        return Bar(buttons, frozenset(action for action, on in states.items() if on), self._mouse.pointed)
