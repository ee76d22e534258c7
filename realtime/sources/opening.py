"""What `--source` means: the source that a user names, opened as a film or as a live source."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from realtime.base.errors import Trouble
from realtime.base.messages import Message
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


def film_path(text: str) -> Path | None:
    """The film that a user means, or None for a camera, a stream, a pipe or the screen.

    Raises:
        Trouble: the text is no file, no camera's name, and nothing else that is known.
    """
    if text.removeprefix("/dev/video").isdecimal() or "://" in text or text in ("pi", "screen", "-"):
        return None
    if text == "demo":
        return DEMO
    path = Path(text)
    if path.exists():
        return path
    cameras = list_cameras()
    if named_camera(text, cameras) is not None:
        return None
    if not path.suffix and path.name == text:
        names = ", ".join(camera.name for camera in cameras) or "no camera at all"
        raise Trouble(f"{text} is neither a file nor a camera's name: there is {names}; `run.py live --help` tells what else there is")
    return path


def source_maker(text: str, clock: Clock, camera: CameraSettings) -> Callable[[], Source]:
    """Makes the source that a user means, anew with each call, to be opened when it is entered.

    "demo", "pi" (the ribbon cable's camera), "screen", "-" (a pipe), a camera's number or device file, an address, a file's path, or, where
    no file is called so, a camera's name or a part of it.

    Raises:
        Trouble: the text means none of these.
    """
    film = film_path(text)
    if film is not None:
        return partial(VideoFile, film)
    device = text.removeprefix("/dev/video")
    if device.isdecimal():
        return partial(Webcam, int(device), camera, clock)
    if "://" in text:
        return partial(NetworkStream, text, clock)
    words: dict[str, Callable[[], Source]] = {
        "pi": partial(PiCamera, camera, clock),
        "screen": partial(Screen, camera.rate, clock),
        "-": partial(Pipe, clock, camera.raw_wh),
    }
    return words.get(text) or partial(Webcam, text, camera, clock)


def open_source(text: str, clock: Clock, camera: CameraSettings) -> Source:
    """The source that a user means, opened when it is entered; see `source_maker`."""
    return source_maker(text, clock, camera)()


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
    idle: Callable[[Message | None], None],
    tell: Callable[[str], None],
    endless: bool = False,
) -> Source:
    """The newest frames of what a user means: of a film until it ends, or without end; of a camera or stream also beyond a failure."""
    film = film_path(text)
    if film is not None:
        return NewestFrame(as_live(VideoFile(film), clock, endless), stopped, partial(idle, None))
    make = source_maker(text, clock, camera)
    if text == "-":
        # A pipe that has ended cannot be opened again.
        return NewestFrame(make(), stopped, partial(idle, None))
    return Reconnecting(make, camera, clock, stopped, idle, tell)
