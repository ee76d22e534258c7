"""Sources for live pictures that are no camera of this machine: addresses, pipes, the screen. `t` is the time of arrival."""

import ctypes
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from realtime.base.addresses import scheme_of, without_secrets
from realtime.base.errors import Trouble, reason
from realtime.base.messages import counted
from realtime.base.timing import Clock
from realtime.sources.containers import SIZE_LIMIT, has_no_times, is_closed, longest_step_s, open_film, protocols_of, translate_errors
from realtime.sources.decoding import Decoder, Picture
from realtime.sources.films import Film
from realtime.sources.picture_clock import PictureClock
from realtime.sources.pipe_bytes import PipeBytes
from realtime.sources.playing import paced
from realtime.values import Frame

if TYPE_CHECKING:
    from av.container import InputContainer

OPEN_TIMEOUT_S = 20.0
"""FFmpeg gives an address up whose format is unknown after this time. Some cameras send the end of a picture with the next, after 10 s."""
READ_TIMEOUT_S = 30.0
"""FFmpeg gives a stream up that sends no picture for this time. Slow cameras pause for 10 s; `Patience` ends others earlier."""

PLAYLISTS = ("hls", "dash")
"""FFmpeg's names of playlists."""
ENDLESS = ("mpjpeg", "rtsp", "sdp")
"""FFmpeg's names of formats that are live whatever size the other side states."""
FILE_SCHEMES = ("http", "https", "ftp")
"""Protocols by which files come; others are for live streams."""
FIRST_SEGMENT = -2
"""Where a live playlist begins, from its end. Most have three segments: from the middle one on, the next is there in time, and none has
left the list before it is read."""
USUAL_SEGMENT_S = 10.0
"""How long a segment of a playlist lasts at most, as players and programs for streaming usually have it."""
PLAYLIST_PACKETS = 8
"""Of 1 kB and more, in which a playlist states the length of its segments."""
LATE_S = 0.5
"""Seconds. If a live playlist's next picture is later than this, the pictures after it are later, too."""

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
    """A stream that FFmpeg decodes, frame by frame as it arrives. It may turn out to be a film: see `is_film`."""

    expected = None
    mirror = False
    delivery = None

    def __init__(self, name: str, clock: Clock):
        self.name, self.clock = name, clock
        self._container: InputContainer | None = None

    def open(self) -> "InputContainer":
        """Opens the stream; raises what PyAV raises."""
        raise NotImplementedError

    def connect(self) -> None:
        """Opens the stream, if that is not done yet.

        Raises:
            Trouble: it cannot be opened, or holds no video.
        """
        if self._container is None:
            limit_blocks()
            self._container, self._stream = open_film(self.name, self.open)

    @property
    def is_film(self) -> bool:
        """Whether this stream, which is open, is a film: whole, and as fast as it is read."""
        raise NotImplementedError

    def film(self) -> Film:
        """The film that this stream is. If the stream is open, the film takes that connection over."""
        containers = [] if self._container is None else [self._container]
        self._container = None
        return Film(self.name, self.name, lambda: containers.pop() if containers else self.open(), is_remote=True)

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *error: object) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Frame]:
        with translate_errors(self.name):
            for index, picture in enumerate(self._pictures()):
                yield Frame(picture.image, self.clock(), index)

    def _pictures(self) -> Iterator[Picture]:
        assert self._container is not None
        return iter(Decoder(self._container, self._stream, is_live=True))


class NetworkStream(Stream):
    """A stream from an address (RTSP, HTTP, MJPEG, HLS...). The end of a live stream is a lost connection and raises Trouble.

    A film has a known length: its duration, or for HTTP the size of its file. Addresses of other kinds (RTSP, RTMP, UDP...) and pictures
    in parts without end (multipart) are live. A playlist (HLS, DASH) is a film if it says that it is complete (#EXT-X-ENDLIST). A live
    playlist brings some seconds of pictures at once: they are given at their own times.

    Attributes:
        usual_pause_s: for how long such a stream sends nothing, in seconds, although all is well: as long as a playlist's segment lasts.
    """

    def __init__(self, address: str, clock: Clock, sleep: Callable[[float], None] = time.sleep):
        super().__init__(without_secrets(address), clock)
        self.address, self.sleep = address, sleep
        self.usual_pause_s = 0.0

    def open(self) -> "InputContainer":
        """See `Stream`."""
        options = {"protocol_whitelist": protocols_of(self.address), "live_start_index": str(FIRST_SEGMENT)}
        options |= {"rtsp_transport": "tcp"} if scheme_of(self.address).startswith("rtsp") else {}
        return self._open(options)

    def _open(self, options: dict[str, str], format: str | None = None) -> "InputContainer":
        import av

        options = options | SIZE_LIMIT
        # Titles are in any encoding.
        return av.open(
            self.address, mode="r", format=format, options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S), metadata_errors="replace"
        )

    def connect(self) -> None:
        """See `Stream`."""
        super().connect()
        if self._is_playlist and not self.is_film:
            self.usual_pause_s = self._segment_s()

    @property
    def _is_playlist(self) -> bool:
        return self._container is not None and self._container.format.name in PLAYLISTS

    @property
    def is_film(self) -> bool:
        """See `Stream`."""
        if self._container is None or scheme_of(self.address) not in FILE_SCHEMES or self._container.format.name in ENDLESS:
            return False
        return bool(self._container.duration) or (self._container.size >= 0 and not self._is_playlist)

    def _segment_s(self) -> float:
        """How long the longest segment of a playlist lasts, as it says itself; `USUAL_SEGMENT_S` where it does not, as a list of lists."""
        import av

        try:
            with self._open({"protocol_whitelist": protocols_of(self.address)}, "data") as playlist:
                text = b"".join(bytes(packet) for packet in islice(playlist.demux(), PLAYLIST_PACKETS))
        except (av.error.FFmpegError, OSError):
            return USUAL_SEGMENT_S
        found = re.search(rb"#EXT-X-TARGETDURATION:\s*(\d{1,3})\b", text)
        return float(found[1]) if found else USUAL_SEGMENT_S

    def __iter__(self) -> Iterator[Frame]:
        frames, ends = 0, self._is_playlist or self.is_film
        for frame in self._at_own_times() if self._is_playlist else super().__iter__():
            frames = frame.index + 1
            yield frame
        # A list that has ended says so.
        if not ends:
            raise Trouble(f"{self.name} ended after {counted(frames, 'frame')}: the other side closed the stream")

    def _at_own_times(self) -> Iterator[Frame]:
        assert self._container is not None
        times = PictureClock(1 / float(self._stream.average_rate or 30), longest_step_s(self._container))
        with translate_errors(self.name):
            pictures = (
                Frame(picture.image, times.update(picture.time_s, picture.duration_s), index)
                for index, picture in enumerate(self._pictures())
            )
            yield from paced(pictures, self.clock, self.sleep, LATE_S)


class Pipe(Stream):
    """Pictures that another program writes into a pipe: MJPEG, yuv4mpeg, Matroska, MPEG-TS..., or raw pictures.

    A film is what has times of its own: the writer waits until each picture is used. MJPEG and raw pictures have none and are live. The
    end of the pipe ends the session.
    """

    def __init__(self, clock: Clock, raw_wh: tuple[int, int] | None, descriptor: int = 0, stopped: Callable[[], bool] = lambda: False):
        """
        Args:
            clock: seconds.
            raw_wh: size in px of raw pictures of 3 bytes a pixel: blue, green, red. None: FFmpeg finds out the format of the stream.
            descriptor: the file descriptor to read; 0 is the standard input.
            stopped: the pipe ends when it is true, also while nothing comes.
        """
        super().__init__("the pipe", clock)
        self.raw_wh, self.descriptor = raw_wh, descriptor
        self._bytes = PipeBytes(descriptor, stopped)

    def open(self) -> "InputContainer":
        """See `Stream`. A second time it is the same film from its beginning, for its sound."""
        import av

        if self.raw_wh is None:
            # Enough to find out the format. By default FFmpeg reads 5 MB first, which is seconds of MJPEG.
            options, format = {"probesize": "65536", "fpsprobesize": "0"}, None
        else:
            options, format = {"video_size": f"{self.raw_wh[0]}x{self.raw_wh[1]}", "pixel_format": "bgr24"}, "rawvideo"
        options |= {"protocol_whitelist": "pipe"} | SIZE_LIMIT
        reader = self._bytes.open()
        container = av.open(reader, mode="r", format=format, options=options, metadata_errors="replace")
        reader.is_left = lambda: is_closed(container)
        return container

    def connect(self) -> None:
        """See `Stream`."""
        if os.isatty(self.descriptor):
            raise Trouble("--source - reads pictures from a pipe, and this is a terminal: write `ffmpeg ... -f mjpeg - | run.py ...`")
        super().connect()
        if self._container is not None and not (self.is_film and self._container.streams.audio):
            self._bytes.forget()

    @property
    def is_film(self) -> bool:
        """See `Stream`."""
        if self._container is None or self.raw_wh is not None:
            return False
        return not has_no_times(self._container)


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
