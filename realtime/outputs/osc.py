"""Readings as OSC messages (Open Sound Control 1.0) over UDP: for TouchDesigner, VRChat, VTube programs and the like."""

import socket
from typing import Any

from realtime.faces.pose import head_pose
from realtime.outputs.moments import Moment
from realtime.values import LABELS, Reading

AVATAR = "/avatar/parameters/Expression"
"""How the addresses of VRChat's avatar parameters begin: docs.vrchat.com/docs/osc-avatar-parameters."""

Message = tuple[str, Any]
"""An address and its one value: float, int, str or bool."""


class OscLink:
    """Sends each moment as bundles: one of all faces, one for each place, one for the avatar. UDP: nobody says whether anything arrives."""

    def __init__(self, host: str, port: int):
        from pythonosc import osc_bundle_builder, osc_message_builder, udp_client

        self.name = f"OSC {host}:{port}"
        self._address = (host, port)
        self._bundles, self._messages, self._clients = osc_bundle_builder, osc_message_builder, udp_client
        self._client: Any = None
        self._places = 1

    def send(self, item: Moment) -> None:
        if self._client is None:
            # Resolved once: the library would ask for the name again with each message.
            found = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0][4]
            self._client = self._clients.UDPClient(found[0], found[1])
        self._places = max(self._places, *item.places, 1)
        for messages in bundles_of(item, self._places):
            try:
                self._client.send(self._bundle(messages))
            except BlockingIOError:
                # The machine's own buffer is full: this frame is lost, as in any network.
                return

    def idle(self) -> None:
        pass

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _bundle(self, messages: list[Message]) -> Any:
        bundle = self._bundles.OscBundleBuilder(self._bundles.IMMEDIATELY)
        for address, value in messages:
            message = self._messages.OscMessageBuilder(address)
            message.add_arg(value)
            bundle.add_content(message.build())
        return bundle.build()


def bundles_of(moment: Moment, places: int) -> list[list[Message]]:
    """The messages of a moment, grouped so that each group fits into one packet of a usual network (1,400 bytes).

    Args:
        places: how many places are told of; one without a face has zeros, so that what is steered by it comes to rest.
    """
    faces = dict(zip(moment.places, moment.readings, strict=True))
    common: list[Message] = [("/expressions/t", float(moment.t)), ("/expressions/faces", len(moment.readings))]
    return [common, *(_face_messages(f"/expressions/{place}", faces.get(place)) for place in range(1, places + 1)), _avatar(moment.main)]


def _face_messages(prefix: str, reading: Reading | None) -> list[Message]:
    pose = head_pose(reading.face.points)._asdict() if reading else {}
    return [
        (f"{prefix}/id", reading.face.id if reading else 0),
        *((f"{prefix}/{label}", value) for label, value in zip(LABELS, _probs(reading), strict=True)),
        (f"{prefix}/label", reading.label if reading else ""),
        (f"{prefix}/confidence", float(reading.confidence) if reading else 0.0),
        (f"{prefix}/unsure", (reading.unsure or "") if reading else ""),
        *((f"{prefix}/{name}", float(pose.get(name, 0.0))) for name in ("yaw", "pitch", "roll")),
    ]


def _avatar(reading: Reading | None) -> list[Message]:
    number = LABELS.index(reading.label) + 1 if reading else 0
    values = [(f"{AVATAR}{label.capitalize()}", value) for label, value in zip(LABELS, _probs(reading), strict=True)]
    return [(AVATAR, number), (f"{AVATAR}Sure", reading is not None and reading.unsure is None), *values]


def _probs(reading: Reading | None) -> list[float]:
    return [float(p) for p in reading.probs] if reading else [0.0] * len(LABELS)
