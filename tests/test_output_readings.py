"""The numbers that another process gets from `live` are those of the readings file of the same session."""

import json
import math
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from output_fakes import MOSQUITTO, Mosquitto, WebServer, free_port

from realtime.outputs.lsl import CHANNELS
from realtime.outputs.mqtt import node_name
from realtime.values import LABELS

RECEIVERS = {
    "osc": """
import json, socket, sys
from pythonosc.osc_packet import OscPacket
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
print(receiver.getsockname()[1], flush=True)
receiver.settimeout(30)
try:
    while True:
        messages = [timed.message for timed in OscPacket(receiver.recv(65536)).messages]
        print(json.dumps({message.address: message.params[0] for message in messages}), flush=True)
        receiver.settimeout(3)
except TimeoutError:
    pass
""",
    "lsl": """
import json, socket, pylsl
print(0, flush=True)
(info,) = pylsl.resolve_byprop("source_id", f"expressions_{socket.gethostname()}_1", 1, 30)
inlet = pylsl.StreamInlet(info, recover=False)
try:
    while True:
        values, t = inlet.pull_sample(5)
        if values is None:
            break
        print(json.dumps([t, values]), flush=True)
except pylsl.LostError:
    pass
""",
    "mqtt": """
import json, sys
import paho.mqtt.client as mqtt
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
def take(client, data, message):
    payload = message.payload.decode()
    print(json.dumps([message.topic, payload]), flush=True)
    if payload == "offline":
        client.disconnect()
client.on_message = take
client.on_subscribe = lambda *arguments: print(0, flush=True)
client.connect("127.0.0.1", int(sys.argv[1]))
client.subscribe("expressions/#")
client.loop_forever()
""",
}


def receive(kind: str, folder: Path, option: list[str], *arguments: str) -> tuple[list[str], list[dict], list[str]]:
    """What a second process got while `live` ran for 4 s, the frames of its readings file, and what `live` said."""
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVERS[kind], *arguments], stdout=subprocess.PIPE, text=True)
    ready = receiver.stdout.readline().strip()
    said, frames = run_live(folder, [part.replace("READY", ready) for part in option])
    lines, _ = receiver.communicate(timeout=30)
    return lines.splitlines(), frames, said


def run_live(folder: Path, option: list[str]) -> tuple[list[str], list[dict]]:
    """What `live` said with an option, and the frames of its readings file."""
    recorded = ["--record", str(folder / "a.mp4"), "--no-window", "--seconds", "4"]
    command = [sys.executable, str(ROOT / "run.py"), "live", "--source", "demo", *recorded, *option]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    frames = [json.loads(line) for line in (folder / "a.jsonl").read_text().splitlines()[1:]]
    return done.stdout.splitlines(), [line for line in frames if "frame" in line]


def nearest(frames: list[dict], t: float, within: float = 1e-5) -> dict:
    """The frame of a time; fails where there is none."""
    frame = min(frames, key=lambda one: abs(one["t"] - t))
    assert abs(frame["t"] - t) < within, f"no frame at {t}"
    return frame


def main_face(frame: dict) -> dict:
    return min(frame["faces"], key=lambda face: face["id"])


def same(values, probs) -> bool:
    """Whether probabilities are those of the file, which are rounded to 4 places."""
    return all(abs(value - p) < 6e-5 for value, p in zip(values, probs, strict=True))


def test_osc_gives_the_numbers_of_the_readings_file(tmp_path):
    pytest.importorskip("pythonosc")
    lines, frames, said = receive("osc", tmp_path, ["--osc", "127.0.0.1:READY"])
    moments: dict[float, dict] = {}
    for packet in map(json.loads, lines):
        moments.setdefault(packet["/expressions/t"], {}).update(packet)
    # A busy machine has few frames; UDP may lose some.
    assert len(frames) >= 5 and len(moments) >= 0.8 * len(frames)
    assert any(line.startswith("OSC 127.0.0.1:") and line.endswith(": sending") for line in said)
    seen = 0
    for t, moment in moments.items():
        frame = nearest(frames, t)
        assert moment["/expressions/faces"] == len(frame["faces"])
        for face in frame["faces"]:
            (place,) = {address.split("/")[2] for address, v in moment.items() if address.endswith("/id") and v == face["id"]}
            assert same([moment[f"/expressions/{place}/{label}"] for label in LABELS], face["probs"])
            assert moment[f"/expressions/{place}/label"] == face["label"]
            seen += 1
    assert seen >= 3


def test_lsl_gives_the_numbers_and_the_times_of_the_readings_file(tmp_path):
    try:
        import pylsl
    except (ImportError, RuntimeError):
        pytest.skip("needs pylsl and liblsl")
    before = pylsl.local_clock()
    lines, frames, _ = receive("lsl", tmp_path, ["--lsl"])
    samples = [json.loads(line) for line in lines]
    # The reader finds the stream a moment after it began: the first sample that it has is placed by its values and number of faces.
    assert len(samples) >= 5 and all(before < t < time.monotonic() + 1 for t, _ in samples)
    with_face = [(t, dict(zip(CHANNELS, values, strict=True))) for t, values in samples if not math.isnan(values[0])]
    assert len(with_face) >= 5
    start = start_by_values(with_face, frames)
    for t, values in with_face:
        # Place 1 belongs to the face with the lowest id as long as it is there.
        face = {one["id"]: one for one in nearest(frames, t - start, 1e-4)["faces"]}[int(values["id"])]
        assert same([values[label] for label in LABELS], face["probs"])
        assert LABELS[int(values["label"])] == face["label"] and (values["sure"] == 1) == (face["unsure"] is None)


def start_by_values(samples: list[tuple[float, dict]], frames: list[dict]) -> float:
    """The time of the first frame on LSL's clock: the one with which most samples have the numbers of the frame at their time."""
    t, _ = samples[-1]
    starts = [t - frame["t"] for frame in frames if frame["faces"]]

    def fits(start: float) -> int:
        return sum(any(abs(frame["t"] - (t - start)) < 1e-4 and fits_one(values, frame) for frame in frames) for t, values in samples)

    def fits_one(values: dict, frame: dict) -> bool:
        return any(face["id"] == values["id"] and same([values[label] for label in LABELS], face["probs"]) for face in frame["faces"])

    return max(starts, key=fits)


@pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")
def test_mqtt_gives_the_numbers_of_the_readings_file(tmp_path):
    pytest.importorskip("paho.mqtt.client")
    with Mosquitto(tmp_path, free_port()) as broker:
        lines, frames, _ = receive("mqtt", tmp_path, ["--mqtt", f"127.0.0.1:{broker.port}"], str(broker.port))
    messages = [json.loads(line) for line in lines]
    base = f"expressions/{node_name(socket.gethostname())}"
    assert messages[0] == [f"{base}/availability", "online"] and messages[-1] == [f"{base}/availability", "offline"]
    states = [json.loads(payload) for topic, payload in messages if topic == f"{base}/state"]
    assert 2 <= len(states) <= 30 and any(state["count"] for state in states)
    for state in states:
        frame = nearest(frames, state["t"])
        for face, written in zip(state["faces"], frame["faces"], strict=True):
            assert {**face, "probs": list(face["probs"].values())} == written
        if frame["faces"]:
            main = main_face(frame)
            assert (state["label"], list(state["probs"].values())) == (main["label"], main["probs"])


def test_a_webhook_gets_every_change_of_the_readings_file(tmp_path):
    with WebServer() as server:
        _, frames = run_live(tmp_path, ["--webhook", f"http://127.0.0.1:{server.port}/faces"])
        events = [event for _, _, event in server.posts]
    wanted, labels = [], {}
    for frame in frames:
        now = {face["id"]: face["label"] for face in frame["faces"]}
        wanted += [(frame["t"], "gone", id, label, None) for id, label in labels.items() if id not in now]
        wanted += [(frame["t"], "label", id, labels.get(id), label) for id, label in now.items() if labels.get(id) != label]
        labels = now
    got = [(event["t"], event["event"], event["id"], event["before"], event.get("label")) for event in events]
    assert got == wanted and len(got) >= 1
    for event in events:
        if event["event"] == "label":
            (face,) = [face for face in nearest(frames, event["t"])["faces"] if face["id"] == event["id"]]
            assert list(event["probs"].values()) == face["probs"]
