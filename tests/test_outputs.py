"""What all outputs share: places, the thread that feeds a link, what the user names."""

import sys
import threading
import time

import numpy as np
import pytest
from fakes import a_reading
from output_fakes import a_moment, faces, wait_until

from realtime.base.errors import Trouble
from realtime.drawing.words import ENGLISH
from realtime.outputs.choices import OutputChoices
from realtime.outputs.moments import Moments, Places, named_values
from realtime.outputs.mqtt import Broker
from realtime.outputs.opening import END_S, Outputs, broker_of, open_outputs
from realtime.outputs.sender import Sender
from realtime.values import LABELS, Frame


class ScriptedLink:
    """Takes items; fails as long as `error` is set; hangs as long as `gate` is closed."""

    name = "link"

    def __init__(self):
        self.sent, self.attempts, self.closed, self.idles = [], 0, 0, 0
        self.error: OSError | None = None
        self.gate = threading.Event()
        self.gate.set()

    def send(self, item):
        self.attempts += 1
        self.gate.wait()
        if self.error:
            raise self.error
        self.sent.append(item)

    def idle(self):
        self.idles += 1
        if self.error:
            raise self.error

    def close(self):
        self.closed += 1


def a_sender(link: ScriptedLink, room: int = 3) -> tuple[Sender, list[str]]:
    told: list[str] = []
    return Sender(link, lambda moment: [moment.t], room, told.append), told


def test_places_are_the_lowest_free_ones_and_stay():
    places = Places()
    assert places.update([a_reading(id=4), a_reading(id=7)]) == (1, 2)
    assert places.update([a_reading(id=7), a_reading(id=4)]) == (2, 1)
    assert places.update([a_reading(id=7)]) == (2,)
    assert places.update([a_reading(id=7), a_reading(id=9), a_reading(id=11)]) == (2, 1, 3)
    assert places.update([]) == ()
    assert places.update([a_reading(id=12)]) == (1,)


def test_moments_count_from_the_first_frame_and_name_the_oldest_face():
    moments, picture = Moments(), np.zeros((2, 2, 3), np.uint8)
    assert moments.update(Frame(picture, 100.0, 0), []).main is None
    moment = moments.update(Frame(picture, 100.5, 1), [a_reading("fear", id=3), a_reading("anger", id=2)])
    assert (moment.t, moment.clock_t, moment.places) == (0.5, 100.5, (1, 2))
    assert moment.main.label == "anger"
    assert moment.image is picture and moment.numbers().image is None


def test_probabilities_have_names():
    reading = a_reading("fear")
    values = named_values(reading)
    assert list(values["probs"]) == list(LABELS)
    assert values["probs"]["fear"] == round(float(reading.probs[LABELS.index("fear")]), 4)
    assert values["label"] == "fear" and values["id"] == 1


def test_a_link_gets_all_items_in_order_and_is_closed():
    link = ScriptedLink()
    sender, told = a_sender(link, room=50)
    sender.start()
    for t in range(40):
        sender.take(a_moment(t))
    sender.end()
    assert sender.wait(2)
    assert link.sent == list(range(40)) and link.closed == 1
    assert told == ["link: sending"]


def test_the_loop_never_waits_and_the_newest_items_stay():
    link = ScriptedLink()
    sender, _ = a_sender(link)
    link.gate.clear()
    sender.start()
    sender.take(a_moment(0))
    assert wait_until(lambda: link.attempts == 1)
    started = time.monotonic()
    for t in range(1, 1000):
        sender.take(a_moment(t))
    assert time.monotonic() - started < 0.5
    link.gate.set()
    sender.end()
    assert sender.wait(2)
    assert link.sent == [0, 997, 998, 999]


def test_a_link_that_fails_is_told_once_tried_with_growing_pauses_and_told_once_when_back(monkeypatch):
    monkeypatch.setattr("realtime.outputs.sender.FIRST_PAUSE_S", 0.05)
    link = ScriptedLink()
    sender, told = a_sender(link)
    link.error = ConnectionRefusedError(111, "Connection refused")
    sender.start()
    sender.take(a_moment(1))
    time.sleep(1.0)
    # After 0, 0.05, 0.15, 0.35 and 0.75 s.
    assert 3 <= link.attempts <= 5
    assert len(told) == 1 and "link: cannot be reached (connection refused)" in told[0]
    link.error = None
    assert wait_until(lambda: link.sent == [1], 3)
    assert wait_until(lambda: len(told) == 2, 1) and told[1] == "link: sending again"
    sender.end()
    assert sender.wait(2)


def test_a_link_may_look_after_itself_while_there_is_nothing_to_send(monkeypatch):
    monkeypatch.setattr("realtime.outputs.sender.IDLE_S", 0.02)
    link = ScriptedLink()
    sender, told = a_sender(link)
    sender.start()
    time.sleep(0.2)
    assert link.idles == 0, "it was never opened"
    sender.take(a_moment(1))
    assert wait_until(lambda: link.idles > 2, 2)
    link.error = ConnectionResetError(104, "Connection reset by peer")
    assert wait_until(lambda: len(told) == 2, 2) and "connection reset by peer" in told[1]
    sender.end()
    assert sender.wait(2)


def test_the_end_waits_for_no_link_that_is_lost_or_hangs():
    lost, hanging = ScriptedLink(), ScriptedLink()
    lost.error = TimeoutError("timed out")
    hanging.gate.clear()
    senders = [a_sender(link)[0] for link in (hanging, hanging, lost)]
    started = time.monotonic()
    with Outputs(senders) as outputs:
        for t in range(5):
            outputs.write(Frame(np.zeros((2, 2, 3), np.uint8), t, t), faces("anger"))
        assert wait_until(lambda: lost.attempts and hanging.attempts, 2)
        attempts, started = lost.attempts, time.monotonic()
    assert time.monotonic() - started < END_S + 0.3
    assert lost.closed and lost.attempts == attempts
    hanging.gate.set()
    assert all(sender.wait(2) for sender in senders)


def test_nothing_is_opened_unless_it_is_asked_for():
    assert open_outputs(OutputChoices(), ENGLISH, print) == []


@pytest.mark.parametrize(
    ("choices", "package", "module"),
    [
        (OutputChoices(lsl=True), "--lsl needs pylsl: pip install pylsl", "pylsl"),
        (OutputChoices(mqtt="localhost"), "--mqtt needs paho-mqtt: pip install paho-mqtt", "paho.mqtt.client"),
        (OutputChoices(virtual_camera=True), "--virtual-camera needs pyvirtualcam: pip install pyvirtualcam", "pyvirtualcam"),
    ],
)
def test_a_missing_library_is_named(monkeypatch, choices, package, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Trouble) as caught:
        open_outputs(choices, ENGLISH, print)
    assert str(caught.value) == package


@pytest.mark.parametrize(
    "text", ["", "9000", "host", "host:", "host:x", "host:99999", "a:secret@host:9000", "host:1/x", "[::1", "." * 90 + ":1"]
)
def test_an_osc_address_that_cannot_be_read_is_not_repeated(text):
    with pytest.raises(Trouble, match="--osc wants HOST:PORT") as caught:
        open_outputs(OutputChoices(osc=text), ENGLISH, print)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "host", "ftp://host/x", "file:///etc/passwd", "http:///x", "http://h:x/", "http://a b/", "http://h/\n", "http://u:1/secret@h/x"],
)
def test_a_webhook_that_cannot_be_read_is_not_repeated(text):
    with pytest.raises(Trouble, match="--webhook wants an address") as caught:
        open_outputs(OutputChoices(webhook=text), ENGLISH, print)
    assert "secret" not in str(caught.value) and "passwd" not in str(caught.value)


def test_a_broker_is_read_and_its_password_comes_from_the_environment():
    assert broker_of("broker.local", {}) == Broker("broker.local", 1883)
    assert broker_of("mqtts://broker", {}) == Broker("broker", 8883, tls=True)
    environment = {"EXPRESSIONS_MQTT_USER": "ana", "EXPRESSIONS_MQTT_PASSWORD": "secret"}
    assert broker_of("mqtt://[::1]:77", environment) == Broker("::1", 77, "ana", "secret")
    for text in ("ana:secret@broker", "mqtt://ana:secret@broker", "http://broker", "broker/secret", ""):
        with pytest.raises(Trouble, match="--mqtt wants HOST") as caught:
            broker_of(text, {})
        assert "secret" not in str(caught.value)
