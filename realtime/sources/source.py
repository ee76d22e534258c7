"""The protocol of all sources, context managers that yield frames, and the base class of sources around another source."""

from collections.abc import Iterator
from typing import Protocol, Self

from realtime.sources.cameras import Delivery
from realtime.values import Frame

TICK_S = 0.1
"""Seconds. While no frame comes, the loop checks this often for keys, for Ctrl-C and for a camera that has stopped sending."""


class Source(Protocol):
    """Yields frames between `__enter__` and `__exit__`.

    Attributes:
        name: its name in messages and in the readings file.
        expected: how many frames it will give; None if that is unknown.
        mirror: whether it is to be shown as a mirror, because it shows the users themselves.
        delivery: the format that was requested from a camera and the one that it gives, once it is open; None for sources without a choice.
    """

    @property
    def name(self) -> str: ...
    @property
    def expected(self) -> int | None: ...
    @property
    def mirror(self) -> bool: ...
    @property
    def delivery(self) -> Delivery | None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def __iter__(self) -> Iterator[Frame]: ...


class SourceWrapper:
    """A source that takes its frames from another source; opens and closes it, and has its name, mirror and delivery."""

    expected = None

    def __init__(self, source: Source):
        self.source = source

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def mirror(self) -> bool:
        return self.source.mirror

    @property
    def delivery(self) -> Delivery | None:
        return self.source.delivery

    def __enter__(self) -> Self:
        self.source.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.source.__exit__(*error)
