"""Small films in ten containers, seeded damage to them, and a process that records and checks what came of it."""

import json
import os
import random
import re
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

WORKER = Path(__file__).parent / "film_worker.py"
HANG_S = 30.0
"""Seconds that a film of one second may take."""
RATE, SIZE_WH = 25, (96, 64)
CONTAINERS = {
    "mp4": ("libx264", {"bf": "2"}, "aac", 44_100),
    "mov": ("mjpeg", {}, "pcm_s16le", 44_100),
    "mkv": ("libx264", {"bf": "2"}, "flac", 44_100),
    "webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, "libopus", 48_000),
    "avi": ("mpeg4", {}, "libmp3lame", 44_100),
    "ts": ("libx264", {"bf": "2"}, "aac", 44_100),
    "flv": ("flv", {}, "libmp3lame", 44_100),
    "mpg": ("mpeg2video", {"bf": "2"}, "mp2", 44_100),
    "mxf": ("mpeg2video", {}, "pcm_s16le", 48_000),
    "gif": ("gif", {}, None, 0),
}
"""Codec of the pictures with its options, codec of the sound, and its samples a second, by the ending of the name."""
BOXES = (
    "ftyp|moov|mvhd|trak|tkhd|edts|elst|mdia|mdhd|hdlr|minf|stbl|stsd|avc1|avcC|jpeg|mp4a|sowt|esds|stts|ctts|stss|stsc|stsz|stco|mdat|udta"
)
ELEMENTS = (
    rb"\x1a\x45\xdf\xa3|\x18\x53\x80\x67|\x15\x49\xa9\x66|\x2a\xd7\xb1|\x16\x54\xae\x6b|\xae|\xe0[\x80-\x9f]|\xb0[\x81-\x84]|\xba[\x81-\x84]"
    rb"|\xe1[\x80-\xbf]|\xb5[\x84\x88]|\x63\xa2|\x86|\x1f\x43\xb6\x75|\xe7[\x81-\x84]|\xa3[\x40-\xff]|\x23\xe3\x83|\x44\x89|\x1c\x53\xbb\x6b"
)
MARKS = {
    "mp4": rb"(?s:.{4})(?:" + BOXES.encode() + rb")",
    "mov": rb"(?s:.{4})(?:" + BOXES.encode() + rb")",
    "mkv": ELEMENTS,
    "webm": ELEMENTS,
    "avi": rb"RIFF|LIST|avih|strl|strh|strf|movi|idx1|0[01](?:dc|wb)",
    "ts": rb"(?s:.{188})",
    "flv": rb"FLV|onMetaData|duration|width|height|[\x08\x09](?s:.{6})\0\0\0",
    "mpg": rb"\0\0\x01[\xb0-\xef]",
    "mxf": rb"\x06\x0e\x2b\x34",
    "gif": rb"GIF8|\x21\xf9\x04|\x21\xff|\x2c\0\0\0\0",
}
"""Where boxes, chunks, elements, packets and headers begin."""
LIES = (
    0,
    1,
    2,
    3,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    30_000,
    1_000_000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
NEAR = 56
"""Bytes behind a mark in which the sizes, counts, durations, dimensions and timescales of a header lie."""


def write_film(path: Path) -> Path:
    """A film of one second, of moving noise and, where the container may have it, a tone."""
    codec, options, sound_codec, rate = CONTAINERS[path.suffix[1:]]
    noise = np.random.default_rng(1).integers(0, 255, (SIZE_WH[1] // 8, SIZE_WH[0] // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    # Without it Matroska and MXF have random numbers, and the damage would differ each time.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as film:
        video = film.add_stream(codec, rate=RATE, options=options)
        video.width, video.height = SIZE_WH
        video.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
        audio = film.add_stream(sound_codec, rate=rate, layout="mono") if sound_codec else None
        for i in range(RATE):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(noise, i, axis=1)), format="bgr24")
            picture = picture.reformat(format=video.pix_fmt)
            picture.pts, picture.time_base = i, Fraction(1, RATE)
            film.mux(video.encode(picture))
        film.mux(video.encode(None))
        if audio is not None:
            _write_tone(film, audio, rate)
    return path


def _write_tone(film, audio, rate: int) -> None:
    tone = (np.sin(np.arange(rate) * 2 * np.pi * 440 / rate) * 9000).astype(np.int16)[None]
    samples = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
    samples.sample_rate, samples.pts, samples.time_base = rate, 0, Fraction(1, rate)
    size = 0 if audio.codec_context.name.startswith("pcm") else audio.codec_context.frame_size or 1152
    resampler = av.AudioResampler(format=audio.codec_context.format, layout="mono", rate=rate, frame_size=size)
    for one in [*resampler.resample(samples), *resampler.resample(None)]:
        film.mux(audio.encode(one))
    film.mux(audio.encode(None))


def flip_bits(content: bytes, kind: str, chance: random.Random) -> bytes:
    """One to 40 bits anywhere."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 4, 40))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def flip_head_bits(content: bytes, kind: str, chance: random.Random) -> bytes:
    """One to 8 bits in the headers behind marks."""
    damaged = bytearray(content)
    marks = _marks(content, kind)
    for _ in range(chance.choice((1, 2, 8))):
        at = min(chance.choice(marks) + chance.randrange(NEAR), len(damaged) - 1)
        damaged[at] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def cut(content: bytes, kind: str, chance: random.Random) -> bytes:
    """The end, or a piece in the middle, is missing or zero."""
    begin, end = sorted(chance.randrange(len(content)) for _ in range(2))
    return chance.choice((content[:begin], content[:begin] + content[end:], content[:begin] + bytes(end - begin) + content[end:]))


def swap(content: bytes, kind: str, chance: random.Random) -> bytes:
    """Two pieces that begin with a mark change places, or one comes twice."""
    bounds = [0, *_marks(content, kind), len(content)]
    pieces = [content[begin:end] for begin, end in pairwise(bounds)]
    one, other = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    if chance.random() < 0.3:
        pieces.insert(one, pieces[other])
    else:
        pieces[one], pieces[other] = pieces[other], pieces[one]
    return b"".join(pieces)


def lie(content: bytes, kind: str, chance: random.Random) -> bytes:
    """One or two numbers of 1, 2 or 4 bytes in headers behind marks say something else."""
    damaged = bytearray(content)
    marks = _marks(content, kind)
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.choice(marks) + chance.randrange(NEAR)
        value, size = chance.choice(LIES), chance.choice((1, 2, 4))
        number = (value & ((1 << 8 * size) - 1)).to_bytes(size, chance.choice(("big", "little")))
        damaged[at : at + size] = number
    return bytes(damaged)


KINDS: dict[str, Callable[[bytes, str, random.Random], bytes]] = {
    "bits": flip_bits,
    "head bits": flip_head_bits,
    "cut": cut,
    "swap": swap,
    "lie": lie,
}


def _marks(content: bytes, kind: str) -> list[int]:
    """Where marks are; each kind of mark counts a few times at most, so that the many packets do not hide the one header."""
    seen: dict[bytes, int] = {}
    places = []
    for match in re.finditer(MARKS[kind], content):
        name = match[0][-4:] if kind != "ts" else b""
        seen[name] = seen.get(name, 0) + 1
        if seen[name] <= 8 or kind == "ts":
            places.append(match.start())
    return places


def mutate(folder: Path, each: int) -> Iterator[tuple[str, str, Path]]:
    """Writes `each` films of every kind of damage for every container, and gives container, kind and path. The same at each call."""
    for container in CONTAINERS:
        content = write_film(folder / f"whole.{container}").read_bytes()
        for kind, change in KINDS.items():
            for i in range(each):
                path = folder / f"{kind.replace(' ', '_')}_{i}.{container}"
                path.write_bytes(change(content, container, random.Random(f"{container} {kind} {i}")))
                yield container, kind, path


@dataclass(frozen=True)
class Outcome:
    """What became of a film.

    Attributes:
        path: the film.
        result: "whole" (recorded, and the recording is whole), "trouble" (refused in one line, or told in one line what is missing),
            "wrong" (neither), "crash" or "hang".
        text: the line, or what was wrong.
        peak_mb: the most memory that the process occupied; 0 where that is unknown.
        s: seconds that it took.
    """

    path: Path
    result: str
    text: str
    peak_mb: float = 0.0
    s: float = 0.0


def record_films(paths: Iterable[Path], out: Path) -> Iterator[Outcome]:
    """Records and checks each film in one process; one that crashes or hangs is replaced."""
    process: subprocess.Popen[bytes] | None = None
    try:
        for path in paths:
            process = process or start_worker(out)
            outcome = _record(process, path)
            if outcome.result in ("crash", "hang"):
                end_worker(process)
                process = None
            yield outcome
    finally:
        if process is not None:
            end_worker(process)


def start_worker(out: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, WORKER, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert _reply(process, 120) == b"ready\n"
    return process


def end_worker(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def _record(process: "subprocess.Popen[bytes]", path: Path) -> Outcome:
    assert process.stdin is not None
    process.stdin.write(os.fsencode(path) + b"\n")
    process.stdin.flush()
    reply = _reply(process, HANG_S)
    if reply is None:
        return Outcome(path, "hang", f"no end after {HANG_S:g} s")
    if not reply:
        return Outcome(path, "crash", f"ended with {process.wait()}")
    return Outcome(path, **json.loads(reply))


def _reply(process: "subprocess.Popen[bytes]", seconds: float) -> bytes | None:
    """The next line that the process writes; empty where it has ended, None where nothing came in time."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return process.stdout.readline() if selector.select(seconds) else None
