"""The receivers of docs/outputs.md run as they stand, but for the port."""

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from conftest import ROOT
from fakes import a_reading
from output_fakes import MOSQUITTO, Mosquitto, a_moment, free_port

from realtime.outputs.lsl import LslLink
from realtime.outputs.mqtt import Broker, MqttLink
from realtime.outputs.osc import OscLink
from realtime.outputs.webhook import LabelChanges, WebhookLink

TEXT = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")


def receiver_of(title: str) -> str:
    """The code of a section."""
    section = TEXT[TEXT.index(f"\n## {title}\n") :]
    return re.search(r"```python\n(.*?)```", section, re.S)[1]


@contextmanager
def started(code: str):
    """A receiver, and the lines that it prints."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True).start()
    try:
        yield lines
    finally:
        process.kill()
        process.wait()


def feed(code: str, send, wanted: str) -> bool:
    """Sends ten moments a second until the receiver has printed what is wanted; False after 15 s."""
    with started(code) as lines:
        for i in range(150):
            send(a_moment(i / 10, a_reading("surprise" if i % 2 else "fear"), clock_t=time.monotonic()))
            if any(wanted in line for line in lines):
                return True
            time.sleep(0.1)
        print("".join(lines))
        return False


def test_the_receiver_of_osc():
    pytest.importorskip("pythonosc")
    port = free_port()
    assert feed(receiver_of("OSC").replace("9000", str(port)), OscLink("127.0.0.1", port).send, "/expressions/1/label surprise")


def test_the_receiver_of_lsl():
    try:
        import pylsl
    except (ImportError, RuntimeError):
        pytest.skip("needs pylsl and liblsl")
    link = LslLink("documents", pylsl)
    link.send(a_moment(0, clock_t=time.monotonic()))
    assert feed(receiver_of("Lab Streaming Layer"), link.send, "5.0, ")


@pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")
def test_the_receiver_of_mqtt(tmp_path):
    library = pytest.importorskip("paho.mqtt.client")
    with Mosquitto(tmp_path, free_port()) as broker:
        link = MqttLink(Broker("127.0.0.1", broker.port), "kitchen", library)
        assert feed(receiver_of("MQTT and Home Assistant").replace("1883", str(broker.port)), link.send, 'state {"t"')
        link.close()


def test_the_receiver_of_the_webhook():
    port = free_port()
    link, changes = WebhookLink(f"http://127.0.0.1:{port}/"), LabelChanges()

    def send(moment):
        for event in changes.select(moment):
            try:
                link.send(event)
            except ConnectionRefusedError:
                return

    assert feed(receiver_of("Webhook").replace("8080", str(port)), send, '"before": "fear"')


def test_the_table_names_every_option():
    from typer.testing import CliRunner

    import run

    panel = CliRunner(env={"COLUMNS": "200"}).invoke(run.app, ["live", "--help"]).output.partition("Other programs")[2]
    options = set(re.findall(r"--[a-z-]+", panel.partition("─╯")[0]))
    assert {"--osc", "--webhook"} < options
    assert options == set(re.findall(r"^\| .*?`(--[a-z-]+)", TEXT, re.M))
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        assert sum(bool(line) for line in code.splitlines()) <= 7
