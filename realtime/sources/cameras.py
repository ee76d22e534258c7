"""The cameras of this machine: lists them, finds one by its name, reads frames from one, and measures what one delivers."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import cv2

from realtime.base.errors import Trouble
from realtime.base.messages import counted
from realtime.base.silence import quiet
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.values import Frame

Capture = Callable[[int, int], Any]
"""`capture(number, backend)` opens a device: `cv2.VideoCapture`."""
BACKENDS = {"linux": (cv2.CAP_V4L2,), "win32": (cv2.CAP_DSHOW, cv2.CAP_MSMF), "darwin": (cv2.CAP_AVFOUNDATION,)}
"""OpenCV's backends for cameras by system, the best first. DirectShow opens a camera in a second, Windows' default (Media Foundation) takes
up to a minute, but DirectShow does not find every camera. On Linux, V4L2 without GStreamer between."""
NO_CAMERAS = ("bcm2835-", "pispbe", "rp1-cfe", "unicam", "rpi-", "rpivid")
"""First letters of the names of a Raspberry Pi's video devices that are no cameras: its codecs, and the raw devices of the ribbon cable,
which only picamera2 can read."""
CHECKS = {
    "linux": "check the cable, that no other program uses it, and that you are in the group `video` (sudo usermod -aG video $USER, "
    "then log in again)",
    "win32": "check the cable, that no other program uses it, and that Settings, Privacy & security, Camera lets desktop apps use it",
    "darwin": "check that no other program uses it, and that System Settings, Privacy & Security, Camera has your terminal switched on; "
    "then start the terminal again",
}
"""What to check if a camera is not found or cannot be opened, by system."""
LIMIT_S = 20.0
"""Seconds. A camera that is not opened and measured by then hangs; at large sizes some take 10 s."""
USUAL_SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
"""In px; nearly every camera has some of them. A camera gives its nearest size instead of one that it does not have."""


@dataclass(frozen=True)
class Camera:
    """A camera of this machine: its number as OpenCV counts, and the name that its maker gave it."""

    number: int
    name: str


def list_cameras(find: Callable[[int], Sequence[Any]] | None = None, system: str = sys.platform) -> list[Camera]:
    """The connected cameras, in the order of their numbers. None is opened, so the list includes cameras that another program uses.

    Args:
        find: returns devices with `index` and `name` for one of OpenCV's backends, without metadata devices; None: asks the system.
        system: as in `sys.platform`.
    """
    if find is None:
        from cv2_enumerate_cameras import enumerate_cameras

        find = enumerate_cameras
    cameras = {camera.index: Camera(camera.index, camera.name) for camera in find(BACKENDS.get(system, (cv2.CAP_ANY,))[0])}
    return [cameras[number] for number in sorted(cameras) if not cameras[number].name.startswith(NO_CAMERAS)]


def find_camera(text: str, cameras: Sequence[Camera]) -> Camera | None:
    """The camera with this name, or with this text in its name, in capitals or not; None if there is none.

    Raises:
        Trouble: several names have the text in them.
    """
    name = text.casefold()
    exact = [camera for camera in cameras if camera.name.casefold() == name]
    matches = exact or [camera for camera in cameras if name in camera.name.casefold()]
    if len(matches) > 1:
        which = ", ".join(f"{camera.number} ({camera.name})" for camera in matches)
        raise Trouble(f"{text!r} is part of the names of {len(matches)} cameras: {which}; choose one by its number")
    return matches[0] if matches else None


def camera_choices(current: str, cameras: Sequence[Camera]) -> list[str]:
    """The cameras as texts for `--source`: their numbers, but for the current camera the text `current` itself."""
    current_camera = None if current.isdecimal() else find_camera(current, cameras)
    return [current if camera == current_camera else str(camera.number) for camera in cameras]


@dataclass(frozen=True)
class Format:
    """A camera's format: coding as four letters, size in px, frames a second. "" and 0 stand for values that the camera does not report."""

    coding: str
    width: int
    height: int
    rate: float

    def __str__(self) -> str:
        rate = f" at {self.rate:.3g} fps" if self.rate else ""
        return f"{self.coding} {self.width}x{self.height}{rate}".strip()

    def meets(self, request: "Format") -> bool:
        """Whether this format satisfies the request; values that the camera does not report count as satisfied."""
        return (
            (self.width, self.height) == (request.width, request.height)
            and self.coding in ("", request.coding)
            and (not self.rate or abs(self.rate - request.rate) < 1)
        )


@dataclass(frozen=True)
class Delivery:
    """The format that was requested from a camera, and the format that the camera answered it would deliver."""

    request: Format
    answer: Format

    @property
    def differs(self) -> bool:
        return not self.answer.meets(self.request)

    def __str__(self) -> str:
        return f"{self.answer} instead of {self.request}" if self.differs else str(self.answer)


def fourcc_letters(code: float) -> str:
    """The four letters of OpenCV's number for a coding; "" if it has none."""
    letters = bytes(int(code) >> 8 * i & 0xFF for i in range(4)) if code > 0 else b""
    return letters.decode("ascii", "replace").strip("\0 ") if letters.isascii() and letters.decode("ascii").isprintable() else ""


class CameraSource(Protocol):
    """A source that has a delivery: `Webcam`, `realtime.sources.picamera.PiCamera`."""

    delivery: Delivery | None

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def __iter__(self) -> Iterator[Frame]: ...


class Webcam:
    """A camera of this machine, by its number, or by its name or a part of it. `t` is the time at which a frame arrived."""

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
        """`cameras()` lists the cameras among which a name is looked for, at each opening: after it was unplugged, a camera may have
        another number.
        """
        self.which, self.settings, self.clock, self.capture, self.system, self.cameras = which, settings, clock, capture, system, cameras
        self.name = f"camera {which}"
        self.delivery: Delivery | None = None

    def __enter__(self) -> Self:
        self._camera = self._open()
        request = Format("MJPG", self.settings.width, self.settings.height, self.settings.rate)
        # The coding is set first, and is a compressed one: with some cameras USB 2 is too slow for raw pictures of this size at 30 fps.
        self._camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*request.coding))
        self._camera.set(cv2.CAP_PROP_FRAME_WIDTH, request.width)
        self._camera.set(cv2.CAP_PROP_FRAME_HEIGHT, request.height)
        self._camera.set(cv2.CAP_PROP_FPS, request.rate)
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.delivery = Delivery(request, self._read_format())
        return self

    def _find_number(self) -> int:
        if isinstance(self.which, int):
            return self.which
        camera = find_camera(self.which, self.cameras())
        if camera is None:
            raise Trouble(f"{self.name} is not connected: check the cable; `run.py cameras` lists what there is")
        self.name = camera.name
        return camera.number

    def _open(self) -> Any:
        number = self._find_number()
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

    def _read_format(self) -> Format:
        get = self._camera.get
        size = int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
        return Format(fourcc_letters(get(cv2.CAP_PROP_FOURCC)), *size, max(0.0, get(cv2.CAP_PROP_FPS)))

    def __exit__(self, *error: object) -> None:
        self._camera.release()

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            success, image = self._camera.read()
            if not success:
                raise Trouble(
                    f"{self.name} stopped delivering pictures after {counted(index, 'frame')}: "
                    "check the cable, and that no other program uses it"
                )
            yield Frame(image, self.clock(), index)
            index += 1


@dataclass(frozen=True)
class Measurement:
    """The format that a camera reports, and what it really delivers: size of the pictures in px, frames a second."""

    format: Format
    size_wh: tuple[int, int]
    rate: float

    def __str__(self) -> str:
        says = f" (it says {self.format})" if not self.format.meets(Format(self.format.coding, *self.size_wh, self.rate)) else ""
        return f"{self.size_wh[0]}x{self.size_wh[1]} {self.format.coding}, {self.rate:.1f} frames a second{says}"


def run_with_limit(seconds: float, work: Callable[[], Measurement]) -> Measurement:
    """Returns or raises what `work()` returns or raises. It runs in a thread, which is left alone if a driver hangs.

    Raises:
        Trouble: `work` has not ended after so many seconds.
    """
    results: list[Measurement | Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run, name="probe", daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        raise Trouble(f"it has not answered for {seconds:g} s: unplug it and plug it in again, or restart the machine")
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def measure_camera(camera: CameraSource, seconds: float, limit_s: float = LIMIT_S) -> Measurement:
    """Opens a camera, counts its frames for some seconds, and closes it. The time before the first frame does not count: a camera
    measures the light in it.

    Raises:
        Trouble: it cannot be opened, fails, or is not measured after `limit_s` seconds.
    """

    def measure() -> Measurement:
        with camera:
            frames = iter(camera)
            started = next(frames).t
            frame = next(frame for frame in frames if frame.t - started >= seconds)
            height, width = frame.image.shape[:2]
            delivery = camera.delivery
            reported = delivery.answer if delivery else Format("", width, height, 0.0)
            return Measurement(reported, (width, height), frame.index / (frame.t - started))

    return run_with_limit(limit_s, measure)


def measure_sizes(open_at: Callable[[tuple[int, int]], CameraSource], seconds: float, limit_s: float = LIMIT_S) -> list[Measurement]:
    """Measures a camera at each usual size; `open_at(size)` makes the source, not yet opened. A size that comes twice is listed once.

    Raises:
        Trouble: the camera cannot be opened, fails, or hangs.
    """
    measurements: dict[tuple[Any, ...], Measurement] = {}
    for size_wh in USUAL_SIZES:
        one = measure_camera(open_at(size_wh), seconds, limit_s)
        measurements.setdefault((one.size_wh, one.format.coding), one)
    return list(measurements.values())
