"""A picture file as a source of one frame, for `run.py image`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular
from realtime.base.silence import quiet
from realtime.sources.heic import Damaged, HeicFile, decode_heic, read_heic
from realtime.sources.picture_header import KINDS, first_picture, picture_size
from realtime.sources.shape import MOST_PIXELS, refuse_large
from realtime.values import Frame

MOST_BYTES = 200_000_000
"""Of a picture file."""


def decode_picture(content: bytes, name: str, most_pixels: int, gray: bool = False) -> np.ndarray:
    """The first picture of a file, (h, w, 3) BGR or (h, w) gray uint8, turned upright, without transparency.

    Args:
        content: the file.
        name: what messages call it.
        most_pixels: a picture with more is not decoded.

    Raises:
        Trouble: it is no picture, or one that is damaged or too large.
    """
    heic = read_heic(content)
    if heic is not None:
        return _decode_heic(heic, name, most_pixels, gray)
    size = picture_size(content)
    if size is None:
        raise Trouble(f"{name} is not a picture that can be read ({KINDS}); convert it first")
    refuse_large(name, size, most_pixels)
    try:
        with quiet():
            image = cv2.imdecode(np.frombuffer(first_picture(content), np.uint8), cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_BGR)
    except cv2.error as error:
        raise Trouble(f"{name} is a damaged picture ({reason(error):.80}); try another one") from error
    if image is None:
        raise Trouble(f"{name} is not a picture that can be read ({KINDS}), or is damaged; convert it first")
    return image


def _decode_heic(file: HeicFile, name: str, most_pixels: int, gray: bool) -> np.ndarray:
    try:
        refuse_large(name, file.picture.size_wh(), most_pixels)
        picture = decode_heic(file, most_pixels)
    except Damaged as error:
        raise Trouble(f"{name} is a damaged picture ({reason(error):.80}); try another one") from error
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if gray else picture


class Photo:
    """A picture file as a source of one frame at t = 0 s: turned upright, 8-bit colour, without transparency."""

    expected = 1
    mirror = False
    delivery = None

    def __init__(self, path: Path):
        self.path = Path(path)
        self.name = self.path.name

    def __enter__(self) -> Self:
        try:
            content = read_regular(self.path, MOST_BYTES)
        except OSError as error:
            raise Trouble(f"{self.path} cannot be read ({reason(error)}); check the path") from error
        self._image = decode_picture(content, str(self.path), MOST_PIXELS)
        return self

    def __exit__(self, *error: object) -> None:
        del self._image

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(self._image, 0.0, 0)
