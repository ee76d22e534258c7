"""Cameras of this machine: which there are, by number and name, and the pictures of one of them."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import cv2

from realtime.base.errors import Trouble
from realtime.base.silence import quiet
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.values import Frame

Capture = Callable[[int, int], Any]
"""`capture(number, backend)` opens a device: `cv2.VideoCapture`."""
BACKENDS = {"linux": (cv2.CAP_V4L2,), "win32": (cv2.CAP_DSHOW, cv2.CAP_MSMF), "darwin": (cv2.CAP_AVFOUNDATION,)}
"""OpenCV's ways to a camera by system, the best first. DirectShow opens in a second where Windows' default takes up to a minute, but does
not know every camera; V4L2 avoids GStreamer's detour."""
NO_CAMERAS = ("bcm2835-", "pispbe", "rp1-cfe", "unicam", "rpi-", "rpivid")
"""How the names of a Raspberry Pi's video devices begin that are no cameras: its codecs and the raw ends of its ribbon cable, which only
picamera2 can read."""
CHECKS = {
    "linux": "check the cable, that no other program uses it, and that you are in the group `video` (sudo usermod -aG video $USER, "
    "then log in again)",
    "win32": "check the cable, that no other program uses it, and that Settings, Privacy & security, Camera lets desktop apps use it",
    "darwin": "check that no other program uses it, and that System Settings, Privacy & Security, Camera has your terminal switched on; "
    "then start the terminal again",
}
"""What keeps a camera from being found or opened, by system."""
LIMIT_S = 20.0
"""A camera that has not opened and been measured by then hangs; large sizes take some of them 10 s."""
USUAL_SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
"""In px; what nearly all cameras have some of. One that lacks a size gives the nearest that it has."""


@dataclass(frozen=True)
class Camera:
    """A camera of this machine: its number as OpenCV counts, and the name that its maker gave it."""

    number: int
    name: str


def list_cameras(find: Callable[[int], Sequence[Any]] | None = None, system: str = sys.platform) -> list[Camera]:
    """The cameras that are connected, by number. Nothing is opened, so one that another program uses is among them.

    Args:
        find: gives devices with `index` and `name`, for one of OpenCV's backends; None: the system's. Metadata devices are not among them.
        system: as in `sys.platform`.
    """
    if find is None:
        from cv2_enumerate_cameras import enumerate_cameras

        find = enumerate_cameras
    found = {camera.index: Camera(camera.index, camera.name) for camera in find(BACKENDS.get(system, (cv2.CAP_ANY,))[0])}
    return [found[number] for number in sorted(found) if not found[number].name.startswith(NO_CAMERAS)]


def named_camera(text: str, cameras: Sequence[Camera]) -> Camera | None:
    """The camera that a user means by its name or a part of it, in capitals or not; None where no name has it.

    Raises:
        Trouble: several do.
    """
    wanted = text.casefold()
    exactly = [camera for camera in cameras if camera.name.casefold() == wanted]
    having = exactly or [camera for camera in cameras if wanted in camera.name.casefold()]
    if len(having) > 1:
        which = ", ".join(f"{camera.number} ({camera.name})" for camera in having)
        raise Trouble(f"{text!r} is part of the names of {len(having)} cameras: {which}; choose one by its number")
    return having[0] if having else None


def camera_choices(current: str, cameras: Sequence[Camera]) -> list[str]:
    """The cameras as `--source` takes them: their numbers, but the current one as it was chosen."""
    chosen = None if current.isdecimal() else named_camera(current, cameras)
    return [current if camera == chosen else str(camera.number) for camera in cameras]


@dataclass(frozen=True)
class Format:
    """How a camera delivers: its coding as four letters, px, frames a second. "" and 0 stand for what it does not say."""

    coding: str
    width: int
    height: int
    rate: float

    def __str__(self) -> str:
        rate = f" at {self.rate:.3g} fps" if self.rate else ""
        return f"{self.coding} {self.width}x{self.height}{rate}".strip()

    def meets(self, asked: "Format") -> bool:
        """Whether this is what was asked for; what the camera does not say counts as met."""
        return (
            (self.width, self.height) == (asked.width, asked.height)
            and self.coding in ("", asked.coding)
            and (not self.rate or abs(self.rate - asked.rate) < 1)
        )


@dataclass(frozen=True)
class Delivery:
    """What a camera was asked for, and what it said that it would deliver."""

    asked: Format
    got: Format

    @property
    def differs(self) -> bool:
        return not self.got.meets(self.asked)

    def __str__(self) -> str:
        return f"{self.got} instead of {self.asked}" if self.differs else str(self.got)


def letters(code: float) -> str:
    """The four letters of OpenCV's number for a coding; "" for none."""
    said = bytes(int(code) >> 8 * i & 0xFF for i in range(4)) if code > 0 else b""
    return said.decode("ascii", "replace").strip("\0 ") if said.isascii() and said.decode("ascii").isprintable() else ""


class Opened(Protocol):
    """A source that tells what it delivers: `Webcam`, `realtime.sources.picamera.PiCamera`."""

    delivery: Delivery | None

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def __iter__(self) -> Iterator[Frame]: ...


class Webcam:
    """A local camera by its number, or by its name or a part of that. `t` is the moment at which the frame arrived."""

    expected = None
    mirror = True

    def __init__(
        self,
        which: int | str,
        settings: CameraSettings,
        clock: Clock,
        capture: Capture = cv2.VideoCapture,
        system: str = sys.platform,
        cameras: Callable[[], list[Camera]] = list_cameras,
    ):
        """`cameras()` are those among which a name is looked for, at each opening: one that is plugged in again may change its number."""
        self.which, self.settings, self.clock, self.capture, self.system, self.cameras = which, settings, clock, capture, system, cameras
        self.name = f"camera {which}"
        self.delivery: Delivery | None = None

    def __enter__(self) -> Self:
        self._camera = self._opened()
        asked = Format("MJPG", self.settings.width, self.settings.height, self.settings.rate)
        # The compressed format first: raw pictures at this size do not fit USB 2 at 30 fps with every camera.
        self._camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*asked.coding))
        self._camera.set(cv2.CAP_PROP_FRAME_WIDTH, asked.width)
        self._camera.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.height)
        self._camera.set(cv2.CAP_PROP_FPS, asked.rate)
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.delivery = Delivery(asked, self._format())
        return self

    def _number(self) -> int:
        if isinstance(self.which, int):
            return self.which
        camera = named_camera(self.which, self.cameras())
        if camera is None:
            raise Trouble(f"{self.name} is not connected: check the cable; `run.py cameras` lists what there is")
        self.name = camera.name
        return camera.number

    def _opened(self) -> Any:
        number = self._number()
        for backend in BACKENDS.get(self.system, (cv2.CAP_ANY,)):
            with quiet():
                camera = self.capture(number, backend)
            if camera.isOpened():
                return camera
            camera.release()
        raise Trouble(
            f"{self.name} cannot be opened: {CHECKS.get(self.system, CHECKS['linux'])}; `run.py cameras` lists what there is. "
            "Try --source 1, a video file, or --source demo"
        )

    def _format(self) -> Format:
        get = self._camera.get
        size = int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
        return Format(letters(get(cv2.CAP_PROP_FOURCC)), *size, max(0.0, get(cv2.CAP_PROP_FPS)))

    def __exit__(self, *error: object) -> None:
        self._camera.release()

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            got, image = self._camera.read()
            if not got:
                raise Trouble(
                    f"{self.name} stopped delivering pictures after {index} frames: check the cable, and that no other program uses it"
                )
            yield Frame(image, self.clock(), index)
            index += 1


@dataclass(frozen=True)
class Measured:
    """What a camera said that it would deliver, and what came: the pictures' size in px, frames a second."""

    said: Format
    size_wh: tuple[int, int]
    rate: float

    def __str__(self) -> str:
        says = f" (it says {self.said})" if not self.said.meets(Format(self.said.coding, *self.size_wh, self.rate)) else ""
        return f"{self.size_wh[0]}x{self.size_wh[1]} {self.said.coding}, {self.rate:.1f} frames a second{says}"


def within(seconds: float, work: Callable[[], Measured]) -> Measured:
    """What `work()` gives or raises. A driver that hangs is left to its thread.

    Raises:
        Trouble: it is not done after so many seconds.
    """
    got: list[Measured | Exception] = []

    def run() -> None:
        try:
            got.append(work())
        except Exception as error:
            got.append(error)

    thread = threading.Thread(target=run, name="probe", daemon=True)
    thread.start()
    thread.join(seconds)
    if not got:
        raise Trouble(f"it has not answered for {seconds:g} s: unplug it and plug it in again, or restart the machine")
    if isinstance(got[0], Exception):
        raise got[0]
    return got[0]


def measured(camera: Opened, seconds: float, limit_s: float = LIMIT_S) -> Measured:
    """Opens a camera, counts its frames for some seconds after the first, for which it measures the light, and closes it.

    Raises:
        Trouble: it cannot be opened, fails, or is not done after `limit_s` seconds.
    """

    def counted() -> Measured:
        with camera:
            frames = iter(camera)
            started = next(frames).t
            frame = next(frame for frame in frames if frame.t - started >= seconds)
            height, width = frame.image.shape[:2]
            delivery = camera.delivery
            said = delivery.got if delivery else Format("", width, height, 0.0)
            return Measured(said, (width, height), frame.index / (frame.t - started))

    return within(limit_s, counted)


def measured_sizes(open_at: Callable[[tuple[int, int]], Opened], seconds: float, limit_s: float = LIMIT_S) -> list[Measured]:
    """What comes of a camera that is asked for each usual size; `open_at(size)` gives it, not yet opened. No size is told twice.

    Raises:
        Trouble: it cannot be opened, fails, or hangs.
    """
    found: dict[tuple[Any, ...], Measured] = {}
    for size_wh in USUAL_SIZES:
        one = measured(open_at(size_wh), seconds, limit_s)
        found.setdefault((one.size_wh, one.said.coding), one)
    return list(found.values())
