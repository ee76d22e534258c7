"""Sources that change how a film is played: repeated, at another rate, in real time, in part."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Self

from realtime.base.timing import Clock
from realtime.sources.source import Source, SourceWrapper
from realtime.values import Frame


class Repeated(SourceWrapper):
    """A film repeated without end. Times and numbers of the frames go on as in one long film."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        offset, index = 0.0, 0
        while True:
            first = before = last = None
            with self.source as source:
                for frame in source:
                    first = frame.t if first is None else first
                    before, last = last, frame.t
                    yield replace(frame, t=offset + frame.t - first, index=index)
                    index += 1
            if before is None or last is None or first is None:
                return
            offset += 2 * last - before - first


class Retimed(SourceWrapper):
    """The frames of another source at a constant rate in frames a second: frame n gets the time n / rate seconds."""

    def __init__(self, source: Source, rate: float):
        super().__init__(source)
        self.rate = rate

    def __iter__(self) -> Iterator[Frame]:
        for index, frame in enumerate(self.source):
            yield Frame(frame.image, index / self.rate, index)


class Thinned(SourceWrapper):
    """One of `every()` frames of another source, for machines that cannot process all. `every` is called anew for each frame."""

    def __init__(self, source: Source, every: Callable[[], int]):
        super().__init__(source)
        self.every = every

    def __iter__(self) -> Iterator[Frame]:
        next_index = 0
        for frame in self.source:
            if frame.index >= next_index:
                next_index = frame.index + self.every()
                yield frame


def paced(frames: Iterable[Frame], clock: Clock, sleep: Callable[[float], None], late_s: float = math.inf) -> Iterator[Frame]:
    """Frames of a film in real time: each comes at its time, and `t` is on the clock of the machine.

    A frame that is more than `late_s` seconds late comes at once, and those after it keep their distance to it.
    """
    start = None
    for frame in frames:
        now = clock()
        if start is None or now - frame.t - start > late_s:
            start = now - frame.t
        sleep(max(0.0, start + frame.t - now))
        yield replace(frame, t=start + frame.t)


class Paced(SourceWrapper):
    """A film in real time, as a camera would give it: each frame comes at its time, and `t` is on the clock of the machine."""

    def __init__(self, source: Source, clock: Clock, sleep: Callable[[float], None] = time.sleep, late_s: float = math.inf):
        """See `paced`."""
        super().__init__(source)
        self.clock, self.sleep, self.late_s = clock, sleep, late_s

    def __iter__(self) -> Iterator[Frame]:
        return paced(self.source, self.clock, self.sleep, self.late_s)


class FirstSeconds(SourceWrapper):
    """The frames of another source whose times are less than `seconds` after its first."""

    def __init__(self, source: Source, seconds: float):
        super().__init__(source)
        self.seconds = seconds

    def __iter__(self) -> Iterator[Frame]:
        first = None
        for frame in self.source:
            first = frame.t if first is None else first
            rest = self.seconds - (frame.t - first)
            if rest <= 0:
                return
            yield frame if frame.duration is None else replace(frame, duration=min(frame.duration, rest))
