"""The server's connections: how many there may be, and for how long each may stay as it is."""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from realtime.config import WebSettings


def is_gone(transport: asyncio.Transport) -> bool:
    """Whether the system has closed the connection."""
    return bool(transport.get_extra_info("socket").fileno() < 0)


class Places:
    """Who is connected: guests, who have shown the token, and strangers, who have not.

    Strangers take no guest's place. When there are too many, the oldest from the address with the most is dropped: whoever opens hundreds
    of connections loses their own. All methods are called in the server's event loop.
    """

    def __init__(self, settings: WebSettings):
        self.settings = settings
        # By connection the address it comes from, the oldest first.
        self.strangers: dict[asyncio.Transport, str] = {}
        self.guests: set[asyncio.Transport] = set()
        # By connection what it does, and since when, in seconds of the event loop's clock.
        self._states: dict[asyncio.Transport, tuple[object, float]] = {}

    def admit(self, transport: asyncio.Transport) -> None:
        """A new connection, a stranger's. Drops one if there are too many."""
        self._forget_gone()
        self.strangers[transport] = str((transport.get_extra_info("peername") or ("",))[0])
        if len(self.strangers) > self.settings.strangers:
            crowd = Counter(self.strangers.values()).most_common(1)[0][0]
            oldest = next(one for one, address in self.strangers.items() if address == crowd)
            del self.strangers[oldest]
            oldest.abort()

    def promote(self, transport: asyncio.Transport) -> bool:
        """Makes a connection a guest's; False if the guests' places are taken."""
        self._forget_gone()
        if transport not in self.guests and len(self.guests) >= self.settings.connections:
            return False
        self.strangers.pop(transport, None)
        self.guests.add(transport)
        return True

    def drop_late(self, now: float) -> None:
        """Ends the connections that are in one state for too long. `now`: seconds of the event loop's clock."""
        self._forget_gone()
        states = self._states
        self._states = {}
        for transport in (*self.strangers, *self.guests):
            state, patience_s = connection_state(transport, self.settings)
            before, since = states.get(transport, (None, now))
            since = since if state == before else now
            self._states[transport] = state, since
            if patience_s is not None and now - since > patience_s:
                transport.abort()

    async def watch(self) -> None:
        """Drops late connections for as long as the server runs."""
        while True:
            self.drop_late(asyncio.get_running_loop().time())
            await asyncio.sleep(self.settings.sweep_s)

    def _forget_gone(self) -> None:
        self.strangers = {one: address for one, address in self.strangers.items() if not is_gone(one)}
        self.guests = {one for one in self.guests if not is_gone(one)}


def connection_state(transport: asyncio.Transport, settings: WebSettings) -> tuple[object, float | None]:
    """What a connection does, and the seconds that it may; None where other rules end it.

    The first is the same object for as long as nothing changes. Each piece of an answer has its time from the `Guard`, and a viewer has to
    confirm pictures.
    """
    if transport.is_closing():
        return "closing", settings.patience_s
    protocol = transport.get_protocol()
    if not isinstance(protocol, H11Protocol):
        return "viewer", None
    cycle = protocol.cycle
    if cycle is None or cycle.response_complete:
        return ("request", cycle), settings.request_s
    return (("answer", cycle), None) if cycle.response_started else (("work", cycle), settings.answer_s)


class Connection(H11Protocol):
    """A connection that takes a place, and tells each request which connection it came by."""

    places: Places

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio declares the wider BaseTransport
        self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}
        super().connection_made(transport)
        self.places.admit(transport)


def connection_class(places: Places) -> type[Connection]:
    """The class of a server's connections: uvicorn makes them itself."""
    return type("ServerConnection", (Connection,), {"places": places})
