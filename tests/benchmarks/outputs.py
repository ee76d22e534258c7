"""What outputs cost the loop, for each with another side that is well, absent, stalled or restarted.

    nice python tests/benchmarks/outputs.py [SECONDS]            default: 6

First hands 30 frames a second to each output for a third of the time, with one face in them, and prints how long the loop waits for that.
Then runs `live --source demo` (640x480, 30 fps) for each, and without outputs before each kind and at the end. Prints the loop's frames a
second, its latency, its share of one core, how long it took to end, and what it said; on a busy machine these differ from run to run.

Exits with 1 if handing over takes more than a millisecond in the median, or if a run is more than 5 % slower than the slowest one without,
or takes 2 s longer to end. A stalled side accepts and never reads; a restarted one is gone for a third of the time. The
virtual camera is a stand-in for its library. Needs pylsl, paho-mqtt and mosquitto.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
import numpy as np  # noqa: E402
from fakes import a_reading  # noqa: E402
from output_fakes import Mosquitto, Stalled, WebServer, free_port, wait_until  # noqa: E402

from realtime.base.timing import summary_ms  # noqa: E402
from realtime.drawing.words import ENGLISH  # noqa: E402
from realtime.outputs.choices import OutputChoices  # noqa: E402
from realtime.outputs.opening import open_outputs  # noqa: E402
from realtime.values import Frame  # noqa: E402

Side = Callable[[], AbstractContextManager]
CAMERA = """
import time
from types import SimpleNamespace
PixelFormat = SimpleNamespace(BGR=0)
class Camera:
    def __init__(self, width, height, fps, fmt):
        self.width, self.height = width, height
        if {absent}:
            raise RuntimeError("no device")
    def send(self, picture):
        time.sleep({seconds})
    def close(self):
        pass
"""
OSC = "import socket, time\nreceiver = socket.socket(2, 2)\nreceiver.bind(('127.0.0.1', {port}))\nwhile True:\n    {work}"
LSL = (
    "import pylsl, time\n(info,) = pylsl.resolve_byprop('name', 'expressions', 1, 30)\n"
    "inlet = pylsl.StreamInlet(info)\ninlet.open_stream()\nwhile True:\n    {work}"
)


@dataclass(frozen=True)
class Run:
    """What was measured: frames a second, latency in ms (median, 95 %), share of one core, seconds to the end, lines about the output."""

    fps: float
    median_ms: float
    p95_ms: float
    share: float
    end_s: float
    said: tuple[str, ...]


def program(code: str) -> Side:
    """Another process as the other side."""

    @contextmanager
    def run() -> Iterator[None]:
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    return run


def measure(option: list[str], seconds: float, side: Side, restarted: bool, modules: Path | None = None) -> Run:
    """Runs `live` with an option; `modules` is a folder with stand-ins for libraries."""
    environment = os.environ | ({"PYTHONPATH": str(modules)} if modules else {})
    command = [sys.executable, "-u", str(ROOT / "run.py"), "live", "--source", "demo", "--no-window", "--seconds", str(seconds), *option]
    with ExitStack() as stack:
        there = stack.enter_context(ExitStack())
        there.enter_context(side())
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        started = time.monotonic()
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout))
        reader.start()
        if restarted:
            wait_until(lambda: any("sending" in line for line in lines))
            time.sleep(seconds / 3)
            there.close()
            time.sleep(seconds / 3)
            stack.enter_context(side())
        reader.join()
        text = "".join(lines)
        _, _, used = os.wait4(process.pid, 0)
        elapsed = time.monotonic() - started
    fps, median, p95 = map(float, re.search(r"([\d.]+) fps, \d+ dropped, latency to drawn (\d+) ms \(p95 (\d+)", text).groups())
    said = tuple(re.findall(r"^(?:OSC|LSL|MQTT|webhook|virtual camera).*: (sending again|sending|cannot be reached)", text, re.M))
    return Run(fps, median, p95, (used.ru_utime + used.ru_stime) / elapsed, elapsed - seconds, said)


def hand_over(option: list[str], seconds: float, side: Side, modules: Path | None) -> list[float]:
    """For how many seconds the loop waits for each frame's hand-over."""
    sys.modules.pop("pyvirtualcam", None)
    sys.path[:0] = [str(modules)] if modules else []
    names = {"--osc": "osc", "--lsl": "lsl", "--mqtt": "mqtt", "--webhook": "webhook", "--virtual-camera": "virtual_camera"}
    [outputs] = open_outputs(OutputChoices(**{names[option[0]]: option[1] if option[1:] else True}), ENGLISH, lambda line: None)
    readings = [[a_reading("fear")], [a_reading("anger")]]
    waits = []
    with side(), outputs:
        for index in range(round(30 * seconds)):
            frame = Frame(np.zeros((480, 640, 3), np.uint8), time.monotonic(), index)
            before = time.perf_counter()
            outputs.write(frame, readings[index // 10 % 2])
            waits.append(time.perf_counter() - before)
            time.sleep(1 / 30)
    sys.path[:] = [one for one in sys.path if modules is None or one != str(modules)]
    return waits


def cases(folder: Path) -> Iterator[tuple[str, list[str], Side, bool, Path | None]]:
    """Name, option, other side, whether that is restarted, and stand-ins for libraries."""
    osc, web, mqtt = free_port(), free_port(), free_port()
    sides: list[tuple[str, list[str], Side, Side]] = [
        ("osc", ["--osc", f"127.0.0.1:{osc}"], program(OSC.format(port=osc, work="receiver.recv(65536)")),
         program(OSC.format(port=osc, work="time.sleep(1)"))),
        ("lsl", ["--lsl"], program(LSL.format(work="inlet.pull_sample()")), program(LSL.format(work="time.sleep(1)"))),
        ("mqtt", ["--mqtt", f"127.0.0.1:{mqtt}"], lambda: Mosquitto(folder, mqtt), Stalled),
        ("webhook", ["--webhook", f"http://127.0.0.1:{web}/"], lambda: WebServer(web), Stalled),
    ]  # fmt: skip
    for name, option, well, stalled in sides:
        yield f"none, before {name}", [], nullcontext, False, None
        yield f"{name}, well", option, well, False, None
        yield f"{name}, absent", option, nullcontext, False, None
        if stalled is Stalled:
            with Stalled() as server:
                place = f"http://127.0.0.1:{server.port}/" if name == "webhook" else f"127.0.0.1:{server.port}"
                yield f"{name}, stalled", [option[0], place], nullcontext, False, None
        else:
            yield f"{name}, stalled", option, stalled, False, None
        yield f"{name}, restarted", option, well, True, None
    yield "none, before virtual camera", [], nullcontext, False, None
    for state, seconds, absent in (("well", 0, False), ("absent", 0, True), ("stalled", 1000, False)):
        modules = folder / state
        modules.mkdir()
        (modules / "pyvirtualcam.py").write_text(CAMERA.format(seconds=seconds, absent=absent))
        yield f"virtual camera, {state}", ["--virtual-camera"], nullcontext, False, modules


def main(seconds: float) -> None:
    runs: dict[str, Run] = {}
    waits: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, option, side, restarted, modules in cases(Path(folder)):
            if option and not restarted:
                waits[name] = hand_over(option, seconds / 3, side, modules)
            runs[name] = measure(option, seconds, side, restarted, modules)
        runs["none, at the end"] = measure([], seconds, nullcontext, False)
    print(f"{'':27} fps   latency (95 %)  core  to the end  hand-over (95 %)  said")
    for name, run in runs.items():
        latency = f"{run.median_ms:3.0f} ms ({run.p95_ms:3.0f} ms)"
        over = f"{summary_ms(waits[name])['median_ms']:.2f} ms ({summary_ms(waits[name])['p95_ms']:.2f} ms)" if name in waits else ""
        print(f"{name:27} {run.fps:4.1f}  {latency}  {run.share:4.0%}  {run.end_s:6.1f} s     {over:17} {', '.join(run.said)}")
    base = [run for name, run in runs.items() if name.startswith("none")]
    faults = [name for name, some in waits.items() if summary_ms(some)["median_ms"] > 1]
    faults += [name for name, run in runs.items() if run.fps < 0.95 * min(one.fps for one in base)]
    faults += [name for name, run in runs.items() if run.end_s > max(one.end_s for one in base) + 2]
    sys.exit(f"too slow: {', '.join(faults)}" if faults else 0)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 6.0)
