"""Where frames come from: cameras, files, streams, photos. A source is a context manager that yields `Frame`s."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol, Self

import cv2
import numpy as np

from realtime.cameras import Camera, Delivery, Webcam, list_cameras, named_camera
from realtime.config import CameraSettings
from realtime.errors import Trouble, reason
from realtime.films import DEMO, VideoFile
from realtime.picamera import PiCamera, pi_cameras
from realtime.quiet import quiet
from realtime.streams import NetworkStream, Pipe, Screen
from realtime.timing import Clock
from realtime.values import Frame

TICK_S = 0.1
"""While no frame comes, the loop looks round this often: for keys, for Ctrl-C, for a camera that has fallen silent."""
RECONNECTING = "reconnecting"
TOLD_S = 1.0
"""A shorter silence of a live source is not worth a word."""
HANGING_MOST = 3
"""Readers that hang in their drivers at a time; another one would hang as well, and each keeps a thread."""


class Source(Protocol):
    """Yields frames between `__enter__` and `__exit__`.

    Attributes:
        name: what messages and the readings file call it.
        expected: how many frames it will give, where that is known.
        mirror: whether people in it see themselves and expect a mirror.
        delivery: what a camera was asked for and what it gives, once it is open; None for what has no choice.
    """

    @property
    def name(self) -> str: ...
    @property
    def expected(self) -> int | None: ...
    @property
    def mirror(self) -> bool: ...
    @property
    def delivery(self) -> Delivery | None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def __iter__(self) -> Iterator[Frame]: ...


class Photo:
    """A single picture file as a source of one frame, upright (EXIF), 8-bit colour without transparency."""

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


class _Wrapper:
    """A source around another one."""

    expected = None

    def __init__(self, source: Source):
        self.source = source

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def mirror(self) -> bool:
        return self.source.mirror

    @property
    def delivery(self) -> Delivery | None:
        return self.source.delivery

    def __enter__(self) -> Self:
        self.source.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.source.__exit__(*error)


class Repeated(_Wrapper):
    """Plays a file again and again, times and numbers going on as if it were one long film."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        offset, index = 0.0, 0
        while True:
            first = before = last = None
            with self.source as source:
                for frame in source:
                    first = frame.t if first is None else first
                    before, last = last, frame.t
                    yield Frame(frame.image, offset + frame.t - first, index)
                    index += 1
            if before is None or last is None or first is None:
                return
            offset += 2 * last - before - first


class Retimed(_Wrapper):
    """The frames of another source at an even rate: number n at n / rate seconds."""

    def __init__(self, source: Source, rate: float):
        super().__init__(source)
        self.rate = rate

    def __iter__(self) -> Iterator[Frame]:
        for index, frame in enumerate(self.source):
            yield Frame(frame.image, index / self.rate, index)


class Thinned(_Wrapper):
    """One of `every()` frames of another source: the least that a machine can do that has no time for more."""

    def __init__(self, source: Source, every: Callable[[], int]):
        super().__init__(source)
        self.every = every

    def __iter__(self) -> Iterator[Frame]:
        wanted = 0
        for frame in self.source:
            if frame.index >= wanted:
                wanted = frame.index + self.every()
                yield frame


class Paced(_Wrapper):
    """Plays a file as a camera would show it: each frame when its time has come, `t` on the machine's clock."""

    def __init__(self, source: Source, clock: Clock, sleep: Callable[[float], None] = time.sleep):
        super().__init__(source)
        self.clock, self.sleep = clock, sleep

    def __iter__(self) -> Iterator[Frame]:
        start = None
        for frame in self.source:
            start = self.clock() - frame.t if start is None else start
            self.sleep(max(0.0, start + frame.t - self.clock()))
            yield Frame(frame.image, start + frame.t, frame.index)


class FirstSeconds(_Wrapper):
    """The frames of another source until `seconds` have passed since its first."""

    def __init__(self, source: Source, seconds: float):
        super().__init__(source)
        self.seconds = seconds

    def __iter__(self) -> Iterator[Frame]:
        first = None
        for frame in self.source:
            first = frame.t if first is None else first
            if frame.t - first >= self.seconds:
                return
            yield frame


class SourceSwitch(_Wrapper):
    """A live source whose camera can be changed while it runs, from any thread: the same session goes on.

    Another camera is opened in a thread of its own, while frames of the one before still come, and takes its place only once it is
    open. What cannot be opened is told, and all stays as it was. `index` and `t` go on over the change.

    Attributes:
        current: what the frames come from, as it was chosen.
        others: lists what `next` goes through; may take a second.
    """

    def __init__(
        self, make: Callable[[str], Source], first: Sequence[str], others: Callable[[], Sequence[str]], tell: Callable[[str], None]
    ):
        """
        Args:
            make: gives the live source that a text means, not yet opened. Its frames must end when `due` is true.
            first: the session begins with the first of these that can be opened; why an earlier one could not is told.
            others: see above; the texts are such as `make` takes.
            tell: gets a line about what became of a choice, from any thread.
        """
        super().__init__(make(first[0]))
        self.make, self.first, self.others, self.tell = make, first, others, tell
        self.current = first[0]
        self._lock = threading.Lock()
        self._opener: threading.Thread | None = None
        self._ready: tuple[str, Source] | None = None
        self._left = False

    def __enter__(self) -> Self:
        for text, instead in pairwise(self.first):
            try:
                return self._start(text)
            except Trouble as trouble:
                self.tell(f"{trouble}\nPlaying {self.make(instead).name} instead.")
        return self._start(self.first[-1])

    def _start(self, text: str) -> Self:
        source = self.make(text)
        source.__enter__()
        self.current, self.source = text, source
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._left = True
            ready, self._ready = self._ready, None
        if ready is not None:
            ready[1].__exit__(*error)
        self.source.__exit__(*error)

    @property
    def due(self) -> bool:
        """Whether another camera is open and waits to take its place."""
        return self._ready is not None

    def choose(self, text: str) -> str:
        """Begins to change to what `text` means. Gives a message for the user at once; what became of it is told later."""
        return self._begin(lambda: text, f"opening {text}")

    def next(self) -> str:
        """Begins to change to the camera after the current one, as `choose` does."""
        return self._begin(self._following, "looking for the next camera")

    def _following(self) -> str:
        others = list(self.others())
        if not others or others == [self.current]:
            raise Trouble("there is no other camera: `run.py cameras` lists them")
        return others[(others.index(self.current) + 1) % len(others)] if self.current in others else others[0]

    def _begin(self, chosen: Callable[[], str], message: str) -> str:
        with self._lock:
            if self._ready is not None or (self._opener is not None and self._opener.is_alive()):
                return "another camera is being opened: wait for it"
            self._opener = threading.Thread(target=self._open, args=(chosen,), name="opener", daemon=True)
            self._opener.start()
        return message

    def _open(self, chosen: Callable[[], str]) -> None:
        try:
            text = chosen()
            if text == self.current:
                raise Trouble("it is shown already")
            source = self.make(text)
            source.__enter__()
        except Trouble as trouble:
            self.tell(f"{self.name} stays: {trouble}")
            return
        with self._lock:
            if not self._left:
                self._ready = (text, source)
                return
        source.__exit__(None, None, None)

    def _change(self) -> bool:
        """Lets the camera that waits, if there is one, take its place."""
        with self._lock:
            if self._ready is None:
                return False
            before, (self.current, self.source), self._ready = self.source, self._ready, None
        before.__exit__(None, None, None)
        self.tell(f"now {self.name}")
        return True

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            shift = None
            for frame in self.source:
                # The frames between the opening and the change were not lost: nobody waited for them.
                shift = index - frame.index if shift is None else shift
                index = frame.index + shift + 1
                yield replace(frame, index=frame.index + shift)
            if not self._change():
                return


class NewestFrame(_Wrapper):
    """Reads a live source in a thread and hands out only its newest frame: what comes too fast is dropped and counted.

    One slot under a condition: the reader overwrites, the loop takes. What the reader raises, the loop raises. The thread also
    closes the source: a camera that hangs in its driver must not be released under its reader.
    """

    def __init__(self, source: Source, stopped: Callable[[], bool], idle: Callable[[], None] = lambda: None):
        """`stopped()` ends the frames; `idle()` is called every `TICK_S` while none comes."""
        super().__init__(source)
        self.stopped, self.idle = stopped, idle
        self.dropped = 0
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def __enter__(self) -> Self:
        self.source.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()
        self._thread.join(timeout=2.0)

    def leave(self) -> None:
        """Ends the reading without waiting for it: the thread closes the source after the frame that it waits for."""
        self._ended = True

    @property
    def reading(self) -> bool:
        """Whether the thread still holds the source."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            with ExitStack() as opened:
                opened.push(self.source)
                for frame in self.source:
                    with self._changed:
                        self.dropped += self._slot is not None
                        self._slot = frame
                        self._changed.notify()
                    if self._ended:
                        break
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._slot is not None or self._ended, timeout=TICK_S)
                frame, self._slot = self._slot, None
                ended = self._ended
            if self.stopped():
                return
            if frame is not None:
                yield frame
            elif ended:
                if self._error is not None:
                    raise self._error
                return
            else:
                self.idle()


class _OpenedByReader(_Wrapper):
    """Opens its source when the first frame is asked for: in the reading thread, so that a slow opening does not stop the window."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        with self.source:
            yield from self.source


def pauses(first_s: float, most_s: float) -> Iterator[float]:
    """Seconds to wait before each attempt: doubled from one to the next, at most `most_s`, without end."""
    while True:
        yield first_s
        first_s = min(2 * first_s, most_s)


class Reconnecting(_Wrapper):
    """The newest frames of a camera or stream which, when it fails or falls silent, is opened again: the same session goes on.

    What cannot be opened at the start raises its Trouble at once. Later on, a Trouble of the source or a time without frames only
    ends the connection, and others are tried until one gives frames or the user stops. `index` and `t` go on over the gap.

    A device that hangs in its driver cannot be interrupted: it is left to its thread, and a new one is opened beside it.
    No frame of the old one comes through, and its thread closes it should it ever return.
    """

    def __init__(
        self,
        make: Callable[[], Source],
        settings: CameraSettings,
        clock: Clock,
        stopped: Callable[[], bool],
        idle: Callable[[str | None], None],
        tell: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ):
        """
        Args:
            make: gives the source anew, not yet opened; each connection needs its own.
            stopped: ends the frames, also while none comes.
            idle: called every `TICK_S` while no frame comes, with what the user should know meanwhile, if anything.
            tell: gets a line when the connection is lost, and one when it is back.
        """
        super().__init__(make())
        self.make, self.settings, self.clock, self.stopped = make, settings, clock, stopped
        self.idle, self.tell, self.sleep = idle, tell, sleep
        self._doing: str | None = "waiting for its first picture"
        self._hanging: list[NewestFrame] = []

    def __enter__(self) -> Self:
        # The first opening stays in this thread: macOS asks the user for permission only from the main one.
        self._connect(self.source)
        self._picture_at = self._connected_at
        if self.delivery is not None and self.delivery.differs:
            self.tell(f"{self.name} gives {self.delivery}")
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.__exit__(*error)

    def __iter__(self) -> Iterator[Frame]:
        index, waits = 0, self._waits()
        while not self.stopped():
            first = index
            try:
                for frame in self._reader:
                    if self._doing == RECONNECTING:
                        self.tell(f"{self.name} is back after {self.clock() - self._picture_at:.0f} s")
                        waits = self._waits()
                    self._doing, self._picture_at = None, self.clock()
                    index = first + frame.index + 1
                    yield replace(frame, index=first + frame.index)
                return
            except Trouble as trouble:
                if self._doing != RECONNECTING:
                    self.tell(f"{trouble}; {RECONNECTING}")
                self._doing = RECONNECTING
            self._reconnect(next(waits))

    def _waits(self) -> Iterator[float]:
        return pauses(self.settings.retry_s, self.settings.retry_most_s)

    def _connect(self, source: Source) -> None:
        self._reader = NewestFrame(source, self.stopped, self._watch)
        self._reader.__enter__()
        self._connected_at = self.clock()

    def _watch(self) -> None:
        """Gives the connection up when it is silent for too long."""
        patience_s = self.settings.stale_s if self._doing is None else self.settings.first_s
        if self.clock() - max(self._connected_at, self._picture_at) >= patience_s:
            raise Trouble(f"{self.name} has given no picture for {patience_s:g} s")
        self._idle()

    def _idle(self) -> None:
        silence_s = self.clock() - self._picture_at
        self.idle(f"{self.name}: {self._doing} ({int(silence_s)} s)" if self._doing and silence_s >= TOLD_S else None)

    def _reconnect(self, wait_s: float) -> None:
        """Leaves the reader, and starts a new one after `wait_s`."""
        self._reader.leave()
        self._hanging.append(self._reader)
        until = self.clock() + wait_s
        while self.clock() < until or len(self._hanging) >= HANGING_MOST:
            if self.stopped():
                return
            self._idle()
            self.sleep(TICK_S)
            self._hanging = [reader for reader in self._hanging if reader.reading]
        self.source = self.make()
        self._connect(_OpenedByReader(self.source))


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
