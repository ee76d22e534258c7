"""Access control of the page: host name, origin and token of a request, and the security headers of every answer."""

import asyncio
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every answer: no foreign or inline content, no framing, no caching, no referrer."""


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
        token: the secret that a browser must show once; None where only this machine can connect.
        session: the content of the cookie that the browser gets for it, so that the token is in no later request.
    """

    port: int
    names: frozenset[str]
    token: str | None
    session: str

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

    def has_token(self, headers: Headers, query: str) -> bool:
        """Whether the request shows the token, as a bearer token or in the address."""
        token = headers.get("authorization", "").removeprefix("Bearer ").strip() or next(iter(parse_qs(query).get("token", [])), "")
        return self.token is not None and secrets.compare_digest(token.encode(), self.token.encode())

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
        if self.token and not (self.has_session(headers) or self.has_token(headers, scope["query_string"].decode("latin-1"))):
            return 401, "the token is missing or wrong: use the address that run.py printed"
        return None


def new_door(host: str, port: int) -> Door:
    """The rules for a server that is bound to `host`: with a new token if other machines can reach it."""
    own = socket.gethostname().lower()
    names = {"localhost", "127.0.0.1", "::1", host.lower(), own, f"{own}.local"} - {"0.0.0.0", "::"}
    token = None if is_loopback(host) else secrets.token_urlsafe(16)
    return Door(port, frozenset(names), token, secrets.token_urlsafe(16))


class Guard:
    """Wraps the application: refuses requests, adds the headers, and gives up on readers that take nothing."""

    def __init__(self, app: ASGIApp, door: Door, patience_s: float):
        """`patience_s`: how long the reader may take for one piece of an answer."""
        self.app, self.door, self.patience_s = app, door, patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {key.lower().encode(): value.encode() for key, value in HEADERS.items()}
                others = [(key, value) for key, value in message["headers"] if key.lower() not in headers]
                message = {**message, "headers": others + list(headers.items())}
            await asyncio.wait_for(send(message), self.patience_s)

        refusal = self.door.refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send_guarded)
        elif scope["type"] == "websocket":
            # Closed before it is accepted: the browser sees status 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse(f"{refusal[1]}\n", refusal[0])(scope, receive, send_guarded)
