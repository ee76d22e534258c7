"""Measures what recordings and viewers leave behind in `live --source demo --web`: they come and go, one after the other.

    python tests/benchmarks/leaks.py [--recordings 100] [--viewers 300]

Linux only. Prints threads, open files and memory of the program after its first minute and a tenth of each, and at the end. Exits with 1
if there are more threads or open files at the end, or memory grew by more than 20 MB.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[2]
RECORDING_S = 0.8
"""How long each recording lasts, in s."""
MOST_MB = 20.0
SETTLING_S = 60.0
"""How long the program runs first, in s: its memory grows in its first minute whatever it does."""


class Held(NamedTuple):
    """What a process holds."""

    threads: int
    files: int
    mb: float


def held(process: subprocess.Popen) -> Held:
    """Threads, open files and resident memory of a process."""
    folder = Path(f"/proc/{process.pid}")
    status = (folder / "status").read_text()
    threads, kb = (int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1]) for name in ("Threads", "VmRSS"))
    return Held(threads, len(list((folder / "fd").iterdir())), kb / 1000)


def press_record(port: int, token: str) -> None:
    """Starts or stops a recording, as the page's button does."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/command", json.dumps({"do": "record"}).encode(), headers)
    urllib.request.urlopen(request, timeout=10).close()


def look(port: int, token: str) -> None:
    """A viewer who takes three pictures and goes."""
    with connect(f"ws://127.0.0.1:{port}/live?token={token}", origin=f"http://127.0.0.1:{port}") as one:
        for _ in range(3):
            one.recv(timeout=10)
            one.send("got")


def come_and_go(port: int, token: str, recordings: int, viewers: int) -> None:
    """So many recordings, one after the other, and so many viewers."""
    for _ in range(recordings):
        press_record(port, token)
        time.sleep(RECORDING_S)
        press_record(port, token)
        time.sleep(0.1)
    for _ in range(viewers):
        look(port, token)
    # The last files and connections are closed in their own time.
    time.sleep(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=100)
    parser.add_argument("--viewers", type=int, default=300)
    args = parser.parse_args()
    command = [sys.executable, "-u", str(ROOT / "run.py"), "live", "--source", "demo", "--web", "--no-window", "--port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        found = next(found for line in process.stdout if (found := re.search(r"http://[^/]*:(\d+)/\?token=(\S+)", line)))
        port, token = int(found[1]), found[2]
        time.sleep(SETTLING_S)
        come_and_go(port, token, args.recordings // 10, args.viewers // 10)
        before = held(process)
        come_and_go(port, token, args.recordings, args.viewers)
        after = held(process)
        made = len(list(Path(folder).rglob("*.mp4")))
        process.terminate()
        process.communicate(timeout=60)
    print(f"{made} recordings, {args.viewers + args.viewers // 10} viewers")
    for name, one in (("at the start", before), ("at the end", after)):
        print(f"{name}: {one.threads} threads, {one.files} open files, {one.mb:.0f} MB")
    sys.exit(int(after.threads > before.threads or after.files > before.files or after.mb > before.mb + MOST_MB))


if __name__ == "__main__":
    main()
