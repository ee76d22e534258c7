"""A plain window on the desktop, by SDL (pygame-ce): shows pictures, and gives keys, moves and clicks. docs/window.md says why SDL."""

import importlib.util
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from realtime.base.errors import Trouble
from realtime.base.silence import quiet
from realtime.drawing.fitting import fitted
from realtime.drawing.symbols import window_icon
from realtime.viewers.inputs import ENTER, ESCAPE, F1, Click, Input, Key, Move, Point
from realtime.viewers.screen_size import Size, opening_size

if TYPE_CHECKING:
    import pygame

BGRX = (0xFF0000, 0xFF00, 0xFF)
"""The masks of red, green and blue on screens whose pixels lie in memory as blue, green, red and a byte without meaning."""
FRAMED_S = 1.0
"""So long after full screen a window manager may take to put its frame around the window again."""
NO_WINDOW = "no window can be opened ({reason}): run it on the desktop, or with --no-window or --web"


NAMED = {0x1B: ESCAPE, 0x0D: ENTER, 0x40000058: ENTER, 0x4000003A: F1}
"""Keys without a letter that are told, by SDL's codes: Esc, Enter, that of the number pad, F1."""
QUESTION_MARKS = ("?", "\uff1f")
"""The usual one, and that of Chinese and Japanese."""


def typed(code: int, text: str = "", shift: bool = False) -> str:
    """What a key says.

    Args:
        code: SDL's code of the key, which is what it types without Shift on the keyboard's layout.
        text: what was typed, where that is known.
        shift: whether Shift was held.

    Returns:
        The `letter` of a `Key`; empty for arrows and their like.
    """
    if text in QUESTION_MARKS or (shift and code == ord("/")):
        return "?"
    return NAMED.get(code, chr(code) if ord(" ") <= code < 0x7F else "")


def picture_point(at: Point, window_wh: Size, picture_wh: Size) -> Point:
    """A point of the window in px of the picture that is fitted into it; beyond the picture for one on the margins."""
    factor = min(window_wh[0] / picture_wh[0], window_wh[1] / picture_wh[1])
    x, y = ((side - whole * factor) / 2 for side, whole in zip(window_wh, picture_wh, strict=True))
    return int((at[0] - x) // factor), int((at[1] - y) // factor)


class DesktopWindow:
    """One window. It opens with its first picture, in the main thread: macOS allows windows in no other."""

    def __init__(self, title: str):
        self.title = title
        self.closed = False
        """Whether the user has closed the window."""
        self.filled = False
        """Whether the window fills the screen."""
        self._window: pygame.Window | None = None
        self._windowed: tuple[Size, Point] = ((0, 0), (0, 0))
        self._framed_by = 0.0
        self._picture = np.zeros((1, 1, 3), np.uint8)

    def size(self, picture_wh: Size) -> Size:
        """Width and height in px of the window's inside, in which a picture is to be drawn; before it is open, with which it will open.

        Args:
            picture_wh: width and height of the source's picture.
        """
        return opening_size(picture_wh, _screen_size()) if self._window is None else self._window.size

    def show(self, picture: np.ndarray) -> list[Input]:
        """Shows (h, w, 3) BGR uint8; gives what the user has done since the last call.

        A picture of another size than `size` gives is fitted in, with black margins.

        Raises:
            Trouble: the system opens no window.
        """
        if self._window is None:
            self._open((picture.shape[1], picture.shape[0]))
        self._picture = picture
        self._paint()
        return self.wait()

    def resize(self, picture_wh: Size) -> None:
        """Gives the window the size that suits a picture and the screen."""
        if self._window is not None and not self.filled:
            self._window.size = opening_size(picture_wh, _screen_size())
            self._window.position = _library().WINDOWPOS_CENTERED

    def fill(self) -> None:
        """Switches between full screen and window."""
        if self._window is None:
            return
        self.filled = not self.filled
        self._framed_by = 0.0
        if self.filled:
            self._windowed = self._window.size, self._window.position
            # Without a window manager, as in a kiosk, X has no full screen: the window itself must be as large.
            self._window.position, self._window.size = (0, 0), _screen_size()
            self._window.set_fullscreen(desktop=True)
        else:
            self._window.set_windowed()
            self._window.size, self._window.position = self._windowed
            self._framed_by = time.monotonic() + FRAMED_S

    def wait(self) -> list[Input]:
        """Keeps the window alive while there is nothing new to show; gives what `show` gives."""
        if self._window is None:
            return []
        library = _library()
        inputs: list[Input] = []
        for event in library.event.get():
            if event.type in (library.QUIT, library.WINDOWCLOSE):
                self.closed = True
            elif event.type in (library.WINDOWEXPOSED, library.WINDOWSIZECHANGED):
                self._paint()
            elif event.type == library.WINDOWMOVED:
                self._return()
            elif event.type in (library.KEYDOWN, library.KEYUP) and event.key in (library.K_LSHIFT, library.K_RSHIFT):
                _listen(to_text=event.type == library.KEYDOWN)
            elif event.type == library.KEYDOWN and (letter := typed(event.key, event.unicode, bool(event.mod & library.KMOD_SHIFT))):
                inputs.append(Key(letter))
            elif event.type == library.MOUSEMOTION:
                inputs.append(Move(self._point(event.pos)))
            elif event.type == library.MOUSEBUTTONDOWN and event.button == library.BUTTON_LEFT:
                inputs.append(Click(self._point(event.pos)))
        return inputs

    def close(self) -> None:
        if self._window is not None:
            self._window = None
            _library().display.quit()

    def _open(self, picture_wh: Size) -> None:
        if not has_display():
            # SDL would open a window that nobody can see.
            raise Trouble(NO_WINDOW.format(reason="there is no display"))
        library = _library()
        try:
            with quiet():
                self._window = library.Window(self.title, opening_size(picture_wh, _screen_size()), resizable=True)
                self._window.get_surface()
                icon = window_icon()
                self._window.set_icon(library.image.frombuffer(icon.tobytes(), icon.shape[1::-1], "RGBA"))
        except library.error as error:
            raise Trouble(NO_WINDOW.format(reason=error)) from error

    def _return(self) -> None:
        """After full screen a window manager puts the frame around the window, and so moves it by the frame: here it goes back, once."""
        if self._window is not None and time.monotonic() < self._framed_by:
            self._framed_by = 0.0
            self._window.position = self._windowed[1]

    def _point(self, at: Point) -> Point:
        assert self._window is not None
        return picture_point(at, self._window.size, (self._picture.shape[1], self._picture.shape[0]))

    def _paint(self) -> None:
        assert self._window is not None
        surface = self._window.get_surface()
        wh = surface.get_size()
        picture = self._picture if wh == (self._picture.shape[1], self._picture.shape[0]) else fitted(self._picture, [], wh)[0]
        _copy(picture, surface)
        self._window.flip()


def _copy(picture: np.ndarray, surface: "pygame.Surface") -> None:
    """Copies (h, w, 3) BGR uint8 onto a surface of its size. SDL's own way from three bytes to four takes some times longer."""
    width, height = surface.get_size()
    if surface.get_bytesize() == 4 and surface.get_masks()[:3] == BGRX and surface.get_pitch() == 4 * width:
        buffer: Any = surface.get_buffer()
        cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA, dst=np.frombuffer(buffer, np.uint8).reshape(height, width, 4))
    else:
        surface.blit(_library().image.frombuffer(np.ascontiguousarray(picture).data, (width, height), "BGR"), (0, 0))


def _library() -> Any:
    """pygame with its display ready: imported with the first window, since nothing else needs it. No sound, no joysticks."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    # SIGINT and SIGTERM are the program's: it finishes its files.
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
    # SDL takes every window for a game, and switches the desktop's shadows and transparency off.
    os.environ.setdefault("SDL_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR", "0")
    import pygame

    if not pygame.display.get_init():
        with quiet():
            try:
                pygame.display.init()
            except pygame.error as error:
                raise Trouble(NO_WINDOW.format(reason=error)) from error
        if pygame.display.get_driver() == "x11":
            # X shows pictures by itself. OpenGL in between, without a graphics card, takes four times the processor time and 90 MB.
            os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
        # As it was with OpenCV's window: the screen sleeps and is locked as the user has set it.
        pygame.display.set_allow_screensaver(True)
        _listen(to_text=False)
    return pygame


def _listen(to_text: bool) -> None:
    """Whether SDL tells what is typed, and not only which keys are pressed.

    Only while Shift is held, for the question mark: an input method would take the letters, and ask which Chinese one is meant.
    """
    import pygame

    (pygame.key.start_text_input if to_text else pygame.key.stop_text_input)()


def _screen_size() -> Size:
    width, height = _library().display.get_desktop_sizes()[0]
    return width, height


def has_display() -> bool:
    """Whether a window can be opened. Nothing is opened for the answer: SDL itself would take the console of a board without a desktop."""
    if importlib.util.find_spec("pygame") is None:
        return False
    if sys.platform != "linux":
        return True
    return _answers(os.environ.get("DISPLAY", "")) or _is_wayland(os.environ)


def _answers(display: str) -> bool:
    """Whether an X server listens at an address such as ":0"."""
    host, colon, number = display.rpartition(":")
    screen = number.split(".")[0]
    if not colon or not screen.isdecimal():
        return False
    addresses: list[tuple[int, Any]] = [(socket.AF_INET, (host, 6000 + int(screen)))] if host and host != "unix" else []
    addresses = addresses or [(socket.AF_UNIX, f"/tmp/.X11-unix/X{screen}"), (socket.AF_UNIX, f"\0/tmp/.X11-unix/X{screen}")]
    return any(_knock(family, address) for family, address in addresses)


def _is_wayland(environment: Mapping[str, str]) -> bool:
    """Whether a Wayland compositor listens."""
    name = environment.get("WAYLAND_DISPLAY", "")
    return bool(name) and _knock(socket.AF_UNIX, str(Path(environment.get("XDG_RUNTIME_DIR", "")) / name))


def _knock(family: int, address: Any) -> bool:
    with socket.socket(family) as knock:
        knock.settimeout(1.0)
        try:
            knock.connect(address)
        except OSError:
            return False
    return True
