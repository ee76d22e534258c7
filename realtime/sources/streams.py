"""Sources for live pictures that are no camera of this machine: addresses, pipes, the screen. `t` is the time of arrival."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Self

import numpy as np

from realtime.base.addresses import scheme_of, without_secrets
from realtime.base.errors import Trouble, reason
from realtime.base.timing import Clock
from realtime.sources.containers import open_film, protocols_of, translate_errors
from realtime.sources.decoding import Decoder
from realtime.values import Frame

OPEN_TIMEOUT_S = 20.0
"""FFmpeg gives an address up whose format is not known after this time. Some cameras send the end of a picture with the next, 10 s later."""
READ_TIMEOUT_S = 30.0
"""FFmpeg gives a stream up that sends no picture for this time. Slow cameras pause for 10 s; `Patience` ends others earlier."""

MOST_BYTES = 160_000_000
"""Of one block of FFmpeg's memory. An uncompressed picture of 8K has 133 million; a stream whose picture does not end stops here."""


def limit_blocks() -> None:
    """Limits the blocks that FFmpeg takes from the memory, of this whole process: no option of a stream limits the size of a packet.

    The function is found among the libraries that PyAV loads, on Linux and macOS. Windows does not look there, and goes without a limit.
    """
    import av

    with suppress(OSError, AttributeError):
        ctypes.CDLL(av._core.__file__).av_max_alloc(ctypes.c_size_t(MOST_BYTES))


class Stream:
    """A stream that FFmpeg decodes, frame by frame as it arrives."""

    expected = None
    mirror = False
    delivery = None

    def __init__(self, name: str, address: str, clock: Clock, **options: Any):
        """`options` are those of `av.open`."""
        self.name, self.address, self.clock, self.options = name, address, clock, options

    def __enter__(self) -> Self:
        import av

        limit_blocks()
        self._container, self._stream = open_film(self.name, lambda: av.open(self.address, **self.options))
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        with translate_errors(self.name):
            for index, picture in enumerate(Decoder(self._container, self._stream, is_live=True)):
                yield Frame(picture.image, self.clock(), index)


class NetworkStream(Stream):
    """A stream from an address (RTSP, HTTP, MJPEG...). The end of a live stream is a lost connection and raises Trouble."""

    def __init__(self, address: str, clock: Clock):
        options = {"protocol_whitelist": protocols_of(address)}
        options |= {"rtsp_transport": "tcp"} if scheme_of(address).startswith("rtsp") else {}
        super().__init__(without_secrets(address), address, clock, options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S))

    def __iter__(self) -> Iterator[Frame]:
        frames = 0
        for frame in super().__iter__():
            frames = frame.index + 1
            yield frame
        # A film at an address has a duration or a size, and may end; the stream of a camera has neither.
        if self._container.duration is None and self._container.size < 0:
            raise Trouble(f"{self.name} ended after {frames} frames: the other side closed the stream")


class Pipe(Stream):
    """Pictures that another program writes into a pipe: MJPEG, yuv4mpeg, Matroska, MPEG-TS..., or raw pictures.

    The end of the pipe ends the session.
    """

    def __init__(self, clock: Clock, raw_wh: tuple[int, int] | None, descriptor: int = 0):
        """
        Args:
            clock: seconds.
            raw_wh: size in px of raw pictures of 3 bytes a pixel: blue, green, red. None: FFmpeg finds out the format of the stream.
            descriptor: the file descriptor to read; 0 is the standard input.
        """
        self.descriptor = descriptor
        if raw_wh is None:
            # Enough to find out the format. By default FFmpeg reads 5 MB first, which is seconds of MJPEG.
            options: dict[str, Any] = {"options": {"protocol_whitelist": "pipe", "probesize": "65536", "fpsprobesize": "0"}}
        else:
            options = {
                "format": "rawvideo",
                "options": {"protocol_whitelist": "pipe", "video_size": f"{raw_wh[0]}x{raw_wh[1]}", "pixel_format": "bgr24"},
            }
        super().__init__("the pipe", f"pipe:{descriptor}", clock, **options)

    def __enter__(self) -> Self:
        if os.isatty(self.descriptor):
            raise Trouble("--source - reads pictures from a pipe, and this is a terminal: write `ffmpeg ... -f mjpeg - | run.py ...`")
        return super().__enter__()


class ScreenGrab:
    """What the screen shows, all monitors side by side. `t` is the time of the grab.

    FFmpeg's own X11 grabber is not used: it ends the process if OpenCV's wheel is loaded too, because each has its own libxcb.
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
        # Opened in the thread that grabs: on Windows a grabber works only in the thread that opened it.
        with self._grabber() as grabber:
            due = self.clock()
            for index in count():
                self.sleep(max(0.0, due - self.clock()))
                due = max(due, self.clock()) + 1 / self.rate
                shot = grabber.grab(grabber.monitors[0])
                yield Frame(np.ascontiguousarray(np.asarray(shot)[:, :, :3]), self.clock(), index)
