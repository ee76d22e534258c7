"""The server of the page: what each address answers, and the thread that serves it."""

import asyncio
import json
import math
import mimetypes
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime.base.errors import Trouble, reason
from realtime.config import WebSettings
from realtime.viewers.web.connections import Places, connection_class
from realtime.viewers.web.downloads import Download
from realtime.viewers.web.guard import Door, Guard, address_token, body_of, with_session
from realtime.viewers.web.hub import Hub
from realtime.viewers.web.recordings import is_offered, list_recordings, open_file, open_report

HERE = Path(__file__).parent
PAGE = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript")}


@dataclass(frozen=True)
class Desk:
    """What the page can ask of the program. All functions are called from the server's threads.

    Attributes:
        folder: the recordings'.
        unfinished: stems of the files there that are being written.
        facts: labels, colours, cameras, profiles and what is chosen; may take a second.
        order: hands a command to the loop's thread; False where too many wait.
        snapshots: whether pictures may be taken.
    """

    folder: Path
    unfinished: Callable[[], set[str]]
    facts: Callable[[], dict[str, Any]]
    order: Callable[[str, str | None], bool]
    snapshots: bool


class Shared:
    """An answer that is made in a thread, and at most once in a while for all who ask."""

    def __init__(self, make: Callable[[], Any], most_s: float):
        """`make` gives what becomes JSON; its result is kept for `most_s`."""
        self._make, self._most_s = make, most_s
        self._lock = asyncio.Lock()
        self._body, self._until = b"", -math.inf

    async def response(self) -> Response:
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                self._body = json.dumps(await asyncio.to_thread(self._make)).encode()
                self._until = asyncio.get_running_loop().time() + self._most_s
            return Response(self._body, media_type="application/json")


class Pages:
    """What the server answers: one method an address."""

    def __init__(self, hub: Hub, desk: Desk, door: Door, settings: WebSettings):
        self.hub, self.desk, self.door, self.settings = hub, desk, door, settings
        self._making_report = asyncio.Lock()
        self._state = Shared(lambda: desk.facts() | {"snapshots": desk.snapshots}, settings.shared_s)
        self._list = Shared(lambda: list_recordings(desk.folder, desk.unfinished(), settings.listed), settings.shared_s)

    def routes(self) -> list[BaseRoute]:
        return [
            *(Route(address, self.page) for address in PAGE),
            Route("/favicon.ico", self.no_icon),
            Route("/state", self.state),
            Route("/command", self.command, methods=["POST"]),
            Route("/readings", self.readings),
            Route("/snapshot.jpg", self.snapshot),
            Route("/recordings", self.recordings),
            Route("/recordings/{name}", self.recording),
            Route("/reports/{name}.html", self.report),
            WebSocketRoute("/live", self.live),
        ]

    async def page(self, request: Request) -> Response:
        if request.url.path == "/" and address_token(request.url.query):
            return with_session(self.door)
        name, kind = PAGE[request.url.path]
        return FileResponse(HERE / name, media_type=kind)

    async def no_icon(self, request: Request) -> Response:
        # Browsers ask for it by themselves, and would log an error.
        return Response(status_code=204)

    async def state(self, request: Request) -> Response:
        return await self._state.response()

    async def command(self, request: Request) -> Response:
        body = await body_of(request, self.settings.message_bytes, self.settings.request_s)
        if body is None:
            return PlainTextResponse("too long or too slow\n", 413, {"Connection": "close"})
        order = parse_command(body)
        if order is None:
            return PlainTextResponse("no such command\n", 400)
        return PlainTextResponse("", 202) if self.desk.order(*order) else PlainTextResponse("too many commands wait\n", 429)

    async def live(self, socket: WebSocket) -> None:
        with self.hub.place() as free, suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
            await socket.accept()
            if free:
                await _show(socket, self.hub, self.settings)
            await socket.close(1008 if free else 1013)

    async def readings(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return Events(self.hub, self.settings)

    async def snapshot(self, request: Request) -> Response:
        if not self.desk.snapshots:
            return PlainTextResponse("no snapshots with --privacy\n", 403)
        jpeg = await self.hub.jpeg(self.hub.newest)
        return Response(jpeg, media_type="image/jpeg") if jpeg else PlainTextResponse("no picture yet\n", 503)

    async def recordings(self, request: Request) -> Response:
        return await self._list.response()

    async def recording(self, request: Request) -> Response:
        name = request.path_params["name"]
        file = await asyncio.to_thread(open_file, self.desk.folder, name) if is_offered(name, self.desk.unfinished()) else None
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Download(file, name, kind, request.headers) if file else PlainTextResponse("no such recording\n", 404)

    async def report(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            async with self._making_report:
                file = await asyncio.to_thread(open_report, self.desk.folder, name, self.desk.unfinished())
        except (Trouble, OSError) as error:
            return PlainTextResponse(f"{error if isinstance(error, Trouble) else reason(error)}\n", 500)
        # As a download: its scripts are within the page, which this server's pages may not have.
        return Download(file, f"{name}.html", "text/html", request.headers) if file else PlainTextResponse("no such recording\n", 404)


def parse_command(body: bytes) -> tuple[str, str | None] | None:
    """The command and the choice in a request of the page, or None if it is none."""
    try:
        content = json.loads(body)
        command, choice = content["do"], content.get("which")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    valid = command in ("record", "snapshot", "camera", "profile") and (choice is None or isinstance(choice, str))
    return (command, choice) if valid else None


def application(hub: Hub, desk: Desk, door: Door, places: Places) -> Guard:
    """The preview as an ASGI application."""
    return Guard(Starlette(routes=Pages(hub, desk, door, places.settings).routes()), door, places)


async def _show(socket: WebSocket, hub: Hub, settings: WebSettings) -> None:
    """Sends status and picture of the newest frame, again and again. A viewer who has not confirmed two pictures gets no third.

    This bounds the delay: never more than two pictures wait in the network's buffers.
    """
    answers, deliveries, number, pictured = 0, 0, 0, None
    answer_came = asyncio.Event()

    async def listen() -> None:
        nonlocal answers
        while True:
            await socket.receive_text()
            answers = min(answers + 1, deliveries)
            answer_came.set()

    listener = asyncio.ensure_future(listen())
    try:
        while not listener.done():
            while deliveries - answers >= settings.ahead and not listener.done():
                answer_came.clear()
                arrival = asyncio.ensure_future(answer_came.wait())
                finished, _ = await asyncio.wait({arrival, listener}, timeout=settings.patience_s, return_when=asyncio.FIRST_COMPLETED)
                arrival.cancel()
                if not finished:
                    return
            picture = await hub.after(number, settings.beat_s)
            if listener.done():
                return
            number = picture.number
            fresh = picture.image is not None and picture.image is not pictured
            jpeg = await hub.jpeg(picture) if fresh else b""
            await socket.send_text(json.dumps({"line": picture.line if fresh else None, **picture.status}))
            pictured = picture.image
            # An empty picture is a sign of life, so that both sides notice a dead connection.
            await socket.send_bytes(jpeg)
            deliveries += 1
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, KeyError):
            await listener


class Events(StreamingResponse):
    """The readings as server-sent events."""

    def __init__(self, hub: Hub, settings: WebSettings):
        super().__init__(_events(hub, settings), media_type="text/event-stream")
        self.hub, self.settings = hub, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.hub.place() as free:
            if not free:
                await PlainTextResponse("too many viewers\n", 503)(scope, receive, send)
                return
            await super().__call__(scope, receive, send)


async def _events(hub: Hub, settings: WebSettings) -> AsyncIterator[str]:
    """The newest line again and again; without one a comment from time to time: only writing shows that a connection is gone.

    The stream ends some day. Whether somebody reads is not known before megabytes of buffers are full, which takes hours.
    """
    clock = asyncio.get_running_loop().time
    number, index, written, end = hub.newest.number, None, clock(), clock() + settings.stream_s
    while clock() < end:
        picture = await hub.after(number, settings.beat_s)
        number = picture.number
        if picture.line and picture.line["frame"] != index:
            index = picture.line["frame"]
            yield f"data: {json.dumps(picture.line)}\n\n"
        elif clock() - written < settings.beat_s:
            continue
        else:
            yield ":\n\n"
        written = clock()


class Server:
    """Serves in a thread of its own, between `start` and `stop`."""

    def __init__(self, listening: socket.socket, hub: Hub, desk: Desk, door: Door, settings: WebSettings):
        """`listening` is bound already: whether the port is free is known before."""
        self.listening, self.hub, self.settings = listening, hub, settings
        self.places = Places(settings)
        self._server = uvicorn.Server(
            uvicorn.Config(
                application(hub, desk, door, self.places),
                http=connection_class(self.places),
                ws="websockets-sansio",
                lifespan="off",
                # Requests hold the token; nothing of them is written anywhere.
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws_max_size=settings.message_bytes,
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                h11_max_incomplete_event_size=settings.request_bytes,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)

    def start(self) -> None:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # The system drops a reader that takes nothing, too, even on a connection that the program has closed.
            self.listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self.settings.patience_s * 1000))
        self._thread.start()

    def stop(self) -> None:
        self.hub.close()
        self._server.should_exit = True
        self._thread.join(timeout=5.0)

    def _serve(self) -> None:
        async def run() -> None:
            self.hub.open()
            watch = asyncio.ensure_future(self.places.watch())
            await self._server.serve([self.listening])
            watch.cancel()

        asyncio.run(run())
