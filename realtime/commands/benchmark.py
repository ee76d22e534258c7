"""Measures the speed of the whole chain on a film, and compares two such measurements."""

import json
import math
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular
from realtime.base.machine import describe_machine, package_versions
from realtime.base.timing import Clock, summary_ms
from realtime.base.version import __version__
from realtime.config import Settings
from realtime.drawing.draw import annotate
from realtime.drawing.history import LabelHistory
from realtime.drawing.hud import Hud
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
"""The steps of `Pipeline.read`, in order. "points" and "check" are parts of "track" and run once for each face."""
LOOP = 30
"""Pictures of a crowd, which are played forwards and backwards in turn."""
SCHEMA = "bench/1"
MOST_BYTES = 1_000_000
"""Of a report, which has some 5,000."""
MEMORY = "peak memory"
VECTORS = ("AVX2", "AVX512-SKX", "NEON", "NEON_DOTPROD")
"""The vector instructions that decide how fast the model runs, as OpenCV calls them: two processors of one name may differ in them."""
LEAST_N = 20
"""A stage that ran less often than this is not compared: its median is mostly chance."""
LEAST_MS = 0.02
"""A stage that takes less than this longer is not called slower: reports have microseconds, and asking the clock takes almost one."""


def cut_portraits(film: Source, search: FaceSearch, count: int) -> list[np.ndarray]:
    """Cuts `count` square colour pictures of faces out of a film; the face fills half of the side. If there are fewer, they repeat.

    The frames are 15 apart, half a second at 30 frames a second, so that the pictures differ.

    Raises:
        Trouble: the film holds no face that is wholly in the picture.
    """
    portraits: list[np.ndarray] = []
    with film:
        for frame in film:
            if len(portraits) >= count:
                break
            if frame.index % 15:
                continue
            for box in search.find(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), 320):
                side = int(2 * (box.x1 - box.x0))
                left, top = round((box.x0 + box.x1 - side) / 2), round((box.y0 + box.y1 - side) / 2)
                if left >= 0 and top >= 0 and left + side <= frame.image.shape[1] and top + side <= frame.image.shape[0]:
                    portraits.append(frame.image[top : top + side, left : left + side].copy())
    if not portraits:
        raise Trouble(f"{film.name} shows no face that is wholly in the picture: choose another film, or --source demo")
    return [portraits[i % len(portraits)] for i in range(count)]


class Crowd:
    """A synthetic film without end: faces side by side that sway and change in size, with the noise of a sensor."""

    expected = None
    mirror = False
    delivery = None

    def __init__(self, faces: Sequence[np.ndarray], size_wh: tuple[int, int], rate: float):
        """`faces` are square (h, h, 3) BGR pictures; `rate` is the film's frames a second."""
        self.name, self.rate = f"{len(faces)} faces", rate
        self._pictures = [self._picture(faces, size_wh, step / LOOP) for step in range(LOOP)]

    @staticmethod
    def _picture(faces: Sequence[np.ndarray], size_wh: tuple[int, int], share: float) -> np.ndarray:
        random = np.random.default_rng(round(share * 1000))
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
        noise = random.normal(0, 3, picture.shape[:2])[:, :, None]
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
    """Another source, its frames resized to (width, height) px."""

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
    """Runs frames through the chain for `warmup_s` seconds that do not count, and then measures for `seconds`.

    Three parts of a frame's time are measured. Capture is the reading and decoding of a frame; a live source is waited for instead, and
    "rates" leaves it out. Processing is `Pipeline.read`. Display is the drawing of the annotated picture. Latency runs from the frame's
    time, or for a file from the end of its decoding, to its annotated picture.

    Returns:
        "fps" (frames a second with all three parts), "rates" (frames a second of each part alone), "frames", "dropped",
        "faces_per_frame", "size" (width, height in px), "cpu_percent" (of one core, all threads), "level" (the governor's at the end),
        "latency" and "stages" (median_ms, p95_ms, p99_ms and n).

    Raises:
        Trouble: the film ended within the warm-up.
    """
    timer, clock, history = pipeline.timer, clocks.wall, LabelHistory()
    start = end = clock()
    frame: Frame | None = None
    warm, faces, cpu, first = False, 0, clocks.cpu(), 0
    for frame in frames:
        captured, before = clock(), end
        readings = pipeline.read(frame)
        processed = clock()
        # All that the window draws. The numbers change, as they do in the window.
        annotate(frame.image, readings, Hud(frame.index % 61, frame.index % 17, strip=history.update(frame.t, readings)))
        end = clock()
        timer.add("capture", captured - before)
        timer.add("processing", processed - captured)
        timer.add("display", end - processed)
        timer.add("latency", end - (frame.t if live else captured))
        timer.add("frame", end - before)
        faces += len(readings)
        if not warm and end - start >= warmup_s:
            warm, start, faces, cpu, first = True, end, 0, clocks.cpu(), frame.index
            timer.clear()
        if warm and end - start >= seconds:
            break
    whole = timer.seconds.get("frame")
    if not warm or not whole or frame is None:
        raise Trouble("the clip ended within the warm-up: choose a longer one, or --source demo")
    parts = ("processing", "display") if live else ("capture", "processing", "display")
    return {
        "fps": round(len(whole) / sum(whole), 1),
        "rates": {name: round(1 / max(statistics.mean(timer.seconds[name]), 1e-9), 1) for name in parts},
        "frames": len(whole),
        "dropped": frame.index - first - len(whole),
        "faces_per_frame": round(faces / len(whole), 3),
        "size": (frame.image.shape[1], frame.image.shape[0]),
        "cpu_percent": round(100 * (clocks.cpu() - cpu) / (end - start), 1),
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


def vectors(features: str) -> list[str]:
    """Those of `VECTORS` that the processor has, by OpenCV's line: words, some with a * before them, with a ? behind missing features."""
    words = {word.removeprefix("*") for word in features.split()}
    return [name for name in VECTORS if name in words]


def build_report(
    measured: dict[str, Any],
    pipeline: Pipeline,
    settings: Settings,
    source: str,
    *,
    faces: int | None = None,
    live_rate: float | None = None,
    exact: bool = False,
) -> dict[str, Any]:
    """Everything that a later run is compared with: the results of `measure`, what was run, and on what.

    `source` is the film's name, `faces` the size of the crowd (None: the film as it is), `live_rate` the frames a second of the imitated
    camera (None: as fast as it goes), and `exact` says that the searches ran in step with the frames.
    """
    plain = asdict(settings)
    plain["classifier"]["model"] = settings.classifier.model.name
    return {
        "schema": SCHEMA,
        "version": __version__,
        **measured,
        "source": source,
        "faces": faces,
        "live_rate": live_rate,
        "exact": exact,
        "peak_memory_mb": peak_memory_mb(),
        "model": {
            "name": pipeline.classifier.path.name,
            "sha256": pipeline.classifier.sha256,
            "runtime": pipeline.classifier.runtime,
        },
        "machine": describe_machine(),
        "vectors": vectors(cv2.getCPUFeaturesLine()),
        "versions": package_versions(),
        "settings": plain,
    }


def table_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """A report's stages as (name, median, p95, p99), the last three in ms; stages that did not run are left out."""
    stages = report["stages"].items()
    return [(name, *(f"{times[key]:.2f}" for key in ("median_ms", "p95_ms", "p99_ms"))) for name, times in stages if times["n"]]


def rate_line(report: dict[str, Any]) -> str:
    """A report's rates in one line."""
    return f"{report['fps']:.0f} frames a second (" + ", ".join(f"{name} {rate:.0f}" for name, rate in report["rates"].items()) + " alone)"


@dataclass(frozen=True)
class Comparison:
    """What `compare_reports` finds: how many values were compared, and a line for each that is worse than before, the worst first."""

    compared: int
    slower: tuple[str, ...]


def read_report(path: Path) -> dict[str, Any]:
    """A report that `bench --json` wrote.

    Raises:
        Trouble: there is no such file, or it is no report of this program.
    """
    try:
        report = json.loads(read_regular(path, MOST_BYTES))
    except OSError as error:
        raise Trouble(f"cannot read {path} ({reason(error)}): name a file that `run.py bench --json FILE` wrote") from error
    except (ValueError, RecursionError):
        report = None
    needed = {"fps", "rates", "faces_per_frame", "size", "latency", "stages", "source", "peak_memory_mb", "model", "machine"}
    if not isinstance(report, dict) or report.get("schema") != SCHEMA or needed - report.keys():
        raise Trouble(f"{path} is no report of this program's bench: name a file that `run.py bench --json FILE` wrote")
    return report


def conditions(report: dict[str, Any]) -> dict[str, object]:
    """What two runs must have in common to be compared, by its name. None is unknown: reports from before 0.9.0 do not have it."""
    crowd = report["faces"] or "as in the film" if "faces" in report else None
    return {
        "film": report["source"],
        "picture size": "x".join(map(str, report["size"])),
        "number of faces": crowd,
        "kind of run": "as fast as it goes" if "capture" in report["rates"] else "with a live rate",
        "live rate": report.get("live_rate"),
        "--exact": report.get("exact"),
        "model": f"{report['model']['name']} {report['model']['sha256'][:12]}",
        "vector instructions": " ".join(report["vectors"]) if "vectors" in report else None,
        **{name: report["machine"].get(name) for name in ("board", "processor", "architecture", "cores")},
    }


def measurements(report: dict[str, Any]) -> dict[str, tuple[float, str]]:
    """The values that are compared, by name, each with its unit: frames a second, latency, the stages' medians and memory.

    With a live rate the times of "capture" and "frame" contain the waiting for the next picture; they are left out.
    """
    waits = () if "capture" in report["rates"] else ("capture", "frame")
    stages = {
        f"{name} (median)": (times["median_ms"], "ms")
        for name, times in report["stages"].items()
        if times["n"] >= LEAST_N and name not in waits
    }
    memory = {} if report["peak_memory_mb"] is None else {MEMORY: (report["peak_memory_mb"], "MB")}
    return {"frames a second": (report["fps"], "fps"), "latency (p95)": (report["latency"]["p95_ms"], "ms"), **stages, **memory}


def slowdown(now: float, before: float, unit: str) -> float:
    """How many times as bad a value is as before. Times that differ by less than `LEAST_MS` count as equal."""
    if unit == "ms" and abs(now - before) < LEAST_MS:
        return 1.0
    return max(before, 1e-9) / max(now, 1e-9) if unit == "fps" else max(now, 1e-9) / max(before, 1e-9)


def compare_reports(now: dict[str, Any], before: dict[str, Any], tolerance: float) -> Comparison:
    """Says which values of the report `now` are worse than those of `before` by more than the tolerance.

    `tolerance` is a share: with 0.5 a stage may take half as long again, and the frames a second may fall to two thirds. Values that
    only one of the reports has are not compared.

    Raises:
        Trouble: the runs differ in film, size, faces, live rate, `--exact`, model or machine, so that their speeds say nothing.
    """
    ours, theirs = conditions(now), conditions(before)
    differences = [name for name in ours if None not in (ours[name], theirs[name]) and ours[name] != theirs[name]]
    if differences:
        pairs = ", ".join(f"{name}: {ours[name]} now, {theirs[name]} before" for name in differences)
        raise Trouble(f"the runs cannot be compared ({pairs}): run bench with the options of the stored report, on the same machine")
    old = measurements(before)
    new = {name: value for name, value in measurements(now).items() if name in old}
    ratios = {name: slowdown(value, old[name][0], unit) for name, (value, unit) in new.items()}
    worst_first = sorted((name for name, ratio in ratios.items() if ratio > 1 + tolerance), key=lambda name: -ratios[name])
    lines = []
    for name in worst_first:
        value, unit = new[name]
        word = "much" if name == MEMORY else "slow"
        lines.append(f"{name}: {value:g} {unit} now, {old[name][0]:g} before: {ratios[name]:.2f} times as {word}")
    return Comparison(len(new), tuple(lines))
