"""Measures the whole chain on a fixed clip and describes the machine that it ran on."""

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from realtime.config import Settings
from realtime.draw import annotate
from realtime.errors import Trouble
from realtime.pipeline import Pipeline
from realtime.timing import Clock, summary_ms
from realtime.values import Frame

STAGES = ("capture", "gray", "detect", "track", "points", "align", "classify", "quality", "smooth", "label", "draw", "latency", "frame")
PACKAGES = ("numpy", "opencv-python", "dlib-bin", "ai-edge-litert", "tflite-runtime", "tensorflow", "av")


def measure(frames: Iterable[Frame], pipeline: Pipeline, clock: Clock, seconds: float, warmup_s: float) -> dict[str, Any]:
    """Runs frames through the chain, drops the warm-up, and measures each stage until `seconds` more have passed.

    "capture" is the reading and decoding of a frame; "latency" runs from there to its annotated picture; "frame" is all of it,
    from one annotated picture to the next.

    Returns:
        "fps" (one over the mean of "frame"), "frames", "faces_per_frame", "size" (width, height in px) and "stages" (median_ms,
        p95_ms and n for each of `STAGES`).
    """
    timer = pipeline.timer
    begun = drawn = clock()
    warm, faces, frame = False, 0, None
    for frame in frames:
        captured, before = clock(), drawn
        readings = pipeline.read(frame)
        timer.run("draw", annotate, frame.image, readings)
        drawn = clock()
        timer.add("capture", captured - before)
        timer.add("latency", drawn - captured)
        timer.add("frame", drawn - before)
        faces += len(readings)
        if not warm and drawn - begun >= warmup_s:
            warm, begun, faces = True, drawn, 0
            timer.clear()
        if warm and drawn - begun >= seconds:
            break
    whole = timer.seconds.get("frame")
    if not warm or not whole:
        raise Trouble("the clip ended within the warm-up: choose a longer one, or --source demo")
    return {
        "fps": round(len(whole) / sum(whole), 1),
        "frames": len(whole),
        "faces_per_frame": round(faces / len(whole), 3),
        "size": (frame.image.shape[1], frame.image.shape[0]),
        "stages": {name: summary_ms(list(timer.seconds[name])) for name in STAGES},
    }


def peak_memory_mb() -> float | None:
    """The most memory this process ever held, in MB; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024), 1)


def _line_of(path: str, key: str = "") -> str | None:
    """The first line of a small system file, or the value of its first "key : value" line."""
    try:
        text = Path(path).read_text(errors="replace").replace("\0", "")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.startswith(key)]
    return lines[0].split(":", 1)[-1].strip() if lines else None


def machine() -> dict[str, Any]:
    """Board, processor, cores, governor, temperature, system, Python. What the system does not tell is None."""
    heat = _line_of("/sys/class/thermal/thermal_zone0/temp")
    return {
        "board": _line_of("/proc/device-tree/model"),
        "processor": _line_of("/proc/cpuinfo", "model name") or platform.processor() or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "governor": _line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "temperature_c": float(heat) / 1000 if heat and heat.lstrip("-").isdecimal() else None,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """The installed versions of the packages that speed depends on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def report(measured: dict[str, Any], pipeline: Pipeline, settings: Settings, source: str) -> dict[str, Any]:
    """All that is needed to compare this run with another one."""
    plain = asdict(settings)
    plain["classifier"]["model"] = settings.classifier.model.name
    return {
        "schema": "bench/1",
        **measured,
        "source": source,
        "peak_memory_mb": peak_memory_mb(),
        "model": {
            "name": pipeline.classifier.path.name,
            "sha256": pipeline.classifier.sha256,
            "runtime": pipeline.classifier.runtime,
        },
        "machine": machine(),
        "versions": versions(),
        "settings": plain,
    }


def table_rows(made: dict[str, Any]) -> list[tuple[str, str, str]]:
    """A report's stages as (name, median, p95), the last two in ms."""
    return [(name, f"{times['median_ms']:.2f}", f"{times['p95_ms']:.2f}") for name, times in made["stages"].items()]
