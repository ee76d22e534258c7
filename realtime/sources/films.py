"""The sources for films: of a file, of an address, of a pipe."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from realtime.base.errors import Trouble
from realtime.base.messages import counted
from realtime.sources.containers import has_broadcast_clock, longest_step_s, open_film, open_local, translate_errors
from realtime.sources.decoding import Decoder
from realtime.sources.picture_clock import JUMP_S, PictureClock
from realtime.values import Frame

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

DEMO = Path(__file__).parent / "demo" / "demo.mp4"
EARLY_S = 1.0
"""Seconds by which a film may end before its header says so. Headers count the last picture and the delay of the decoder in various ways,
which makes fractions of a second; what is longer is missing."""


@dataclass(frozen=True)
class Loss:
    """What of a film could not be read, as is known at its end.

    Attributes:
        pictures: how many could not be decoded.
        ended_s: how long the film was, in seconds, if it ended early; else None.
        stated_s: how long it is by its header, in seconds, if it ended early; else None.
    """

    pictures: int = 0
    ended_s: float | None = None
    stated_s: float | None = None

    def facts(self) -> dict[str, Any]:
        """The entries of the last line of a readings file; none for a whole film."""
        facts: dict[str, Any] = {"lost": self.pictures} if self.pictures else {}
        if self.ended_s is not None and self.stated_s is not None:
            facts |= {"ended_s": round(self.ended_s, 3), "stated_s": round(self.stated_s, 3)}
        return facts


class Film:
    """A film: every frame, upright and with square pixels, at its presentation time in seconds. Damaged pictures are left out.

    Attributes:
        name: see `realtime.sources.source.Source`.
        title: what it is called in messages about it.
        open: opens it anew, at its beginning; raises what PyAV raises.
        expected: how many frames it will give; None if that is unknown.
        has_sound: False if it has no sound, which is known once it is open.
        loss: how many pictures were left out so far and, once all frames were given, whether the film ended early.
    """

    mirror = False
    delivery = None

    def __init__(self, name: str, title: str, open: "Callable[[], InputContainer]", is_remote: bool = False):
        """`is_remote`: an error of its connection ends the film; in a file, reading goes on behind it."""
        self.name, self.title, self.open, self.is_remote = name, title, open, is_remote
        self.expected: int | None = None
        self.has_sound = True
        self.loss = Loss()

    def __enter__(self) -> Self:
        self._container, self._stream = open_film(self.title, self.open)
        self._stream.thread_type = "AUTO"
        self.expected = self._count()
        self.has_sound = bool(self._container.streams.audio)
        return self

    def _count(self) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        if self._container.duration and self._stream.average_rate:
            return round(self._container.duration / 1e6 * self._stream.average_rate)
        return None

    def __exit__(self, *error: object) -> None:
        self._container.close()
        del self._container, self._stream
        # PyAV's container, streams and first picture hold each other, and with them the decoder's buffers: 3 MB a film of 640x480 would
        # wait for the garbage collector, which sees only a few small objects.
        gc.collect()

    def check_loss(self, tell: Callable[[str], None], used: str = "recorded") -> None:
        """Tells in a line how many pictures were left out; `used` says what was done with the others.

        Raises:
            Trouble: the film ended early.
        """
        if self.loss.pictures:
            tell(f"{self.title} is damaged: {counted(self.loss.pictures, 'picture')} could not be decoded; the others are {used}")
        if self.loss.ended_s is not None and self.loss.stated_s is not None:
            raise Trouble(
                f"{self.title} ended after {self.loss.ended_s:.0f} s of {self.loss.stated_s:.0f} s: "
                f"its file is incomplete; what was there is {used}, get the whole file for the rest"
            )

    def __iter__(self) -> Iterator[Frame]:
        with translate_errors(self.title):
            yield from self._frames()

    def _frames(self) -> Iterator[Frame]:
        clock = PictureClock(1 / float(self._stream.average_rate or 30), longest_step_s(self._container))
        decoder = Decoder(self._container, self._stream, stops_at_errors=self.is_remote)
        index, first, t, longest, duration = 0, 0.0, 0.0, 0.0, None
        for picture in decoder:
            duration = picture.duration_s if picture.duration_s and picture.duration_s <= JUMP_S else None
            before, t = t, clock.update(picture.time_s, duration)
            first, longest = (t, longest) if index == 0 else (first, max(longest, t - before))
            if decoder.lost != self.loss.pictures:
                self.loss = Loss(decoder.lost)
            yield Frame(picture.image, t, index, duration=duration)
            index += 1
        if index == 0:
            raise Trouble(
                f"{self.title} is not a video, or is damaged: not one frame of it can be decoded; try playing it in a video player"
            )
        stated = None if has_broadcast_clock(self._container) else stated_end_s(self._container, self._stream)
        ended = t + (longest if duration is None else duration)
        self.loss = loss_of(decoder.lost, ended, stated, min(first, _start_s(self._stream)))


class VideoFile(Film):
    """The film of a video file."""

    def __init__(self, path: Path):
        self.path = Path(path)
        super().__init__(self.path.name, str(self.path), partial(open_local, self.path))


def _start_s(stream: "VideoStream") -> float:
    return float((stream.start_time or 0) * (stream.time_base or Fraction(0)))


def stated_end_s(container: "InputContainer", stream: "VideoStream") -> float | None:
    """When the pictures end by the file's header, in seconds on their own clock; None if only the end of all streams is known."""
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        # FFmpeg takes the duration of a cut AVI from its length; the header still counts all pictures.
        return _start_s(stream) + float(stream.frames / stream.average_rate)
    if stream.duration and stream.time_base:
        return _start_s(stream) + float(stream.duration * stream.time_base)
    # Matroska states the end of each stream in words: 00:00:03.041000000.
    tag = next((text for name, text in stream.metadata.items() if name.startswith("DURATION")), "")
    hours, minutes, seconds = tag.split(":") if tag.count(":") == 2 else ("", "", "")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        pass
    if container.duration and len(container.streams) == 1:
        return ((container.start_time or 0) + container.duration) / 1e6
    return None


def loss_of(pictures: int, ended: float, stated: float | None, start: float) -> Loss:
    """What is missing of a film that begins at `start` and ended at `ended`; all times in seconds on its own clock."""
    if stated is None or stated - ended <= EARLY_S:
        return Loss(pictures)
    return Loss(pictures, ended - start, stated - start)
