"""What a person does at a window: the values that `realtime.viewers.desktop` gives."""

from dataclasses import dataclass

Point = tuple[int, int]
"""x and y in px of the picture that is shown."""
ESCAPE = "\x1b"
ENTER = "\r"
F1 = "F1"


@dataclass(frozen=True)
class Key:
    """A key that was pressed; one that is held down is one press.

    Attributes:
        letter: what it types without Shift, such as a small letter; "?", which most layouts have on Shift; `ESCAPE`, `ENTER` or `F1`.
    """

    letter: str


@dataclass(frozen=True)
class Move:
    """The mouse has moved to a point."""

    at: Point


@dataclass(frozen=True)
class Click:
    """The mouse's main button was pressed, or a touch screen touched."""

    at: Point


Input = Key | Move | Click
