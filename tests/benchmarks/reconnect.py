"""Kills the network camera of a running `run.py live` and starts it again: measures how soon the picture is back.

    python tests/benchmarks/reconnect.py [SECONDS...]        how long it stays away; default: 1 5 12

Three cameras: MJPEG over HTTP, MPEG-2 over RTSP (both of `tests/fakes.py`), and H.264 over RTSP from GStreamer's own server, where that is
installed (Debian: gstreamer1.0-rtsp gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly python3-gi). Each runs
in a process of its own, which is killed. Prints for each how soon "reconnecting" was shown, and how soon after its return the picture was
back. Exits with 1 if that took more than 5 s.
"""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 5.0
GIVE_UP_S = 30.0
FAKE = "import sys, time; sys.path[:0] = [{folders}]; from fakes import {name}; camera = {name}({port}); time.sleep(1000)"
GSTREAMER = """
import gi
gi.require_version("Gst", "1.0"), gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server, factory = GstRtspServer.RTSPServer(service="{port}"), GstRtspServer.RTSPMediaFactory(shared=True)
factory.set_launch("( videotestsrc is-live=true ! video/x-raw,width=640,height=480,framerate=30/1 ! x264enc tune=zerolatency "
                   "key-int-max=30 ! rtph264pay name=pay0 )")
server.get_mount_points().add_factory("/camera", factory)
server.attach(None)
GLib.MainLoop().run()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def fake(name: str) -> list[str]:
    folders = f"{str(ROOT)!r}, {str(ROOT / 'tests')!r}"
    return [sys.executable, "-c", FAKE.format(folders=folders, name=name, port="{port}")]


def start_camera(command: list[str], port: int) -> subprocess.Popen:
    """Starts the camera's process, and returns it once its port answers."""
    process = subprocess.Popen([part.replace("{port}", str(port)) for part in command], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    process.kill()
    raise OSError("the camera did not start")


class Live:
    """`run.py live` without a window, and the lines that it prints."""

    def __init__(self, address: str):
        command = [sys.executable, str(ROOT / "run.py"), "live", "--no-window", "--source", address]
        environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: [self._lines.put(line) for line in self.process.stdout], daemon=True).start()

    def wait_for(self, matches: Callable[[str], bool]) -> float:
        """Waits for a line that matches; returns the seconds until then, or infinity."""
        began = time.monotonic()
        while (remaining_s := began + GIVE_UP_S - time.monotonic()) > 0:
            try:
                if matches(self._lines.get(timeout=remaining_s)):
                    return time.monotonic() - began
            except queue.Empty:
                break
        return float("inf")

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


def main(away: list[float]) -> int:
    late = False
    cameras = [
        ("MJPEG over HTTP", fake("NetworkCamera"), "http://127.0.0.1:{port}/video.mjpg"),
        ("MPEG-2 over RTSP", fake("RtspCamera"), "rtsp://127.0.0.1:{port}/camera"),
        ("H.264 over RTSP, GStreamer", ["/usr/bin/python3", "-c", GSTREAMER], "rtsp://127.0.0.1:{port}/camera"),
    ]
    for name, command, address in cameras:
        port = free_port()
        try:
            camera = start_camera(command, port)
        except OSError as error:
            print(f"{name}: skipped, {error}")
            continue
        live = Live(address.replace("{port}", str(port)))
        live.wait_for(lambda line: " fps " in line)
        for away_s in away:
            camera.kill()
            camera.wait()
            noticed = live.wait_for(lambda line: "reconnecting" in line)
            time.sleep(max(0.0, away_s - noticed))
            camera = start_camera(command, port)
            back = live.wait_for(lambda line: " is back after " in line)
            late |= back > LIMIT_S
            print(
                f"{name}: away for {away_s:g} s, reconnecting shown after {noticed:.1f} s, back {back:.1f} s after its return", flush=True
            )
        code = live.end()
        late |= code != 0
        camera.kill()
    return int(late)


if __name__ == "__main__":
    sys.exit(main([float(text) for text in sys.argv[1:]] or [1.0, 5.0, 12.0]))
