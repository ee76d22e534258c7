"""Recordings written by hand, without the recorder, so that they can be wrong in every way."""

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from realtime.readings.format import SCHEMA
from realtime.values import LABELS

TICKS = 90_000
RATE = 44_100
HEADER: dict[str, Any] = {
    "schema": SCHEMA,
    "source": "film.mp4",
    "model": {"name": "emotion.tflite", "sha256": "ab" * 32},
    "labels": list(LABELS),
    "width": 128,
    "height": 96,
    "started": "2026-11-23T01:45:07+00:00",
}


def even_times(n: int, rate: float = 30.0) -> list[float]:
    return [round(i / rate, 6) for i in range(n)]


def a_face(label: str = "happiness", unsure: str | None = None, id: int = 1, share: float = 0.88) -> dict[str, Any]:
    """One face as a line of readings has it."""
    probs = [round((1 - share) / 6, 4)] * 7
    probs[LABELS.index(label)] = share
    pose = {"yaw": 10.5, "pitch": -3.0, "roll": 1.2, "eyes": 21.7}
    return {"id": id, "box": [40.0, 20.0, 90.0, 70.0], "probs": probs, "label": label, "confidence": share, "unsure": unsure, **pose}


def as_lines(times: Sequence[float], faces: Callable[[int], list[dict[str, Any]]] = lambda i: [a_face()]) -> list[dict[str, Any]]:
    return [{"frame": i, "t": t, "faces": faces(i)} for i, t in enumerate(times)]


def write_readings(path: Path, lines: Sequence[dict[str, Any]], **facts: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in [{**HEADER, **facts}, *lines]))
    return path


def write_film(
    path: Path,
    times: Sequence[float],
    finished: bool = True,
    hue: Callable[[int], int] = lambda i: i % 200,
    image: np.ndarray | None = None,
    sound: bool = False,
) -> Path:
    """A video of 128x96 with a frame at each time: noise of brightness `hue`, or `image`. An unfinished one is as after a crash."""
    options = {} if finished else {"movflags": "+frag_keyframe+empty_moov"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.options = {"preset": "ultrafast", "bf": "0", "g": "15"}
        audio = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        noise = np.random.default_rng(1).integers(0, 40, (96, 128, 3), np.uint8)
        for i, t in enumerate(times):
            picture = av.VideoFrame.from_ndarray(noise + np.uint8(hue(i)) if image is None else image, format="bgr24")
            picture.pts, picture.time_base = round(t * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if audio is not None:
            samples = np.random.default_rng(2).uniform(-0.5, 0.5, (1, round(times[-1] * RATE))).astype(np.float32)
            hiss = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            hiss.sample_rate, hiss.pts = RATE, 0
            container.mux(audio.encode(hiss))
            container.mux(audio.encode(None))
    return path


def cut(film: Path, out: Path, seconds: float) -> Path:
    """The beginning of a film, its packets copied."""
    with av.open(str(film)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts * packet.time_base > seconds:
                continue
            packet.stream = copy
            target.mux(packet)
    return out
