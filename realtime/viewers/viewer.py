"""What a viewer is: a sink that a person looks at."""

from typing import Protocol

from realtime.base.messages import Message
from realtime.loop import Sink


class Viewer(Sink, Protocol):
    """Shows frames and readings as they come.

    Attributes:
        closed: whether the user has ended the session in this viewer.
    """

    closed: bool

    def idle(self, why: Message | None) -> None:
        """Called while no frame comes, ten times a second; `why` is what the user should know meanwhile, if anything."""
