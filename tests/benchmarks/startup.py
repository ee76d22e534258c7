"""Measures the time from the start of `live --source demo` to its first labelled frame.

    python tests/benchmarks/startup.py [TIMES]              default: 5

There is no window: the first line of readings comes with the first frame that has a face. The first run, which fills the disk cache, is
printed separately.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from realtime.values import LABELS


def measure_start() -> float:
    """Seconds from the start of the process to the first line that names an expression."""
    started = time.perf_counter()
    command = [sys.executable, "-u", "run.py", "live", "--source", "demo", "--no-window", "--seconds", "3"]
    with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if any(label in line for label in LABELS):
                elapsed = time.perf_counter() - started
                process.terminate()
                return elapsed
    sys.exit("no reading came: run the command by hand to see why")


if __name__ == "__main__":
    first, *rest = [measure_start() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)]
    print(
        f"first labelled frame: {first:.2f} s at the first start, then {statistics.median(rest or [first]):.2f} s (median of {len(rest)})"
    )
