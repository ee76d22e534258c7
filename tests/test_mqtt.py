"""What Home Assistant and others get from a real broker, mosquitto; skipped where that is missing."""

import json
import os
import shutil
import signal
import subprocess
import threading

import pytest
from output_fakes import MOSQUITTO, Mosquitto, Stalled, a_moment, faces, free_port, wait_until

from realtime.outputs.mqtt import Broker, MqttLink, Pace, discovery, node_name, state_of
from realtime.outputs.sender import Sender
from realtime.values import LABELS

mqtt = pytest.importorskip("paho.mqtt.client")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")


class Subscriber:
    """Keeps every message of a broker: (topic, payload, whether it was retained)."""

    def __init__(self, port):
        self.messages = []
        ready = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda client, data, message: self.messages.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self._client.on_subscribe = lambda *arguments: ready.set()
        self._client.on_connect = lambda client, *rest: client.subscribe("#")
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert ready.wait(5)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._client.disconnect()
        self._client.loop_stop()

    def of(self, topic):
        return [payload for name, payload, _ in self.messages if name == topic]


def a_link(port, **rest):
    return MqttLink(Broker("127.0.0.1", port, **rest), "kitchen", mqtt)


def test_a_state_comes_twice_a_second_and_with_each_change():
    pace = Pace()
    times = [t / 100 for t in range(0, 300, 3) if pace.select(a_moment(t / 100, *faces("anger" if t < 120 else "fear")))]
    assert times == [0.0, 0.51, 1.02, 1.2, 1.71, 2.22, 2.73]
    assert pace.select(a_moment(2.99, *faces("fear"))) == []
    assert len(pace.select(a_moment(2.995))) == 1, "the face has gone"
    assert len(pace.select(a_moment(0.1))) == 1, "the source has begun anew"


def test_the_state_names_its_numbers():
    state = state_of(a_moment(1.25, *faces("fear", "anger")))
    assert (state["t"], state["label"], state["count"]) == (1.25, "fear", 2)
    assert list(state["probs"]) == list(LABELS) and state["faces"][1]["label"] == "anger"
    nobody = state_of(a_moment(2))
    assert (nobody["label"], nobody["confidence"], nobody["count"]) == ("none", 0.0, 0)


def test_a_machine_s_name_fits_into_a_topic():
    assert node_name("Ana's Pi.local/+#") == "Ana_s_Pi_local_" and node_name("") == "machine"


@needs_broker
def test_home_assistant_finds_the_entities_also_when_it_starts_later(tmp_path):
    with Mosquitto(tmp_path, free_port()) as broker:
        link = a_link(broker.port)
        with Subscriber(broker.port) as early:
            link.send(a_moment(0, *faces("surprise")))
            assert wait_until(lambda: early.of("expressions/kitchen/state"))
        with Subscriber(broker.port) as subscriber:
            assert wait_until(lambda: len(subscriber.messages) >= len(LABELS) + 4)
            configs = {
                topic: json.loads(payload) for topic, payload, retained in subscriber.messages if topic.endswith("/config") and retained
            }
            assert configs == dict(discovery("kitchen"))
            assert subscriber.of("expressions/kitchen/availability") == ["online"]
            link.send(a_moment(1, *faces("fear")))
            assert wait_until(lambda: subscriber.of("expressions/kitchen/state"))
            state = json.loads(subscriber.of("expressions/kitchen/state")[0])
            assert state == state_of(a_moment(1, *faces("fear")))
            link.close()
            assert wait_until(lambda: subscriber.of("expressions/kitchen/availability") == ["online", "offline"])
    expression = configs["homeassistant/sensor/expressions_kitchen/expression/config"]
    assert expression["state_topic"] == "expressions/kitchen/state" and state["label"] in expression["options"]
    assert len({config["unique_id"] for config in configs.values()}) == len(configs) == len(LABELS) + 3


@needs_broker
def test_a_program_that_dies_becomes_unavailable(tmp_path):
    with Mosquitto(tmp_path, free_port()) as broker, Subscriber(broker.port) as subscriber:
        link = a_link(broker.port)
        link.send(a_moment())
        link._client.socket().close()
        assert wait_until(lambda: subscriber.of("expressions/kitchen/availability") == ["online", "offline"])


@needs_broker
def test_a_restarted_broker_is_told_everything_again(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime.outputs.sender.FIRST_PAUSE_S", 0.05)
    port, told, t = free_port(), [], 0
    sender = Sender(a_link(port), lambda moment: [moment], 32, told.append)
    sender.start()
    with Mosquitto(tmp_path, port):
        sender.take(a_moment(0, *faces("anger")))
        assert wait_until(lambda: told == [f"MQTT 127.0.0.1:{port}: sending"])
    assert wait_until(lambda: len(told) == 2, 5) and "cannot be reached" in told[1], "the lost connection shows without a frame too"
    with Mosquitto(tmp_path, port), Subscriber(port) as subscriber:
        while not subscriber.of("expressions/kitchen/state") and t < 100:
            t += 1
            sender.take(a_moment(t, *faces("fear")))
            wait_until(lambda: bool(subscriber.of("expressions/kitchen/state")), 0.1)
        assert len([1 for topic, *_ in subscriber.messages if topic.endswith("/config")]) == len(LABELS) + 3
        assert wait_until(lambda: told[2:] == [f"MQTT 127.0.0.1:{port}: sending again"])
        sender.end()
        assert sender.wait(2)


@needs_broker
def test_a_wrong_password_is_told_without_it(tmp_path):
    refusal = pytest.raises(ConnectionRefusedError, match="it refuses: Not authorized")
    with Mosquitto(tmp_path, free_port(), "allow_anonymous false") as broker, refusal as caught:
        a_link(broker.port, user="ana", password="secret").send(a_moment())
    assert "secret" not in str(caught.value)


@needs_broker
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_certificate_of_an_encrypted_broker_is_checked(tmp_path, monkeypatch):
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem", *names]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    # The broker gives up its rights, and must still read the key.
    settings = f"certfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\nallow_anonymous true\nuser root"
    with Mosquitto(tmp_path, free_port(), settings) as broker:
        with pytest.raises(OSError, match="certificate verify failed"):
            a_link(broker.port, tls=True).send(a_moment())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        link = a_link(broker.port, tls=True)
        link.send(a_moment())
        link.close()


def test_a_broker_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("realtime.outputs.mqtt.PATIENCE_S", 0.2)
    with Stalled() as server:
        link = a_link(server.port)
        with pytest.raises(TimeoutError, match="does not answer"):
            link.send(a_moment())
        link.close()


@needs_broker
def test_a_broker_that_stops_reading_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime.outputs.mqtt.PATIENCE_S", 0.3)
    crowd = a_moment(0, *faces(*["anger"] * 200))
    with Mosquitto(tmp_path, free_port()) as broker:
        link = a_link(broker.port)
        link.send(crowd)
        os.kill(broker._process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError, match="takes no data"):
                for _ in range(1000):
                    link.send(crowd)
            link.close()
        finally:
            os.kill(broker._process.pid, signal.SIGCONT)
