"""Records many films at once, each in a process of its own: one that fails, or crashes, does not stop the others."""

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
from realtime.base.silence import silence_libraries
from realtime.config import Choices, DetectorSettings, PrivacySettings, Settings
from realtime.recording.privacy import Search
from realtime.recording.recording import Means, Recording
from realtime.recording.sound import FilmSound
from realtime.values import Frame

FILMS = (".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv")
"""Of a folder, files with these endings are films."""
PART = ".part"
"""Stands in the names of files that are not finished, so that a second run knows what is left to do."""
TOLD_S = 0.2
"""Between two words of a process on how far it is."""


@dataclass(frozen=True)
class Job:
    """One film to record.

    Attributes:
        film: what is read.
        out: the .mp4 file to be made; the readings go beside it.
        settings: of the pipeline.
        choices: of the recording.
        seconds: how much of the film is wanted; None for all.
    """

    film: Path
    out: Path
    settings: Settings = field(default_factory=Settings)
    choices: Choices = field(default_factory=Choices)
    seconds: float | None = None


class Show(Protocol):
    """Shows how far each film is: `realtime.viewers.terminal.Bars`."""

    def update(self, name: str, frames: int, expected: int | None, film_s: float) -> None: ...
    def end(self, name: str, line: str) -> None: ...
    def tell(self, line: str) -> None: ...


def films_in(given: Sequence[Path]) -> list[Path]:
    """The films that are meant: files as they are, folders for the films in them and in their folders; each once.

    Raises:
        Trouble: a folder holds none.
    """
    films: dict[Path, None] = {}
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in FILMS and PART not in file.name)
            if not inside:
                raise Trouble(f"{path} holds no film ({', '.join(FILMS)}): name another folder, or the files themselves")
            films |= dict.fromkeys(inside)
        else:
            films[path] = None
    return list(films)


def outputs(films: Sequence[Path], folder: Path) -> list[Path]:
    """The file in `folder` into which each film is recorded: of the same name, as .mp4.

    Raises:
        Trouble: two films would go into the same file.
    """
    outs: dict[Path, Path] = {}
    for film in films:
        out = folder / f"{film.stem}.mp4"
        if out in outs:
            raise Trouble(f"{outs[out]} and {film} would both become {out}: record them into different folders")
        outs[out] = film
    return list(outs)


def made(job: Job) -> Recording:
    """The job's recording, which checks its names and can tell its files; replaces what exists, and creates nothing."""
    return Recording(job.out, dict, Means(time.monotonic, choices=job.choices), overwrite=True)


def is_done(job: Job) -> bool:
    """Whether the job's files stand there, finished."""
    return all(file.exists() for file in made(job).files)


def film_means(
    job: Job, tell: Callable[[str], None], stopped: Callable[[], bool], written: Callable[[Frame], None] = lambda frame: None
) -> Means:
    """What a film is recorded with: frames wait for the encoder, and its own sound goes along."""
    return Means(
        time.monotonic,
        choices=job.choices,
        tell=tell,
        written=written,
        search=face_search(job.choices),
        sound=lambda: FilmSound(job.film, tell, job.seconds, stopped),
    )


def face_search(choices: Choices) -> Search | None:
    """What finds the faces that are to be covered, if any are: more easily than the detector of the readings."""
    from realtime.faces.detector import Detector

    return Detector(DetectorSettings(threshold=PrivacySettings().threshold)) if choices.privacy == "blur" else None


def record_film(job: Job, tell: Callable[[str], None], saw: Callable[[int, int | None, float], None], stopped: Callable[[], bool]) -> int:
    """Records one film from its beginning, and gives the number of frames.

    The files have `PART` in their names until they are finished; what is stopped keeps them, and begins anew another time.

    Args:
        job: what to do.
        tell: gets what the user should know.
        saw: gets the number of frames so far, of those that are expected, and how many seconds of film they are.
        stopped: ends it early.

    Raises:
        Trouble: the film cannot be read or not be written.
    """
    from realtime.loop import Sinks, Tap, run_loop
    from realtime.pipeline import build_pipeline
    from realtime.readings.format import readings_header
    from realtime.sources.films import VideoFile
    from realtime.sources.playing import FirstSeconds

    film = VideoFile(job.film)
    if job.out.exists() and job.film.exists() and job.out.samefile(job.film):
        raise Trouble(f"{job.out} is the file to be read: choose another folder to write to")
    pipeline = build_pipeline(job.settings, time.monotonic)
    part = job.out.with_stem(job.out.stem + PART)
    unfinished = Recording(part, lambda: readings_header(film.name, pipeline, job.settings), film_means(job, tell, stopped), overwrite=True)
    first: list[float] = []

    def seen(frame: Frame, _readings: object) -> None:
        if not first:
            first.append(frame.t)
        saw(unfinished.taken, film.expected, frame.t - first[0])

    source = film if job.seconds is None else FirstSeconds(film, job.seconds)
    run_loop(source, pipeline, Sinks([unfinished, Tap(seen)]), stopped)
    if not stopped():
        for file, whole in zip(unfinished.files, made(job).files, strict=True):
            file.replace(whole)
    return unfinished.frames


def _child(job: Job, pipe: Connection, stopped: Any) -> None:
    """The life of a process: records its film and sends what there is to show, last of all how it ended."""
    # The parent hears Ctrl-C and tells its children.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    silence_libraries()
    next_word = 0.0

    def saw(frames: int, expected: int | None, film_s: float) -> None:
        nonlocal next_word
        if time.monotonic() >= next_word:
            next_word = time.monotonic() + TOLD_S
            pipe.send(("saw", frames, expected, film_s))

    try:
        frames = record_film(job, lambda line: pipe.send(("told", line)), saw, stopped.is_set)
        pipe.send(("stopped" if stopped.is_set() else "done", frames))
    except Trouble as trouble:
        pipe.send(("failed", str(trouble)))
    except Exception as error:
        pipe.send(("failed", f"{job.film} failed unexpectedly ({type(error).__name__}: {reason(error)})"))
    # All files are closed. A library's thread that hangs must not keep the process.
    os._exit(0)


def ended(job: Job, frames: int, whole: bool) -> str:
    """How a film ended, in a line."""
    return (
        f"wrote {made(job).files[0]}: {frames} frames" if whole else f"{job.film} was stopped after {frames} frames: run this again for all"
    )


def record_all(jobs: Sequence[Job], show: Show, stopped: Callable[[], bool], workers: int | None = None) -> list[Path]:
    """Records films in `workers` processes at a time, by default one for every core; gives those that failed."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    left, failed = list(jobs), []
    # Windows has connections of another class.
    running: dict[Any, tuple[multiprocessing.process.BaseProcess, Job]] = {}
    while running or (left and not stopped()):
        while left and not stopped() and len(running) < (workers or os.cpu_count() or 1):
            job = left.pop(0)
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_child, args=(job, theirs, stop), name=job.film.name, daemon=True)
            process.start()
            theirs.close()
            running[ours] = (process, job)
        for pipe in wait(list(running), timeout=TOLD_S):
            child, job = running[pipe]
            said: Any = pipe
            values: list[Any]
            try:
                kind, *values = said.recv()
            except EOFError:
                kind, values = "failed", [f"{job.film} failed: its process ended unexpectedly"]
            if kind == "saw":
                show.update(job.film.name, *values)
            elif kind == "told":
                show.tell(values[0])
            else:
                del running[pipe]
                child.join()
                failed += [job.film] if kind == "failed" else []
                show.end(job.film.name, values[0] if kind == "failed" else ended(job, values[0], whole=kind == "done"))
        if stopped():
            stop.set()
    return failed
