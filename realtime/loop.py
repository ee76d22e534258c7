"""The loop that all commands share: frames from a source, through the pipeline, to the sinks."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol, Self

from realtime.pipeline import Pipeline
from realtime.sources.source import Source
from realtime.values import Frame, Reading


class Sink(Protocol):
    """Takes frames with their readings between `__enter__` and `__exit__`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def write(self, frame: Frame, readings: list[Reading]) -> None: ...


class Sinks:
    """Hands each frame to every sink. Closes all of them, even if one fails."""

    def __init__(self, sinks: Sequence[Sink]):
        self.sinks = list(sinks)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for sink in self.sinks:
                stack.enter_context(sink)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        for sink in self.sinks:
            sink.write(frame, readings)


class Tap:
    """A sink that only calls a function: for meters and counters."""

    def __init__(self, function: Callable[[Frame, list[Reading]], None]):
        self.write = function

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def run_loop(source: Source, pipeline: Pipeline, sinks: Sink, stopped: Callable[[], bool]) -> None:
    """Reads and writes each frame until the source ends or `stopped()`. Source, pipeline and sinks are closed in any case."""
    with source, pipeline, sinks:
        for frame in source:
            sinks.write(frame, pipeline.read(frame))
            if stopped():
                break
