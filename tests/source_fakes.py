"""Helpers of the tests of `realtime.sources`: small films, scripted cameras and a quiet web server."""

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from http.server import SimpleHTTPRequestHandler
from itertools import pairwise

import av
import numpy as np
from fakes import ScriptedSource

from realtime.base.errors import Trouble


def frames_of(source) -> list:
    with source:
        return list(source)


def write_film(path, ticks: list[int], size_wh=(64, 48), bright_corner=False):
    """Writes a small film: frame i is at `ticks[i]` / 1000 s and has the brightness 10 i; its upper left quarter may be white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, tick in enumerate(ticks):
            picture = np.full((size_wh[1], size_wh[0], 3), 10 * i % 250, np.uint8)
            if bright_corner:
                picture[: size_wh[1] // 2, : size_wh[0] // 2] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def rising(numbers: list[float]) -> bool:
    return all(after > before for before, after in pairwise(numbers))


def wait_until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition did not become true"
        time.sleep(0.02)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


class Closed(ScriptedSource):
    """A camera that cannot be opened."""

    def __enter__(self):
        raise Trouble("this one is closed")


class Silent(ScriptedSource):
    """A camera that opens and then hangs."""

    def __iter__(self):
        threading.Event().wait(30)
        yield from ()
