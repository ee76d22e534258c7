"""The size with which a window opens."""

Size = tuple[int, int]

USABLE = (0.9, 0.85)
"""The part of the screen's width and height that a window may open with: beside it are the title, bars and docks."""
LEAST_HEIGHT = 480
"""A window opens at least this high, in px: on a smaller picture no letters could be read."""


def opening_size(picture_wh: Size, screen_wh: Size) -> Size:
    """The size in px with which a window opens: the picture's, made smaller to fit the screen, or larger for letters to be read."""
    fits = min(whole * part / side for whole, part, side in zip(screen_wh, USABLE, picture_wh, strict=True))
    factor = min(max(1.0, LEAST_HEIGHT / picture_wh[1]), fits)
    return max(1, round(picture_wh[0] * factor)), max(1, round(picture_wh[1] * factor))
