"""What viewers cost: `live --source demo --web` at 640x480 and 30 fps, without a viewer and then with three, one of them held to 100 kB/s.

    nice python tests/benchmarks/web.py [SECONDS]            default: 15

Prints the loop's rate and the processor time of both runs and the rate of each viewer. Exits with 1 if the loop is more than 5 % slower
with viewers, or a viewer who is not held gets less than 95 % of the loop's frames. The slow viewer reads, and says that a picture has
come, only as fast as its line would have brought it.
"""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[2]
SLOW = 100_000
"""Bytes a second."""


def view(port: int, token: str, limit: int | None, seconds: float) -> tuple[float, float]:
    """Pictures and kB a second that a viewer gets."""
    pictures = taken = 0
    with (
        contextlib.suppress(ConnectionClosed, TimeoutError),
        connect(f"ws://127.0.0.1:{port}/live?token={token}", origin=f"http://127.0.0.1:{port}") as one,
    ):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            said = one.recv(timeout=5)
            if isinstance(said, bytes):
                if limit:
                    time.sleep(len(said) / limit)
                one.send("got")
                pictures += bool(said)
                taken += len(said)
    return pictures / seconds, taken / seconds / 1000


def run(seconds: float, viewers: list[int | None]) -> tuple[float, float, list[tuple[float, float]]]:
    """The loop's frames a second, its share of one core, and what the viewers got."""
    command = [
        sys.executable,
        "-u",
        str(ROOT / "run.py"),
        "live",
        "--source",
        "demo",
        "--web",
        "--port",
        "0",
        "--seconds",
        str(seconds + 4),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = iter(process.stdout.readline, "")
    port, token = next(found.groups() for line in lines if (found := re.search(r"http://127.0.0.1:(\d+)/\?token=(\S+)", line)))
    time.sleep(2.0)
    got: dict[int, tuple[float, float]] = {}
    threads = [
        threading.Thread(target=lambda i=i, limit=limit: got.update({i: view(int(port), token, limit, seconds)}))
        for i, limit in enumerate(viewers)
    ]
    for thread in threads:
        thread.start()
    rest = process.stdout.read()
    _, _, used = os.wait4(process.pid, 0)
    for thread in threads:
        thread.join()
    rate = float(re.search(r"([\d.]+) fps, \d+ dropped", rest)[1])
    return rate, (used.ru_utime + used.ru_stime) / (seconds + 4), [got[i] for i in range(len(viewers))]


def main(seconds: float) -> None:
    alone, alone_share, _ = run(seconds, [])
    rate, share, got = run(seconds, [None, None, SLOW])
    print(f"no viewer: {alone:.1f} frames a second, {alone_share:.0%} of one core")
    print(f"three viewers: {rate:.1f} frames a second, {share:.0%} of one core")
    for (pictures, kilobytes), name in zip(got, ("first", "second", "held to 100 kB/s"), strict=True):
        print(f"    {name}: {pictures:.1f} pictures a second, {kilobytes:.0f} kB a second")
    sys.exit(rate < 0.95 * alone or min(got[0][0], got[1][0]) < 0.95 * rate)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 15.0)
