"""The program as a library: one call from a source to readings. `import realtime` is quick; the call imports the heavy packages."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
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
    from realtime.config import CameraSettings, ClassifierSettings, Settings, model_file
    from realtime.expression.people import PEOPLE, find
    from realtime.pipeline import build_pipeline
    from realtime.sources.opening import find_film, open_live, open_source, open_stream

    clock, text = time.monotonic, str(source)
    file = model_file(str(model))
    settings = Settings(classifier=ClassifierSettings(file), profile=find(PEOPLE, profile, file) if profile else None)
    stop, camera = threading.Event(), CameraSettings()
    stream = open_stream(text, clock, camera, stop.is_set)
    film = None if live else find_film(text, stream)
    if live is None:
        live = film is None
    if live:
        warn = logging.getLogger("realtime").warning
        frames = open_live(text, clock, camera, stop.is_set, lambda why: None, warn, stream=stream)
    else:
        frames = film or stream or open_source(text, clock, camera)
    return ReadingStream(frames, build_pipeline(settings, clock, live=live), stop)
