"""Readings over MQTT, with the discovery of Home Assistant: its entities appear by themselves.

Discovery as of home-assistant.io/integrations/mqtt: a retained configuration for each entity, and a last will that makes them
unavailable.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from realtime.base.timing import Clock
from realtime.base.version import __version__
from realtime.outputs.moments import Moment, named_values
from realtime.values import LABELS

EVERY_S = 0.5
"""Seconds between two states, unless a label changes or a face comes or goes."""
PATIENCE_S = 5.0
"""For so many seconds a broker may take nothing before it counts as lost."""
KEEPALIVE_S = 10
"""After so many seconds of silence a sign of life is asked for; as long again, and the broker counts as lost."""
EXPIRE_S = 10
"""After so many seconds without a state, as when the camera is gone, Home Assistant shows the entities as unavailable."""
NONE = "none"
"""The label where no face is."""


@dataclass(frozen=True)
class Broker:
    """Where an MQTT broker is, and who asks.

    Attributes:
        user, password: None where it asks for none.
        tls: whether the connection is encrypted, and its certificate checked by the system's authorities.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    tls: bool = False


class Pace:
    """Selects the moments whose state is published: one every `EVERY_S`, and each in which a label or the set of faces changes."""

    def __init__(self) -> None:
        self._due_t = float("-inf")
        self._labels: dict[int, str] = {}

    def select(self, moment: Moment) -> list[Moment]:
        labels = {reading.face.id: reading.label for reading in moment.readings}
        # A source that begins anew may go back in time.
        if labels == self._labels and self._due_t - EVERY_S <= moment.t < self._due_t:
            return []
        self._labels, self._due_t = labels, moment.t + EVERY_S
        return [moment.numbers()]


class MqttLink:
    """Publishes what is discovered, then a state for each moment. All is done in the thread that calls it; paho's own is not started."""

    def __init__(self, broker: Broker, node: str, library: ModuleType, clock: Clock = time.monotonic):
        """`node` names this machine in the topics (see `node_name`), `library` is `paho.mqtt.client`."""
        self.name = f"MQTT {broker.host}:{broker.port}"
        self.broker, self.base, self.node = broker, f"expressions/{node}", node
        self._library, self._clock = library, clock
        self._client: Any = None

    def send(self, item: Moment) -> None:
        if self._client is None:
            self._connect()
        self._publish(f"{self.base}/state", json.dumps(state_of(item)))

    def idle(self) -> None:
        if self._client is not None:
            self._turn(0.0)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected() and not client.want_write():
            # After an orderly end the broker does not publish the last will.
            client.publish(f"{self.base}/availability", "offline", retain=True)
            client.disconnect()
            self._wait(client, lambda: not client.want_write(), 0.3)
        connection = client.socket()
        if connection is not None:
            connection.close()

    def _connect(self) -> None:
        broker, library = self.broker, self._library
        answers: list[Any] = []
        client = library.Client(library.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.on_connect = lambda client, userdata, flags, code, properties: answers.append(code)
        client.connect_timeout = PATIENCE_S
        client.will_set(f"{self.base}/availability", "offline", qos=1, retain=True)
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set()
        client.connect(broker.host, broker.port, KEEPALIVE_S)
        self._client = client
        if not self._wait(client, lambda: bool(answers), PATIENCE_S):
            raise TimeoutError("it accepts connections, and does not answer")
        if answers[0].is_failure:
            raise ConnectionRefusedError(f"it refuses: {answers[0]}; for user and password see docs/outputs.md")
        for topic, config in discovery(self.node):
            self._publish(topic, json.dumps(config), retain=True)
        self._publish(f"{self.base}/availability", "online", retain=True)

    def _publish(self, topic: str, payload: str, retain: bool = False) -> None:
        client = self._client
        client.publish(topic, payload, retain=retain)
        self._turn(0.0)
        if not self._wait(client, lambda: not client.want_write(), PATIENCE_S):
            raise TimeoutError("it takes no data")

    def _wait(self, client: Any, done: Callable[[], bool], seconds: float) -> bool:
        """Lets the client work until `done()`, for at most so long; says whether it is."""
        end = self._clock() + seconds
        while not done() and self._clock() < end and client.loop(0.05) == self._library.MQTT_ERR_SUCCESS:
            pass
        return done()

    def _turn(self, seconds: float) -> None:
        code = self._client.loop(seconds)
        if code != self._library.MQTT_ERR_SUCCESS:
            raise ConnectionError(self._library.error_string(code).rstrip("."))


def node_name(host: str) -> str:
    """The name of a machine as a part of a topic and of Home Assistant's ids: letters, digits, "_" and "-"."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", host) or "machine"


def state_of(moment: Moment) -> dict[str, Any]:
    """The state: what Home Assistant's entities show of the face that has been there longest, and all faces."""
    main = moment.main
    return {
        "t": round(moment.t, 6),
        "label": main.label if main else NONE,
        "confidence": round(float(main.confidence), 4) if main else 0.0,
        "unsure": main.unsure if main else None,
        "probs": named_values(main)["probs"] if main else dict.fromkeys(LABELS, 0.0),
        "count": len(moment.readings),
        "faces": [named_values(reading) for reading in moment.readings],
    }


def discovery(node: str) -> list[tuple[str, dict[str, Any]]]:
    """Topic and configuration of each entity: expression, confidence, number of faces; the seven numbers are off until wanted."""
    base = f"expressions/{node}"
    percent = {"unit_of_measurement": "%", "state_class": "measurement"}
    entities: list[tuple[str, str, str, dict[str, Any]]] = [
        ("expression", "Expression", "{{ value_json.label }}", {"device_class": "enum", "options": [*LABELS, NONE]}),
        ("confidence", "Confidence", "{{ (value_json.confidence * 100) | round(1) }}", percent),
        ("faces", "Faces", "{{ value_json.count }}", {"state_class": "measurement"}),
    ]
    for label in LABELS:
        template = f"{{{{ (value_json.probs.{label} * 100) | round(1) }}}}"
        entities.append((label, label.capitalize(), template, {**percent, "enabled_by_default": False}))
    common = {
        "state_topic": f"{base}/state",
        "availability_topic": f"{base}/availability",
        "expire_after": EXPIRE_S,
        "device": {"identifiers": [f"expressions_{node}"], "name": f"Expressions {node}", "sw_version": __version__},
        "origin": {"name": "expressions", "sw_version": __version__},
    }
    return [
        (
            f"homeassistant/sensor/expressions_{node}/{key}/config",
            {"name": name, "unique_id": f"expressions_{node}_{key}", "value_template": template, **common, **rest},
        )
        for key, name, template, rest in entities
    ]
