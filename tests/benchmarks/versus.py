"""Compares the speed of this program with fer (its Haar detector and its quantised model) on the same decoded frames.

    python tests/benchmarks/versus.py                       the demo clip
    python tests/benchmarks/versus.py --faces 4             four faces side by side
    python tests/benchmarks/versus.py --video clip.mp4

fer has a venv of its own, which the first run makes (it downloads some 600 MB of TensorFlow). The two take turns of a few seconds, each in
a process of its own while the other waits, so that a slower machine slows both. In a pair of turns both read the same frames of the film.
The last line has the medians over the pairs:

    ratio R (ours F fps, fer G fps)
"""

import argparse
import atexit
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FER = "fer==25.10.3"
# What fer imports on this path. Its other requirements are for detectors and film editing, which are not used here. OpenCV 4, because
# version 5 cannot read the file of fer's Haar cascade.
NEEDS = ("tensorflow", "opencv-contrib-python<5", "pandas", "matplotlib", "requests", "tqdm", "moviepy<2", "ffmpeg-python", "setuptools<81")

STRETCH = 300
"""Frames that both read in a turn: 10 s of a film."""

TIMES = {"ours": 5, "fer": 1}
"""How often each reads them in a turn, so that a turn takes some seconds."""


def fer_python(venv: Path) -> Path:
    """The Python of fer's venv; makes the venv if it is missing."""
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    marker = venv / "complete"
    if not marker.exists():
        print(f"making {venv} with {FER}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *NEEDS], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", FER], check=True)
        marker.touch()
    return python


def make_our_reader():
    """A function that reads one picture with the whole pipeline. It searches in the background as `live` does, at most 3 frames late."""
    sys.path.insert(0, str(ROOT))
    from realtime.config import Settings
    from realtime.pipeline import build_pipeline
    from realtime.values import Frame

    pipeline = build_pipeline(Settings(), time.perf_counter, live=True, patience_s=0.1)
    atexit.register(pipeline.__exit__)
    pipeline.__enter__()

    def read(image, index: int) -> int:
        return len(pipeline.read(Frame(image, index / 30, index)))

    return read


def make_fer_reader():
    """A function that reads one picture with fer."""
    from fer import fer

    recogniser = fer.FER(mtcnn=False, use_tflite=True)

    def read(image, index: int) -> int:
        return len(recogniser.detect_emotions(image))

    return read


def serve(who: str, frames_file: str) -> None:
    """Serves lines "first count times": reads `count` frames from number `first` on, `times` times; answers with counts as JSON."""
    import numpy as np

    frames = np.load(frames_file)
    read, index = {"ours": make_our_reader, "fer": make_fer_reader}[who](), 0
    print("ready", flush=True)
    for line in sys.stdin:
        first, count, times = map(int, line.split())
        started, faces = time.perf_counter(), 0
        for step in range(count * times):
            faces += read(frames[(first + step % count) % len(frames)], index)
            index += 1
        elapsed = time.perf_counter() - started
        print(json.dumps({"frames": count * times, "faces": faces, "seconds": elapsed}), flush=True)


class Runner:
    """One of the two programs, in a process of its own."""

    def __init__(self, python: Path, who: str, frames_file: Path):
        command = [python, __file__, "--serve", who, frames_file]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while (line := self.process.stdout.readline()).strip() != "ready":
            if not line:
                sys.exit(f"{who} did not start: run {' '.join(map(str, command))} to see why")

    def run(self, first: int, count: int, times: int) -> dict[str, float]:
        print(first, count, times, file=self.process.stdin, flush=True)
        while not (line := self.process.stdout.readline()).startswith("{"):
            if not line:
                sys.exit("a runner ended early")
        return json.loads(line)


def decode_frames(video: str, faces: int | None):
    """All frames (n, h, w, 3) of the film, or of a synthetic crowd of `faces` faces."""
    import numpy as np

    sys.path.insert(0, str(ROOT))
    from realtime.commands.benchmark import LOOP, Crowd, cut_portraits
    from realtime.config import CameraSettings, DetectorSettings
    from realtime.faces.detector import Detector
    from realtime.sources.opening import open_source

    film = open_source(video, time.perf_counter, CameraSettings())
    if faces is not None:
        crowd = iter(Crowd(cut_portraits(film, Detector(DetectorSettings()), faces), (640, 480), 30.0))
        return np.stack([next(crowd).image for _ in range(2 * LOOP)])
    with film:
        return np.stack([frame.image for frame in film])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", default="demo", help="a film (default: demo)")
    parser.add_argument("--faces", type=int, help="so many faces side by side, cut out of the film")
    parser.add_argument("--pairs", type=int, default=7, help="turns of each (default: 7)")
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "versus-fer", help="where fer's venv is or goes")
    parser.add_argument("--serve", nargs=2, metavar=("WHO", "FRAMES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(*args.serve)
        return

    import numpy as np

    python = fer_python(args.venv)
    with tempfile.TemporaryDirectory() as folder:
        frames_file = Path(folder) / "frames.npy"
        frames = decode_frames(args.video, args.faces)
        np.save(frames_file, frames)
        print(f"{len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}")
        runners = {"ours": Runner(Path(sys.executable), "ours", frames_file), "fer": Runner(python, "fer", frames_file)}
        stretch = min(STRETCH, len(frames))
        for who, runner in runners.items():
            runner.run(0, stretch, TIMES[who])
        rates: dict[str, list[float]] = {who: [] for who in runners}
        for pair in range(args.pairs):
            for who in sorted(runners, reverse=bool(pair % 2)):
                counts = runners[who].run(pair * stretch, stretch, TIMES[who])
                rates[who].append(counts["frames"] / counts["seconds"])
                print(f"{who:5} {rates[who][-1]:7.1f} fps, {counts['faces'] / counts['frames']:.2f} faces a frame", flush=True)
        for runner in runners.values():
            runner.process.stdin.close()
            runner.process.wait()
    ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates["fer"], strict=True))
    print(f"ratio {ratio:.1f} (ours {statistics.median(rates['ours']):.0f} fps, fer {statistics.median(rates['fer']):.0f} fps)")


if __name__ == "__main__":
    main()
