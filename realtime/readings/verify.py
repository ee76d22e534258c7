"""Reads a recording back, video and readings, and reports whether it is whole."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import open_regular
from realtime.base.silence import silence_ffmpeg
from realtime.readings.covered import uncovered_times
from realtime.readings.file import FEW, Readings, first_few, quantity, read, readings_path, video_path
from realtime.sources.containers import limit_size, open_local

SAME_S = 0.001
"""Seconds by which the times of video and readings may differ: the video's are in 90,000ths of a second, the readings' in millionths."""
MATROSKA, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
"""Names of the first two elements of a Matroska file (RFC 9559)."""
GAP_S = 1.0
"""Seconds: a longer step between two frames is a gap, if it is also three times the median step."""

MOST_GAPS = 20
"""Gaps that have a line each; the others are counted."""


@dataclass(frozen=True)
class Film:
    """The content of a video file.

    Attributes:
        times: (n,) seconds; the presentation times of all frames that could be decoded.
        duration_s: the duration in seconds that the file states; None where it states none.
        is_finished: False if it still has the fragments in which it was written.
        missing_bytes: how many bytes are missing at the file's end.
        damage: what went wrong in decoding, or None.
        last_s: for how many seconds the file shows its last frame; 0 if it does not say so.
    """

    times: np.ndarray
    duration_s: float | None
    is_finished: bool
    missing_bytes: int
    damage: str | None
    last_s: float = 0.0


def verify(path: Path) -> tuple[list[str], str]:
    """Checks a recording.

    Args:
        path: its video or its readings; the other file is looked for beside it.

    Returns:
        Every problem, a line each, and in one line what the recording holds.

    Raises:
        Trouble: there is nothing to check.
    """
    if path.is_dir():
        raise Trouble(f"{path} is a folder; name a recording's video or .jsonl file")
    numbers, video = readings_path(path), video_path(path)
    if not numbers.exists() and video is None:
        raise Trouble(f"{path}: there is no such file; name a recording's video or .jsonl file")
    problems: list[str] = []
    readings = film = None
    try:
        readings = read(numbers)
        problems += [*readings.problems, *readings_problems(readings, numbers)]
    except Trouble as trouble:
        problems.append(str(trouble))
    has_pictures = readings is None or readings.facts.get("privacy") != "numbers"
    if video is not None:
        try:
            film = decode_film(video)
            problems += film_problems(film, video)
        except Trouble as trouble:
            problems.append(str(trouble))
    elif has_pictures:
        problems.append(f"{numbers}: there is no video beside the readings")
    if readings is not None and film is not None and video is not None:
        problems += differences(readings, film, video)
        if readings.facts.get("privacy") == "blur" and film.damage is None:
            problems += coverage_problems(video)
    contents = [video.name] if film is not None and video is not None else []
    contents += [numbers.name] if readings is not None else []
    times = film.times if film is not None else readings.t if readings is not None else np.zeros(0)
    length = float(times[-1] - times[0]) if len(times) else 0.0
    return problems, f"{' and '.join(contents)}: {quantity(len(times), 'frame')}, {length:.1f} s"


def coverage_problems(video: Path) -> list[str]:
    """What a search for faces finds in a video whose faces are covered: at most a line."""
    found, searched = uncovered_times(video)
    if not found:
        return []
    pictures = quantity(searched, "searched picture")
    return [f"{video}: {len(found)} of {pictures} may show a face that is not covered, the first at {found[0]:.1f} s"]


def decode_film(path: Path) -> Film:
    """Decodes a video, and its sound if it has any, to the end.

    Raises:
        Trouble: it cannot be opened, or holds no pictures or too large ones.
    """
    import av

    silence_ffmpeg()
    try:
        is_finished, missing_bytes = _file_state(path)
        container = open_local(path)
    except (av.error.FFmpegError, OSError) as error:
        raise Trouble(
            f"{path} cannot be opened ({reason(error)}): it is no video, or its end is missing; keep the readings, record again"
        ) from error
    with container:
        if not container.streams.video:
            raise Trouble(f"{path} holds no pictures; name the recording itself")
        stream = container.streams.video[0]
        limit_size(stream, str(path))
        stream.thread_type = "AUTO"
        duration_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
        times, damage, corrupt, last_s = [], None, 0, 0.0
        try:
            for picture in container.decode(stream):
                corrupt += picture.is_corrupt
                times.append(picture.time if picture.time is not None else np.nan)
                last_s = float(picture.duration * (picture.time_base or 0))
        except av.error.FFmpegError as error:
            damage = f"cannot be decoded after {quantity(len(times), 'frame')} ({reason(error)})"
        if corrupt and damage is None:
            damage = f"has {quantity(corrupt, 'damaged picture')}"
        if container.streams.audio and damage is None:
            try:
                container.seek(0)
                for _ in container.decode(container.streams.audio[0]):
                    pass
            except av.error.FFmpegError as error:
                damage = f"has sound that cannot be decoded ({reason(error)})"
    return Film(np.array(times, np.float64), duration_s, is_finished, missing_bytes, damage, last_s)


def _file_state(path: Path) -> tuple[bool, int]:
    """Whether a video has its final form (in MP4 no `moof` box at the top level), and how many bytes it lacks at its end."""
    at, finished = 0, True
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(MATROSKA)) == MATROSKA:
            end = _matroska_end(file)
            return end is not None, max(0, (end or 0) - size)
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4]), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16])
            if not kind.isascii() or 1 < length < 8:
                # Not an MP4: opening it will fail with a message.
                return True, 0
            finished &= kind != b"moof"
            if length == 0:
                return finished, 0
            at += length
    return finished, max(0, at - size)


def _matroska_end(file: BinaryIO) -> int | None:
    """Where a Matroska file ends by its own account, in bytes; None while it is written. `file` is behind the first element's name."""
    file.seek(_size(file) or 0, os.SEEK_CUR)
    if file.read(len(SEGMENT)) != SEGMENT:
        return None
    size = _size(file)
    return None if size is None else file.tell() + size


def _size(file: BinaryIO) -> int | None:
    """Reads the size of an element (RFC 8794): the zeros before the first one tell how many bytes follow; all ones mean unknown."""
    first = file.read(1)
    length = 9 - (first[0] if first else 0).bit_length()
    bits = 7 * length
    value = int.from_bytes(first + file.read(length - 1)) & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value


def readings_problems(readings: Readings, name: Path) -> list[str]:
    """What is wrong with the readings alone, a line each; `name` is their file."""
    problems: list[str] = []
    if len(readings.t) == 0:
        return [f"{name}: there is no frame in it"]
    wrong = np.flatnonzero(readings.numbers != np.arange(len(readings.numbers)))
    if len(wrong):
        first = int(wrong[0])
        problems.append(f"{name}: frame {readings.numbers[first]} stands where {first} was expected")
    back = np.flatnonzero(np.diff(readings.t) <= 0) + 1
    if len(back):
        problems.append(f"{name}: time does not grow at {quantity(len(back), 'frame')} ({first_few(back[: FEW + 1].tolist())})")
    if abs(readings.t[0]) > SAME_S:
        problems.append(f"{name}: time begins at {readings.t[0]:.3f} s, not at 0")
    # A film's own stills are recorded as they are.
    problems += _gaps(readings.t, name) if readings.facts.get("live", True) else []
    problems += _losses(readings.facts, name)
    return problems


def _losses(facts: dict[str, Any], name: Path) -> list[str]:
    """What is missing of what was recorded, a line each."""
    problems: list[str] = []
    lost, ended_s, stated_s, dropped, stopped_s = (facts.get(key) for key in ("lost", "ended_s", "stated_s", "dropped", "stopped_s"))
    if lost:
        problems.append(f"{name}: {quantity(lost, 'picture')} of the film could not be decoded: its file is damaged")
    if dropped:
        why = f"the program stood still for {stopped_s:.0f} s" if stopped_s else "the machine did not keep up"
        problems.append(f"{name}: {quantity(dropped, 'frame')} dropped while recording: {why}")
    if ended_s is not None and stated_s is not None:
        problems.append(f"{name}: the film ended after {ended_s:.0f} s of {stated_s:.0f} s: its file is incomplete")
    return problems


def _gaps(t: np.ndarray, name: Path) -> list[str]:
    steps = np.diff(t)
    if len(steps) == 0:
        return []
    gaps = np.flatnonzero(steps > max(GAP_S, 3 * float(np.median(steps))))
    lines = [f"{name}: nothing for {steps[i]:.1f} s from {t[i]:.1f} s on (frame {i})" for i in gaps[:MOST_GAPS].tolist()]
    return lines + [f"{name}: so also {quantity(len(gaps) - MOST_GAPS, 'time')} more"] * (len(gaps) > MOST_GAPS)


def film_problems(film: Film, name: Path) -> list[str]:
    """What is wrong with the video alone, a line each; `name` is its file."""
    problems: list[str] = []
    if film.missing_bytes:
        problems.append(f"{name}: the end of the file is missing ({film.missing_bytes} bytes)")
    if not film.is_finished:
        problems.append(f"{name}: the recording was ended from outside; it plays as far as it goes, but its file was never finished")
    if film.damage:
        problems.append(f"{name} {film.damage}")
    n = len(film.times)
    if n == 0:
        return [*problems, f"{name}: there is no frame in it"]
    back = np.flatnonzero(~(np.diff(film.times) > 0)) + 1
    if len(back):
        problems.append(f"{name}: time does not grow at {quantity(len(back), 'frame')} ({first_few(back[: FEW + 1].tolist())})")
    if film.is_finished and film.duration_s is not None and n > 1:
        # The last frame is shown for about as long as the others, or for as long as the file says.
        steps, end = np.diff(film.times), float(film.times[-1])
        if not end - SAME_S <= film.duration_s <= end + max(2 * float(steps.max()), film.last_s) + 0.1:
            problems.append(f"{name}: the file says that it lasts {film.duration_s:.2f} s, its last frame is at {end:.2f} s")
    return problems


def differences(readings: Readings, film: Film, name: Path) -> list[str]:
    """Where video and readings do not agree, a line each."""
    problems: list[str] = []
    pictures, lines = len(film.times), len(readings.t)
    if pictures != lines:
        problems.append(f"{name}: {quantity(pictures, 'frame')}, but the readings have {quantity(lines, 'line')}")
    both = min(pictures, lines)
    apart = np.abs(film.times[:both] - readings.t[:both])
    off = np.flatnonzero(~(apart <= SAME_S))
    if len(off):
        first = int(off[0])
        times = f"{film.times[first]:.3f} s against {readings.t[first]:.3f} s"
        problems.append(f"{name}: {quantity(len(off), 'frame')} not at the time that the readings say; the first is frame {first}, {times}")
    return problems
