"""Measures what recordings, viewers and camera changes leave behind.

    python tests/benchmarks/leaks.py [--recordings 100] [--viewers 300] [--changes 50]

Recordings and viewers come and go in `live --source demo --web`, one after the other. Cameras are changed in a process that reads frames
through the switch of `live`, between a camera at an address and the demo clip. Linux only. Prints threads, open files and memory after a
tenth of each (the live program has run for a minute by then), and at the end. Exits with 1 if there are more threads or open files at the
end, or memory grew by more than 20 MB.
"""

import argparse
import json
import os
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
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes import NetworkCamera  # noqa: E402

from realtime.config import CameraSettings  # noqa: E402
from realtime.sources.opening import open_live  # noqa: E402
from realtime.sources.switching import SourceSwitch  # noqa: E402

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


def held(process: int) -> Held:
    """Threads, open files and resident memory of the process of that number."""
    folder = Path(f"/proc/{process}")
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


def measure_live(recordings: int, viewers: int) -> tuple[Held, Held]:
    """What the live program holds after a tenth of the recordings and viewers, and after all of them."""
    command = [sys.executable, "-u", str(ROOT / "run.py"), "live", "--source", "demo", "--web", "--no-window", "--port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        found = next(found for line in process.stdout if (found := re.search(r"http://[^/]*:(\d+)/\?token=(\S+)", line)))
        port, token = int(found[1]), found[2]
        time.sleep(SETTLING_S)
        come_and_go(port, token, recordings // 10, viewers // 10)
        before = held(process.pid)
        come_and_go(port, token, recordings, viewers)
        after = held(process.pid)
        process.terminate()
        process.communicate(timeout=60)
    return before, after


def measure_changes(changes: int) -> tuple[Held, Held]:
    """What this process holds after a tenth of the camera changes, and after all of them."""
    with NetworkCamera(size_wh=(640, 480)) as camera:
        texts = [camera.address, "demo"]
        switch = SourceSwitch(
            lambda text: open_live(text, time.monotonic, CameraSettings(), lambda: switch.due, lambda why: None, print),
            texts[:1],
            lambda: texts,
            lambda what: None,
        )
        with switch:
            frames = iter(switch)
            for i in range(changes + changes // 10):
                if i == changes // 10:
                    before = held(os.getpid())
                current = switch.current
                switch.next()
                while switch.current == current:
                    next(frames)
                for _ in range(10):
                    next(frames)
            return before, held(os.getpid())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=100)
    parser.add_argument("--viewers", type=int, default=300)
    parser.add_argument("--changes", type=int, default=50)
    args = parser.parse_args()
    grown = False
    for name, (before, after) in (
        (f"{args.recordings} recordings, {args.viewers} viewers", measure_live(args.recordings, args.viewers)),
        (f"{args.changes} camera changes", measure_changes(args.changes)),
    ):
        print(name)
        for when, one in (("at the start", before), ("at the end", after)):
            print(f"  {when}: {one.threads} threads, {one.files} open files, {one.mb:.0f} MB")
        grown |= after.threads > before.threads or after.files > before.files or after.mb > before.mb + MOST_MB
    sys.exit(int(grown))


if __name__ == "__main__":
    main()
