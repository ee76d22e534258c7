"""Records many films at once, each in its own process: one that fails or crashes does not stop the others."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, Protocol

from realtime.base.errors import Trouble, reason
from realtime.base.files import Exists, publish, refuse_inputs
from realtime.base.messages import counted
from realtime.base.signals import ENDING, held_back
from realtime.base.silence import silence_libraries
from realtime.config import Choices, DetectorSettings, PrivacySettings, Settings
from realtime.faces.cover_search import CoverSearch
from realtime.readings.file import each_line
from realtime.readings.format import source_text
from realtime.recording.recording import Recording, RecordingSetup, files_of
from realtime.recording.sound import FilmSound
from realtime.recording.unfinished import PART
from realtime.sources.films import Film, VideoFile
from realtime.values import Frame

KILLED = getattr(signal, "SIGKILL", 9)
PROGRESS_S = 0.2
"""Seconds between two reports of a process on its progress."""
STOP_S = 8.0
"""Seconds that a process has to finish its files after it was told to stop; one that hangs in a film is killed then."""


@dataclass(frozen=True)
class Job:
    """One film to record.

    Attributes:
        film: the file to read.
        out: the .mp4 file to write; the readings go beside it.
        settings: settings of the pipeline.
        choices: what the recording holds.
        seconds: how much of the film to record; None for all.
        audio: the number of the track of sound to record, from 1; None for the film's default one.
        overwrite: whether files of these names may exist.
        place: what the film is called before the user, where several have one name; None for its file's name.
        part: stands in the names of the unfinished files, which are replaced where they exist; None for `PART` and new files.
    """

    film: Path
    out: Path
    settings: Settings = field(default_factory=Settings)
    choices: Choices = field(default_factory=Choices)
    seconds: float | None = None
    audio: int | None = None
    overwrite: bool = False
    place: Path | None = None
    part: str | None = None

    @property
    def name(self) -> str:
        return str(self.place or self.film.name)

    @property
    def limits(self) -> dict[str, Any]:
        """What the header of the readings says about a recording that does not hold all of the film or not its default sound."""
        return {name: value for name, value in (("seconds", self.seconds), ("audio", self.audio)) if value is not None}


class ProgressView(Protocol):
    """Shows the progress of each film: `realtime.viewers.terminal.Bars`."""

    def update(self, name: str, frames: int, expected: int | None, film_s: float) -> None: ...
    def end(self, name: str, line: str) -> None: ...
    def tell(self, line: str) -> None: ...


def finished_files(job: Job) -> list[Path]:
    """The files that the job leaves when it is finished."""
    return files_of(job.out, job.choices)


def unfinished_files(job: Job, part: str) -> list[Path]:
    """The same files while they are written, with `part` in their names."""
    return files_of(job.out.with_stem(job.out.stem + part), job.choices)


def is_done(job: Job) -> bool:
    """Whether all finished files of the job exist, and are of this film and these choices."""
    *others, readings = finished_files(job)
    return all(file.exists() for file in others) and _is_of(job, readings)


def _is_of(job: Job, readings: Path) -> bool:
    """Whether a readings file is of the job's film and choices. Another film of the same name has another size."""
    try:
        facts = next(each_line(readings))
    except Trouble:
        return False
    size = job.film.stat().st_size if job.film.exists() else None
    return (
        facts.get("source") == source_text(job.film.name)
        and size in (None, facts.get("source_bytes", size))
        and facts.get("privacy", "none") == job.choices.privacy
        and facts.get("picture", job.choices.picture) == job.choices.picture
        and {name: facts[name] for name in ("seconds", "audio") if name in facts} == job.limits
    )


def in_the_way(job: Job) -> Path | None:
    """The first file that the job would replace and must not; None if there is none.

    The program's own work may be replaced: the readings of the same film whose video is gone, and what a run left that was killed while
    it gave finished files their names.
    """
    if job.overwrite:
        return None
    unfinished = unfinished_files(job, job.part) if job.part else [None] * len(finished_files(job))
    for file, part in zip(finished_files(job), unfinished, strict=True):
        own = (part is not None and part.exists() and file.exists() and file.samefile(part)) or (
            file.suffix == ".jsonl" and _is_of(job, file)
        )
        if os.path.lexists(file) and not own:
            return file
    return None


def refuse_if_in_the_way(job: Job) -> None:
    """Raises Exists where a file is in the way."""
    blocking = in_the_way(job)
    if blocking is not None:
        raise Exists(blocking)


def film_setup(job: Job, film: Film, tell: Callable[[str], None], stopped: Callable[[], bool]) -> RecordingSetup:
    """What a film is recorded with: frames wait for the encoder, and the film's own sound is kept. `film` may be no file of the job."""
    lines: set[str] = set()

    def tell_once(line: str) -> None:
        # Where two videos are written, each has its sound.
        if line not in lines:
            lines.add(line)
            tell(line)

    return RecordingSetup(
        time.monotonic,
        choices=job.choices,
        tell=tell,
        search=cover_search(job.choices),
        stopped=stopped,
        sound=lambda: FilmSound(film.title, tell_once, job.seconds, stopped, job.audio, film.open) if film.has_sound else None,
        ending=lambda: film.loss.facts(),
    )


def cover_search(choices: Choices) -> CoverSearch | None:
    """What finds the faces to cover, or None where none are covered."""
    from realtime.faces.detector import Detector

    return CoverSearch(Detector(DetectorSettings()), PrivacySettings()) if choices.privacy == "blur" else None


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
        Trouble: the film cannot be read, or the recording cannot be written; or the film ended early, and what was there is recorded.
    """
    from realtime.loop import Sinks, Tap, run_loop
    from realtime.pipeline import build_pipeline
    from realtime.readings.format import readings_header
    from realtime.sources.playing import FirstSeconds

    film = VideoFile(job.film)
    refuse_inputs(finished_files(job), [job.film])
    refuse_if_in_the_way(job)
    pipeline = build_pipeline(job.settings, time.monotonic)
    part = job.out.with_stem(job.out.stem + (job.part or PART))
    first: list[float] = []

    def header() -> dict[str, Any]:
        return readings_header(film.name, pipeline, job.settings) | {"source_bytes": job.film.stat().st_size} | job.limits

    unfinished = Recording(part, header, film_setup(job, film, tell, stopped), overwrite=job.part is not None)

    def report(frame: Frame, _readings: object) -> None:
        if not first:
            first.append(frame.t)
        progress(unfinished.accepted, film.expected, frame.t - first[0])

    source = film if job.seconds is None else FirstSeconds(film, job.seconds)
    run_loop(source, pipeline, Sinks([unfinished, Tap(report)]), stopped)
    if not stopped():
        refuse_if_in_the_way(job)
        if not job.overwrite:
            for own in finished_files(job):
                own.unlink(missing_ok=True)
        publish(unfinished.files, finished_files(job), job.overwrite)
    film.check_loss(tell)
    return unfinished.frames


def _child(job: Job, pipe: Connection, stop: Any) -> None:
    """Runs in a process of its own: records a film and sends its progress, its messages and, last, how the recording ended."""
    # Ctrl-C and a closing terminal reach every process; the parent handles them and sets `stop`.
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    silence_libraries()
    orphaned = threading.Event()
    threading.Thread(target=_end_with_parent, args=(orphaned,), daemon=True).start()
    next_report = 0.0

    def send(*values: object) -> None:
        try:
            pipe.send(values)
        except OSError:
            orphaned.set()

    def progress(frames: int, expected: int | None, film_s: float) -> None:
        nonlocal next_report
        if time.monotonic() >= next_report:
            next_report = time.monotonic() + PROGRESS_S
            send("progress", frames, expected, film_s)

    def stopped() -> bool:
        return stop.is_set() or orphaned.is_set()

    try:
        frames = record_film(job, lambda line: send("message", line), progress, stopped)
        send("stopped" if stopped() else "done", frames)
    except Trouble as trouble:
        send("failed", f"{job.film}: {trouble}" if isinstance(trouble, Exists) else str(trouble))
    except MemoryError:
        send("failed", f"{job.film} failed: there is too little memory; record fewer films at a time, or smaller ones")
    except Exception as error:
        send("failed", f"{job.film} failed unexpectedly ({type(error).__name__}: {reason(error)})")
    # All files are closed. A library's thread that hangs must not keep the process alive.
    os._exit(0)


def _end_with_parent(orphaned: threading.Event) -> None:
    """Waits for the parent's end, however it comes, and ends this process: with finished files, or without if they take too long."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        orphaned.set()
        time.sleep(STOP_S)
        os._exit(1)


def describe_end(job: Job, frames: int, whole: bool) -> str:
    """How the recording of a film ended, in a line."""
    if whole:
        return f"wrote {finished_files(job)[0]}: {counted(frames, 'frame')}"
    return f"{job.film} was stopped after {counted(frames, 'frame')}: run this again for all"


class _Running:
    """A process that records a film."""

    def __init__(self, job: Job, context: SpawnContext, stop: Any):
        self.job = job
        self.receiver, sender = context.Pipe(duplex=False)
        self.process = context.Process(target=_child, args=(job, sender, stop), name=job.film.name, daemon=True)
        with held_back():
            self.process.start()
        sender.close()

    def receive(self) -> tuple[str, list[Any]]:
        """The next message: its kind, and its values."""
        try:
            kind, *values = self.receiver.recv()
        except (EOFError, OSError):
            self.process.join()
            why = "was killed, perhaps for want of memory" if self.process.exitcode == -KILLED else "ended unexpectedly"
            return "failed", [f"{self.job.film} failed: its process {why}"]
        return kind, values

    def kill(self) -> None:
        self.process.kill()
        self.process.join(1.0)


def record_all(jobs: Sequence[Job], view: ProgressView, stopped: Callable[[], bool], workers: int | None = None) -> list[Path]:
    """Records films in `workers` processes at a time, by default one for every core; returns the films that failed.

    After `stopped()` the processes have `STOP_S` to finish their files.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    waiting = list(jobs)
    failed: list[Path] = []
    # Any: Windows has another class of connections.
    running: dict[Any, _Running] = {}
    until = float("inf")
    try:
        while running or (waiting and not stopped()):
            while waiting and not stopped() and len(running) < (workers or os.cpu_count() or 1):
                one = _Running(waiting.pop(0), context, stop)
                running[one.receiver] = one
            receivers: list[Any] = list(wait(list(running), timeout=PROGRESS_S))
            for receiver in receivers:
                if not _take_message(running[receiver], view, failed):
                    del running[receiver]
            if stopped() and not stop.is_set():
                stop.set()
                until = time.monotonic() + STOP_S
            if time.monotonic() > until:
                for one in running.values():
                    failed.append(one.job.film)
                    view.end(one.job.name, f"{one.job.film} did not end within {STOP_S:g} s and was killed: run this again for all of it")
                break
    finally:
        for one in running.values():
            one.kill()
    return failed


def _take_message(one: _Running, view: ProgressView, failed: list[Path]) -> bool:
    """Shows the next message of a process; False if it was the last."""
    job = one.job
    kind, values = one.receive()
    if kind == "progress":
        view.update(job.name, *values)
    elif kind == "message":
        view.tell(values[0])
    else:
        one.process.join()
        failed += [job.film] if kind == "failed" else []
        view.end(job.name, values[0] if kind == "failed" else describe_end(job, values[0], whole=kind == "done"))
        return False
    return True
