"""Further cameras of a room: each is read in a thread of its own, recorded, and gives its pictures of the takes."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from calibration.session import Seen, seen
from realtime.base.errors import Trouble
from realtime.config import CaptureSettings
from realtime.loop import Sink, Sinks, Tap, run_loop
from realtime.pipeline import Pipeline, to_gray
from realtime.sources.source import Source
from realtime.values import Frame, Reading

KEEP_S = 10.0
"""Longer than a take and its review."""


class Onlooker:
    """A camera beside the one that the person looks at."""

    def __init__(self, source: Source, pipeline: Pipeline, sinks: Sequence[Sink], settings: CaptureSettings, tell: Callable[[str], None]):
        """`tell` gets a line when the camera fails; the session goes on without it."""
        self.source, self.pipeline, self.sinks, self.settings, self.tell = source, pipeline, sinks, settings, tell
        self.name = source.name
        self._seen: deque[Seen] = deque()
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"onlooker {self.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        self._thread.join()

    def between(self, first: float, last: float) -> list[Seen]:
        """What was seen of a face from one time to another, in s on the clock that all sources share; of the last `KEEP_S` seconds."""
        with self._lock:
            return [one for one in self._seen if first <= one.t <= last]

    def _run(self) -> None:
        try:
            run_loop(self.source, self.pipeline, Sinks([*self.sinks, Tap(self._note)]), self._left.is_set)
        except Trouble as trouble:
            self.tell(f"{trouble}; the session goes on without {self.name}")

    def _note(self, frame: Frame, readings: list[Reading]) -> None:
        one = seen(frame, to_gray(frame.image), readings, self.settings)
        with self._lock:
            while self._seen and frame.t - self._seen[0].t > KEEP_S:
                self._seen.popleft()
            before = self._seen[-1].t if self._seen else -KEEP_S
            if one.face is not None and one.doubt is None and frame.t - before >= self.settings.apart_s:
                self._seen.append(one)
