"""Records many films at once, each in its own process: one that fails or crashes does not stop the others."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from realtime.base.errors import Trouble, reason
from realtime.base.files import refuse_inputs
from realtime.base.silence import silence_libraries
from realtime.config import Choices, DetectorSettings, PrivacySettings, Settings
from realtime.faces.finder import FaceSearch
from realtime.recording.recording import Recording, RecordingSetup
from realtime.recording.sound import FilmSound
from realtime.values import Frame

FILMS = (".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv")
"""Files with these endings are taken for films when a folder is named."""
PART = ".part"
"""Stands in the names of unfinished files, so that a second run knows which films are still to be recorded."""
PROGRESS_S = 0.2
"""Seconds between two reports of a process on its progress."""


@dataclass(frozen=True)
class Job:
    """One film to record.

    Attributes:
        film: the file to read.
        out: the .mp4 file to write; the readings go beside it.
        settings: settings of the pipeline.
        choices: what the recording holds.
        seconds: how much of the film to record; None for all.
    """

    film: Path
    out: Path
    settings: Settings = field(default_factory=Settings)
    choices: Choices = field(default_factory=Choices)
    seconds: float | None = None


class ProgressView(Protocol):
    """Shows the progress of each film: `realtime.viewers.terminal.Bars`."""

    def update(self, name: str, frames: int, expected: int | None, film_s: float) -> None: ...
    def end(self, name: str, line: str) -> None: ...
    def tell(self, line: str) -> None: ...


def films_in(paths: Sequence[Path]) -> list[Path]:
    """The films that `paths` name, each once: a file stands for itself, a folder for all films in it and in its subfolders.

    Raises:
        Trouble: a folder holds no film.
    """
    films: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in FILMS and PART not in file.name)
            if not inside:
                raise Trouble(f"{path} holds no film ({', '.join(FILMS)}): name another folder, or the files themselves")
            films |= dict.fromkeys(inside)
        else:
            films[path] = None
    return list(films)


def outputs(films: Sequence[Path], folder: Path) -> list[Path]:
    """The file in `folder` into which each film is recorded: the film's name, as .mp4.

    Raises:
        Trouble: two films would be recorded into the same file.
    """
    outs: dict[Path, Path] = {}
    for film in films:
        out = folder / f"{film.stem}.mp4"
        if out in outs:
            raise Trouble(f"{outs[out]} and {film} would both become {out}: record them into different folders")
        outs[out] = film
    return list(outs)


def finished_files(job: Job) -> list[Path]:
    """The files that the job leaves when it is finished; creates none of them.

    Raises:
        Trouble: the job's file name cannot be recorded to.
    """
    return Recording(job.out, dict, RecordingSetup(time.monotonic, choices=job.choices), overwrite=True).files


def is_done(job: Job) -> bool:
    """Whether all finished files of the job exist."""
    return all(file.exists() for file in finished_files(job))


def film_setup(job: Job, tell: Callable[[str], None], stopped: Callable[[], bool]) -> RecordingSetup:
    """What a film is recorded with: frames wait for the encoder, and the film's own sound is copied."""
    return RecordingSetup(
        time.monotonic,
        choices=job.choices,
        tell=tell,
        search=face_search(job.choices),
        sound=lambda: FilmSound(job.film, tell, job.seconds, stopped),
    )


def face_search(choices: Choices) -> FaceSearch | None:
    """The detector of faces to cover, or None where none are covered. Its threshold is lower than that of the readings' detector."""
    from realtime.faces.detector import Detector

    return Detector(DetectorSettings(threshold=PrivacySettings().threshold)) if choices.privacy == "blur" else None


def record_film(
    job: Job, tell: Callable[[str], None], progress: Callable[[int, int | None, float], None], stopped: Callable[[], bool]
) -> int:
    """Records one film from its beginning and returns the number of frames.

    The files have `PART` in their names until they are finished. A recording that is stopped keeps those names, and the next run begins
    it again.

    Args:
        job: the film and its recording.
        tell: gets messages for the user, a line each.
        progress: gets the number of frames so far, the number expected (or None), and the seconds of film so far.
        stopped: whether to end early.

    Raises:
        Trouble: the film cannot be read, or the recording cannot be written.
    """
    from realtime.loop import Sinks, Tap, run_loop
    from realtime.pipeline import build_pipeline
    from realtime.readings.format import readings_header
    from realtime.sources.films import VideoFile
    from realtime.sources.playing import FirstSeconds

    film = VideoFile(job.film)
    refuse_inputs(finished_files(job), [job.film])
    pipeline = build_pipeline(job.settings, time.monotonic)
    part = job.out.with_stem(job.out.stem + PART)
    unfinished = Recording(part, lambda: readings_header(film.name, pipeline, job.settings), film_setup(job, tell, stopped), overwrite=True)
    first: list[float] = []

    def report(frame: Frame, _readings: object) -> None:
        if not first:
            first.append(frame.t)
        progress(unfinished.accepted, film.expected, frame.t - first[0])

    source = film if job.seconds is None else FirstSeconds(film, job.seconds)
    run_loop(source, pipeline, Sinks([unfinished, Tap(report)]), stopped)
    if not stopped():
        for file, whole in zip(unfinished.files, finished_files(job), strict=True):
            file.replace(whole)
    return unfinished.frames


def _child(job: Job, pipe: Connection, stopped: Any) -> None:
    """Runs in a process of its own: records a film and sends its progress, its messages and, last, how the recording ended."""
    # Ctrl-C reaches every process; the parent handles it and sets `stopped`.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    silence_libraries()
    next_report = 0.0

    def progress(frames: int, expected: int | None, film_s: float) -> None:
        nonlocal next_report
        if time.monotonic() >= next_report:
            next_report = time.monotonic() + PROGRESS_S
            pipe.send(("progress", frames, expected, film_s))

    try:
        frames = record_film(job, lambda line: pipe.send(("message", line)), progress, stopped.is_set)
        pipe.send(("stopped" if stopped.is_set() else "done", frames))
    except Trouble as trouble:
        pipe.send(("failed", str(trouble)))
    except Exception as error:
        pipe.send(("failed", f"{job.film} failed unexpectedly ({type(error).__name__}: {reason(error)})"))
    # All files are closed. A library's thread that hangs must not keep the process alive.
    os._exit(0)


def describe_end(job: Job, frames: int, whole: bool) -> str:
    """How the recording of a film ended, in a line."""
    if whole:
        return f"wrote {finished_files(job)[0]}: {frames} frames"
    return f"{job.film} was stopped after {frames} frames: run this again for all"


def record_all(jobs: Sequence[Job], view: ProgressView, stopped: Callable[[], bool], workers: int | None = None) -> list[Path]:
    """Records films in `workers` processes at a time, by default one for every core; returns the films that failed."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    waiting, failed = list(jobs), []
    # Any: Windows has another class of connections.
    running: dict[Any, tuple[multiprocessing.process.BaseProcess, Job]] = {}
    while running or (waiting and not stopped()):
        while waiting and not stopped() and len(running) < (workers or os.cpu_count() or 1):
            job = waiting.pop(0)
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=_child, args=(job, sender, stop), name=job.film.name, daemon=True)
            child.start()
            sender.close()
            running[receiver] = (child, job)
        receivers: list[Any] = list(wait(list(running), timeout=PROGRESS_S))
        for receiver in receivers:
            process, job = running[receiver]
            values: list[Any]
            try:
                kind, *values = receiver.recv()
            except EOFError:
                kind, values = "failed", [f"{job.film} failed: its process ended unexpectedly"]
            if kind == "progress":
                view.update(job.film.name, *values)
            elif kind == "message":
                view.tell(values[0])
            else:
                del running[receiver]
                process.join()
                failed += [job.film] if kind == "failed" else []
                view.end(job.film.name, values[0] if kind == "failed" else describe_end(job, values[0], whole=kind == "done"))
        if stopped():
            stop.set()
    return failed
