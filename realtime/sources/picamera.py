"""The camera at a Raspberry Pi's ribbon cable, which only picamera2 can read."""

from collections.abc import Callable, Iterator
from typing import Any, Self

from realtime.base.errors import Trouble, reason
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.sources.cameras import Delivery, Format
from realtime.values import Frame

CODING = "RGB888"
"""What libcamera calls OpenCV's order of bytes: blue, green, red."""


def picamera2() -> Any:
    """The class that opens the camera.

    Raises:
        Trouble: it is not installed.
    """
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise Trouble(
            "the ribbon cable's camera needs picamera2, which comes with Raspberry Pi OS: `sudo apt install python3-picamera2`, and a venv "
            "that sees it: `python3 -m venv --system-site-packages .venv`"
        ) from error
    except ValueError as error:
        # The system's simplejpeg is built for NumPy 1, and says so only in this way.
        raise Trouble(
            f"picamera2 does not load ({reason(error)}): run `.venv/bin/pip install --force-reinstall --no-deps simplejpeg`"
        ) from error
    return Picamera2


def pi_cameras(maker: Callable[[], Any] = picamera2) -> list[str]:
    """The models of the cameras that picamera2 sees; none where it is not installed. It sees USB cameras as well: they are left out."""
    try:
        return [camera["Model"] for camera in maker().global_camera_info() if "usb" not in camera["Id"].lower()]
    except Trouble:
        return []


class PiCamera:
    """Colour pictures, and beside each the same one small and gray, which the camera's own hardware makes. `t` is a frame's arrival."""

    expected = None
    mirror = True
    name = "the Pi's camera"

    def __init__(self, settings: CameraSettings, clock: Clock, maker: Callable[[], Any] = picamera2):
        """`maker()` gives picamera2's class."""
        self.settings, self.clock, self.maker = settings, clock, maker
        self.delivery: Delivery | None = None
        self._camera: Any = None

    def __enter__(self) -> Self:
        made, asked = self.maker(), self.settings
        # Sizes of such pictures are even.
        width = 2 * round(asked.width * asked.small_height / asked.height / 2)
        try:
            self._camera = made()
            plan = self._camera.create_video_configuration(
                main={"size": (asked.width, asked.height), "format": CODING},
                lores={"size": (width, asked.small_height), "format": "YUV420"},
                controls={"FrameRate": asked.rate},
            )
            self._camera.configure(plan)
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            self._close()
            raise Trouble(
                f"{self.name} cannot be opened ({reason(error)}): check its cable with the power off, that no other program uses it, "
                "and that `rpicam-hello` shows a picture"
            ) from error
        given = self._camera.camera_configuration()
        self._small_wh = given["lores"]["size"]
        self.delivery = Delivery(
            Format(CODING, asked.width, asked.height, asked.rate),
            Format(given["main"]["format"], given["main"]["size"][0], given["main"]["size"][1], asked.rate),
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
                    f"{self.name} stopped delivering pictures after {index} frames ({reason(error)}): check its cable with the power off"
                ) from error
            # The first plane is the brightness; its rows may be padded.
            yield Frame(image, self.clock(), index, planes[:height, :width])
            index += 1
