"""Who may talk to the preview's server: its names, its origin, its token. And what every answer says to the browser."""

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
"""Of every answer: nothing from elsewhere, nothing inline, in no frame, kept by no cache, told to no other site."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_host(text: str) -> tuple[str, int]:
    """Name and port of a Host header, such as "[::1]:8000". A port that is none is -1."""
    name, port = text, ""
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
    return name.lower().rstrip("."), int(port) if port.isascii() and port.isdigit() else (-1 if port else 80)


@dataclass(frozen=True)
class Door:
    """Who is let in.

    Attributes:
        port: the server's.
        names: the machine's names in lower case. The address that a connection came in by is allowed as well: no DNS is asked for it.
        token: what must be shown once, or None where only this machine can connect.
        session: what the browser's cookie holds after that, so that the token itself is in no later request.
    """

    port: int
    names: frozenset[str]
    token: str | None
    session: str

    @property
    def cookie(self) -> str:
        """Its name; cookies of one host are shared by all ports."""
        return f"faces_{self.port}"

    def knows_host(self, host: str, reached: str) -> bool:
        """Whether a Host header means this server; `reached` is the address that the connection came in by."""
        name, port = split_host(host)
        return port == self.port and name in self.names | {reached}

    def knows_origin(self, origin: str, host: str) -> bool:
        """Whether a page of this server asks."""
        return origin.lower() == f"http://{host.lower()}"

    def shown_token(self, headers: Headers, query: str) -> bool:
        """Whether the token comes as bearer or in the address."""
        given = headers.get("authorization", "").removeprefix("Bearer ").strip() or next(iter(parse_qs(query).get("token", [])), "")
        return self.token is not None and secrets.compare_digest(given.encode(), self.token.encode())

    def has_session(self, headers: Headers) -> bool:
        """Whether the browser has shown the token before."""
        try:
            held = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return held is not None and secrets.compare_digest(held.value.encode(), self.session.encode())

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason, or None for who may enter."""
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
        if self.token and not (self.has_session(headers) or self.shown_token(headers, scope["query_string"].decode("latin-1"))):
            return 401, "the token is missing or wrong: use the address that run.py printed"
        return None


def new_door(host: str, port: int) -> Door:
    """The door of a server that is bound to `host`: with a new token where other machines reach it."""
    own = socket.gethostname().lower()
    names = {"localhost", "127.0.0.1", "::1", host.lower(), own, f"{own}.local"} - {"0.0.0.0", "::"}
    token = None if is_loopback(host) else secrets.token_urlsafe(16)
    return Door(port, frozenset(names), token, secrets.token_urlsafe(16))


class Guard:
    """Stands before the pages: refuses who may not enter, adds the headers, and gives up on readers who take nothing."""

    def __init__(self, app: ASGIApp, door: Door, patience_s: float):
        """`patience_s` is how long one piece of an answer may take to be taken."""
        self.app, self.door, self.patience_s = app, door, patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {key.lower().encode(): value.encode() for key, value in HEADERS.items()}
                kept = [(key, value) for key, value in message["headers"] if key.lower() not in headers]
                message = {**message, "headers": kept + list(headers.items())}
            await asyncio.wait_for(send(message), self.patience_s)

        refused = self.door.refusal(scope)
        if refused is None:
            await self.app(scope, receive, sent)
        elif scope["type"] == "websocket":
            # Before it is accepted: the browser sees status 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse(f"{refused[1]}\n", refused[0])(scope, receive, sent)
