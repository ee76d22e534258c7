"""The server of the preview under attack: connections that stay, requests that are odd, viewers who come all at once."""

import asyncio
import json
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from preview import SETTINGS, Running, picture_from
from websockets.exceptions import WebSocketException

from realtime.base.messages import message

DESCRIPTORS = Path("/proc/self/fd")
HALF = "GET /state HTTP/1.1\r\nHost: "


@pytest.fixture
def local(tmp_path):
    with Running(tmp_path / "recordings", "127.0.0.1") as running:
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


def test_head_takes_no_place(local):
    with ExitStack() as stack:
        for _ in range(3 * SETTINGS.viewers):
            stack.enter_context(local.send("HEAD /readings HTTP/1.1\r\nHOSTTOKEN\r\n"))
        assert local.web.hub.watching == 0
        status, headers, body = local.ask("/readings", "HEAD")
        assert (status, headers["Content-Type"], body) == (200, "text/event-stream; charset=utf-8", b"")
        with local.watch() as viewer:
            picture_from(viewer)


def test_a_stream_ends_in_time_whether_it_is_read_or_not(tmp_path):
    with Running(tmp_path, "127.0.0.1", settings=replace(SETTINGS, stream_s=0.5)) as running:
        unread = running.send("GET /readings HTTP/1.1\r\nHOSTTOKEN\r\n")
        running.wait(lambda: running.web.hub.watching == 0, 2.0)
        status, _, body = running.ask("/readings")
        assert status == 200 and body.endswith(b"\n\n")
        unread.close()


def test_without_frames_a_stream_has_a_sign_of_life_from_time_to_time(tmp_path):
    with Running(tmp_path, "127.0.0.1", settings=replace(SETTINGS, stream_s=1.1)) as running:
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
    assert local.web.hub.watching <= SETTINGS.viewers
    over.set()
    for thread in threads:
        thread.join()
    assert 1 <= sum(counts) <= SETTINGS.viewers
    local.wait(lambda: local.web.hub.watching == 0)


def test_a_place_is_counted_before_a_viewer_waits(local):
    """24 viewers in one turn of the event loop; none of them has answered a handshake yet."""

    async def come() -> int:
        with ExitStack() as stack:
            return sum(stack.enter_context(local.web.hub.place()) for _ in range(24))

    assert asyncio.run(come()) == SETTINGS.viewers
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
        return local.web.hub.watching == 0

    come(3)
    local.wait(is_calm)
    before = counts()
    come(10)
    local.wait(is_calm)
    local.wait(lambda: counts()[1] <= before[1] and counts()[0] <= before[0] + 3)
    assert json.loads(local.ask("/state")[2])["labels"]
