"""The sink before the web preview: gives each frame to the server's hub, and does what the page asks, in the loop's own thread."""

import socket
import sys
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Any, Self

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.timing import Clock, RateMeter
from realtime.config import WebSettings
from realtime.drawing.draw import COLOURS, annotate, mirrored
from realtime.drawing.words import DOUBTS
from realtime.readings.format import face_values
from realtime.recording.switch import snapshot
from realtime.values import LABELS, Frame, Reading
from realtime.viewers.controls import Controls
from realtime.viewers.web.guard import is_loopback, new_door
from realtime.viewers.web.hub import Hub, Shot
from realtime.viewers.web.server import Desk, Server
from realtime.viewers.window import MESSAGE_S


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; port 0 is any free one.

    Raises:
        Trouble: the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Trouble(f"cannot serve the page at {host} ({reason(error)}): --host takes an address of this machine") from error
    try:
        if sys.platform != "win32":
            # Else the port of a session that has just ended is taken for a minute; on Windows the option would share it with others.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(64)
    except OSError as error:
        bound.close()
        raise Trouble(f"cannot serve the page at {host}, port {port} ({reason(error)}): choose another with --port, or 0") from error
    return bound


def reachable(host: str) -> str:
    """The address to print for a server bound to `host`: of all addresses the one by which this machine reaches others."""
    if host not in ("0.0.0.0", "::"):
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # An address for documentation (RFC 5737). Nothing is sent: the system only looks up the way.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


class Web:
    """Shows the annotated picture in browsers, and takes what their users ask for."""

    def __init__(self, clock: Clock, controls: Controls, host: str, port: int, settings: WebSettings, tell: Callable[[str], None]):
        """Binds the port. `tell` gets the address, and what became of each command.

        Raises:
            Trouble: the port cannot be had.
        """
        self.clock, self.controls, self.settings, self.tell = clock, controls, settings, tell
        self.hub = Hub(settings.quality, controls.words)
        listening = listen(host, port)
        self.port = listening.getsockname()[1]
        door = new_door(host, self.port)
        self.address = f"http://{reachable(host)}:{self.port}/" + (f"?token={door.token}" if door.token else "")
        self.remote = not is_loopback(host)
        self._orders: Queue[tuple[str, str | None]] = Queue(maxsize=settings.orders)
        desk = Desk(
            controls.switch.folder, controls.switch.unfinished, self._facts, self._order, controls.switch.means.choices.privacy == "none"
        )
        self._server = Server(listening, self.hub, desk, door, settings)
        self._offered: list[str] = []
        self._rate = RateMeter()
        self._start: float | None = None
        self._fps = self._latency_ms = 0.0
        self._message, self._message_until = "", 0.0
        self._last: tuple[np.ndarray, list[Reading], dict[str, Any]] | None = None

    def __enter__(self) -> Self:
        self._server.start()
        self.tell(f"The picture is at {self.address}")
        if self.remote:
            import segno

            code = segno.make(self.address, error="m")
            # Two dark or light modules a letter, as rows of text.
            rows = [list(row) for row in code.matrix_iter(border=2)]
            rows += [[0] * len(rows[0])] * (len(rows) % 2)
            letters = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
            for upper, lower in zip(rows[::2], rows[1::2], strict=True):
                self.tell("".join(letters[bool(a), bool(b)] for a, b in zip(upper, lower, strict=True)))
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        image, shown = mirrored(frame.image, readings) if self.controls.mirror() else (frame.image, readings)
        now = self.clock()
        self._fps = self._rate.update(now)
        self._latency_ms += 0.1 * ((now - frame.t) * 1000 - self._latency_ms)
        self._start = frame.t if self._start is None else self._start
        line = {"frame": frame.index, "t": round(frame.t - self._start, 6), "faces": [face_values(reading) for reading in readings]}
        self._last = image, shown, line
        self.hub.put(lambda number: Shot(number, image, shown, line, self._status(None)))
        self._obey()

    def idle(self, why: str | None) -> None:
        """Tells the page why no frame comes, and goes on doing what it asks."""
        if why is not None:
            image, shown, line = self._last or (None, [], {})
            self.hub.put(lambda number: Shot(number, image, shown, line, self._status(why)))
        self._obey()

    def say(self, message: str) -> None:
        """Shows a message on the page for a few seconds; from any thread."""
        self._message, self._message_until = message, self.clock() + MESSAGE_S

    def _status(self, why: str | None) -> dict[str, Any]:
        recording = self.controls.switch.running
        return {
            "fps": None if why else round(self._fps, 1),
            "latency_ms": round(self._latency_ms, 1),
            "dropped": self.controls.dropped(),
            "saving": self.controls.saving(),
            "rec": {"s": round(recording.elapsed_s, 1), "mb": round(recording.size_mb, 1)} if recording else None,
            "message": self.controls.words.message(self._message) if self.clock() < self._message_until else None,
            "why": why and self.controls.words.message(why),
        }

    def _facts(self) -> dict[str, Any]:
        cameras, profiles, words = self.controls.cameras(), self.controls.profiles, self.controls.words
        try:
            others = list(cameras.others())
        except Trouble:
            others = []
        self._offered = others if cameras.current in others else [cameras.current, *others]
        return {
            "labels": LABELS,
            "names": dict(zip(LABELS, words.labels, strict=True)),
            "doubts": {doubt: f"{words.unsure} ({words.doubt(doubt)})" for doubt in DOUBTS},
            "colours": {label: f"#{red:02x}{green:02x}{blue:02x}" for label, (blue, green, red) in COLOURS.items()},
            "camera": cameras.current,
            "cameras": self._offered,
            "profile": profiles.name,
            "profiles": profiles.names(),
        }

    def _order(self, what: str, which: str | None) -> bool:
        try:
            self._orders.put_nowait((what, which))
        except Full:
            return False
        return True

    def _obey(self) -> None:
        """Does what was asked for, one order a frame."""
        try:
            what, which = self._orders.get_nowait()
        except Empty:
            return
        if what == "record":
            # The page says which it wants, so that two viewers who press at once do not undo each other.
            running = self.controls.switch.running is not None
            if which is None or (which == "start") != running:
                self.say(self.controls.switch.toggle())
        elif what == "snapshot" and self._last is not None:
            self.say(snapshot(self.controls.switch, annotate(*self._last[:2], words=self.controls.words)))
        elif what == "profile":
            self.say(self.controls.profiles.choose(which))
        elif what == "camera" and which in self._offered:
            # Only those that were offered: a page must not open any address or file.
            self.say(self.controls.cameras().choose(which))
