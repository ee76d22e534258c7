"""Moments, and other sides for the outputs: a broker, a web server, a place that accepts and never reads."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from fakes import a_reading

from realtime.outputs.moments import Moment
from realtime.values import Reading

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


def a_moment(t: float = 0.0, *readings: Reading, clock_t: float | None = None) -> Moment:
    """A moment whose faces have the places 1, 2 and so on."""
    return Moment(t, t if clock_t is None else clock_t, readings, tuple(range(1, len(readings) + 1)))


def faces(*labels: str) -> list[Reading]:
    """A face for each label, with the ids 1, 2 and so on."""
    return [a_reading(label, id=number) for number, label in enumerate(labels, 1)]


def wait_until(done: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Waits until `done()`, for at most so long; says whether it is."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    return done()


def free_port() -> int:
    """A TCP port at which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Mosquitto:
    """The broker mosquitto at a port of this machine, from the start of the `with` block to its end."""

    def __init__(self, folder: Path, port: int, settings: str = "allow_anonymous true"):
        self.port = port
        self._file = folder / "mosquitto.conf"
        self._file.write_text(f"listener {port} 127.0.0.1\n{settings}\n")

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([MOSQUITTO, "-c", self._file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert wait_until(self._answers), "mosquitto did not start"
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


class Stalled:
    """A server that accepts connections, never reads and never answers."""

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.close()
        for connection in self._taken:
            connection.close()

    def _accept(self) -> None:
        try:
            while True:
                self._taken.append(self._server.accept()[0])
        except OSError:
            return


class WebServer:
    """Keeps what is posted to it: (path, headers, JSON). Answers with `status`, and with `location` if there is one."""

    def __init__(self, port: int = 0, status: int = 204, location: str | None = None):
        self.status, self.location = status, location
        self.posts: list[tuple[str, dict[str, str], dict]] = []
        self.others: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.posts.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(web.status)
                if web.location:
                    self.send_header("Location", web.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                web.others.append(self.path)
                self.send_error(404)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
