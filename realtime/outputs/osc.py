"""Readings as OSC messages over UDP: for TouchDesigner, VRChat, VTube programs and the like.

The values are encoded by python-osc's functions for OSC's types. Its builders of whole packets are left aside: they parse each packet that
they have made, which took 3.8 ms for a frame with one face, twenty times as long.
"""

import socket
import struct
from contextlib import suppress

from realtime.faces.pose import head_pose
from realtime.outputs.moments import Moment
from realtime.values import LABELS, Reading

AVATAR = "/avatar/parameters/Expression"
"""How the addresses of VRChat's avatar parameters begin: docs.vrchat.com/docs/osc-avatar-parameters."""

Message = tuple[str, float | int | str | bool]
"""An address and its one value."""
BUNDLE = b"#bundle\0" + struct.pack(">Q", 1)
"""How a bundle begins; the time 1 means "at once"."""
PACKET_BYTES = 1400
"""What one packet of a usual network holds, less the headers."""


class OscLink:
    """Sends each moment in as few packets as it fits into. UDP: nobody says whether anything arrives."""

    def __init__(self, host: str, port: int):
        self.name = f"OSC {host}:{port}"
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._resolved: tuple[str, int] = self._address
        self._places = 1

    def send(self, item: Moment) -> None:
        if self._socket is None:
            self._open()
        self._places = max(self._places, *item.places, 1)
        for packet in packets_of(item, self._places):
            self._put(packet)

    def idle(self) -> None:
        pass

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> None:
        family, _, _, _, place = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        self._resolved = (str(place[0]), int(place[1]))
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def _put(self, packet: bytes) -> None:
        # The machine's own buffer may be full: then the packet is lost, as in any network.
        with suppress(BlockingIOError):
            if self._socket is not None:
                self._socket.sendto(packet, self._resolved)


def packets_of(moment: Moment, places: int) -> list[bytes]:
    """The packets of a moment. Each is a bundle that begins with its time, since packets may be lost, or overtake one another.

    Args:
        places: how many places are told of; one without a face has zeros, so that what is steered by it comes to rest.
    """
    faces = dict(zip(moment.places, moment.readings, strict=True))
    start = BUNDLE + _elements([("/expressions/t", float(moment.t))])
    groups: list[list[Message]] = [
        [("/expressions/faces", len(moment.readings))],
        _avatar(moment.main),
        *(_face_messages(f"/expressions/{place}", faces.get(place)) for place in range(1, places + 1)),
    ]
    packets = [start]
    for group in map(_elements, groups):
        if len(packets[-1]) + len(group) > PACKET_BYTES:
            packets.append(start)
        packets[-1] += group
    return packets


def _elements(messages: list[Message]) -> bytes:
    """Messages as the elements of a bundle, each with its size (opensoundcontrol.stanford.edu/spec-1_0.html)."""
    # Only who asks for OSC needs the library.
    from pythonosc.parsing.osc_types import write_int, write_string

    parts = []
    for address, value in messages:
        kind, content = _encoded(value)
        message = write_string(address) + write_string("," + kind) + content
        parts += [write_int(len(message)), message]
    return b"".join(parts)


def _encoded(value: float | int | str | bool) -> tuple[str, bytes]:
    """The letter of a value's type, and its bytes."""
    from pythonosc.parsing.osc_types import write_float, write_int, write_string

    if isinstance(value, bool):
        return ("T" if value else "F"), b""
    if isinstance(value, str):
        return "s", write_string(value)
    return ("i", write_int(value)) if isinstance(value, int) else ("f", write_float(value))


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
