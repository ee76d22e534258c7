"""The labelled picture as a camera of this machine, for OBS, video calls and all that takes a camera."""

from types import ModuleType
from typing import Any

from realtime.drawing.draw import annotate
from realtime.drawing.fitting import fitted
from realtime.drawing.words import Words
from realtime.outputs.moments import Moment

FPS = 30.0
"""The rate that the camera states; pictures come when the source has them."""


class VirtualCameraLink:
    """Draws and sends pictures. The camera has the size of the first one; others are fitted into it with black bars."""

    def __init__(self, library: ModuleType, words: Words):
        """`library` is `pyvirtualcam`, `words` those on the picture."""
        self.name = "virtual camera"
        self._library, self._words = library, words
        self._camera: Any = None

    def send(self, item: Moment) -> None:
        if item.image is None:
            return
        if self._camera is None:
            self._camera = self._open(item.image.shape[1], item.image.shape[0])
        picture, readings = fitted(item.image, list(item.readings), (self._camera.width, self._camera.height))
        try:
            self._camera.send(annotate(picture, readings, words=self._words))
        except RuntimeError as error:
            raise OSError(str(error)) from error

    def idle(self) -> None:
        pass

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _open(self, width: int, height: int) -> Any:
        # The formats of cameras have one colour for two pixels: width and height are even.
        size = {"width": width - width % 2, "height": height - height % 2}
        try:
            return self._library.Camera(**size, fps=FPS, fmt=self._library.PixelFormat.BGR)
        except RuntimeError as error:
            said = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
            raise OSError(f"{said}; docs/outputs.md says what it needs") from error
