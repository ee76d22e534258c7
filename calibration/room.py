"""Further cameras of a room: each runs in a thread of its own, is recorded, and keeps its views of the last seconds for the takes."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from calibration.observation import Observation, observe
from realtime.base.errors import Trouble
from realtime.config import CaptureSettings
from realtime.loop import Sink, Sinks, Tap, run_loop
from realtime.pipeline import Pipeline, to_gray
from realtime.sources.source import Source
from realtime.values import Frame, Reading

KEEP_S = 10.0
"""Longer than a take and its review."""


class FurtherCamera:
    """A camera beside the one that the person looks at."""

    def __init__(self, source: Source, pipeline: Pipeline, sinks: Sequence[Sink], settings: CaptureSettings, tell: Callable[[str], None]):
        """`tell` gets a line when the camera fails; the capture goes on without it."""
        self.source, self.pipeline, self.sinks, self.settings, self.tell = source, pipeline, sinks, settings, tell
        self.name = source.name
        self._views: deque[Observation] = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"further camera {self.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def between(self, first: float, last: float) -> list[Observation]:
        """The views of a face from one time to another, in s on the clock that all sources share; of the last `KEEP_S` seconds."""
        with self._lock:
            return [view for view in self._views if first <= view.t <= last]

    def _run(self) -> None:
        try:
            run_loop(self.source, self.pipeline, Sinks([*self.sinks, Tap(self._keep_view)]), self._stop.is_set)
        except Trouble as trouble:
            self.tell(f"{trouble}; the session goes on without {self.name}")

    def _keep_view(self, frame: Frame, readings: list[Reading]) -> None:
        view = observe(frame, to_gray(frame.image), readings, self.settings)
        with self._lock:
            while self._views and frame.t - self._views[0].t > KEEP_S:
                self._views.popleft()
            last_t = self._views[-1].t if self._views else -KEEP_S
            if view.face is not None and view.doubt is None and frame.t - last_t >= self.settings.apart_s:
                self._views.append(view)
