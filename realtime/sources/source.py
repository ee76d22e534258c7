"""What a source is: a context manager that yields frames."""

from collections.abc import Iterator
from typing import Protocol, Self

from realtime.sources.cameras import Delivery
from realtime.values import Frame

TICK_S = 0.1
"""While no frame comes, the loop looks round this often: for keys, for Ctrl-C, for a camera that has fallen silent."""


class Source(Protocol):
    """Yields frames between `__enter__` and `__exit__`.

    Attributes:
        name: what messages and the readings file call it.
        expected: how many frames it will give, where that is known.
        mirror: whether people in it see themselves and expect a mirror.
        delivery: what a camera was asked for and what it gives, once it is open; None for what has no choice.
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


class _Wrapper:
    """A source around another one."""

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
