"""What the server sends for as long as somebody looks: pictures with their readings to the page, readings alone to programs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime.config import WebSettings
from realtime.viewers.web.hub import Hub, View


async def show(socket: WebSocket, hub: Hub, settings: WebSettings, overlay: bool) -> None:
    """Sends status and picture of the newest frame, again and again. A viewer who has not confirmed two pictures gets no third.

    The overlay gets no pictures, and the newest readings during a pause too.

    This bounds the delay: never more than two pictures wait in the network's buffers.
    """
    answers, deliveries, number = 0, 0, 0
    before: View | None = None
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
            view = picture.newest if overlay else picture.shown
            fresh = view.image is not None and view is not before
            jpeg = await hub.jpeg(view) if fresh and not overlay else b""
            await socket.send_text(json.dumps({"line": view.line if fresh else None, **picture.status}))
            before = view
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
        line = picture.newest.line
        if line and line["frame"] != index:
            index = line["frame"]
            yield f"data: {json.dumps(line)}\n\n"
        elif clock() - written < settings.beat_s:
            continue
        else:
            yield ":\n\n"
        written = clock()
