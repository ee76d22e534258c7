"""The source for a camera at the ribbon cable of a Raspberry Pi, which only picamera2 can read."""

from collections.abc import Callable, Iterator
from typing import Any, Self

from realtime.base.errors import Trouble, reason
from realtime.base.messages import counted
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.sources.cameras import Delivery, Format
from realtime.values import Frame

CODING = "RGB888"
"""libcamera's name for OpenCV's order of bytes: blue, green, red."""


def load_picamera2() -> Any:
    """The class `Picamera2`, which opens the camera.

    Raises:
        Trouble: picamera2 is not installed, or cannot be imported.
    """
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise Trouble(
            "the ribbon cable's camera needs picamera2, which comes with Raspberry Pi OS: `sudo apt install python3-picamera2`, and a venv "
            "that sees it: `python3 -m venv --system-site-packages .venv`"
        ) from error
    except ValueError as error:
        # The system's simplejpeg is built for NumPy 1 and fails in this way with NumPy 2.
        raise Trouble(
            f"picamera2 does not load ({reason(error)}): run `.venv/bin/pip install --force-reinstall --no-deps simplejpeg`"
        ) from error
    return Picamera2


def pi_cameras(load: Callable[[], Any] = load_picamera2) -> list[str]:
    """The models of the cameras at the ribbon cable, without the USB cameras that picamera2 lists too; none if it is not installed."""
    try:
        return [camera["Model"] for camera in load().global_camera_info() if "usb" not in camera["Id"].lower()]
    except Trouble:
        return []


class PiCamera:
    """Colour pictures, each with a small gray copy that the camera's hardware makes. `t` is the time at which a frame arrived."""

    expected = None
    mirror = True
    name = "the Pi's camera"

    def __init__(self, settings: CameraSettings, clock: Clock, load: Callable[[], Any] = load_picamera2):
        """`load()` gives the class `Picamera2`."""
        self.settings, self.clock, self.load = settings, clock, load
        self.delivery: Delivery | None = None
        self._camera: Any = None

    def __enter__(self) -> Self:
        camera_class, settings = self.load(), self.settings
        # YUV420 needs an even width.
        width = 2 * round(settings.width * settings.small_height / settings.height / 2)
        try:
            self._camera = camera_class()
            plan = self._camera.create_video_configuration(
                main={"size": (settings.width, settings.height), "format": CODING},
                lores={"size": (width, settings.small_height), "format": "YUV420"},
                controls={"FrameRate": settings.rate},
            )
            self._camera.configure(plan)
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            self._close()
            raise Trouble(
                f"{self.name} cannot be opened ({reason(error)}): check its cable with the power off, that no other program uses it, "
                "and that `rpicam-hello` shows a picture"
            ) from error
        answer = self._camera.camera_configuration()
        self._small_wh = answer["lores"]["size"]
        self.delivery = Delivery(
            Format(CODING, settings.width, settings.height, settings.rate),
            Format(answer["main"]["format"], answer["main"]["size"][0], answer["main"]["size"][1], settings.rate),
        )
        return self

    def _close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def __exit__(self, *error: object) -> None:
        self._close()

    def __iter__(self) -> Iterator[Frame]:
        width, height = self._small_wh
        index = 0
        while True:
            try:
                (image, planes), _ = self._camera.capture_arrays(["main", "lores"])
            except (RuntimeError, TimeoutError, OSError) as error:
                raise Trouble(
                    f"{self.name} stopped delivering pictures after {counted(index, 'frame')} ({reason(error)}): "
                    "check its cable with the power off"
                ) from error
            # The first plane is the brightness. Its rows may have padding bytes at the end.
            yield Frame(image, self.clock(), index, planes[:height, :width])
            index += 1
