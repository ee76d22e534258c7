"""The page in browsers: a viewer that gives each frame to the server and carries out the commands of the page in the loop's own thread."""

import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, Self

from realtime.base.errors import Trouble, reason
from realtime.base.messages import Message, message
from realtime.config import WebSettings
from realtime.drawing.palette import COLOURS
from realtime.drawing.words import DOUBTS, Words
from realtime.readings.format import face_values
from realtime.sources.cameras import Camera, find_camera, list_cameras
from realtime.values import LABELS, Frame, Reading
from realtime.viewers.controls import Controls
from realtime.viewers.web.guard import is_loopback, new_door
from realtime.viewers.web.hub import NOTHING, Hub, PagePicture, View
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


def named_cameras(texts: Sequence[str], cameras: Sequence[Camera], words: Words) -> list[tuple[str, str]]:
    """Each text that chooses a camera, and what the page calls it: the maker's name where there is one; of two alike with the number."""
    return [(text, _camera_name(text, cameras, words)) for text in texts]


def _camera_name(text: str, cameras: Sequence[Camera], words: Words) -> str:
    if text == "demo":
        return words.sentence(message("demo_clip"))
    if text.isdecimal():
        camera = next((one for one in cameras if one.number == int(text)), None)
    else:
        try:
            camera = find_camera(text, cameras)
        except Trouble:
            camera = None
    if camera is None or not camera.name:
        return text
    alike = sum(one.name == camera.name for one in cameras) > 1
    return f"{camera.name} ({camera.number})" if alike else camera.name


class Web:
    """Shows the annotated picture in browsers, and takes the commands of their users.

    Pause, mirror and hidden labels are one for all browsers: who shows the page to others on a second screen steers it from a phone.
    """

    closed = False

    def __init__(
        self,
        controls: Controls,
        host: str,
        port: int,
        settings: WebSettings,
        tell: Callable[[str], None],
        cameras: Callable[[], Sequence[Camera]] = list_cameras,
        token: str | None = None,
    ):
        """Binds the port.

        Args:
            tell: gets the address.
            cameras: lists the machine's cameras, for their names.
            token: what opens the page; None: a new one.

        Raises:
            Trouble: the port is taken, or the address is not this machine's.
        """
        self.controls, self.settings, self.tell, self.cameras = controls, settings, tell, cameras
        self.hub = Hub(settings.quality, controls.words, settings.viewers)
        listening = listen(host, port)
        self.port = listening.getsockname()[1]
        door = new_door(host, self.port, token)
        self.address = f"http://{reachable(host)}:{self.port}/?token={door.token}"
        self.remote = not is_loopback(host)
        self._orders: Queue[Callable[[], None]] = Queue(maxsize=settings.orders)
        recordings = controls.recordings
        desk = Desk(
            recordings.folder,
            recordings.unfinished,
            self._facts,
            self._order,
            self._snapshot,
            recordings.setup.choices.privacy == "none",
            controls.words.code,
        )
        self._server = Server(listening, self.hub, desk, door, settings)
        self._offered: list[str] = []
        self._start: float | None = None
        self._newest = self._shown = NOTHING
        self._paused = self._hidden = self._flipped = False

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
        self._start = frame.t if self._start is None else self._start
        faces = [face_values(reading) for reading in readings]
        line = {"frame": frame.index, "t": round(frame.t - self._start, 6), "labels": LABELS, "faces": faces}
        self._newest = View(frame.image, readings, line, self._mirror)
        self._put(None)
        self._obey()

    def idle(self, why: Message | None) -> None:
        """Tells the page why no frame comes, and goes on carrying out its commands."""
        if why is not None:
            self._put(self.controls.words.sentence(why))
        self._obey()

    @property
    def _mirror(self) -> bool:
        return self.controls.mirror != self._flipped

    def _put(self, why: str | None) -> None:
        held = self._shown if self._paused and self._shown.image is not None else self._newest
        mirror, labels = self._mirror, not self._hidden
        # A view that stays the same is not encoded again.
        self._shown = held if (held.mirrored, held.labels) == (mirror, labels) else replace(held, mirrored=mirror, labels=labels)
        shown, newest, status = self._shown, self._newest, self._status(why)
        self.hub.put(lambda number: PagePicture(number, shown, newest, status))

    def _status(self, why: str | None) -> dict[str, Any]:
        status, words = self.controls.status(), self.controls.words
        recording, image = status.recording, self._newest.image
        parts = [status.source] if status.source else []
        parts += [f"{words.profile} {status.profile}"] if status.profile else []
        parts += [words.sentence(message("slower"))] if status.saving else []
        parts += [words.sentence(message("skipped", count=status.dropped))] if status.dropped else []
        return {
            "fps": None if why else round(status.fps, 1),
            "latency_ms": round(status.latency_ms, 1),
            "parts": parts,
            "rec": {"s": round(recording.elapsed_s, 1), "mb": round(recording.size_mb, 1)} if recording else None,
            "message": status.message,
            "why": why,
            "profile": status.profile,
            "paused": self._paused,
            "mirror": self._mirror,
            "hidden": self._hidden,
            "size": None if image is None else [image.shape[1], image.shape[0]],
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
            "cameras": named_cameras(self._offered, self.cameras(), words),
            "profile": profiles.name,
            "profiles": profiles.names(),
        }

    def _order(self, command: str, choice: str | None) -> bool:
        return self._queue(partial(self._carry_out, command, choice))

    def _snapshot(self) -> Future[Path | None] | None:
        """The file of a snapshot of what the page shows, once the loop's thread has saved it; None where too many orders wait."""
        saved: Future[Path | None] = Future()
        return saved if self._queue(partial(self._save_shown, saved)) else None

    def _queue(self, order: Callable[[], None]) -> bool:
        try:
            self._orders.put_nowait(order)
        except Full:
            return False
        return True

    def _obey(self) -> None:
        """Carries out one order that waits."""
        with suppress(Empty):
            self._orders.get_nowait()()

    def _save_shown(self, saved: Future[Path | None]) -> None:
        if saved.set_running_or_notify_cancel():
            picture = replace(self._shown, labels=True).drawn(self.controls.words)
            saved.set_result(None if picture is None else self.controls.snapshot(picture))

    def _carry_out(self, command: str, choice: str | None) -> None:
        if command == "record":
            self.controls.record(None if choice is None else choice == "start")
        elif command == "profile":
            self.controls.choose_profile(choice)
        elif command == "toggle_profile":
            self.controls.toggle_profile()
        elif command == "next_camera":
            self.controls.next_camera()
        elif command == "camera" and choice in self._offered:
            # Only those that were offered: a page must not open any address or file.
            self.controls.choose_camera(choice)
        elif command == "pause":
            self._paused = choice == "on"
        elif command == "hide":
            self._hidden = choice == "on"
        elif command == "mirror":
            self._flipped = self.controls.mirror != (choice == "on")


def qr_lines(address: str) -> list[str]:
    """The QR code of an address as lines of block letters: two modules, dark or light, one above the other, make a letter."""
    import segno

    rows = [list(row) for row in segno.make(address, error="m").matrix_iter(border=2)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    letters = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return ["".join(letters[bool(a), bool(b)] for a, b in zip(*pair, strict=True)) for pair in zip(rows[::2], rows[1::2], strict=True)]
