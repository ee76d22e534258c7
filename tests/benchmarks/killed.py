"""Kills `live --record` at random moments with SIGKILL: how much of the recording is lost?

    python tests/benchmarks/killed.py [TIMES]            default: 20

A line a kill: how long it had recorded, and how many seconds before the kill the readings and the video end. The video is decoded to its
end. Exits with 1 if one of them is lost by more than a second, or if ffprobe, where there is one, says a word about a file.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 1.0


def readings_end(path: Path) -> float | None:
    """The time of the last whole line of a readings file that may still grow; None before the first frame."""
    lines = path.read_text().split("\n")[1:-1] if path.exists() else []
    return json.loads(lines[-1])["t"] if lines else None


def killed(folder: Path, after_s: float) -> tuple[float, float, float]:
    """Records the demo clip and kills it: seconds recorded, and seconds from the end of the readings and of the video to the kill."""
    video, readings = folder / "out.mp4", folder / "out.jsonl"
    for old in (video, readings):
        old.unlink(missing_ok=True)
    command = [sys.executable, str(ROOT / "run.py"), "live", "--source", "demo", "--no-window", "--record", str(video)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    began, until = float("inf"), time.monotonic() + 60
    while time.monotonic() < began + after_s:
        assert process.poll() is None, "the recording ended by itself"
        assert time.monotonic() < until, "nothing was recorded"
        t = readings_end(readings)
        if t is not None:
            # When the recording began on this clock: each line says it a little too late, the quickest is the most right.
            began = min(began, time.monotonic() - t)
        time.sleep(0.01)
    process.kill()
    recorded_s = time.monotonic() - began
    process.wait()
    with av.open(str(video)) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    return recorded_s, recorded_s - readings_end(readings), recorded_s - shown[-1]


def main(times: int) -> None:
    draw, worst = random.Random(0), 0.0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(times):
            recorded_s, readings_s, video_s = killed(Path(folder), draw.uniform(1, 6))
            said = ""
            if shutil.which("ffprobe"):
                probe = ["ffprobe", "-v", "warning", str(Path(folder) / "out.mp4")]
                said = subprocess.run(probe, capture_output=True, text=True, check=False).stderr.strip()
            print(f"killed after {recorded_s:.2f} s: readings end {readings_s:.2f} s before, video {video_s:.2f} s {said}", flush=True)
            worst = max(worst, readings_s, video_s, LIMIT_S + 1 if said else 0)
    sys.exit(worst > LIMIT_S)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
