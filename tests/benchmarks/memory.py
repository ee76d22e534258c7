"""Whether memory grows: the whole chain over the demo clip at full speed, again and again.

    python tests/benchmarks/memory.py [MINUTES]             default: 30

Compares the end with the level after the first minute (for shorter runs, after a fifth). Exits with 1 if it grew by over 5 MB.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from realtime.config import Settings
from realtime.drawing.draw import annotate
from realtime.pipeline import build_pipeline
from realtime.sources.films import DEMO, VideoFile
from realtime.sources.playing import Repeated

LIMIT_MB = 5.0


def resident_mb() -> float:
    """What this process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def growth(seconds: float) -> tuple[float, float, int]:
    """Memory in MB after the settling and at the end, and the number of frames."""
    settling, began = min(60.0, seconds / 5), time.monotonic()
    settled, told = None, began
    with Repeated(VideoFile(DEMO)) as frames, build_pipeline(Settings(), time.perf_counter, live=True) as pipeline:
        for frame in frames:
            annotate(frame.image, pipeline.read(frame))
            now = time.monotonic()
            if settled is None and now - began >= settling:
                settled = resident_mb()
            if now - told >= 60:
                told = now
                print(f"{(now - began) / 60:4.1f} min  {frame.index:7} frames  {resident_mb():6.1f} MB", flush=True)
            if now - began >= seconds:
                break
    return settled, resident_mb(), frame.index


if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    settled, ended, n = growth(60 * minutes)
    print(f"{n} frames: {settled:.1f} MB after settling, {ended:.1f} MB at the end, grew by {ended - settled:+.1f} MB")
    sys.exit(ended - settled > LIMIT_MB)
