"""Kills `live --record` at random moments with SIGKILL: how much of the recording is lost?

    python tests/benchmarks/killed.py [KILLS] [--sound]            default: 30 kills, without sound

The moments lie between 0.5 s and 4 s after the first frame. `--sound` records FFmpeg's tone generator in place of a microphone. A line for
each kill: how long the recording ran, and how many seconds before the kill the readings, the video and the sound end. All are decoded to
their ends. Exits with 1 if a video ends more than half a second before its readings, or if ffprobe, where there is one, complains about it.
The readings are on disk as soon as a frame was encoded: how late they are is how far a busy machine is behind, not a loss of the file.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import av

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 0.5
LIVE = ("live", "--source", "demo", "--no-window", "--record")
WITH_TONE = """
import runpy, sys
sys.path.insert(0, {root!r})
from realtime.recording import microphone
microphone.MICROPHONES = {{sys.platform: (("lavfi", "sine=frequency=1000:sample_rate=48000,arealtime"),)}}
runpy.run_path({root!r} + "/run.py", run_name="__main__")
"""
"""Runs `run.py` where the only microphone is a tone generator that keeps the world's pace."""


@dataclass(frozen=True)
class Killed:
    """A recording that was killed.

    Attributes:
        recorded_s: from the first frame to the kill.
        readings_s, video_s: where readings and video end, from the first frame on.
        sound_s: where the sound ends; None without sound.
    """

    recorded_s: float
    readings_s: float
    video_s: float
    sound_s: float | None


def readings_end(path: Path) -> float | None:
    """The time of the last whole line of a readings file that may still grow; None before the first frame."""
    lines = path.read_text().split("\n")[1:-1] if path.exists() else []
    return json.loads(lines[-1])["t"] if lines else None


def kill_recording(folder: Path, after_s: float, sound: bool = False) -> Killed:
    """Records the demo clip, kills the process once the readings reach `after_s`, and decodes what is left."""
    video, readings = folder / "out.mp4", folder / "out.jsonl"
    for old in (video, readings):
        old.unlink(missing_ok=True)
    program = ["-c", WITH_TONE.format(root=str(ROOT))] if sound else [str(ROOT / "run.py")]
    process = subprocess.Popen(
        [sys.executable, *program, *LIVE, str(video), *(["--mic", "default"] if sound else [])], stdout=subprocess.DEVNULL
    )
    try:
        began, until, t = float("inf"), time.monotonic() + 60, None
        while t is None or t < after_s:
            assert process.poll() is None, "the recording ended by itself"
            assert time.monotonic() < until, f"the readings did not reach {after_s} s"
            time.sleep(0.01)
            t = readings_end(readings)
            if t is not None:
                # When the recording began on this clock: each line says it a little too late, the earliest is closest.
                began = min(began, time.monotonic() - t)
        recorded_s = time.monotonic() - began
    finally:
        process.kill()
        process.wait()
    with av.open(str(video)) as container:
        video_s = [frame.time for frame in container.decode(video=0)][-1]
    sound_s = None
    if sound:
        with av.open(str(video)) as container:
            sound_s = [frame.time + frame.samples / frame.sample_rate for frame in container.decode(audio=0)][-1]
    return Killed(recorded_s, readings_end(readings) or 0.0, video_s, sound_s)


def complaints(video: Path) -> str:
    """What ffprobe says against a file; empty if nothing, or where there is no ffprobe."""
    if not shutil.which("ffprobe"):
        return ""
    return subprocess.run(["ffprobe", "-v", "warning", str(video)], capture_output=True, text=True, check=False).stderr.strip()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kills", nargs="?", type=int, default=30)
    parser.add_argument("--sound", action="store_true")
    options = parser.parse_args()
    draw, lost_s, behind_s, refused = random.Random(0), [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.kills):
            killed = kill_recording(Path(folder), draw.uniform(0.5, 4), options.sound)
            line = f"killed after {killed.recorded_s:.2f} s: readings end {killed.recorded_s - killed.readings_s:.2f} s before, "
            line += f"video {killed.recorded_s - killed.video_s:.2f} s"
            line += f", sound {killed.recorded_s - killed.sound_s:.2f} s" if killed.sound_s is not None else ""
            complaint = complaints(Path(folder) / "out.mp4")
            print(line, complaint, flush=True)
            lost_s.append(killed.recorded_s - killed.video_s)
            behind_s.append(killed.readings_s - killed.video_s)
            refused += bool(complaint)
    print(
        f"{options.kills} kills: the video ends {sum(lost_s) / len(lost_s):.2f} s before the kill on average, {max(lost_s):.2f} s at most"
    )
    print(f"behind its readings it is {sum(behind_s) / len(behind_s):.2f} s on average, {max(behind_s):.2f} s at most")
    sys.exit(max(behind_s) > LIMIT_S or refused > 0)


if __name__ == "__main__":
    main()
