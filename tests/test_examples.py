import json
import runpy
import socket
import struct
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from realtime.sources.films import DEMO
from realtime.values import LABELS, Box, Face, Reading

ROOT = Path(__file__).resolve().parent.parent


def reading(label: str, unsure: str | None = None) -> Reading:
    return Reading(Face(1, Box(0, 0, 9, 9), np.zeros((5, 2), np.float32)), np.full(7, 1 / 7, np.float32), label, 0.9, unsure)


def test_own_loop_prints_each_change_and_the_total_times():
    result = subprocess.run(
        [sys.executable, "-m", "examples.own_loop", str(DEMO)], cwd=ROOT, capture_output=True, text=True, timeout=100, check=True
    )
    lines = result.stdout.splitlines()
    assert sum("face 1:" in line for line in lines) >= 1
    assert sum(float(line.split()[1]) for line in lines if line.endswith(" s")) > 3


def test_picture_frame_shows_one_more_photo_for_each_smile(tmp_path):
    example = runpy.run_path(str(ROOT / "examples" / "picture_frame.py"))
    switch, times = example["SmileSwitch"](), []
    smile, rest = [reading("happiness")], [reading("neutral")]
    for i in range(100):
        t = i / 10
        readings = rest if 4 <= t < 4.5 else [reading("happiness", "tie")] if t >= 8 else smile
        if switch.update(t, readings):
            times.append(t)
    assert times == [1.0, 5.5]
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in example["photos_in"](tmp_path)] == ["a.jpg", "b.PNG"]


class Broker:
    """The part of an MQTT broker that the example needs: it accepts a connection and stores the messages."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.messages: list[tuple[str, str]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self.server.accept()
        with connection, connection.makefile("rb") as stream:
            while head := stream.read(1):
                length, shift = 0, 0
                while True:
                    byte = stream.read(1)[0]
                    length, shift = length | (byte & 127) << shift, shift + 7
                    if byte < 128:
                        break
                body = stream.read(length)
                if head[0] >> 4 == 1:
                    connection.sendall(b"\x20\x02\x00\x00")
                elif head[0] >> 4 == 3:
                    (size,) = struct.unpack(">H", body[:2])
                    self.messages.append((body[2 : 2 + size].decode(), body[2 + size :].decode()))


def test_readings_are_published_over_mqtt():
    pytest.importorskip("paho.mqtt.client")
    broker = Broker()
    command = [sys.executable, "-m", "examples.publish_mqtt", "--host", "127.0.0.1", "--port", str(broker.port), "--source", str(DEMO)]
    subprocess.run([*command, "--topic", "home/faces"], cwd=ROOT, check=True, capture_output=True, timeout=100)
    topics = {topic for topic, _ in broker.messages}
    assert "home/faces/1" in topics
    values = json.loads(broker.messages[0][1])
    assert values["label"] in LABELS and 0 <= values["confidence"] <= 1 and values.keys() == {"t", "label", "confidence", "unsure"}
    times = [json.loads(payload)["t"] for topic, payload in broker.messages if topic == "home/faces/1"]
    assert all(b - a >= 0.19 for a, b in pairwise(times))
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    result = subprocess.run([*command[:5], "--port", str(port)], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert result.returncode == 1 and "no broker answers" in result.stderr and result.stderr.count("\n") == 1
