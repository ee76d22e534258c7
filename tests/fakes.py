"""Stand-ins for the edges: camera, clock, detector, points, classifier, screen. Each does one scripted thing; nothing is patched."""

import io
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Self

import cv2
import numpy as np

from realtime.base.geometry import box_around, box_distance, width
from realtime.base.messages import Message, message
from realtime.drawing.words import ENGLISH, Words
from realtime.expression.classifier import Opinion
from realtime.faces.align import TEMPLATE
from realtime.faces.detector import Candidate
from realtime.values import CROP, LABELS, Box, Face, Frame, Reading
from realtime.viewers.controls import Controls


class FakeClock:
    """A clock that stands still until it is told to move; `sleep` moves it."""

    def __init__(self, now: float = 0.0):
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class ScriptedSource:
    """Frames at chosen times, the index painted into all pixels; raises `error` after the last one if there is one."""

    name, mirror, delivery = "script", False, None

    def __init__(self, times: list[float], error: Exception | None = None, size_wh: tuple[int, int] = (64, 48)):
        self.times, self.error, self.size_wh = times, error, size_wh
        self.expected = len(times)
        self.opened = self.closed = 0

    def __enter__(self) -> Self:
        self.opened += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.closed += 1

    def __iter__(self) -> Iterator[Frame]:
        width, height = self.size_wh
        for index, t in enumerate(self.times):
            yield Frame(np.full((height, width, 3), index % 256, np.uint8), t, index)
        if self.error is not None:
            raise self.error


class NetworkCamera:
    """A camera at an address: JPEGs one after another, as IP cameras send them. While `silent` is set it holds its breath."""

    def __init__(self, port: int = 0, size_wh: tuple[int, int] = (64, 48), brightness: int = 100, rate: float = 30.0):
        """Port 0 is any free one."""
        camera = self
        picture = np.full((size_wh[1], size_wh[0], 3), brightness, np.uint8)
        jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        part = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg + b"\r\n"
        self.silent = threading.Event()
        self.connections = 0
        self._off = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                camera.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
                self.end_headers()
                with suppress(OSError):
                    while not camera._off.wait(1 / rate):
                        if not camera.silent.is_set():
                            self.wfile.write(part)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.address = f"http://127.0.0.1:{self.port}/video.mjpg"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.die()

    def die(self) -> None:
        """Closes the port and all connections."""
        self._off.set()
        self._server.shutdown()
        self._server.server_close()


class RtspCamera:
    """A camera that speaks RTSP over TCP, as IP cameras do: a film as an MPEG transport stream in RTP packets, again and again."""

    def __init__(self, port: int = 0, size_wh: tuple[int, int] = (64, 48), brightness: int = 100, rate: float = 30.0):
        """Port 0 is any free one."""
        camera = self
        stream = _transport_stream(size_wh, brightness, rate)
        self._off = threading.Event()
        self._connections: list[socket.socket] = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                camera._connections.append(self.connection)
                with suppress(OSError, ValueError):
                    while (asked := self._request()) is not None:
                        self._answer(*asked)
                        if asked[0] == "PLAY":
                            self._play()

            def _request(self) -> tuple[str, str] | None:
                """Method and CSeq of the next request; None at the end."""
                lines = []
                while (line := self.rfile.readline().decode().strip()) or not lines:
                    if not line:
                        return None
                    lines.append(line)
                number = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq:"))
                return lines[0].split()[0], number

            def _answer(self, method: str, number: str) -> None:
                sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
                extra, body = {
                    "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
                    "DESCRIBE": (f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n", sdp),
                    "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", ""),
                }.get(method, ("", ""))
                self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n{extra}\r\n{body}".encode())

            def _play(self) -> None:
                """A packet holds seven of the transport stream's; as many go out a second as play in one."""
                packets = [stream[at : at + 7 * 188] for at in range(0, len(stream), 7 * 188)]
                for sent in count():
                    if camera._off.wait(1 / len(packets)):
                        return
                    head = struct.pack(">BBHII", 0x80, 33, sent & 0xFFFF, round(90_000 * sent / len(packets)) & 0xFFFFFFFF, 1)
                    packet = head + packets[sent % len(packets)]
                    self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.address = f"rtsp://127.0.0.1:{self.port}/camera"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.die()

    def die(self) -> None:
        """Closes the port and all connections."""
        self._off.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _transport_stream(size_wh: tuple[int, int], brightness: int, rate: float) -> bytes:
    """A second of one colour as an MPEG transport stream, each frame a key frame."""
    import av

    film = io.BytesIO()
    with av.open(film, "w", format="mpegts") as container:
        video = container.add_stream("mpeg2video", rate=round(rate), options={"g": "1"})
        video.width, video.height, video.pix_fmt = *size_wh, "yuv420p"
        picture = np.full((size_wh[1], size_wh[0], 3), brightness, np.uint8)
        for _ in range(round(rate)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(video.encode(None))
    return film.getvalue()


class ScriptedDetector:
    """The boxes of each search in turn; raises where the script holds an exception; the last entry stays. It is a judge too."""

    def __init__(self, script: list[list[Box] | Exception], confirmed: bool = True):
        self.script, self.confirmed = list(script), confirmed

    def find(self, gray: np.ndarray, short_side: float) -> list[Box]:
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(entry, Exception):
            raise entry
        return entry

    def candidates(self, gray: np.ndarray, short_side: float, threshold: float) -> list[Candidate]:
        return [Candidate(box, 1.0) for box in self.find(gray, short_side)]

    def of_places(self, gray: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
        return np.full(len(places), 9.0 if self.confirmed else -9.0)

    with_model = of_places


def points_in(box: Box) -> np.ndarray:
    """The five points (5, 2) of a frontal face whose box this is."""
    face = box_around((TEMPLATE * CROP).astype(np.float32))
    shape = (TEMPLATE * CROP - (face.x0, face.y0)) / width(face)
    return (shape * width(box) + (box.x0, box.y0)).astype(np.float32)


class BoxPoints:
    """Five points at fixed places of the box, where `box_around` finds the same box again."""

    def points(self, gray: np.ndarray, box: Box) -> np.ndarray:
        return points_in(box)


class World:
    """Faces that are where they are put: a detector, a point predictor and a judge that see them, and nothing in between.

    The predictor is drawn to the nearest face within a face width, as the real one is; where there is none it gives nonsense.
    """

    def __init__(self):
        self.faces: list[Box] = []
        self.likelihood = 9.0

    def find(self, gray: np.ndarray, short_side: float) -> list[Box]:
        return list(self.faces)

    def of_places(self, gray: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
        seen = [any(box_distance(face, box_around(points)) < 0.3 for face in self.faces) for points in places]
        return np.where(seen, self.likelihood, -9.0)

    def with_model(self, gray: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
        return self.of_places(gray, places)

    def points(self, gray: np.ndarray, box: Box) -> np.ndarray:
        near = min(self.faces, key=lambda face: box_distance(face, box), default=None)
        if near is None or box_distance(near, box) > 1.0:
            return points_in(box) + np.array([[0, 0], [9, 9], [0, 30], [9, -9], [-20, 0]], np.float32) * width(box) / 50
        return points_in(near)


class ScriptedClassifier:
    """The same probabilities for every face of a call, one entry a call; the last stays. `reject` likewise."""

    def __init__(self, labels: list[str], reject: float = 0.0):
        self.labels, self.reject = list(labels), reject

    def read(self, chips: np.ndarray) -> Opinion:
        label = self.labels.pop(0) if len(self.labels) > 1 else self.labels[0]
        n = len(chips)
        return Opinion(np.tile(sure(label), (n, 1)), np.full(n, self.reject, np.float32), np.zeros((n, 4), np.float32))


class CollectSink:
    """Keeps what it gets; raises `error` at frame `at`."""

    def __init__(self, error: Exception | None = None, at: int = 0):
        self.frames: list[Frame] = []
        self.readings: list[list[Reading]] = []
        self.error, self.at = error, at
        self.closed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed += 1

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        if self.error is not None and len(self.frames) == self.at:
            raise self.error
        self.frames.append(frame)
        self.readings.append(readings)


def sure(label: str, share: float = 0.88) -> np.ndarray:
    """(7,) float32 probabilities with `share` on one label and the rest spread evenly."""
    probs = np.full(len(LABELS), (1 - share) / (len(LABELS) - 1), np.float32)
    probs[LABELS.index(label)] = share
    return probs


def a_reading(label: str = "happiness", box: Box | None = None, unsure: str | None = None, id: int = 1) -> Reading:
    """A reading to draw or write."""
    box = box or Box(20, 10, 50, 40)
    return Reading(Face(id, box, points_in(box)), sure(label), label, 0.88, unsure)


class NoRecordings:
    """A recording switch that nobody touches."""

    running = None


class NoProfile:
    """One person, who cannot be chosen without being noted."""

    def __init__(self):
        self.name, self.chosen = None, []

    def names(self) -> list[str]:
        return ["ana"]

    def choose(self, name: str | None) -> Message:
        self.chosen.append(name)
        return message("profile_on", name=name)

    def toggle(self) -> Message:
        return self.choose("ana")


class NoCameras:
    """The camera in use and another one, which cannot be chosen without being noted."""

    mirror = False

    def __init__(self):
        self.current, self.candidates, self.chosen = "demo", ["demo"], []

    def others(self) -> list[str]:
        return ["0"]

    def choose(self, text: str) -> Message:
        self.chosen.append(text)
        return message("camera_changed", source=text)

    def next(self) -> Message:
        return self.choose("0")


class FullWork:
    """A governor that leaves nothing out."""

    level = 0


def controls(clock=lambda: 0.0, recordings=None, profiles=None, cameras=None, words: Words = ENGLISH) -> Controls:
    """Controls whose parts do nothing but note what is asked of them."""
    return Controls(clock, recordings or NoRecordings(), profiles or NoProfile(), cameras or NoCameras(), FullWork(), words)
