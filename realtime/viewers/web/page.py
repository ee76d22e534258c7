"""The page in browsers: a viewer that gives each frame to the server and carries out the commands of the page in the loop's own thread."""

import socket
import sys
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Any, Self

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.messages import Message
from realtime.config import WebSettings
from realtime.drawing.draw import annotate
from realtime.drawing.fitting import mirrored
from realtime.drawing.palette import COLOURS
from realtime.drawing.words import DOUBTS
from realtime.readings.format import face_values
from realtime.values import LABELS, Frame, Reading
from realtime.viewers.controls import Controls
from realtime.viewers.web.guard import is_loopback, new_door
from realtime.viewers.web.hub import Hub, PagePicture
from realtime.viewers.web.server import Desk, Server


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
    """Shows the annotated picture in browsers, and takes the commands of their users."""

    closed = False

    def __init__(self, controls: Controls, host: str, port: int, settings: WebSettings, tell: Callable[[str], None]):
        """Binds the port. `tell` gets the address.

        Raises:
            Trouble: the port is taken, or the address is not this machine's.
        """
        self.controls, self.settings, self.tell = controls, settings, tell
        self.hub = Hub(settings.quality, controls.words, settings.viewers)
        listening = listen(host, port)
        self.port = listening.getsockname()[1]
        door = new_door(host, self.port)
        self.address = f"http://{reachable(host)}:{self.port}/?token={door.token}"
        self.remote = not is_loopback(host)
        self._orders: Queue[tuple[str, str | None]] = Queue(maxsize=settings.orders)
        recordings = controls.recordings
        desk = Desk(recordings.folder, recordings.unfinished, self._facts, self._order, recordings.setup.choices.privacy == "none")
        self._server = Server(listening, self.hub, desk, door, settings)
        self._offered: list[str] = []
        self._start: float | None = None
        self._image: np.ndarray | None = None
        self._readings: list[Reading] = []
        self._line: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._server.start()
        self.tell(f"The picture is at {self.address}")
        if self.remote:
            for line in qr_lines(self.address):
                self.tell(line)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        self._image, self._readings = mirrored(frame.image, readings) if self.controls.mirror else (frame.image, readings)
        self._start = frame.t if self._start is None else self._start
        faces = [face_values(reading) for reading in readings]
        self._line = {"frame": frame.index, "t": round(frame.t - self._start, 6), "labels": LABELS, "faces": faces}
        self._put(None)
        self._obey()

    def idle(self, why: Message | None) -> None:
        """Tells the page why no frame comes, and goes on carrying out its commands."""
        if why is not None:
            self._put(self.controls.words.sentence(why))
        self._obey()

    def _put(self, why: str | None) -> None:
        status = self._status(why)
        self.hub.put(lambda number: PagePicture(number, self._image, self._readings, self._line, status))

    def _status(self, why: str | None) -> dict[str, Any]:
        status = self.controls.status()
        recording = status.recording
        return {
            "fps": None if why else round(status.fps, 1),
            "latency_ms": round(status.latency_ms, 1),
            "dropped": status.dropped,
            "saving": status.saving,
            "rec": {"s": round(recording.elapsed_s, 1), "mb": round(recording.size_mb, 1)} if recording else None,
            "message": status.message,
            "why": why,
        }

    def _facts(self) -> dict[str, Any]:
        cameras, profiles, words = self.controls.cameras, self.controls.profiles, self.controls.words
        try:
            others = list(cameras.others())
        except Trouble:
            others = []
        self._offered = others if cameras.current in others else [cameras.current, *others]
        return {
            "labels": LABELS,
            "names": words.labels,
            "doubts": {doubt: f"{words.unsure} ({words.doubts[doubt]})" for doubt in DOUBTS},
            "colours": {label: f"#{red:02x}{green:02x}{blue:02x}" for label, (blue, green, red) in COLOURS.items()},
            "camera": cameras.current,
            "cameras": self._offered,
            "profile": profiles.name,
            "profiles": profiles.names(),
        }

    def _order(self, command: str, choice: str | None) -> bool:
        try:
            self._orders.put_nowait((command, choice))
        except Full:
            return False
        return True

    def _obey(self) -> None:
        """Carries out one command that waits."""
        try:
            command, choice = self._orders.get_nowait()
        except Empty:
            return
        if command == "record":
            self.controls.record(None if choice is None else choice == "start")
        elif command == "snapshot" and self._image is not None:
            self.controls.snapshot(annotate(self._image, self._readings, words=self.controls.words))
        elif command == "profile":
            self.controls.choose_profile(choice)
        elif command == "camera" and choice in self._offered:
            # Only those that were offered: a page must not open any address or file.
            self.controls.choose_camera(choice)


def qr_lines(address: str) -> list[str]:
    """The QR code of an address as lines of block letters: two modules, dark or light, one above the other, make a letter."""
    import segno

    rows = [list(row) for row in segno.make(address, error="m").matrix_iter(border=2)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    letters = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return ["".join(letters[bool(a), bool(b)] for a, b in zip(*pair, strict=True)) for pair in zip(rows[::2], rows[1::2], strict=True)]
