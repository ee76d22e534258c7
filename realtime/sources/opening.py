"""Makes the source that the text of `--source` names, as a film or as a live source."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from realtime.base.addresses import is_address, is_broken_address
from realtime.base.errors import Trouble
from realtime.base.messages import Message
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.sources.cameras import Camera, Webcam, find_camera, list_cameras
from realtime.sources.films import DEMO, Film, VideoFile
from realtime.sources.newest import NewestFrame
from realtime.sources.picamera import PiCamera, pi_cameras
from realtime.sources.playing import Paced, Repeated
from realtime.sources.reconnecting import Reconnecting
from realtime.sources.source import Source, SourceWrapper
from realtime.sources.streams import LATE_S, NetworkStream, Pipe, ScreenGrab, Stream
from realtime.values import Frame


def film_path(text: str) -> Path | None:
    """The path of the film that a text names; None if it names a camera, a stream, a pipe or the screen.

    Raises:
        Trouble: there is neither such a file nor such a camera, or several cameras have the text in their names.
    """
    if text.startswith("file://"):
        return Path(url2pathname(urlsplit(text).path))
    if text.removeprefix("/dev/video").isdecimal() or "://" in text or text in ("pi", "screen", "-"):
        return None
    if text == "demo":
        return DEMO
    path = Path(text)
    if path.exists():
        return path
    if is_broken_address(text):
        raise Trouble("the source is no file, and its address lacks the protocol or a slash: write rtsp://USER:PASSWORD@HOST/PATH")
    cameras = list_cameras()
    if find_camera(text, cameras) is not None:
        return None
    if not path.suffix and path.name == text:
        names = ", ".join(camera.name for camera in cameras) or "no camera at all"
        raise Trouble(f"{text} is neither a file nor a camera's name: there is {names}; `run.py live --help` tells what else there is")
    return path


def source_maker(text: str, clock: Clock, camera: CameraSettings) -> Callable[[], Source]:
    """A function that makes the source that a text names; entering the source opens it.

    The text is "demo", "pi" (the camera at the ribbon cable), "screen", "-" (a pipe), the number or device file of a camera, an address,
    the path of a file, or, if there is no such file, the name of a camera or a part of it.

    Raises:
        Trouble: see `film_path`.
    """
    film = film_path(text)
    return partial(VideoFile, film) if film is not None else _live_maker(text, clock, camera)


def _live_maker(text: str, clock: Clock, camera: CameraSettings) -> Callable[[], Source]:
    """As `source_maker`, for a text that names no film: apart, so that the cameras need not be listed again to find that out."""
    device = text.removeprefix("/dev/video")
    if device.isdecimal():
        return partial(Webcam, int(device), camera, clock)
    if "://" in text:
        return partial(NetworkStream, text, clock)
    words: dict[str, Callable[[], Source]] = {
        "pi": partial(PiCamera, camera, clock),
        "screen": partial(ScreenGrab, camera.rate, clock),
        "-": partial(Pipe, clock, camera.raw_wh),
    }
    return words.get(text) or partial(Webcam, text, camera, clock)


def open_source(text: str, clock: Clock, camera: CameraSettings) -> Source:
    """The source that a text names; entering it opens it. See `source_maker`."""
    return source_maker(text, clock, camera)()


def usual_sources(
    list_local: Callable[[], Sequence[Camera]] = list_cameras, list_pi: Callable[[], Sequence[str]] = pi_cameras
) -> list[str]:
    """The sources to try, in order, if the user names none: the first camera, the Pi's own camera, the demo clip."""
    cameras = [str(camera.number) for camera in list_local()[:1]] + ["pi" for _ in list_pi()[:1]]
    return [*(cameras or ["0"]), "demo"]


def open_stream(text: str, clock: Clock, camera: CameraSettings, stopped: Callable[[], bool] = lambda: False) -> Stream | None:
    """The stream of an address or a pipe, not yet opened; None if the text names something else, such as a file or a camera.

    `stopped` ends a pipe, also while nothing comes through it.
    """
    if text == "-":
        return Pipe(clock, camera.raw_wh, stopped=stopped)
    return NetworkStream(text, clock) if is_address(text) and not text.startswith("file://") else None


def find_film(text: str, stream: Stream | None, is_film: bool | None = None) -> Film | None:
    """The film that a text names by its path, its address or as a pipe; None if it names something live.

    Args:
        text: see `source_maker`.
        stream: what `open_stream` returns for the text. It is opened to find out what it is, and stays open.
        is_film: what the user says that an address or pipe is; None: the stream's `is_film` tells.

    Raises:
        Trouble: see `film_path`; or the stream cannot be opened.
    """
    if stream is None:
        path = film_path(text)
        return None if path is None else VideoFile(path)
    stream.connect()
    return stream.film() if is_film or (is_film is None and stream.is_film) else None


def as_live(film: Film, clock: Clock, endless: bool = False) -> Source:
    """The film in real time, as a camera would give it. The demo clip is repeated without end, other films if `endless`.

    One from an address or a pipe may come too slowly: then it goes on later instead of hurrying.
    """
    is_demo = isinstance(film, VideoFile) and film.path == DEMO
    return Paced(Repeated(film) if endless or is_demo else film, clock, late_s=LATE_S if film.is_remote else math.inf)


class _Losses(SourceWrapper):
    """A film that tells at its end, or where it is left, what of it was lost."""

    def __init__(self, source: Source, film: Film, tell: Callable[[str], None]):
        super().__init__(source)
        self.film, self.tell = film, tell

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.source)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        try:
            self.film.check_loss(self.tell, "shown")
        except Trouble as trouble:
            self.tell(str(trouble))


class _FilmOrLive(SourceWrapper):
    """A stream that is opened to find out whether it is a film. Until then it has the name of the stream."""

    def __init__(self, stream: Stream, find: Callable[[], Film | None], play: Callable[[Film], Source], watch: Callable[[], Source]):
        """`play` makes the source of a film, `watch` that of the live stream, neither opened."""
        super().__init__(stream)
        self.find, self.play, self.watch = find, play, watch

    def __enter__(self) -> Self:
        film = self.find()
        self.source = self.watch() if film is None else self.play(film)
        return super().__enter__()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.source)


def open_live(
    text: str,
    clock: Clock,
    camera: CameraSettings,
    stopped: Callable[[], bool],
    idle: Callable[[Message | None], None],
    tell: Callable[[str], None],
    endless: bool = False,
    is_film: bool | None = None,
    stream: Stream | None = None,
) -> Source:
    """The newest frames of the source that a text names. A film is played in real time; a camera or stream that fails is opened again.

    Args:
        text: see `source_maker`.
        clock: seconds; `t` of the frames is on it.
        camera: settings of cameras, streams and pipes.
        stopped: the frames end when it is true.
        idle: called every `TICK_S` seconds while no frame comes, with a message for the user or None.
        tell: gets a line when a camera gives another format than requested, when a connection is lost and when it is back, and at the end
            of a film of which something was lost.
        endless: whether a film starts again at its end.
        is_film: see `find_film`.
        stream: what `open_stream` returned for the text, if it is open already.

    Raises:
        Trouble: see `film_path`.
    """

    def play(film: Film) -> Source:
        return NewestFrame(_Losses(as_live(film, clock, endless), film, tell), stopped, partial(idle, None))

    stream = stream or open_stream(text, clock, camera, stopped)
    if stream is None:
        film = find_film(text, None)
        if film is not None:
            return play(film)
        return Reconnecting(_live_maker(text, clock, camera), camera, clock, stopped, idle, tell)
    watch = partial(_watch, stream, text, camera, stopped, idle, tell)
    return _FilmOrLive(stream, partial(find_film, text, stream, is_film), play, watch)


def _watch(
    stream: Stream,
    text: str,
    camera: CameraSettings,
    stopped: Callable[[], bool],
    idle: Callable[[Message | None], None],
    tell: Callable[[str], None],
) -> Source:
    """The newest frames of a live stream, which is open: its first connection is used, and after that others of the same address."""
    if not isinstance(stream, NetworkStream):
        # A pipe that has ended cannot be opened again.
        return NewestFrame(stream, stopped, partial(idle, None))
    streams: list[NetworkStream] = []

    def connect() -> NetworkStream:
        streams[:] = [NetworkStream(text, stream.clock) if streams else stream]
        return streams[0]

    return Reconnecting(connect, camera, stream.clock, stopped, idle, tell, networked=True, usual_pause_s=lambda: streams[0].usual_pause_s)
