"""The size of the screen, and that of a window on it. HighGUI tells only the size of its own windows."""

import ctypes
import sys

Size = tuple[int, int]

USABLE = (0.9, 0.85)
"""The part of the screen's width and height that a window may open with: beside it are the title, bars and docks."""
SMALL_SCREEN: Size = (1366, 768)
"""Assumed where the screen's size cannot be had: the smallest that is common on laptops."""
LEAST_HEIGHT = 480
"""A window opens at least this high, in px: on a smaller picture no letters could be read."""


def opening_size(picture_wh: Size, screen_wh: Size | None) -> Size:
    """The size in px with which a window opens: the picture's, made smaller to fit the screen, or larger for letters to be read."""
    screen = screen_wh or SMALL_SCREEN
    fits = min(whole * part / side for whole, part, side in zip(screen, USABLE, picture_wh, strict=True))
    factor = min(max(1.0, LEAST_HEIGHT / picture_wh[1]), fits)
    return max(1, round(picture_wh[0] * factor)), max(1, round(picture_wh[1] * factor))


def middle(window_wh: Size, screen_wh: Size | None) -> Size | None:
    """Where the window's corner is to be, in px, so that it is in the middle of the screen; None where that is not known.

    A screen more than twice as wide as high may be two: their middle is an edge.
    """
    if screen_wh is None or screen_wh[0] > 2 * screen_wh[1]:
        return None
    # Above the middle: the title comes on top.
    return (screen_wh[0] - window_wh[0]) // 2, max(0, (screen_wh[1] - window_wh[1]) // 3)


def screen_size() -> Size | None:
    """Width and height of the screen in px; None where the system does not tell. Several screens may count as one wide one."""
    try:
        size = _system_size()
    except (OSError, AttributeError):
        # The library or its function is not there.
        return None
    return size if size is not None and min(size) > 0 else None


def _system_size() -> Size | None:
    if sys.platform == "win32":
        metrics = ctypes.windll.user32.GetSystemMetrics
        return metrics(0), metrics(1)
    if sys.platform == "darwin":
        graphics = ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
        graphics.CGDisplayPixelsWide.restype = graphics.CGDisplayPixelsHigh.restype = ctypes.c_size_t
        display = graphics.CGMainDisplayID()
        return graphics.CGDisplayPixelsWide(display), graphics.CGDisplayPixelsHigh(display)
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    for function in (x11.XCloseDisplay, x11.XDefaultScreen):
        function.argtypes = [ctypes.c_void_p]
    for function in (x11.XDisplayWidth, x11.XDisplayHeight):
        function.argtypes = [ctypes.c_void_p, ctypes.c_int]
    display = x11.XOpenDisplay(None)
    if not display:
        return None
    try:
        screen = x11.XDefaultScreen(display)
        return x11.XDisplayWidth(display, screen), x11.XDisplayHeight(display, screen)
    finally:
        x11.XCloseDisplay(display)
