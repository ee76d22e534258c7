"""Where frames and readings go: the window (files: `recording.py`; the terminal: `terminal.py`). All have `write(frame, readings)`."""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Protocol, Self

import cv2
import numpy as np

from realtime.draw import Hud, Rec, annotate, mirrored, waiting
from realtime.errors import Trouble, reason
from realtime.quiet import quiet
from realtime.recording import RecordSwitch, dated
from realtime.timing import Clock, RateMeter
from realtime.values import Frame, Reading

MESSAGE_S = 3.0
"""How long a message stays on the picture."""
NO_PICTURE = np.zeros((480, 640, 3), np.uint8)
"""What the window shows before a camera's first picture, should that be long in coming."""


class Sink(Protocol):
    """Takes frames with their readings between `__enter__` and `__exit__`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def write(self, frame: Frame, readings: list[Reading]) -> None: ...


class Sinks:
    """Hands each frame to every sink, and closes them all, also when one of them fails."""

    def __init__(self, sinks: Sequence[Sink]):
        self.sinks = list(sinks)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for sink in self.sinks:
                stack.enter_context(sink)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.__exit__(*error)

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        for sink in self.sinks:
            sink.write(frame, readings)


class Tap:
    """Hands frames and readings to a function: for meters and counters that need no class of their own."""

    def __init__(self, function: Callable[[Frame, list[Reading]], None]):
        self.write = function

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def has_display() -> bool:
    """Whether a window can be opened: Qt would end the whole process where there is no screen."""
    if not any("GUI:" in line and "NONE" not in line for line in cv2.getBuildInformation().splitlines()):
        return False
    if sys.platform != "linux":
        return True
    name = os.environ.get("DISPLAY", "")
    host, colon, number = name.rpartition(":")
    screen = number.split(".")[0]
    if not colon or not screen.isdecimal():
        return False
    addresses: list[tuple[int, Any]] = [(socket.AF_INET, (host, 6000 + int(screen)))] if host and host != "unix" else []
    addresses = addresses or [(socket.AF_UNIX, f"/tmp/.X11-unix/X{screen}"), (socket.AF_UNIX, f"\0/tmp/.X11-unix/X{screen}")]
    for family, address in addresses:
        with socket.socket(family) as knock:
            knock.settimeout(1.0)
            try:
                knock.connect(address)
                return True
            except OSError:
                continue
    return False


class Window:
    """Shows the annotated picture and takes keys: q or Esc quits, r records, s saves a snapshot, h shows help."""

    title = "Facial expressions"

    def __init__(
        self, clock: Clock, mirror: Callable[[], bool], switch: RecordSwitch, dropped: Callable[[], int], saving: Callable[[], int]
    ):
        """`mirror()` flips what is shown, not what is recorded; `switch` is what the r key turns; `dropped()` frames and the
        level of `saving()` are told."""
        self.clock, self.mirror, self.switch, self.dropped, self.saving = clock, mirror, switch, dropped, saving
        self.closed = False
        self._rate = RateMeter()
        self._latency_ms = 0.0
        self._message, self._message_until = "", 0.0
        self._help = False
        self._shown = False
        self._last: tuple[np.ndarray, list[Reading]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            with quiet():
                cv2.destroyAllWindows()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        image, shown = mirrored(frame.image, readings) if self.mirror() else (frame.image, readings)
        hud = replace(self._hud(), fps=self._rate.update(self.clock()))
        if self._last is None:
            self._open(image)
        self._last = (image, shown)
        key = self._show(annotate(image, shown, hud))
        # From capture to shown; averaged over about ten frames, so that it can be read.
        self._latency_ms += 0.1 * ((self.clock() - frame.t) * 1000 - self._latency_ms)
        self._obey(key)

    def idle(self, why: str | None) -> None:
        """Keeps the window and its keys alive while no frame comes; `why` is shown over the last picture."""
        if why is not None:
            image, _ = self._last or (NO_PICTURE, [])
            if not self._shown:
                self._open(image)
            self._obey(self._show(waiting(image, why, self._hud())))
        elif self._shown:
            self._obey(cv2.waitKey(1))

    def _open(self, picture: np.ndarray) -> None:
        with quiet():
            cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(self.title, picture.shape[1], picture.shape[0])
            self._show(picture)
        self._shown = True

    def _show(self, picture: np.ndarray) -> int:
        """Shows a picture, and gives the key that was pressed, if any."""
        cv2.imshow(self.title, picture)
        return cv2.waitKey(1)

    def _obey(self, key: int) -> None:
        key &= 0xFF
        if key in (ord("q"), ord("Q"), 27) or not self._visible():
            self.closed = True
        elif key in (ord("r"), ord("R")):
            self.say(self.switch.toggle())
        elif key in (ord("s"), ord("S")) and self._last is not None:
            self.say(snapshot(self.switch, annotate(*self._last)))
        elif key in (ord("h"), ord("H")):
            self._help = not self._help

    def _visible(self) -> bool:
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            # Qt's own way to say that the user closed the last window.
            return False

    def _hud(self) -> Hud:
        message = self._message if self.clock() < self._message_until else None
        recording = self.switch.running
        rec = Rec(recording.elapsed_s, recording.size_mb, recording.dropped) if recording else None
        return Hud(None, self._latency_ms, rec, message, self._help, self.dropped(), self.saving())

    def say(self, message: str) -> None:
        """Shows a message on the picture for a few seconds."""
        self._message, self._message_until = message, self.clock() + MESSAGE_S


def snapshot(switch: RecordSwitch, picture: np.ndarray) -> str:
    """Saves a picture (h, w, 3) BGR uint8 beside the recordings, and says so in a few words, or why not."""
    if switch.means.choices.privacy != "none":
        return "no snapshots with --privacy"
    try:
        path = dated(switch.folder, ".png")
    except Trouble as trouble:
        return str(trouble)
    _, png = cv2.imencode(".png", picture)
    try:
        path.write_bytes(png.tobytes())
    except OSError as error:
        return f"cannot write {path} ({reason(error)})"
    return f"saved {path}"
