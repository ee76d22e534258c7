"""How the frames of a film are played: again and again, at another rate, at the pace of a camera, in part."""

import time
from collections.abc import Callable, Iterator
from typing import Self

from realtime.base.timing import Clock
from realtime.sources.source import Source, _Wrapper
from realtime.values import Frame


class Repeated(_Wrapper):
    """Plays a file again and again, times and numbers going on as if it were one long film."""

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
                    yield Frame(frame.image, offset + frame.t - first, index)
                    index += 1
            if before is None or last is None or first is None:
                return
            offset += 2 * last - before - first


class Retimed(_Wrapper):
    """The frames of another source at an even rate: number n at n / rate seconds."""

    def __init__(self, source: Source, rate: float):
        super().__init__(source)
        self.rate = rate

    def __iter__(self) -> Iterator[Frame]:
        for index, frame in enumerate(self.source):
            yield Frame(frame.image, index / self.rate, index)


class Thinned(_Wrapper):
    """One of `every()` frames of another source: the least that a machine can do that has no time for more."""

    def __init__(self, source: Source, every: Callable[[], int]):
        super().__init__(source)
        self.every = every

    def __iter__(self) -> Iterator[Frame]:
        wanted = 0
        for frame in self.source:
            if frame.index >= wanted:
                wanted = frame.index + self.every()
                yield frame


class Paced(_Wrapper):
    """Plays a file as a camera would show it: each frame when its time has come, `t` on the machine's clock."""

    def __init__(self, source: Source, clock: Clock, sleep: Callable[[float], None] = time.sleep):
        super().__init__(source)
        self.clock, self.sleep = clock, sleep

    def __iter__(self) -> Iterator[Frame]:
        start = None
        for frame in self.source:
            start = self.clock() - frame.t if start is None else start
            self.sleep(max(0.0, start + frame.t - self.clock()))
            yield Frame(frame.image, start + frame.t, frame.index)


class FirstSeconds(_Wrapper):
    """The frames of another source until `seconds` have passed since its first."""

    def __init__(self, source: Source, seconds: float):
        super().__init__(source)
        self.seconds = seconds

    def __iter__(self) -> Iterator[Frame]:
        first = None
        for frame in self.source:
            first = frame.t if first is None else first
            if frame.t - first >= self.seconds:
                return
            yield frame
