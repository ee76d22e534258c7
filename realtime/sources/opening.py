"""What `--source` means: the source that a user names, opened as a film or as a live source."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from realtime.base.errors import Trouble
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.sources.cameras import Camera, Webcam, list_cameras, named_camera
from realtime.sources.films import DEMO, VideoFile
from realtime.sources.newest import NewestFrame
from realtime.sources.picamera import PiCamera, pi_cameras
from realtime.sources.playing import Paced, Repeated
from realtime.sources.reconnecting import Reconnecting
from realtime.sources.source import Source
from realtime.sources.streams import NetworkStream, Pipe, Screen


def open_source(text: str, clock: Clock, camera: CameraSettings) -> Source:
    """The source that a user means, opened when it is entered.

    "demo", "pi" (the ribbon cable's camera), "screen", "-" (a pipe), a camera's number or device file, an address, a file's path, or, where
    no file is called so, a camera's name or a part of it.
    """
    path = Path(text)
    device = text.removeprefix("/dev/video")
    if device.isdecimal():
        return Webcam(int(device), camera, clock)
    if "://" in text:
        return NetworkStream(text, clock)
    words: dict[str, Callable[[], Source]] = {
        "demo": lambda: VideoFile(DEMO),
        "pi": lambda: PiCamera(camera, clock),
        "screen": lambda: Screen(camera.rate, clock),
        "-": lambda: Pipe(clock, camera.raw_wh),
    }
    if text in words:
        return words[text]()
    if not path.exists():
        cameras = list_cameras()
        if named_camera(text, cameras) is not None:
            return Webcam(text, camera, clock)
        if not path.suffix and path.name == text:
            known = ", ".join(camera.name for camera in cameras) or "no camera at all"
            raise Trouble(f"{text} is neither a file nor a camera's name: there is {known}; `run.py live --help` tells what else there is")
    return VideoFile(path)


def usual_sources(
    list_local: Callable[[], Sequence[Camera]] = list_cameras, list_pi: Callable[[], Sequence[str]] = pi_cameras
) -> list[str]:
    """What is tried where the user names no source: the first camera, the Pi's own one, the demo clip."""
    found = [str(camera.number) for camera in list_local()[:1]] + ["pi" for _ in list_pi()[:1]]
    return [*(found or ["0"]), "demo"]


def as_live(film: VideoFile, clock: Clock, endless: bool = False) -> Source:
    """The film as a camera would show it, at the world's pace; the demo clip without end, others if `endless`."""
    return Paced(Repeated(film) if endless or film.path == DEMO else film, clock)


def open_live(
    text: str,
    clock: Clock,
    camera: CameraSettings,
    stopped: Callable[[], bool],
    idle: Callable[[str | None], None],
    tell: Callable[[str], None],
    endless: bool = False,
) -> Source:
    """The newest frames of what a user means: of a film until it ends, or without end; of a camera or stream also beyond a failure."""
    source = open_source(text, clock, camera)
    if isinstance(source, VideoFile):
        return NewestFrame(as_live(source, clock, endless), stopped, lambda: idle(None))
    if isinstance(source, Pipe):
        return NewestFrame(source, stopped, lambda: idle(None))
    if isinstance(source, Webcam):
        return Reconnecting(partial(Webcam, source.which, camera, clock), camera, clock, stopped, idle, tell)
    return Reconnecting(partial(open_source, text, clock, camera), camera, clock, stopped, idle, tell)
