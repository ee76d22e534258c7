"""Sends an open file to a browser, whole or from where an interrupted download ended."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from typing import BinaryIO
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

PIECE = 64 * 1024
"""Bytes that are read at once."""


def requested_range(headers: Headers, size: int, tag: str) -> tuple[int, int] | None:
    """First byte and the one after the last that a request asks for; None for the whole file. An empty range lies outside the file.

    Several ranges at once are answered with the whole file, as RFC 9110 allows; so is a range of a file that has changed since.
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", headers.get("range", "").strip())
    if found is None or found[0] == "bytes=-" or headers.get("if-range", tag) != tag:
        return None
    first, last = found[1], found[2]
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


class Download(StreamingResponse):
    """An open file as a download; it is closed at the end."""

    def __init__(self, file: BinaryIO, name: str, kind: str, headers: Headers):
        """`headers` are those of the request; `kind` is the media type."""
        held = os.fstat(file.fileno())
        tag = f'"{held.st_mtime_ns:x}-{held.st_size:x}"'
        part = requested_range(headers, held.st_size, tag)
        begin, end = part or (0, held.st_size)
        outside = begin >= end and part is not None
        self.file = file
        super().__init__(
            self._pieces(begin, begin if outside else end), 200 if part is None else (416 if outside else 206), media_type=kind
        )
        self.headers["Content-Length"] = str(0 if outside else end - begin)
        self.headers["Content-Disposition"] = f"attachment; filename*=utf-8''{quote(name)}"
        self.headers["Accept-Ranges"], self.headers["ETag"] = "bytes", tag
        if part is not None:
            self.headers["Content-Range"] = f"bytes */{held.st_size}" if outside else f"bytes {begin}-{end - 1}/{held.st_size}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.file:
            if scope["method"] == "HEAD":
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await send({"type": "http.response.body"})
            else:
                await super().__call__(scope, receive, send)

    async def _pieces(self, begin: int, end: int) -> AsyncIterator[bytes]:
        self.file.seek(begin)
        while begin < end:
            piece = await asyncio.to_thread(self.file.read, min(PIECE, end - begin))
            if not piece:
                # Someone has cut the file: the browser sees that bytes are missing.
                raise OSError("the file became shorter")
            begin += len(piece)
            yield piece
