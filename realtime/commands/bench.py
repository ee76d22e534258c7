"""What `run.py bench` is built from: a film or a made crowd, played as fast as it goes or as a camera would, and measured."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from realtime.base.addresses import without_secrets
from realtime.base.errors import Trouble, reason
from realtime.base.files import refuse_inputs, replace_file
from realtime.commands.benchmark import (
    Clocks,
    Crowd,
    Resized,
    build_report,
    compare_reports,
    cut_portraits,
    measure,
    rate_line,
    read_report,
    table_rows,
)
from realtime.config import BenchmarkSettings, Settings
from realtime.pipeline import Pipeline, build_pipeline
from realtime.sources.films import VideoFile
from realtime.sources.newest import NewestFrame
from realtime.sources.opening import film_path
from realtime.sources.playing import Paced, Repeated, Retimed
from realtime.sources.source import Source
from realtime.viewers.terminal import table

MEANINGS = {
    "capture": "the next picture comes out of the film",
    "gray": "the picture becomes gray",
    "cut": "looks whether the film has cut to another scene",
    "find": "faces are searched; a large picture is searched beside the frames, and only its handing over counts",
    "points": "a face is followed by its five points",
    "check": "looks whether a followed face is still there",
    "track": "all that follows faces: points, checks, who is who",
    "align": "the face is cut out, upright, as the chip that the model reads",
    "classify": "the model reads the chips",
    "personalise": "a person's profile corrects the model",
    "quality": "how small, dark, blurred or turned a face is",
    "smooth": "readings are smoothed over time",
    "label": "the label is chosen",
    "display": "boxes, bars and labels are drawn",
    "frame": "the whole, from one picture to the next",
}
"""What each stage of a report does."""
WARMUP_S = 1.0
"""Of a run, what is not counted: caches fill, and the first search finds the faces."""
CROWD_WH = (640, 480)
"""Size in px of a made crowd, if the user names none."""
CROWD_FPS = 30.0


@dataclass(frozen=True)
class BenchOptions:
    """What the user of `bench` asks for.

    Attributes:
        source: a film.
        seconds: how long is measured.
        exact: whether faces are searched in step with the frames.
        live_rate: frames a second of a camera that the film stands for; None for as fast as it goes.
        faces: how many faces side by side; None for the film as it is.
        size_wh: of the pictures in px; None for the film's.
        json_file: where the report goes, or None.
        compare_file: an earlier report that this run is compared with, or None.
        settings: of the pipeline.
    """

    source: str
    seconds: float
    exact: bool
    live_rate: float | None
    faces: int | None
    size_wh: tuple[int, int] | None
    json_file: Path | None
    compare_file: Path | None
    settings: Settings


def run_bench(options: BenchOptions, console: Console) -> bool:
    """Measures, prints the result, writes the report if a file is named, and says what is slower than in an earlier one.

    Returns:
        Whether nothing is slower.

    Raises:
        Trouble: the source is no film, the options exclude each other, the report cannot be written,
            or the earlier one cannot be read or compared.
    """
    file = options.json_file
    if file is not None and not file.parent.is_dir():
        raise Trouble(f"cannot write {file}: there is no folder {file.parent}; create it first")
    if options.exact and options.live_rate:
        raise Trouble("--exact does all work in step, --live-rate drops what comes too fast: choose one of them")
    path = film_path(options.source)
    if path is None:
        raise Trouble(
            f"bench measures a film, so that runs can be compared: {without_secrets(options.source)} is none; "
            "name a video file, or see a camera's rate in live"
        )
    if file is not None:
        refuse_inputs([file], [path, *filter(None, [options.compare_file])])
    before = None if options.compare_file is None else read_report(options.compare_file)
    film, clock = VideoFile(path), time.perf_counter
    pipeline = build_pipeline(options.settings, clock, live=not options.exact, patience_s=math.inf if options.live_rate else 0.1)
    source = _played(film, pipeline, options)
    with source as frames, pipeline:
        measured = measure(
            frames, pipeline, Clocks(clock, time.process_time), options.seconds, warmup_s=WARMUP_S, live=bool(options.live_rate)
        )
    result = build_report(
        measured,
        pipeline,
        options.settings,
        film.name,
        faces=options.faces,
        live_rate=options.live_rate,
        exact=options.exact,
    )
    if file is not None:
        try:
            _write(file, (json.dumps(result, indent=1) + "\n").encode())
        except OSError as error:
            raise Trouble(f"cannot write {file} ({reason(error)}): check the path and your rights") from error
    print_report(result, source.name, console)
    if before is None:
        return True
    comparison = compare_reports(result, before, BenchmarkSettings.tolerance)
    console.print(f"\nbeside {options.compare_file}, {comparison.compared} values, tolerance {BenchmarkSettings.tolerance:.0%}:")
    for line in comparison.slower or ("nothing is slower",):
        console.print(f"    {line}")
    return not comparison.slower


def _write(file: Path, content: bytes) -> None:
    """Writes beside an older file, which stays whole until then. A device, such as /dev/stdout, must not be replaced."""
    if file.is_symlink() or (file.exists() and not file.is_file()):
        file.write_bytes(content)
    else:
        replace_file(file, content)


def _played(film: VideoFile, pipeline: Pipeline, options: BenchOptions) -> Source:
    """The film or the crowd, at the wanted size and rate, without end."""
    source: Source
    if options.faces is not None:
        faces = cut_portraits(film, pipeline.finder.search, options.faces)
        source = Crowd(faces, options.size_wh or CROWD_WH, options.live_rate or CROWD_FPS)
    else:
        source = Repeated(film if options.size_wh is None else Resized(film, options.size_wh))
    if options.live_rate:
        source = NewestFrame(Paced(Retimed(source, options.live_rate), time.perf_counter), lambda: False)
    return source


def print_report(result: dict[str, Any], name: str, console: Console) -> None:
    """A report for people; `name` is what was played."""
    rows = table_rows(result)
    console.print(table(rate_line(result), ("stage", "median ms", "p95 ms", "p99 ms"), rows))
    for stage, *_ in rows:
        console.print(f"  {stage}: {MEANINGS[stage]}")
    console.print("half of the frames take less than the median, 95 of 100 less than p95, 99 of 100 less than p99")
    size, latency, model = "x".join(map(str, result["size"])), result["latency"], result["model"]
    console.print(f"{name} {size}, {result['frames']} frames, {result['dropped']} dropped, {result['faces_per_frame']:.2f} faces a frame")
    console.print(
        f"latency {latency['median_ms']:.1f} ms (p95 {latency['p95_ms']:.1f}, p99 {latency['p99_ms']:.1f}), "
        f"governor at level {result['level']}"
    )
    console.print(
        f"{result['cpu_percent']:.0f} % of one core, peak memory {result['peak_memory_mb']} MB; "
        f"{model['name']} {model['sha256'][:12]} in {model['runtime']}"
    )
    cores, heat_c = result["machine"]["cores"], result["machine"]["temperature_c"]
    heat = None if heat_c is None else f"{heat_c:.0f} °C"
    named = {"temperature_c": heat, "cores": cores and f"{cores} cores", "python": f"Python {result['machine']['python']}"}
    machine = {**result["machine"], **named}
    console.print(", ".join(str(value) for value in machine.values() if value is not None))
    console.print(", ".join(f"{package} {version}" for package, version in result["versions"].items()))
