"""What the page shows and turns. Apart from the sink, since it needs none of the server's packages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from realtime.drawing.words import ENGLISH, Words
from realtime.recording.switch import RecordSwitch


class Cameras(Protocol):
    """What the page can choose a camera with; a `SourceSwitch` is one."""

    current: str

    @property
    def others(self) -> Callable[[], Any]: ...
    def choose(self, text: str) -> str: ...


class Profiles(Protocol):
    """What the page can choose a profile with; a `ProfileSwitch` is one."""

    @property
    def name(self) -> str | None: ...
    def names(self) -> list[str]: ...
    def choose(self, name: str | None) -> str: ...


@dataclass(frozen=True)
class Controls:
    """What the page shows and turns, and in which language: see `realtime.viewers.window.Window`."""

    mirror: Callable[[], bool]
    switch: RecordSwitch
    dropped: Callable[[], int]
    saving: Callable[[], int]
    cameras: Callable[[], Cameras]
    profiles: Profiles
    words: Words = ENGLISH
