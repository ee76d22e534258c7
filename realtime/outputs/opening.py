"""From what the user asks for to the outputs: names are read, libraries loaded, links made."""

import importlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Self
from urllib.parse import SplitResult, urlsplit

from realtime.base.errors import Trouble, reason
from realtime.drawing.words import Words
from realtime.outputs.choices import OutputChoices
from realtime.outputs.lsl import LslLink
from realtime.outputs.moments import Moment, Moments
from realtime.outputs.mqtt import Broker, MqttLink, Pace, node_name
from realtime.outputs.osc import OscLink
from realtime.outputs.sender import Sender
from realtime.outputs.virtual_camera import VirtualCameraLink
from realtime.outputs.webhook import LabelChanges, WebhookLink
from realtime.values import Frame, Reading

ROOM = 32
"""How many items of numbers may wait for their link: about a second of frames."""
END_S = 1.5
"""For so many seconds the end of the program waits for all outputs together."""


class Outputs:
    """A sink that hands each frame to all senders."""

    def __init__(self, senders: list[Sender]):
        self.senders = senders
        self._moments = Moments()

    def __enter__(self) -> Self:
        for sender in self.senders:
            sender.start()
        return self

    def __exit__(self, *error: object) -> None:
        for sender in self.senders:
            sender.end()
        until = time.monotonic() + END_S
        for sender in self.senders:
            # One that hangs in a dead connection is left to the end of the process.
            sender.wait(max(0.0, until - time.monotonic()))

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        moment = self._moments.update(frame, readings)
        for sender in self.senders:
            sender.take(moment)


def open_outputs(choices: OutputChoices, words: Words, tell: Callable[[str], None]) -> list[Outputs]:
    """The outputs that are asked for, as one sink; none where there are none.

    Args:
        words: those on the picture of the virtual camera.
        tell: gets a line for the user, from any thread.

    Raises:
        Trouble: an address cannot be read, or a library is missing. Whether the other side is there shows later.
    """
    senders = []
    if choices.osc is not None:
        place = _place(choices.osc, "--osc wants HOST:PORT, such as 127.0.0.1:9000", default_port=None)
        _load("pythonosc.parsing.osc_types", "--osc", "python-osc")
        senders.append(Sender(OscLink(*place), _numbers, ROOM, tell))
    if choices.lsl:
        senders.append(Sender(LslLink(socket.gethostname(), _load("pylsl", "--lsl", "pylsl")), _numbers, ROOM, tell))
    if choices.mqtt is not None:
        broker = broker_of(choices.mqtt, os.environ)
        mqtt = MqttLink(broker, node_name(socket.gethostname()), _load("paho.mqtt.client", "--mqtt", "paho-mqtt"))
        senders.append(Sender(mqtt, Pace().select, ROOM, tell))
    if choices.webhook is not None:
        _check_web_address(choices.webhook)
        senders.append(Sender(WebhookLink(choices.webhook), LabelChanges().select, ROOM, tell))
    if choices.virtual_camera:
        camera = VirtualCameraLink(_load("pyvirtualcam", "--virtual-camera", "pyvirtualcam"), words)
        # Only the newest picture is of use, and pictures are large.
        senders.append(Sender(camera, lambda moment: [moment], 1, tell))
    return [Outputs(senders)] if senders else []


def broker_of(text: str, environment: Mapping[str, str]) -> Broker:
    """The broker that the user names, with name and password from the environment: others can read a command line.

    Raises:
        Trouble: it cannot be read, or a password is in it.
    """
    wanted = "--mqtt wants HOST, HOST:PORT, or mqtts://HOST for TLS; name and password go into EXPRESSIONS_MQTT_USER and _PASSWORD"
    scheme, separator, rest = text.rpartition("://")
    if separator and scheme not in ("mqtt", "mqtts"):
        raise Trouble(wanted)
    tls = scheme == "mqtts"
    host, port = _place(rest, wanted, 8883 if tls else 1883)
    return Broker(host, port, environment.get("EXPRESSIONS_MQTT_USER"), environment.get("EXPRESSIONS_MQTT_PASSWORD"), tls)


def _place(text: str, wanted: str, default_port: int | None) -> tuple[str, int]:
    """Host and port out of "HOST:PORT". What cannot be read is not repeated: a password may be in it."""
    parts = _split(f"//{text}", wanted)
    port = parts.port or default_port
    if parts.hostname is None or port is None or parts.netloc != text or "@" in text:
        raise Trouble(wanted)
    return parts.hostname, port


def _check_web_address(text: str) -> None:
    wanted = "--webhook wants an address that begins with http:// or https://"
    if "@" in text:
        wanted += "; in names, passwords and paths, @ is written %40, : %3A and / %2F"
    parts = _split(text, wanted)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isascii() or not text.isprintable() or " " in text:
        raise Trouble(wanted)
    # An "@" behind the host may be the end of a password with a "/" in it.
    if "@" in parts.path + parts.query + parts.fragment:
        raise Trouble(wanted)


def _split(text: str, wanted: str) -> SplitResult:
    """The parts of an address whose host can be looked up and whose port, if there is one, is a number from 0 to 65535."""
    try:
        parts = urlsplit(text)
        (parts.hostname or "").encode("idna")
        _ = parts.port
    except ValueError as error:
        raise Trouble(wanted) from error
    return parts


def _load(module: str, option: str, package: str) -> ModuleType:
    """A library that only one output needs.

    Raises:
        Trouble: it is not installed, or does not load.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise Trouble(f"{option} needs {package}: pip install {package}") from error
    except (ImportError, OSError, RuntimeError) as error:
        # pylsl raises RuntimeError where it finds no liblsl, which its wheels for Arm on Linux lack.
        raise Trouble(f"{option}: {package} does not load ({reason(error)}): see docs/outputs.md") from error


def _numbers(moment: Moment) -> list[Moment]:
    return [moment.numbers()]
