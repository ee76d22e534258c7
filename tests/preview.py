"""A preview in this process, with short deadlines, for the tests that ask and attack it."""

import http.client
import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
from fakes import NoCameras, NoProfile, a_reading, controls
from websockets.sync.client import connect

from realtime.config import Choices, WebSettings
from realtime.drawing.words import LANGUAGES
from realtime.recording.recording import RecordingSetup
from realtime.recording.switch import RecordSwitch
from realtime.sources.cameras import Camera
from realtime.values import LABELS, Frame
from realtime.viewers.web.page import Web

SETTINGS = WebSettings(connections=24, strangers=128, viewers=3, beat_s=0.2, sweep_s=0.1, shared_s=0.2)
# For tests of who is too slow. Elsewhere a busy machine makes the test itself too slow for half a second.
HURRIED = replace(SETTINGS, patience_s=0.5, request_s=0.5)


class Running:
    """A preview before a loop of its own that never stops: `frames` counts what the loop has done."""

    def __init__(
        self,
        folder: Path,
        host: str,
        privacy: str = "none",
        settings: WebSettings = SETTINGS,
        port: int = 0,
        language: str = "en",
        token: str | None = None,
    ):
        self.cameras, self.profiles, self.frames, self.lines = NoCameras(), NoProfile(), 0, []
        setup = RecordingSetup(time.monotonic, choices=Choices(privacy=privacy), live=True, tell=self.lines.append)
        self.switch = RecordSwitch(folder, lambda: {"source": "test", "labels": list(LABELS)}, setup)
        self.controls = controls(time.monotonic, self.switch, self.profiles, self.cameras, LANGUAGES[language])
        self.web = Web(self.controls, host, port, settings, self.lines.append, lambda: [Camera(0, "HD Webcam")], token)
        self.port, self.folder = self.web.port, folder
        self.token = urlsplit(self.web.address).query.removeprefix("token=")
        # Whose readings the frames have; and why none come, if so.
        self.ids, self.why = [1], None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop)

    def __enter__(self):
        self._thread.start()
        self.wait(lambda: self.frames > 2)
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()

    def _loop(self):
        picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
        with self.web, self.switch:
            while not self._over.wait(0.02):
                if self.why is not None:
                    self.web.idle(self.why)
                    continue
                frame = Frame(np.roll(picture, self.frames, 1), time.monotonic(), self.frames)
                for sink in (self.web, self.controls, self.switch):
                    sink.write(frame, [a_reading(id=id) for id in self.ids])
                self.frames += 1

    def wait(self, met, seconds=10.0):
        end = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def goes_on(self):
        before = self.frames
        self.wait(lambda: self.frames > before + 3)

    @property
    def shown(self):
        """The header that shows the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def ask(self, path="/", method="GET", body=None, host=None, **headers):
        """Status, headers and body. Nothing of the path is changed on its way. The token is shown."""
        return self.ask_as_stranger(path, method, body, host, **(self.shown | headers))

    def ask_as_stranger(self, path="/", method="GET", body=None, host=None, **headers):
        """The same without the token."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        link.putrequest(method, path, skip_host=True)
        given = {"Host": host or f"127.0.0.1:{self.port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        for name, value in given.items():
            link.putheader(name, value)
        if body is not None:
            link.putheader("Content-Length", str(len(body)))
        link.endheaders(body)
        answer = link.getresponse()
        try:
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    def order(self, do, which=None):
        status, _, said = self.ask("/command", "POST", json.dumps({"do": do, "which": which}).encode(), Origin=self.origin)
        assert status == 202, said

    def snapshot(self):
        """The name of a snapshot's file."""
        status, _, said = self.ask("/snapshot", "POST", b"", Origin=self.origin)
        assert status == 200, said
        return json.loads(said)["name"]

    def delete(self, name):
        """The status of the answer."""
        return self.ask("/delete", "POST", json.dumps({"name": name}).encode(), Origin=self.origin)[0]

    def send(self, text, read=True, buffer=None):
        """An open connection on which `text` was sent, with the headers for HOST and TOKEN; the start of its answer is read, or not."""
        link = socket.socket()
        if buffer:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        link.settimeout(5)
        link.connect(("127.0.0.1", self.port))
        link.sendall(
            text.replace("HOST", f"Host: 127.0.0.1:{self.port}\r\n").replace("TOKEN", f"Authorization: Bearer {self.token}\r\n").encode()
        )
        if read:
            link.recv(10_000)
        return link

    def watch(self, origin=None, uri="/live", **more):
        return connect(
            f"ws://127.0.0.1:{self.port}{uri}",
            origin=origin or self.origin,
            **({"additional_headers": self.shown, "max_queue": None} | more),
        )


def picture_from(viewer) -> np.ndarray:
    while True:
        said = viewer.recv(timeout=5)
        if isinstance(said, bytes):
            viewer.send("got")
            if said:
                return cv2.imdecode(np.frombuffer(said, np.uint8), cv2.IMREAD_COLOR)


def answers(running) -> bool:
    try:
        return running.ask()[0] == 200
    except OSError:
        return False
