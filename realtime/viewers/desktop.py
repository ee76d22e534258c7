"""A plain window on the desktop: shows pictures and gives the keys that are pressed."""

import os
import socket
import sys
import time
from typing import Any

import cv2
import numpy as np

from realtime.base.silence import quiet
from realtime.base.timing import Clock
from realtime.drawing.fitting import fitted
from realtime.viewers.keys import NO_KEY, KeyPresses
from realtime.viewers.screen_size import Size, middle, opening_size, screen_size


def typed(code: int) -> int:
    """The letter of a key code as `cv2.waitKeyEx` gives it, or `NO_KEY`.

    The lower 8 bits alone are not enough: for arrow keys they are letters, so that Left would quit. The bits above 16 are Shift and other
    modifiers on some systems. Escape has its own code under X.
    """
    code &= 0xFFFF
    if code == 0xFF1B:
        return 27
    return code if code < 0x80 else NO_KEY


class DesktopWindow:
    """One window. It opens with its first picture."""

    def __init__(self, title: str, clock: Clock = time.monotonic):
        self.title = title
        self.closed = False
        """Whether the user has closed the window."""
        self.filled = False
        """Whether the window fills the screen."""
        self._open = False
        self._asked: Size = (0, 0)
        self._presses = KeyPresses(clock)

    def size(self, picture_wh: Size) -> Size:
        """Width and height in px of the window's inside, in which a picture is to be drawn; before it is open, with which it will open.

        Args:
            picture_wh: width and height of the source's picture.
        """
        if not self._open:
            return opening_size(picture_wh, screen_size())
        try:
            width, height = cv2.getWindowImageRect(self.title)[2:]
        except cv2.error:
            # The user has closed the window.
            width = height = 0
        return (width, height) if min(width, height) > 1 else self._asked

    def show(self, picture: np.ndarray) -> int:
        """Shows (h, w, 3) BGR uint8; gives the key that was pressed, `NO_KEY` for none.

        A picture of another size than `size` gives is fitted in, with black margins.
        """
        wh = (picture.shape[1], picture.shape[0])
        if not self._open:
            with quiet():
                # Free of the picture's ratio: HighGUI's own margins are light gray.
                cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
            self._open = True
            self.resize(wh)
        size = self.size(wh)
        cv2.imshow(self.title, picture if size == wh else fitted(picture, [], size)[0])
        return self.wait()

    def resize(self, picture_wh: Size) -> None:
        """Gives the window the size that suits a picture and the screen."""
        if self._open:
            screen = screen_size()
            self._asked = opening_size(picture_wh, screen)
            place = middle(self._asked, screen)
            with quiet():
                cv2.resizeWindow(self.title, *self._asked)
                if place is not None:
                    # A system puts a window where it suits the size that it had before.
                    cv2.moveWindow(self.title, *place)

    def fill(self) -> None:
        """Switches between full screen and window."""
        self.filled = not self.filled
        if self._open:
            with quiet():
                cv2.setWindowProperty(self.title, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_FULLSCREEN if self.filled else cv2.WINDOW_NORMAL)

    def wait(self) -> int:
        """Keeps the window alive while there is nothing new to show; gives a key as `show` does."""
        if not self._open:
            return NO_KEY
        key = self._presses.update(typed(cv2.waitKeyEx(1)))
        self.closed = self.closed or not self._visible()
        return key

    def close(self) -> None:
        if self._open:
            with quiet():
                cv2.destroyAllWindows()

    def _visible(self) -> bool:
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            # Qt raises this once the user has closed the last window.
            return False


def has_display() -> bool:
    """Whether a window can be opened. Without this check Qt would end the whole process where there is no screen."""
    if not any("GUI:" in line and "NONE" not in line for line in cv2.getBuildInformation().splitlines()):
        return False
    if sys.platform != "linux":
        return True
    name = os.environ.get("DISPLAY", "")
    host, colon, number = name.rpartition(":")
    screen = number.split(".")[0]
    if not colon or not screen.isdecimal():
        return False
    addresses: list[tuple[int, Any]] = [(socket.AF_INET, (host, 6000 + int(screen)))] if host and host != "unix" else []
    addresses = addresses or [(socket.AF_UNIX, f"/tmp/.X11-unix/X{screen}"), (socket.AF_UNIX, f"\0/tmp/.X11-unix/X{screen}")]
    for family, address in addresses:
        with socket.socket(family) as knock:
            knock.settimeout(1.0)
            try:
                knock.connect(address)
                return True
            except OSError:
                continue
    return False
