"""When the bar of buttons is shown, and which of its buttons is clicked."""

from collections.abc import Sequence

from realtime.base.timing import Clock
from realtime.drawing.bar import Button, action_at, place_buttons
from realtime.drawing.layout import Area, Size
from realtime.viewers.inputs import Click, Move, Point

STAY_S = 2.0
"""So many seconds after the mouse's last move or click the bar goes."""


class Mouse:
    """Shows the bar while the mouse is in use. It keeps its place until it goes, so that no button moves away from under the mouse."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._until: float | None = None
        self._at: Point = (-1, -1)
        self._picture_wh: Size = (0, 0)
        self._buttons: tuple[Button, ...] = ()

    def hear(self, item: Move | Click) -> str | None:
        """Takes what the mouse does; gives the action of a button that is clicked.

        A click while the bar is not shown makes it appear and does nothing else, as the first touch of a touch screen should.
        """
        self._at, self._until = item.at, self._clock() + STAY_S
        return action_at(self._buttons, item.at) if isinstance(item, Click) else None

    @property
    def due(self) -> bool:
        """Whether the bar is to be shown."""
        return self._until is not None and self._clock() < self._until

    @property
    def changed(self) -> bool:
        """Whether the bar is to come or to go, but nothing was drawn since."""
        return self.due != bool(self._buttons)

    def buttons(self, picture_wh: Size, unit: float, faces: Sequence[Area]) -> tuple[Button, ...]:
        """The buttons to draw now, see `realtime.drawing.bar.place_buttons`; none while the bar is not shown."""
        if not self.due:
            self._buttons = ()
        elif not self._buttons or picture_wh != self._picture_wh:
            self._picture_wh, self._buttons = picture_wh, place_buttons(picture_wh, unit, faces)
        return self._buttons

    @property
    def pointed(self) -> str | None:
        """The action whose button is under the mouse."""
        return action_at(self._buttons, self._at)
