"""What an OSC receiver gets, by python-osc's own reader."""

import socket

import pytest
from output_fakes import a_moment, faces

from realtime.faces.pose import head_pose
from realtime.outputs.osc import OscLink, packets_of
from realtime.values import LABELS

osc_packet = pytest.importorskip("pythonosc.osc_packet")


def read_packets(packets):
    """Address and value of all messages."""
    return {timed.message.address: timed.message.params[0] for packet in packets for timed in osc_packet.OscPacket(packet).messages}


class Receiver:
    """A UDP socket that reads what has come as a dict of address and value."""

    def __enter__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.3)
        self.port = self._socket.getsockname()[1]
        self.sizes: list[int] = []
        return self

    def __exit__(self, *error):
        self._socket.close()

    def read(self):
        packets = []
        try:
            while True:
                packets.append(self._socket.recv(65536))
        except TimeoutError:
            self.sizes += map(len, packets)
            return read_packets(packets)


def test_a_receiver_gets_every_value_of_each_face():
    first, second = faces("happiness", "fear")
    with Receiver() as receiver:
        link = OscLink("127.0.0.1", receiver.port)
        link.send(a_moment(1.5, first, second))
        values = receiver.read()
        link.close()
    assert values["/expressions/t"] == 1.5 and values["/expressions/faces"] == 2
    for place, reading in ((1, first), (2, second)):
        assert [values[f"/expressions/{place}/{label}"] for label in LABELS] == [float(p) for p in reading.probs]
        assert values[f"/expressions/{place}/id"] == reading.face.id
        assert values[f"/expressions/{place}/label"] == reading.label
        assert values[f"/expressions/{place}/confidence"] == pytest.approx(reading.confidence)
        assert values[f"/expressions/{place}/unsure"] == ""
        assert values[f"/expressions/{place}/yaw"] == pytest.approx(head_pose(reading.face.points).yaw)
    assert max(receiver.sizes) <= 1400, "more than a packet of a usual network holds"


def test_the_avatar_follows_the_face_that_has_been_there_longest():
    values = read_packets(packets_of(a_moment(0, *faces("surprise", "fear")), 2))
    assert values["/avatar/parameters/Expression"] == LABELS.index("surprise") + 1
    assert values["/avatar/parameters/ExpressionSure"] is True
    assert values["/avatar/parameters/ExpressionSurprise"] > 0.5 > values["/avatar/parameters/ExpressionFear"]
    nobody = read_packets(packets_of(a_moment(0), 1))
    assert nobody["/avatar/parameters/Expression"] == 0 and nobody["/avatar/parameters/ExpressionSure"] is False


def test_a_place_whose_face_has_gone_comes_to_rest():
    with Receiver() as receiver:
        link = OscLink("127.0.0.1", receiver.port)
        link.send(a_moment(0, *faces("anger", "fear")))
        assert receiver.read()["/expressions/2/id"] == 2
        link.send(a_moment(1))
        values = receiver.read()
        link.close()
    assert values["/expressions/2/id"] == 0 and values["/expressions/2/label"] == "" and values["/expressions/1/anger"] == 0.0


def test_an_absent_receiver_and_one_that_never_reads_cost_nothing():
    with Receiver() as receiver:
        port = receiver.port
        link = OscLink("localhost", port)
        for i in range(2000):
            link.send(a_moment(i, *faces("anger")))
    for i in range(100):
        link.send(a_moment(i, *faces("anger")))
    link.close()


def test_a_name_that_nobody_has_is_an_error_of_the_system():
    with pytest.raises(OSError):
        OscLink("nowhere.invalid", 9000).send(a_moment())


def test_one_face_is_one_packet_and_each_packet_of_a_crowd_says_its_time():
    assert len(packets_of(a_moment(1.5, *faces("fear")), 1)) == 1
    crowd = packets_of(a_moment(1.5, *faces(*["fear"] * 20)), 20)
    assert 10 <= len(crowd) <= 20 and max(map(len, crowd)) <= 1400
    assert all(read_packets([packet])["/expressions/t"] == 1.5 for packet in crowd)
    assert {read_packets(crowd)[f"/expressions/{place}/id"] for place in range(1, 21)} == set(range(1, 21))


def test_packets_are_those_of_another_program_byte_by_byte():
    builder, messages = pytest.importorskip("pythonosc.osc_bundle_builder"), pytest.importorskip("pythonosc.osc_message_builder")
    (packet,) = packets_of(a_moment(2.25, *faces("fear")), 1)
    wanted = builder.OscBundleBuilder(builder.IMMEDIATELY)
    for address, value in read_packets([packet]).items():
        message = messages.OscMessageBuilder(address)
        message.add_arg(value)
        wanted.add_content(message.build())
    assert packet == wanted.build().dgram
