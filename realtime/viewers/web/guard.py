"""Access control of the page: host name, origin and token of a request, the entrance, and the security headers of every answer."""

import asyncio
import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from functools import partial
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime.config import WebSettings
from realtime.viewers.web.connections import Places
from realtime.viewers.web.texts import filled, page_texts

HERE = Path(__file__).parent
OVERLAY = "/?overlay=1"
"""The address of the page that has boxes and labels alone."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every answer: no foreign or inline content, no framing, no caching, no referrer."""
KEPT_S = 400 * 86_400
"""The longest that browsers keep a cookie (RFC 6265bis), in seconds."""
ENTRANCE_HEADERS = HEADERS | {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("form-action 'none'", "form-action 'self'"),
    # Without a referrer a form's origin would be "null".
    "Referrer-Policy": "same-origin",
}
"""The same for the page with the field for the token."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_host(text: str) -> tuple[str, int]:
    """Name and port of a Host header, such as "[::1]:8000". A port that is not a number becomes -1."""
    name, port = text, ""
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    return name.lower().rstrip("."), number if port else 80


@dataclass(frozen=True)
class Door:
    """The rules by which a request is accepted.

    Attributes:
        port: the server's.
        names: the machine's names in lower case. The address that a connection came in by is allowed as well: no DNS is asked for it.
        token: the secret that a browser must show once. On one machine as well: it may have other users.
        session: the content of the cookie that the browser gets for it, so that the token is in no later request.
        kept_s: for how many seconds the browser keeps the cookie; None: until it is closed.
    """

    port: int
    names: frozenset[str]
    token: str
    session: str
    kept_s: int | None = None

    @property
    def cookie(self) -> str:
        """The cookie's name. It holds the port, because all ports of a host share their cookies."""
        return f"faces_{self.port}"

    def knows_host(self, host: str, reached: str) -> bool:
        """Whether a Host header means this server; `reached` is the address that the connection came in by."""
        name, port = split_host(host)
        return port == self.port and name in self.names | {reached}

    def knows_origin(self, origin: str, host: str) -> bool:
        """Whether the request comes from a page of this server."""
        return origin.lower() == f"http://{host.lower()}"

    def is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.strip().encode(), self.token.encode())

    def has_token(self, headers: Headers, query: str) -> bool:
        """Whether the request shows the token, as a bearer token or in the address."""
        return self.is_token(headers.get("authorization", "").removeprefix("Bearer ") or address_token(query))

    def has_session(self, headers: Headers) -> bool:
        """Whether the browser has shown the token before."""
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return cookie is not None and secrets.compare_digest(cookie.value.encode(), self.session.encode())

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason of a refusal; None for a request that is accepted."""
        headers, host = Headers(scope=scope), Headers(scope=scope).get("host", "")
        reached = (scope.get("server") or ("", 0))[0]
        if len(headers.getlist("host")) != 1 or not self.knows_host(host, reached):
            return 421, "this server has another name: use the address that run.py printed"
        origin, changing = headers.get("origin"), scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if (origin is None and changing) or (origin is not None and not self.knows_origin(origin, host)):
            return 403, "only the preview's own page may ask this"
        # A foreign page may link to the preview, and load nothing from it.
        if headers.get("sec-fetch-site", "none") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return 403, "only the preview's own page may ask this"
        if not (self.has_session(headers) or self.has_token(headers, scope["query_string"].decode("latin-1"))):
            return 401, "the token is missing or wrong: use the address that run.py printed"
        return None


def address_token(query: str) -> str:
    """The token in the query of an address or in the content of the entrance's form; "" for none."""
    return next(iter(parse_qs(query).get("token", [])), "")


def new_door(host: str, port: int, token: str | None = None) -> Door:
    """The rules for a server that is bound to `host`, with this token; None: with a new one.

    With a token that stays the cookie stays as well: the page's bookmark, which has no token, opens it after the next start too.
    """
    own = socket.gethostname().lower()
    names = {"localhost", "127.0.0.1", "::1", host.lower(), own, f"{own}.local"} - {"0.0.0.0", "::"}
    if token is None:
        return Door(port, frozenset(names), secrets.token_urlsafe(16), secrets.token_urlsafe(16))
    # Made of the token, so that it is the same at each start and ends with the token.
    session = hmac.new(token.encode(), b"session", "sha256").hexdigest()
    return Door(port, frozenset(names), token, session, KEPT_S)


class Entrance:
    """What is answered without the token: a page with a field for it, and its style."""

    def __init__(self, door: Door, settings: WebSettings, language: str):
        self.door, self.settings = door, settings
        texts = page_texts(language)
        self._wrong, self._old = texts["token_wrong"], texts["token_old"]
        self._page = partial(filled, "entrance.html", language)

    def is_meant(self, scope: Scope) -> bool:
        """Whether somebody without the token is to come here."""
        return scope["type"] == "http" and scope["path"] in ("/", "/page.css", "/favicon.ico")

    async def answer(self, scope: Scope, receive: Receive) -> Response:
        if scope["path"] == "/page.css":
            return FileResponse(HERE / "page.css", media_type="text/css")
        if scope["path"] == "/favicon.ico":
            return Response(status_code=204)
        request = Request(scope, receive)
        if scope["method"] == "POST":
            form = await body_of(request, self.settings.message_bytes, self.settings.request_s)
            if self.door.is_token(address_token((form or b"").decode("latin-1"))):
                return with_session(self.door)
            problem = self._wrong
        else:
            problem = self._old if address_token(scope["query_string"].decode("latin-1")) else ""
        answer = HTMLResponse(self._page(problem=problem), 401)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # Browsers hold the cookie back from who follows a link of another site, and not from the page that loads itself again.
            answer.headers["Refresh"] = "0; url=/"
        return answer


def with_session(door: Door, address: str = "/") -> Response:
    """Sends the browser to a page without the token in its address, with a cookie in its stead."""
    answer = RedirectResponse(address, 303)
    answer.set_cookie(door.cookie, door.session, max_age=door.kept_s, httponly=True, samesite="strict")
    return answer


async def body_of(request: Request, most_bytes: int, patience_s: float) -> bytes | None:
    """The content of a request; None if it is longer than `most_bytes` or takes longer than `patience_s` to come."""
    body = b""
    try:
        async with asyncio.timeout(patience_s):
            async for piece in request.stream():
                body += piece
                if len(body) > most_bytes:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    return body


class Guard:
    """Wraps the application: refuses requests, adds the headers, and gives up on readers that take nothing."""

    def __init__(self, app: ASGIApp, door: Door, places: Places, language: str):
        self.app, self.door, self.places = app, door, places
        self.entrance = Entrance(door, places.settings, language)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self.door.refusal(scope)
        posts = refusal is None and scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "POST"
        if posts or (refusal is not None and refusal[0] == 401 and self.entrance.is_meant(scope)):
            answer = await self.entrance.answer(scope, receive)
            await answer(scope, receive, self._guarded(send, ENTRANCE_HEADERS, ends=True))
            return
        if refusal is None and not self.places.promote(scope["state"]["transport"]):
            refusal = 503, "too many connections"
        if refusal is None:
            await self.app(scope, receive, self._guarded(send, HEADERS, ends=False))
        elif scope["type"] == "websocket":
            # Closed before it is accepted: the browser sees status 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse(f"{refusal[1]}\n", refusal[0])(scope, receive, self._guarded(send, HEADERS, ends=True))

    def _guarded(self, send: Send, required: dict[str, str], ends: bool) -> Send:
        """`send` with the headers that every answer has; `ends` closes the connection after the answer."""
        named = required | ({"Connection": "close"} if ends else {})
        headers = {key.lower().encode(): value.encode() for key, value in named.items()}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [(key, value) for key, value in message["headers"] if key.lower() not in headers]
                message = {**message, "headers": others + list(headers.items())}
            await asyncio.wait_for(send(message), self.places.settings.patience_s)

        return send_guarded
