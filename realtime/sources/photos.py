"""A picture file as a source of one frame, for `run.py image`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.silence import quiet
from realtime.values import Frame


class Photo:
    """A picture file as a source of one frame at t = 0 s: turned upright (EXIF), 8-bit colour, without transparency."""

    expected = 1
    mirror = False
    delivery = None

    def __init__(self, path: Path):
        self.path = Path(path)
        self.name = self.path.name

    def __enter__(self) -> Self:
        try:
            content = np.frombuffer(self.path.read_bytes(), np.uint8)
        except OSError as error:
            raise Trouble(f"{self.path} cannot be read ({reason(error)}); check the path") from error
        try:
            with quiet():
                image = cv2.imdecode(content, cv2.IMREAD_COLOR_BGR) if len(content) else None
        except cv2.error as error:
            raise Trouble(f"{self.path} is too large a picture, or is damaged; try a smaller or another one") from error
        if image is None:
            raise Trouble(f"{self.path} is not a picture that OpenCV can read (JPEG, PNG, WebP, TIFF, BMP and others); convert it first")
        self._image: np.ndarray = image
        return self

    def __exit__(self, *error: object) -> None:
        del self._image

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(self._image, 0.0, 0)
