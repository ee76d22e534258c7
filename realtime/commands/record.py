"""What `run.py record` is built from: one source into one file, or many films into a folder."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rich.console import Console

from realtime.base.errors import Trouble
from realtime.base.files import refuse_inputs
from realtime.base.messages import counted
from realtime.base.timing import Countdown
from realtime.config import CameraSettings, Choices, Settings
from realtime.loop import Sinks, Tap, run_loop
from realtime.pipeline import build_pipeline
from realtime.readings.format import readings_header
from realtime.recording.batch import (
    Job,
    cover_search,
    film_setup,
    finished_files,
    is_done,
    record_all,
    refuse_if_in_the_way,
    unfinished_files,
)
from realtime.recording.disk import make_folder
from realtime.recording.film_folders import films_in, outputs
from realtime.recording.recording import Recording, RecordingSetup
from realtime.recording.unfinished import UnfinishedWork
from realtime.sources.opening import film_path, find_film, open_live, open_stream
from realtime.sources.playing import FirstSeconds
from realtime.sources.source import Source
from realtime.viewers.terminal import Bar, Bars


def new_recording(
    out: Path, sources: Sequence[str], header: Callable[[], dict[str, Any]], setup: RecordingSetup, overwrite: bool
) -> Recording:
    """A recording into `out`, none of whose files may be one that `sources` name.

    Raises:
        Trouble: one is, or `out` cannot be written.
    """
    recording = Recording(out, header, setup, overwrite)
    # Only where a file exists: to tell a camera's name from a film's the cameras are listed, which takes time.
    if any(file.exists() for file in recording.files):
        refuse_inputs(recording.files, filter(None, map(input_file, sources)))
    return recording


def input_file(source: str) -> Path | None:
    """The file that a source reads: a film, by its path or its address, or what comes through the pipe."""
    if source == "-":
        return Path("/dev/stdin")
    if source.startswith("file:"):
        return Path(url2pathname(urlsplit(source).path))
    return film_path(source)


def describe(recording: Recording) -> str:
    """What a recording wrote, in a line."""
    losses = f"; {recording.losses}" if str(recording.losses) else ""
    *others, last = map(str, recording.files)
    return f"wrote {', '.join(others)}{' and ' if others else ''}{last}{losses}"


@dataclass(frozen=True)
class RecordOptions:
    """What the user of `record` asks for.

    Attributes:
        settings: of the pipeline.
        choices: what the recording holds.
        camera: how cameras and pipes are opened.
        seconds: how much is recorded; None for all.
        overwrite: whether files that exist are replaced.
        audio: the number of the track of sound to record, from 1; None for the film's default one.
        is_film: whether an address or a pipe is a film; None: see `realtime.sources.streams`.
    """

    settings: Settings
    choices: Choices
    camera: CameraSettings
    seconds: float | None
    overwrite: bool
    audio: int | None = None
    is_film: bool | None = None


def record_one(source: str, out: Path, options: RecordOptions, console: Console, interrupted: Callable[[], bool]) -> None:
    """Records one source with a progress bar: every frame of a film, or what a camera or stream gives.

    Raises:
        Trouble: the source cannot be read, the file cannot be written, there was not one frame, or a film ended early.
    """
    clock, choices, seconds = time.monotonic, options.choices, options.seconds
    stream = open_stream(source, clock, options.camera, interrupted)
    film = find_film(source, stream, options.is_film)
    pipeline = build_pipeline(options.settings, clock, live=film is None)
    countdown = Countdown(clock, seconds if film is None else None)

    def over() -> bool:
        return interrupted() or countdown.over()

    frames: Source
    if film is not None:
        frames = film if seconds is None else FirstSeconds(film, seconds)
        job = Job(Path(film.title), out, options.settings, choices, seconds, options.audio)
        setup = film_setup(job, film, console.print, interrupted)
        bar = Bar(console, lambda: film.expected, seconds)
    else:
        bar = Bar(console, lambda: None, seconds)
        frames = open_live(source, clock, options.camera, over, bar.idle, console.print, is_film=False, stream=stream)
        setup = RecordingSetup(clock, choices=choices, live=True, tell=console.print, search=cover_search(choices), stopped=interrupted)

    def header() -> dict[str, Any]:
        return readings_header(frames.name, pipeline, options.settings, frames.delivery)

    recording = new_recording(out, [source], header, setup, options.overwrite)
    start = clock()
    run_loop(frames, pipeline, Sinks([recording, bar, Tap(countdown.update)]), over)
    elapsed_s = clock() - start
    cut = film is not None and interrupted()
    if not recording.frames:
        raise Trouble(f"nothing was recorded: {frames.name} gave no frame")
    console.print(
        f"{describe(recording)}: {counted(recording.frames, 'frame')} in {elapsed_s:.1f} s ({recording.frames / elapsed_s:.0f} fps)"
    )
    if cut:
        console.print(f"stopped before the end of {frames.name}: the recording is whole up to there; --overwrite makes all of it")
    if film is not None:
        film.check_loss(console.print)


def record_many(paths: Sequence[Path], folder: Path, options: RecordOptions, console: Console, interrupted: Callable[[], bool]) -> None:
    """Records films into a folder, in parallel.

    Raises:
        Trouble: the folder cannot be made, or films failed, which are named.
    """
    make_folder(folder)
    films = films_in(paths, folder)
    jobs = [
        Job(
            film.path, out, options.settings, options.choices, options.seconds, options.audio, overwrite=options.overwrite, place=film.place
        )
        for film, out in zip(films, outputs(films, folder), strict=True)
    ]
    refuse_collisions(jobs)
    due = [job for job in jobs if options.overwrite or not is_done(job)]
    if len(due) < len(jobs):
        console.print(f"skipped: {len(jobs) - len(due)} of {len(jobs)} films are recorded already; --overwrite does them again")
    if not due:
        return
    with UnfinishedWork(folder) as work, Bars(console) as bars:
        ready, failed = _prepare(due, work, bars.tell)
        failed += record_all(ready, bars, interrupted)
    if interrupted():
        console.print("stopped: run this again for the films that are missing")
    if failed:
        raise Trouble(f"{len(failed)} of {len(due)} films failed, for reasons told above: {', '.join(map(str, failed))}")


def refuse_collisions(jobs: Sequence[Job]) -> None:
    """Makes sure that no job would write over a film of another or over its files.

    Raises:
        Trouble: one would.
    """
    owners: dict[Path, Job] = {}
    for job in jobs:
        for file in finished_files(job):
            if file in owners:
                raise Trouble(f"{owners[file].film} and {job.film} would both become {file}: record them into different folders")
            owners[file] = job
    refuse_inputs(owners, [job.film for job in jobs])


def _prepare(due: Sequence[Job], work: UnfinishedWork, tell: Callable[[str], None]) -> tuple[list[Job], list[Path]]:
    """The jobs with the names of their unfinished files, and the films that are refused because a file of the user is in the way."""
    ready, refused = [], []
    for job in due:
        try:
            make_folder(job.out.parent)
            claimed = replace(job, part=work.claim(partial(unfinished_files, job)))
            refuse_if_in_the_way(claimed)
        except Trouble as trouble:
            tell(f"{job.film} is not recorded: {trouble}")
            refused.append(job.film)
        else:
            ready.append(claimed)
    return ready, refused
