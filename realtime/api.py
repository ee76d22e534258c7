"""The program as a library: from a source, from one's own pictures, or from a photo to readings. What users import is in `expressions`.

Importing this is quick; the calls import the heavy packages.
"""

import logging
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np

    from realtime.config import Settings
    from realtime.pipeline import Pipeline
    from realtime.sources.source import Source
    from realtime.values import Frame, Reading


class ReadingStream:
    """A source with its pipeline: a `for` loop between `__enter__` and `__exit__` gives (frame, readings) for each picture.

    Attributes:
        pipeline: the parts, such as `pipeline.profiles`, whose profile may be switched between two frames.
    """

    def __init__(self, source: "Source", pipeline: "Pipeline", stop: threading.Event):
        """`stop` is set at the end; it ends the frames of a live source."""
        self.source, self.pipeline, self._stop = source, pipeline, stop

    @property
    def closed(self) -> bool:
        return self._stop.is_set()

    def __enter__(self) -> Self:
        self.source.__enter__()
        try:
            self.pipeline.__enter__()
        except BaseException:
            self.source.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        try:
            self.pipeline.__exit__(*error)
        finally:
            self.source.__exit__(*error)

    def __iter__(self) -> Iterator[tuple["Frame", list["Reading"]]]:
        for frame in self.source:
            yield frame, self.pipeline.read(frame)


def open_pipeline(
    source: int | str | Path = 0, model: str | Path = "emotion", profile: str | None = None, live: bool | None = None
) -> ReadingStream:
    """Reads the faces of a camera, a film or a stream.

    Args:
        source: what `run.py live --source` takes: a camera's number, a file, an address, "demo".
        model: "emotion", "nano", or a .tflite file with its .json beside it.
        profile: whose face it is: a name given to `run.py calibrate`, looked for in the folder people/.
        live: use the newest picture only, as before a camera; False: every picture of a film, in step, so that the same film always
            gives the same readings. None: live for all but films.

    Raises:
        Trouble: (`realtime.base.errors`) in one line what was wrong and what to do; also by `__enter__` and while reading.
    """
    from realtime.config import CameraSettings
    from realtime.pipeline import build_pipeline
    from realtime.sources.opening import find_film, open_live, open_source, open_stream

    clock, text = time.monotonic, str(source)
    settings = _settings(model, profile)
    stop, camera = threading.Event(), CameraSettings()
    stream = open_stream(text, clock, camera, stop.is_set)
    film = None if live else find_film(text, stream)
    if live is None:
        live = film is None
    if live:
        warn = logging.getLogger("expressions").warning
        frames = open_live(text, clock, camera, stop.is_set, lambda why: None, warn, stream=stream)
    else:
        frames = film or stream or open_source(text, clock, camera)
    return ReadingStream(frames, build_pipeline(settings, clock, live=live), stop)


class Reader:
    """Reads the faces of your own pictures, which come one after the other: from your own camera code, a game, a robot.

    Faces keep their ids from picture to picture, and their probabilities are smoothed over time. Use one reader for one camera. It ends
    with `close` or with its `with` block.

        reader = Reader()
        readings = reader.read(picture, t)
    """

    def __init__(self, model: str | Path = "emotion", profile: str | None = None, live: bool = False):
        """
        Args:
            model: as in `open_pipeline`.
            profile: as in `open_pipeline`.
            live: for pictures from a camera: faces are searched in a thread, so that `read` never waits for the search, and less is done
                when the machine does not keep up. A new face is then found a few pictures later. False: all is done in step, and the same
                pictures always give the same readings.

        Raises:
            Trouble: the model cannot be used, or nobody of that name has a profile for it.
        """
        from realtime.pipeline import build_pipeline

        self._pipeline = build_pipeline(_settings(model, profile), time.monotonic, live=live)
        self._count = 0
        self._closed = False
        self._pipeline.__enter__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the search's thread. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._pipeline.__exit__(None, None, None)

    def read(self, image: "np.ndarray", t: float) -> list["Reading"]:
        """The faces of the next picture, in the order of their ids; [] if there is none.

        Args:
            image: (h, w, 3) BGR uint8, as OpenCV gives it. It is not changed.
            t: when it was taken, in seconds from any start that stays the same, such as `time.monotonic()`. Smoothing goes by it. After a
                step back, faces are searched anew.

        Raises:
            ValueError: the picture has another shape or type, `t` is no number, or the reader is closed.
        """
        from realtime.values import Frame

        if self._closed:
            raise ValueError("the reader is closed: make a new one")
        if not math.isfinite(t):
            raise ValueError(f"the time of a picture is a number of seconds, not {t}")
        frame = Frame(_checked(image), float(t), self._count)
        self._count += 1
        return self._pipeline.read(frame)


def analyze(photo: "str | Path | np.ndarray", model: str | Path = "emotion", profile: str | None = None) -> list["Reading"]:
    """The faces of one photo from left to right, with ids from 1 in this order; [] if there is none.

    It is searched longer than a film's frame, as by `run.py image`: at any angle, also at its edges. That takes 0.2 to 2 s.

    Args:
        photo: a picture file (JPEG, PNG, WebP, HEIC and others), or its pixels: (h, w, 3) BGR uint8, as OpenCV gives them. Boxes and points
            are in px of the upright photo.
        model: as in `open_pipeline`.
        profile: as in `open_pipeline`.

    Raises:
        Trouble: the file cannot be read, or is no picture; or as `Reader`.
        ValueError: the pixels have another shape or type.
    """
    from realtime.pipeline import build_photo_pipeline, read_photo
    from realtime.sources.photos import Photo
    from realtime.values import Frame

    settings = _settings(model, profile)
    if isinstance(photo, str | Path):
        with Photo(Path(photo)) as source:
            [frame] = source
    else:
        frame = Frame(_checked(photo), 0.0, 0)
    return read_photo(build_photo_pipeline(settings, time.monotonic), settings, frame)


def _settings(model: str | Path, profile: str | None) -> "Settings":
    from realtime.config import ClassifierSettings, Settings, model_file
    from realtime.expression.people import PEOPLE, find

    file = model_file(str(model))
    return Settings(classifier=ClassifierSettings(file), profile=find(PEOPLE, profile, file) if profile else None)


def _checked(image: "np.ndarray") -> "np.ndarray":
    """The picture, in one piece of memory, if it is one."""
    import numpy as np

    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        found = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"a picture is an array (height, width, 3) of uint8 in the order BGR, not {found}")
    return np.ascontiguousarray(image)
