"""The server of the page: what each address answers, and the thread that serves it."""

import asyncio
import json
import math
import mimetypes
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime.base.errors import Trouble, reason
from realtime.config import WebSettings
from realtime.viewers.web.connections import Places, connection_class
from realtime.viewers.web.downloads import Download
from realtime.viewers.web.guard import OVERLAY, Door, Guard, address_token, body_of, with_session
from realtime.viewers.web.hub import Hub
from realtime.viewers.web.recordings import delete_recording, is_offered, list_recordings, open_file, open_report
from realtime.viewers.web.streams import Events, show
from realtime.viewers.web.texts import filled

HERE = Path(__file__).parent
KINDS = {".css": "text/css", ".js": "text/javascript"}
ASSETS = ("page.css", "page.js", "recordings.js", "keys.js", "overlay.css", "overlay.js")
COMMANDS = ("record", "camera", "next_camera", "profile", "toggle_profile", "pause", "mirror", "hide")
SWITCHES = ("pause", "mirror", "hide")
"""The commands whose choice is "on" or "off", so that two who press at once do not undo each other."""


@dataclass(frozen=True)
class Desk:
    """What the page can ask of the program. All functions are called from the server's threads.

    Attributes:
        folder: the recordings'.
        unfinished: stems of the files there that are being written.
        facts: labels, colours, cameras, profiles and what is chosen; may take a second.
        order: hands a command to the loop's thread; False where too many wait.
        snapshot: has what the page shows saved there; gives what becomes the file (None: none could be saved), or None where too many wait.
        snapshots: whether pictures may be taken.
        language: of the page, a code of `realtime.drawing.words.LANGUAGES`.
    """

    folder: Path
    unfinished: Callable[[], set[str]]
    facts: Callable[[], dict[str, Any]]
    order: Callable[[str, str | None], bool]
    snapshot: Callable[[], Future[Path | None] | None]
    snapshots: bool
    language: str


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

    def forget(self) -> None:
        """Has the next answer made anew."""
        self._until = -math.inf


class Pages:
    """What the server answers: one method an address."""

    def __init__(self, hub: Hub, desk: Desk, door: Door, settings: WebSettings):
        self.hub, self.desk, self.door, self.settings = hub, desk, door, settings
        self._page = {name: filled(name, desk.language).encode() for name in ("page.html", "overlay.html")}
        # A report is not made while its recording is deleted: it would be left over.
        self._reports = asyncio.Lock()
        self._state = Shared(lambda: desk.facts() | {"snapshots": desk.snapshots}, settings.shared_s)
        self._list = Shared(lambda: list_recordings(desk.folder, desk.unfinished(), settings.listed), settings.shared_s)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.page),
            *(Route(f"/{name}", self.asset) for name in ASSETS),
            Route("/favicon.ico", self.no_icon),
            Route("/state", self.state),
            Route("/command", self.command, methods=["POST"]),
            Route("/readings", self.readings),
            Route("/snapshot.jpg", self.newest),
            Route("/snapshot", self.snapshot, methods=["POST"]),
            Route("/delete", self.delete, methods=["POST"]),
            Route("/recordings", self.recordings),
            Route("/recordings/{name}", self.recording),
            Route("/reports/{name}.html", self.report),
            WebSocketRoute("/live", self.live),
        ]

    async def page(self, request: Request) -> Response:
        overlay = request.query_params.get("overlay") == "1"
        if address_token(request.url.query):
            return with_session(self.door, OVERLAY if overlay else "/")
        return Response(self._page["overlay.html" if overlay else "page.html"], media_type="text/html; charset=utf-8")

    async def asset(self, request: Request) -> Response:
        path = HERE / request.url.path.removeprefix("/")
        return FileResponse(path, media_type=KINDS[path.suffix])

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
                await show(socket, self.hub, self.settings, socket.query_params.get("overlay") == "1")
            await socket.close(1008 if free else 1013)

    async def readings(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return Events(self.hub, self.settings)

    async def newest(self, request: Request) -> Response:
        if not self.desk.snapshots:
            return PlainTextResponse("no snapshots with --privacy\n", 403)
        jpeg = await self.hub.jpeg(self.hub.newest.newest)
        return Response(jpeg, media_type="image/jpeg") if jpeg else PlainTextResponse("no picture yet\n", 503)

    async def snapshot(self, request: Request) -> Response:
        """Saves what the page shows, and names the file: the browser that asked downloads it."""
        if not self.desk.snapshots:
            return PlainTextResponse("no snapshots with --privacy\n", 403)
        saved = self.desk.snapshot()
        if saved is None:
            return PlainTextResponse("too many commands wait\n", 429)
        try:
            file = await asyncio.wait_for(asyncio.wrap_future(saved), self.settings.patience_s)
        except TimeoutError:
            file = None
        if file is None:
            return PlainTextResponse("no picture was saved\n", 503)
        self._list.forget()
        return JSONResponse({"name": file.name})

    async def delete(self, request: Request) -> Response:
        body = await body_of(request, self.settings.message_bytes, self.settings.request_s)
        if body is None:
            return PlainTextResponse("too long or too slow\n", 413, {"Connection": "close"})
        name = text_of(body, "name")
        if name is None:
            return PlainTextResponse("no such recording\n", 400)
        try:
            async with self._reports:
                await asyncio.to_thread(delete_recording, self.desk.folder, name, self.desk.unfinished())
        except (FileNotFoundError, ValueError):
            return PlainTextResponse("no such recording\n", 404)
        except OSError as error:
            return PlainTextResponse(f"cannot delete {name} ({reason(error)})\n", 409)
        finally:
            self._list.forget()
        return Response(status_code=204)

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
            async with self._reports:
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
    valid = command in COMMANDS and (choice in ("on", "off") if command in SWITCHES else choice is None or isinstance(choice, str))
    return (command, choice) if valid else None


def text_of(body: bytes, key: str) -> str | None:
    """The text under `key` in a request of the page, or None if there is none."""
    try:
        content = json.loads(body)[key]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
    return content if isinstance(content, str) else None


def application(hub: Hub, desk: Desk, door: Door, places: Places) -> Guard:
    """The preview as an ASGI application."""
    return Guard(Starlette(routes=Pages(hub, desk, door, places.settings).routes()), door, places, desk.language)


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
