"""Reads a recording back, pictures and numbers, and tells whether it is whole: the check after the sinks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.silence import silence_ffmpeg
from realtime.readings.file import Readings, counted, listed, read, readings_path

SAME_S = 0.001
"""Times of video and readings that differ by more are not the same: the one is in 90,000ths of a second, the other in millionths."""
GAP_S = 1.0
"""A longer step between two frames is a gap, if it is also a few times the usual step."""


@dataclass(frozen=True)
class Film:
    """What a video file holds.

    Attributes:
        times: (n,) seconds; the presentation times of all frames that could be decoded.
        lasts_s: how long the file says that it is; None where it does not say.
        finished: False while it is still in the fragments in which it grew.
        missing_bytes: how much of the file's end is gone.
        broken: why decoding stopped or went wrong, or None.
    """

    times: np.ndarray
    lasts_s: float | None
    finished: bool
    missing_bytes: int
    broken: str | None


def verify(path: Path) -> tuple[list[str], str]:
    """Every problem of a recording, a line each, and in one line what it holds.

    Args:
        path: its video or its readings; the other one is looked for beside it.

    Raises:
        Trouble: there is nothing to be checked.
    """
    if path.is_dir():
        raise Trouble(f"{path} is a folder; name a recording's .mp4 or .jsonl file")
    numbers, video = readings_path(path), path.with_suffix(".mp4")
    if not numbers.exists() and not video.exists():
        raise Trouble(f"{path}: there is no such file; name a recording's .mp4 or .jsonl file")
    problems: list[str] = []
    readings = film = None
    try:
        readings = read(numbers)
        problems += [*readings.problems, *_of_readings(readings, numbers)]
    except Trouble as trouble:
        problems.append(str(trouble))
    pictures_wanted = readings is None or readings.facts.get("privacy") != "numbers"
    if video.exists():
        try:
            film = watch(video)
            problems += of_film(film, video)
        except Trouble as trouble:
            problems.append(str(trouble))
    elif pictures_wanted:
        problems.append(f"{video}: there is no video beside the readings")
    if readings is not None and film is not None:
        problems += _between(readings, film, video)
    held = [video.name] * (film is not None) + [numbers.name] * (readings is not None)
    times = film.times if film is not None else readings.t if readings is not None else np.zeros(0)
    length = float(times[-1] - times[0]) if len(times) else 0.0
    return problems, f"{' and '.join(held)}: {counted(len(times), 'frame')}, {length:.1f} s"


def watch(path: Path) -> Film:
    """Decodes a video to its end, and its sound if it has any.

    Raises:
        Trouble: it cannot be opened, or holds no pictures.
    """
    import av

    silence_ffmpeg()
    try:
        finished, missing = _boxes(path)
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise Trouble(
            f"{path} cannot be opened ({reason(error)}): it is no video, or its end is missing; keep the readings, record again"
        ) from error
    with container:
        if not container.streams.video:
            raise Trouble(f"{path} holds no pictures; name the recording itself")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        lasts_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
        times, broken, corrupt = [], None, 0
        try:
            for picture in container.decode(stream):
                corrupt += picture.is_corrupt
                times.append(picture.time if picture.time is not None else np.nan)
        except av.error.FFmpegError as error:
            broken = f"cannot be decoded after {counted(len(times), 'frame')} ({reason(error)})"
        if corrupt and broken is None:
            broken = f"has {counted(corrupt, 'damaged picture')}"
        if container.streams.audio and broken is None:
            try:
                container.seek(0)
                for _ in container.decode(container.streams.audio[0]):
                    pass
            except av.error.FFmpegError as error:
                broken = f"has sound that cannot be decoded ({reason(error)})"
    return Film(np.array(times, np.float64), lasts_s, finished, missing, broken)


def _boxes(path: Path) -> tuple[bool, int]:
    """Whether an MP4 has its final form, and how many bytes its last box lacks."""
    size, at, finished = path.stat().st_size, 0, True
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4]), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16])
            if not kind.isascii() or 1 < length < 8:
                # No MP4 at all; opening it will say so.
                return True, 0
            finished &= kind != b"moof"
            if length == 0:
                return finished, 0
            at += length
    return finished, max(0, at - size)


def _of_readings(readings: Readings, name: Path) -> list[str]:
    """What is wrong with the numbers themselves."""
    said: list[str] = []
    if len(readings.t) == 0:
        return [f"{name}: there is no frame in it"]
    wrong = np.flatnonzero(readings.numbers != np.arange(len(readings.numbers)))
    if len(wrong):
        first = int(wrong[0])
        said.append(f"{name}: frame {readings.numbers[first]} stands where {first} was expected")
    back = np.flatnonzero(np.diff(readings.t) <= 0) + 1
    if len(back):
        said.append(f"{name}: time does not grow at {counted(len(back), 'frame')} ({listed(back.tolist())})")
    if abs(readings.t[0]) > SAME_S:
        said.append(f"{name}: time begins at {readings.t[0]:.3f} s, not at 0")
    said += _gaps(readings.t, name)
    dropped = readings.facts.get("dropped")
    if isinstance(dropped, int) and dropped > 0:
        said.append(f"{name}: {counted(dropped, 'frame')} dropped while recording: the machine did not keep up")
    return said


def _gaps(t: np.ndarray, name: Path) -> list[str]:
    steps = np.diff(t)
    if len(steps) == 0:
        return []
    gaps = np.flatnonzero(steps > max(GAP_S, 3 * float(np.median(steps))))
    return [f"{name}: nothing for {steps[i]:.1f} s from {t[i]:.1f} s on (frame {i})" for i in gaps.tolist()]


def of_film(film: Film, name: Path) -> list[str]:
    """What is wrong with the video itself."""
    said: list[str] = []
    if film.missing_bytes:
        said.append(f"{name}: the end of the file is missing ({film.missing_bytes} bytes)")
    if not film.finished:
        said.append(f"{name}: the recording was ended from outside; it plays as far as it goes, but its file was never finished")
    if film.broken:
        said.append(f"{name} {film.broken}")
    n = len(film.times)
    if n == 0:
        return [*said, f"{name}: there is no frame in it"]
    back = np.flatnonzero(~(np.diff(film.times) > 0)) + 1
    if len(back):
        said.append(f"{name}: time does not grow at {counted(len(back), 'frame')} ({listed(back.tolist())})")
    if film.finished and film.lasts_s is not None and n > 1:
        # The last frame is shown for about as long as the others.
        steps, end = np.diff(film.times), float(film.times[-1])
        if not end - SAME_S <= film.lasts_s <= end + 2 * float(steps.max()) + 0.1:
            said.append(f"{name}: the file says that it lasts {film.lasts_s:.2f} s, its last frame is at {end:.2f} s")
    return said


def _between(readings: Readings, film: Film, name: Path) -> list[str]:
    """Where video and readings do not agree."""
    said: list[str] = []
    pictures, lines = len(film.times), len(readings.t)
    if pictures != lines:
        said.append(f"{name}: {counted(pictures, 'frame')}, but the readings have {counted(lines, 'line')}")
    both = min(pictures, lines)
    apart = np.abs(film.times[:both] - readings.t[:both])
    off = np.flatnonzero(~(apart <= SAME_S))
    if len(off):
        first = int(off[0])
        times = f"{film.times[first]:.3f} s against {readings.t[first]:.3f} s"
        said.append(f"{name}: {counted(len(off), 'frame')} not at the time that the readings say; the first is frame {first}, {times}")
    return said
