"""Films with flashes and tones at the same times, to see whether sound stays with its pictures."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np

from realtime.sources.films import VideoFile

RATE, FPS = 44_100, 30
FLASHES_S = (0.5, 1.2, 1.7)


def make_film(path, codec="aac", late_s=0.0, seconds=2.0, rate=RATE, **options):
    """A film whose picture flashes for a tenth of a second while a tone sounds; its pictures begin `late_s` after its sound, or before it
    where that is negative."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=FPS, options={"crf": "18", "bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 90_000)
        audio = film.add_stream(codec, rate=rate, layout="mono", options=options)
        audio.bit_rate = 64_000
        for i in range(round(seconds * FPS)):
            t = max(late_s, 0) + i / FPS
            lit = any(flash <= t < flash + 0.1 for flash in FLASHES_S)
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 250 if lit else 5, np.uint8), format="bgr24")
            picture.pts, picture.time_base = round(t * 90_000), Fraction(1, 90_000)
            film.mux(video.encode(picture))
        t = np.arange(round(max(-late_s, 0) * rate), round((max(late_s, 0) + seconds) * rate)) / rate
        tone = np.sin(t * 2 * np.pi * 1000) * 0.8 * np.any([(t >= flash) & (t < flash + 0.1) for flash in FLASHES_S], axis=0)
        queue = av.AudioFifo()
        samples = av.AudioFrame.from_ndarray((tone * 32767).astype(np.int16)[None], format="s16", layout="mono")
        samples.rate, samples.pts = rate, 0
        queue.write(samples)
        even = av.AudioResampler(format=audio.codec_context.format, layout="mono", rate=rate)
        at = round(t[0] * rate)
        while chunk := queue.read(1024, partial=True):
            for one in even.resample(chunk):
                one.pts, one.time_base = at, Fraction(1, rate)
                at += one.samples
                film.mux(audio.encode(one))
        film.mux(video.encode(None))
        film.mux(audio.encode(None))


def packets(path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as film:
        return [(float(p.pts * p.time_base), bytes(p)) for p in film.demux(audio=0) if p.size]


def tone_starts(path) -> list[float]:
    """When the tones begin: the first samples of more than half of full loudness after a silence."""
    with av.open(str(path)) as film:
        times, loud, end = [], [], 0.0
        for frame in film.decode(audio=0):
            samples = frame.to_ndarray()[0]
            begin = end if frame.time is None else frame.time
            end = begin + len(samples) / frame.sample_rate
            times.append(begin + np.arange(len(samples)) / frame.sample_rate)
            loud.append(np.abs(samples.astype(float)) > (0.4 if samples.dtype.kind == "f" else 13_000))
    starts = np.concatenate(times)[np.concatenate(loud)]
    return [starts[0], *(after for before, after in pairwise(starts) if after - before > 0.05)]


def flash_starts(path) -> list[float]:
    """When the flashes begin; in AVI, which has no times, FFmpeg's guesses would be a frame late."""
    with VideoFile(path) as film:
        light = [(frame.t, frame.image.mean() > 128) for frame in film]
    return [t for (_, before), (t, now) in pairwise(light) if now and not before]
