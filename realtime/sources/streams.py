"""Pictures as they come: from an address, through a pipe, from the screen. `t` is the moment of their arrival."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.timing import Clock
from realtime.sources.films import open_film, told
from realtime.values import Frame

STREAM_TIMEOUT_S = 10.0


class Stream:
    """What FFmpeg opens under an address, one frame after another."""

    expected = None
    mirror = False
    delivery = None

    def __init__(self, name: str, address: str, clock: Clock, **how: object):
        """`how` is for `av.open`."""
        self.name, self.address, self.clock, self.how = name, address, clock, how

    def __enter__(self) -> Self:
        self._container = open_film(self.address, self.name, **self.how)
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        with told(self.name):
            for index, picture in enumerate(self._container.decode(video=0)):
                yield Frame(picture.to_ndarray(format="bgr24"), self.clock(), index)


class NetworkStream(Stream):
    """A stream from an address (RTSP, HTTP, MJPEG...)."""

    def __init__(self, address: str, clock: Clock):
        # Passwords in addresses stay out of messages and files.
        parts = urlsplit(address)
        name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
        super().__init__(name, address, clock, options=options, timeout=STREAM_TIMEOUT_S)

    def __iter__(self) -> Iterator[Frame]:
        frames = 0
        for frame in super().__iter__():
            frames = frame.index + 1
            yield frame
        # A film behind an address has a duration or a size, and an end; a camera has none of them.
        if self._container.duration is None and self._container.size < 0:
            raise Trouble(f"{self.name} ended after {frames} frames: the other side closed the stream")


class Pipe(Stream):
    """What another program writes into this one's standard input: MJPEG, yuv4mpeg, Matroska, MPEG-TS..., or raw pictures.

    Its end is the end of the session.
    """

    def __init__(self, clock: Clock, raw_wh: tuple[int, int] | None, descriptor: int = 0):
        """`raw_wh` is the size in px of raw pictures, 3 bytes a pixel: blue, green, red; None: the stream says what it holds."""
        self.descriptor = descriptor
        if raw_wh is None:
            # Enough to know the stream by; FFmpeg would take 5 MB of MJPEG, seconds of pictures, before it gives the first.
            how: dict[str, Any] = {"options": {"probesize": "65536", "fpsprobesize": "0"}}
        else:
            how = {"format": "rawvideo", "options": {"video_size": f"{raw_wh[0]}x{raw_wh[1]}", "pixel_format": "bgr24"}}
        super().__init__("the pipe", f"pipe:{descriptor}", clock, **how)

    def __enter__(self) -> Self:
        if os.isatty(self.descriptor):
            raise Trouble("--source - reads pictures from a pipe, and this is a terminal: write `ffmpeg ... -f mjpeg - | run.py ...`")
        return super().__enter__()


class Screen:
    """What the screen shows, all monitors side by side. `t` is the moment of the grab.

    Not by FFmpeg, whose X11 grabber ends the process where OpenCV's wheel is loaded too: both bring their own libxcb.
    """

    expected = None
    mirror = False
    delivery = None
    name = "the screen"

    def __init__(self, rate: float, clock: Clock, sleep: Callable[[float], None] = time.sleep):
        """`rate` is in frames a second."""
        self.rate, self.clock, self.sleep = rate, clock, sleep

    @staticmethod
    @contextmanager
    def _grabber() -> Iterator[Any]:
        import mss

        try:
            with mss.MSS() as grabber:
                yield grabber
        except mss.ScreenShotError as error:
            raise Trouble(
                f"the screen cannot be grabbed ({reason(error)}): Linux needs an X11 session and its DISPLAY (Wayland gives nothing), "
                "macOS the permission Screen Recording for your terminal"
            ) from error

    def __enter__(self) -> Self:
        with self._grabber() as grabber:
            grabber.grab(grabber.monitors[0])
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        # In the thread that grabs: Windows ties what it hands out to one.
        with self._grabber() as grabber:
            due = self.clock()
            for index in count():
                self.sleep(max(0.0, due - self.clock()))
                due = max(due, self.clock()) + 1 / self.rate
                shot = grabber.grab(grabber.monitors[0])
                yield Frame(np.ascontiguousarray(np.asarray(shot)[:, :, :3]), self.clock(), index)
