"""Measures whether memory grows: the whole pipeline over the demo clip, repeated at full speed.

    python tests/benchmarks/memory.py [MINUTES]             default: 30

Compares the memory at the end with that after the first minute (in runs under 5 minutes, after a fifth of the time). Exits with 1 if it
grew by more than 5 MB.
"""

import gc
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from realtime.base.memory import give_back_memory
from realtime.config import Settings
from realtime.drawing.draw import annotate
from realtime.pipeline import build_pipeline
from realtime.sources.films import DEMO, VideoFile
from realtime.sources.playing import Repeated

LIMIT_MB = 5.0


def resident_mb() -> float:
    """The memory that this process occupies now, in MB, without what it has freed."""
    gc.collect()
    give_back_memory()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def growth(seconds: float) -> tuple[float, float, int]:
    """Memory in MB after the settling time and at the end, and the number of frames."""
    settling_s, began = min(60.0, seconds / 5), time.monotonic()
    settled_mb, last_report_t = None, began
    with Repeated(VideoFile(DEMO)) as frames, build_pipeline(Settings(), time.perf_counter, live=True) as pipeline:
        for frame in frames:
            annotate(frame.image, pipeline.read(frame))
            now = time.monotonic()
            if settled_mb is None and now - began >= settling_s:
                settled_mb = resident_mb()
            if now - last_report_t >= 60:
                last_report_t = now
                print(f"{(now - began) / 60:4.1f} min  {frame.index:7} frames  {resident_mb():6.1f} MB", flush=True)
            if now - began >= seconds:
                break
    return settled_mb, resident_mb(), frame.index


if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    settled_mb, end_mb, n = growth(60 * minutes)
    print(f"{n} frames: {settled_mb:.1f} MB after settling, {end_mb:.1f} MB at the end, grew by {end_mb - settled_mb:+.1f} MB")
    sys.exit(end_mb - settled_mb > LIMIT_MB)
