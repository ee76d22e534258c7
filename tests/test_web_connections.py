"""The server of the preview under attack: connections that stay, requests that are odd, viewers who come all at once."""

import asyncio
import json
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from preview import HURRIED, Running, answers, picture_from
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.exceptions import WebSocketException

from realtime.base.messages import message
from realtime.viewers.web.connections import Places

DESCRIPTORS = Path("/proc/self/fd")
HALF = "GET /state HTTP/1.1\r\nHost: "


@pytest.fixture
def local(tmp_path):
    with Running(tmp_path / "recordings", "127.0.0.1", settings=HURRIED) as running:
        yield running


def is_ended(link: socket.socket) -> bool:
    """Whether the server ends the connection within the socket's time."""
    try:
        while link.recv(10_000):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.parametrize("request_", ["GET /state HTTP/1.1\r\nHOST\r\n", "GET / HTTP/1.1\r\nHOST\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_refused_connection_ends_at_once(local, request_):
    with local.send(request_, read=False) as link:
        link.settimeout(HURRIED.request_s / 2)
        assert is_ended(link)


def test_half_of_a_second_request_has_a_deadline(local):
    with local.send("GET /state HTTP/1.1\r\nHOSTTOKEN\r\n") as link:
        link.sendall(HALF.encode())
        link.settimeout(HURRIED.request_s + 1.5)
        assert is_ended(link)


def test_clients_with_half_a_request_keep_nobody_out(local):
    """Four times as many as there are places, some after a refused request; they come again as soon as they are dropped."""
    over = threading.Event()

    def attack() -> None:
        links: list[socket.socket] = []
        while not over.wait(0.002):
            with suppress(OSError):
                links.append(local.send("GET /state HTTP/1.1\r\nHOST\r\n" if len(links) % 2 else HALF, read=False))
                links[-1].sendall(HALF.encode())
            if len(links) > 4 * HURRIED.connections:
                links.pop(0).close()
        for link in links:
            link.close()

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        with local.watch() as viewer:
            for _ in range(20):
                picture_from(viewer)
                # Not `answers`: a failure is to tell what came instead.
                assert local.ask()[0] == 200
    finally:
        over.set()
        attacker.join()


def test_many_with_the_token_get_no_more_than_their_places(local):
    """A client may hold its connections open by asking again and again; the next one is told."""
    with ExitStack() as stack:
        links = [stack.enter_context(local.send("GET /readings HTTP/1.1\r\nHOSTTOKEN\r\n")) for _ in range(HURRIED.viewers)]
        links += [
            stack.enter_context(local.send("GET /page.js HTTP/1.1\r\nHOSTTOKEN\r\n")) for _ in range(HURRIED.connections - len(links))
        ]
        assert local.ask("/state")[0] == 503
    local.wait(lambda: answers(local))


class FakeTransport:
    """A connection from `address`; `protocol` is what it does."""

    def __init__(self, address: str = "1.2.3.4", protocol: object = None):
        self.address, self.protocol, self.closing, self.aborted = address, protocol, False, False

    def get_extra_info(self, name: str) -> object:
        return (self.address, 5) if name == "peername" else SimpleNamespace(fileno=lambda: -1 if self.aborted else 7)

    def is_closing(self) -> bool:
        return self.closing

    def get_protocol(self) -> object:
        return self.protocol

    def abort(self) -> None:
        self.aborted = True


class FakeCycle:
    """A request and its answer."""

    def __init__(self, started: bool, complete: bool):
        self.response_started, self.response_complete = started, complete


def an_http_protocol(started: bool | None = None, complete: bool = False) -> H11Protocol:
    """A protocol whose answer has started, is complete, or, with None, that has no request yet."""
    protocol = object.__new__(H11Protocol)
    protocol.cycle = None if started is None else FakeCycle(started, complete)
    return protocol


def test_a_crowd_from_one_address_drops_its_own():
    places = Places(HURRIED)
    other = FakeTransport("5.6.7.8")
    places.admit(other)
    crowd = [FakeTransport() for _ in range(200)]
    for one in crowd:
        places.admit(one)
    assert not other.aborted and len(places.strangers) == HURRIED.strangers
    assert [one.aborted for one in crowd] == [True] * (201 - HURRIED.strangers) + [False] * (HURRIED.strangers - 1)


def test_strangers_take_no_place_of_guests():
    places = Places(HURRIED)
    guests = [FakeTransport() for _ in range(HURRIED.connections + 1)]
    for guest in guests:
        places.admit(guest)
        promoted = places.promote(guest)
    assert not promoted, "one too many"
    for _ in range(200):
        places.admit(FakeTransport())
    assert not any(guest.aborted for guest in guests[:-1])
    guests[0].abort()
    places.admit(late := FakeTransport())
    assert places.promote(late)


@pytest.mark.parametrize(
    ("protocol", "closing", "patience_s"),
    [
        (an_http_protocol(), False, HURRIED.request_s),
        (an_http_protocol(started=True, complete=True), False, HURRIED.request_s),
        (an_http_protocol(started=False), False, HURRIED.answer_s),
        (an_http_protocol(started=True), True, HURRIED.patience_s),
        (object(), True, HURRIED.patience_s),
    ],
)
def test_every_state_of_a_connection_has_a_deadline(protocol, closing, patience_s):
    places, one = Places(HURRIED), FakeTransport(protocol=protocol)
    one.closing = closing
    places.admit(one)
    places.drop_late(100.0)
    places.drop_late(100.0 + patience_s)
    assert not one.aborted
    places.drop_late(100.0 + patience_s + 0.1)
    assert one.aborted


def test_who_asks_again_and_again_is_not_late():
    places, one = Places(HURRIED), FakeTransport()
    places.admit(one)
    for i in range(100):
        one.protocol = an_http_protocol(started=True, complete=True)
        places.drop_late(float(i))
    assert not one.aborted


def test_head_takes_no_place(local):
    with ExitStack() as stack:
        for _ in range(3 * HURRIED.viewers):
            stack.enter_context(local.send("HEAD /readings HTTP/1.1\r\nHOSTTOKEN\r\n"))
        assert local.web.hub.watching == 0
        status, headers, body = local.ask("/readings", "HEAD")
        assert (status, headers["Content-Type"], body) == (200, "text/event-stream; charset=utf-8", b"")
        with local.watch() as viewer:
            picture_from(viewer)


def test_a_stream_ends_in_time_whether_it_is_read_or_not(tmp_path):
    with Running(tmp_path, "127.0.0.1", settings=replace(HURRIED, stream_s=0.5)) as running:
        unread = running.send("GET /readings HTTP/1.1\r\nHOSTTOKEN\r\n")
        running.wait(lambda: running.web.hub.watching == 0, 2.0)
        status, _, body = running.ask("/readings")
        assert status == 200 and body.endswith(b"\n\n")
        unread.close()


def test_without_frames_a_stream_has_a_sign_of_life_from_time_to_time(tmp_path):
    with Running(tmp_path, "127.0.0.1", settings=replace(HURRIED, stream_s=1.1)) as running:
        running.why = message("text", text="The camera is lost")
        body = running.ask("/readings")[2]
        assert 3 <= body.count(b"\n:\n") + body.startswith(b":") <= 6


def test_no_more_than_the_permitted_viewers_get_in_when_all_come_at_once(local):
    """Sockets and streams, from threads that start together."""
    start, over, counts = threading.Barrier(24), threading.Event(), []

    def look() -> None:
        start.wait()
        with suppress(OSError, WebSocketException), local.watch() as viewer:
            picture_from(viewer)
            counts.append(1)
            over.wait(10)

    def read() -> None:
        start.wait()
        with suppress(OSError), local.send("GET /readings HTTP/1.1\r\nHOSTTOKEN\r\n", read=False) as link:
            counts.append(b" 200 " in link.recv(100))
            over.wait(10)

    threads = [threading.Thread(target=look if i % 2 else read) for i in range(24)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    assert local.web.hub.watching <= HURRIED.viewers
    over.set()
    for thread in threads:
        thread.join()
    assert 1 <= sum(counts) <= HURRIED.viewers
    local.wait(lambda: local.web.hub.watching == 0)


def test_a_place_is_counted_before_a_viewer_waits(local):
    """24 viewers in one turn of the event loop; none of them has answered a handshake yet."""

    async def come() -> int:
        with ExitStack() as stack:
            return sum(stack.enter_context(local.web.hub.place()) for _ in range(24))

    assert asyncio.run(come()) == HURRIED.viewers
    assert local.web.hub.watching == 0


ODD = [b"1" * 40, b"1" * 5000, b"\xb2", b"\xff\xfe", b"-1", b"0x1f", b"", b"[" * 100, b"]:[", b"%00", b"a=b; c" * 50, b'"', b"{}" * 20]


@pytest.mark.parametrize(
    "name", ["Host", "Origin", "Cookie", "Authorization", "Range", "If-Range", "Content-Length", "Sec-Fetch-Site", "Upgrade"]
)
def test_odd_headers_are_no_fault_of_the_server(local, name):
    local.folder.mkdir()
    (local.folder / "a.mp4").write_bytes(b"abc")
    for value in (*ODD, *(f"127.0.0.1:{local.port}:".encode() + odd for odd in ODD), *(b"127.0.0.1:" + odd for odd in ODD)):
        for path in ("/", "/recordings/a.mp4", f"/?token={local.token}"):
            head = f"GET {path} HTTP/1.1\r\n" + ("" if name == "Host" else f"Host: 127.0.0.1:{local.port}\r\n")
            head += "" if name == "Authorization" else f"Authorization: Bearer {local.token}\r\n"
            with socket.create_connection(("127.0.0.1", local.port), timeout=5) as link:
                link.sendall(head.encode() + f"{name}: ".encode() + value + b"\r\nConnection: close\r\n\r\n")
                assert link.recv(12)[9:10] in (b"2", b"3", b"4"), (path, value)


def counts() -> tuple[int, int]:
    """Threads and open files of this process."""
    return threading.active_count(), len(list(DESCRIPTORS.iterdir()))


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="needs /proc")
def test_viewers_who_come_and_go_leave_nothing(local):
    def come(times: int) -> None:
        for i in range(times):
            # Who has gone without a farewell keeps a place for a while.
            local.wait(lambda: local.web.hub.watching == 0)
            with local.watch() as viewer:
                picture_from(viewer)
            with suppress(OSError), local.watch() as viewer:
                # Gone without a farewell.
                picture_from(viewer)
                viewer.socket.close()
            local.send("GET /readings HTTP/1.1\r\nHOSTTOKEN\r\n").close()
            local.send("GET /snapshot.jpg HTTP/1.1\r\nHOSTTOKEN\r\n", read=i % 2 == 0).close()
            local.ask("/recordings")

    def is_calm() -> bool:
        places = local.web._server.places
        return local.web.hub.watching == 0 and not [one for one in (*places.strangers, *places.guests) if not one.is_closing()]

    come(3)
    local.wait(is_calm)
    before = counts()
    come(10)
    local.wait(is_calm)
    local.wait(lambda: counts()[1] <= before[1] and counts()[0] <= before[0] + 3)
    assert json.loads(local.ask("/state")[2])["labels"]
