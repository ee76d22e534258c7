"""Measures the latency of `live --source demo` on a quarter of one core.

    python tests/benchmarks/starved.py [SECONDS]            default: 20

If the user may make control groups, the process gets 25 ms of processor time in every 100 ms; else it shares one core with three busy
processes. Exits with 1 if the 95th percentile of the latency is over 250 ms.
"""

import re
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MS = 250.0
BUSY = "while True: pass"


@contextmanager
def quarter():
    """Yields the words to put before a command, and a description of the limit."""
    for group, files in (
        (Path("/sys/fs/cgroup/cpu/starved"), {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "25000"}),
        (Path("/sys/fs/cgroup/starved"), {"cpu.max": "25000 100000"}),
    ):
        try:
            group.mkdir()
            for name, value in files.items():
                (group / name).write_text(value)
        except OSError:
            with suppress(OSError):
                group.rmdir()
            continue
        try:
            yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"], "a control group: 25 ms in every 100 ms"
        finally:
            with suppress(OSError):
                group.rmdir()
        return
    busy_processes = [subprocess.Popen(["taskset", "-c", "0", sys.executable, "-c", BUSY]) for _ in range(3)]
    try:
        yield ["taskset", "-c", "0"], "one core shared with three busy processes"
    finally:
        for process in busy_processes:
            process.kill()


def main(seconds: str) -> None:
    with quarter() as (prefix, way):
        print(way, flush=True)
        command = [sys.executable, str(ROOT / "run.py"), "live", "--source", "demo", "--no-window", "--seconds", seconds]
        output = subprocess.run([*prefix, *command], capture_output=True, text=True, check=True).stdout
    last = next(line for line in reversed(output.splitlines()) if "latency" in line)
    print(last)
    sys.exit(float(re.search(r"p95 ([\d.]+)", last)[1]) > LIMIT_MS)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "20")
