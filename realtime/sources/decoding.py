"""Decodes the pictures of a film or stream, packet by packet: a damaged one costs no other."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from realtime.sources.colour import BgrConverter
from realtime.sources.deinterlacing import Deinterlacer
from realtime.sources.shape import Orientation, orientation, oriented, square_wh

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MOST_ERRORS = 1000
"""A file that fails so often in a row has no more to give. Behind its end, a truncated film fails once for each missing picture."""

MOST_WAITING = 10_000
"""Packets without a picture that are counted at most, behind damage."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture: (h, w, 3) BGR uint8, upright, with square pixels; its time and how long it is shown, in seconds, if stated."""

    image: np.ndarray
    time_s: float | None
    duration_s: float | None


class Decoder:
    """The pictures of one stream of an open container.

    `lost` counts the pictures that could not be decoded so far: damaged ones, and those after them that need them.
    """

    def __init__(self, container: "InputContainer", stream: "VideoStream", is_live: bool = False, stops_at_errors: bool = False):
        """
        Args:
            is_live: whether the pictures are to be decoded in little time. Implies `stops_at_errors`.
            stops_at_errors: an error of the connection ends the pictures by raising what PyAV raises; in a file, reading goes on behind it.
        """
        self.container, self.stream, self.stops_at_errors = container, stream, is_live or stops_at_errors
        self.lost = 0
        self._converter = BgrConverter(maps_hdr=not is_live)
        self._kind: tuple[int, int, int] | None = None
        self._orientation = Orientation()
        # AVI has no presentation times, and with B-frames FFmpeg's guesses are wrong; decoded pictures come in the order of these times.
        self._in_decoding_time = container.format.name == "avi"

    def __iter__(self) -> Iterator[Picture]:
        deinterlacer = Deinterlacer()
        for decoded in self._decoded():
            for picture in deinterlacer.update(decoded):
                yield self._finished(picture)
        for picture in deinterlacer.rest():
            yield self._finished(picture)

    def _decoded(self) -> Iterator["VideoFrame"]:
        import av

        waiting: deque[int] = deque(maxlen=MOST_WAITING)
        last, errors = None, 0
        for packet in self._packets():
            ticks = self._ticks(packet)
            if packet.size and not packet.is_discard and ticks is not None:
                waiting.append(ticks)
            pictures: list[VideoFrame] = []
            try:
                pictures = self.stream.decode(packet)
            except av.error.FFmpegError:
                errors += 1
            for picture in pictures:
                before, last = last, self._ticks(picture)
                if errors:
                    self.lost += max(errors, _between(before, last, waiting))
                    errors = 0
                while waiting and last is not None and waiting[0] <= last:
                    waiting.popleft()
                yield picture
        # A damaged packet that still waits in one of the decoder's threads at the end is lost without an error, and those behind it too.
        self.lost += max(errors, _between(last, None, waiting))

    def _ticks(self, one: "Packet | VideoFrame") -> int | None:
        """The time that orders a packet's picture among the others."""
        return one.dts if self._in_decoding_time else one.pts

    def _packets(self) -> Iterator["Packet"]:
        """The stream's packets, and at the end an empty one, with which the decoder gives its last pictures."""
        import av

        errors = 0
        while errors < MOST_ERRORS:
            try:
                for packet in self.container.demux(self.stream):
                    errors = 0
                    yield packet
                return
            except (av.error.FFmpegError, OSError) as error:
                if self.stops_at_errors and not isinstance(error, av.error.InvalidDataError):
                    raise
                errors += 1
        yield av.Packet()

    def _finished(self, picture: "VideoFrame") -> Picture:
        aspect: Fraction | None = self.stream.sample_aspect_ratio
        image = self._converter.convert(picture, square_wh((picture.width, picture.height), aspect))
        ticks = self._ticks(picture)
        tick_s = float(picture.time_base or 0)
        return Picture(
            oriented(image, self._orientation_of(picture)),
            None if ticks is None else ticks * tick_s,
            picture.duration * tick_s if picture.duration else None,
        )

    def _orientation_of(self, picture: "VideoFrame") -> Orientation:
        """How a picture becomes upright. Its side data is asked for only where that may have changed: the two hold each other, so that the
        picture's memory would wait for the garbage collector.
        """
        kind = (picture.width, picture.height, picture.rotation)
        if kind != self._kind:
            matrix: Any = picture.side_data.get("DISPLAYMATRIX")
            self._kind, self._orientation = kind, orientation(None if matrix is None else bytes(matrix))
        return self._orientation


def _between(before: int | None, after: int | None, times: Iterable[int]) -> int:
    """How many times lie between these two; None is no limit above, and below it means that nothing was shown yet."""
    return sum(before is not None and before < ticks and (after is None or ticks < after) for ticks in times)
