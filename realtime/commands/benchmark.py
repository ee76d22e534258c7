"""Measures the whole chain on a fixed clip and describes the machine that it ran on."""

import math
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any, Self

import cv2
import numpy as np

from realtime.base.errors import Trouble
from realtime.base.machine import describe_machine, package_versions
from realtime.base.timing import Clock, summary_ms
from realtime.config import Settings
from realtime.drawing.draw import Hud, annotate
from realtime.drawing.history import LabelHistory
from realtime.faces.finder import FaceSearch
from realtime.pipeline import Pipeline
from realtime.sources.source import Source
from realtime.values import Frame


@dataclass(frozen=True)
class Clocks:
    """`wall()` is the time, `cpu()` the processor time that this process has used, both in seconds."""

    wall: Clock
    cpu: Clock


STAGES = ("gray", "cut", "find", "points", "check", "track", "align", "classify", "personalise", "quality", "smooth", "label")
"""What `Pipeline.read` does, in order; "points" and "check" are parts of "track", one a face."""
LOOP = 30
"""Pictures of a made crowd, played to and fro."""


def portraits(film: Source, search: FaceSearch, count: int) -> list[np.ndarray]:
    """Square colour cuttings around up to `count` faces of a film, from frames half a second apart; the face is half of the side.

    Raises:
        Trouble: the film holds no face.
    """
    found: list[np.ndarray] = []
    with film:
        for frame in film:
            if len(found) >= count:
                break
            if frame.index % 15:
                continue
            for box in search.find(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), 320):
                side = int(2 * (box.x1 - box.x0))
                left, top = round((box.x0 + box.x1 - side) / 2), round((box.y0 + box.y1 - side) / 2)
                if left >= 0 and top >= 0 and left + side <= frame.image.shape[1] and top + side <= frame.image.shape[0]:
                    found.append(frame.image[top : top + side, left : left + side].copy())
    if not found:
        raise Trouble(f"{film.name} shows no face that is wholly in the picture: choose another film, or --source demo")
    return [found[i % len(found)] for i in range(count)]


class Crowd:
    """A made film: faces side by side, each swaying and leaning in and out, with a sensor's noise; plays to and fro without end."""

    expected = None
    mirror = False
    delivery = None

    def __init__(self, faces: Sequence[np.ndarray], size_wh: tuple[int, int], rate: float):
        """`faces` are square cuttings, `rate` frames a second of the film's clock."""
        self.name, self.rate = f"{len(faces)} faces", rate
        self._pictures = [self._picture(faces, size_wh, step / LOOP) for step in range(LOOP)]

    @staticmethod
    def _picture(faces: Sequence[np.ndarray], size_wh: tuple[int, int], share: float) -> np.ndarray:
        draw = np.random.default_rng(round(share * 1000))
        picture = np.full((size_wh[1], size_wh[0], 3), 96, np.uint8)
        columns = math.ceil(math.sqrt(len(faces) * size_wh[0] / size_wh[1] * 0.75))
        rows = math.ceil(len(faces) / columns)
        cell_w, cell_h = size_wh[0] / columns, size_wh[1] / rows
        for i, face in enumerate(faces):
            phase = math.pi * share + i
            side = round(min(cell_w, cell_h) * (0.88 + 0.06 * math.sin(phase)))
            x = round((i % columns + 0.5) * cell_w - side / 2 + 0.05 * cell_w * math.sin(phase))
            y = round((i // columns + 0.5) * cell_h - side / 2 + 0.03 * cell_h * math.cos(2 * phase))
            x, y = min(max(x, 0), size_wh[0] - side), min(max(y, 0), size_wh[1] - side)
            picture[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        noise = draw.normal(0, 3, picture.shape[:2])[:, :, None]
        return np.clip(picture + noise, 0, 255).astype(np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        for index in count():
            step = index % (2 * LOOP)
            yield Frame(self._pictures[step if step < LOOP else 2 * LOOP - 1 - step], index / self.rate, index)


class Resized:
    """Another source at one size."""

    expected = None
    mirror = False
    delivery = None

    def __init__(self, source: Source, size_wh: tuple[int, int]):
        self.source, self.size_wh, self.name = source, size_wh, source.name

    def __enter__(self) -> Self:
        self.source.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.source.__exit__(*error)

    def __iter__(self) -> Iterator[Frame]:
        for frame in self.source:
            yield replace(frame, image=cv2.resize(frame.image, self.size_wh, interpolation=cv2.INTER_AREA))


def measure(frames: Iterable[Frame], pipeline: Pipeline, clocks: Clocks, seconds: float, warmup_s: float, live: bool) -> dict[str, Any]:
    """Runs frames through the chain, drops the warm-up, and measures until `seconds` more have passed.

    Capture is the reading and decoding of a frame (for a live source the waiting for it, which is no speed and is left out), processing
    is `Pipeline.read`, display the drawing of the annotated picture. Latency runs from the frame's time, or for a file from the moment
    that it was decoded, to its annotated picture.

    Returns:
        "fps" (frames a second with all three), "rates" (frames a second of each alone), "frames", "dropped", "faces_per_frame", "size"
        (width, height in px), "cpu_percent" (of one core, all threads), "level" (the governor's at the end), "latency" and "stages"
        (median_ms, p95_ms, p99_ms and n).
    """
    timer, clock, history = pipeline.timer, clocks.wall, LabelHistory()
    begun = drawn = clock()
    frame: Frame | None = None
    warm, faces, cpu, first = False, 0, clocks.cpu(), 0
    for frame in frames:
        captured, before = clock(), drawn
        readings = pipeline.read(frame)
        read = clock()
        # All that the window draws, with numbers that change.
        annotate(frame.image, readings, Hud(frame.index % 61, frame.index % 17, strip=history.update(frame.t, readings)))
        drawn = clock()
        timer.add("capture", captured - before)
        timer.add("processing", read - captured)
        timer.add("display", drawn - read)
        timer.add("latency", drawn - (frame.t if live else captured))
        timer.add("frame", drawn - before)
        faces += len(readings)
        if not warm and drawn - begun >= warmup_s:
            warm, begun, faces, cpu, first = True, drawn, 0, clocks.cpu(), frame.index
            timer.clear()
        if warm and drawn - begun >= seconds:
            break
    whole = timer.seconds.get("frame")
    if not warm or not whole or frame is None:
        raise Trouble("the clip ended within the warm-up: choose a longer one, or --source demo")
    rated = ("processing", "display") if live else ("capture", "processing", "display")
    return {
        "fps": round(len(whole) / sum(whole), 1),
        "rates": {name: round(1 / max(statistics.mean(timer.seconds[name]), 1e-9), 1) for name in rated},
        "frames": len(whole),
        "dropped": frame.index - first - len(whole),
        "faces_per_frame": round(faces / len(whole), 3),
        "size": (frame.image.shape[1], frame.image.shape[0]),
        "cpu_percent": round(100 * (clocks.cpu() - cpu) / (drawn - begun), 1),
        "level": pipeline.governor.level,
        "latency": summary_ms(list(timer.seconds["latency"])),
        "stages": {name: summary_ms(list(timer.seconds.get(name, []))) for name in ("capture", *STAGES, "display", "frame")},
    }


def peak_memory_mb() -> float | None:
    """The most memory this process ever held, in MB; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024), 1)


def report(measured: dict[str, Any], pipeline: Pipeline, settings: Settings, source: str) -> dict[str, Any]:
    """All that is needed to compare this run with another one."""
    plain = asdict(settings)
    plain["classifier"]["model"] = settings.classifier.model.name
    return {
        "schema": "bench/1",
        **measured,
        "source": source,
        "peak_memory_mb": peak_memory_mb(),
        "model": {
            "name": pipeline.classifier.path.name,
            "sha256": pipeline.classifier.sha256,
            "runtime": pipeline.classifier.runtime,
        },
        "machine": describe_machine(),
        "versions": package_versions(),
        "settings": plain,
    }


def table_rows(made: dict[str, Any]) -> list[tuple[str, ...]]:
    """A report's stages as (name, median, p95, p99), the last three in ms; those that did not run are left out."""
    stages = made["stages"].items()
    return [(name, *(f"{times[key]:.2f}" for key in ("median_ms", "p95_ms", "p99_ms"))) for name, times in stages if times["n"]]


def rate_line(made: dict[str, Any]) -> str:
    """A report's rates in one line."""
    return f"{made['fps']:.0f} frames a second (" + ", ".join(f"{name} {rate:.0f}" for name, rate in made["rates"].items()) + " alone)"
