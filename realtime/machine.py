"""What a result depends on: the machine, and the versions of the packages that do the work."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "opencv-python", "dlib-bin", "ai-edge-litert", "tflite-runtime", "tensorflow", "av")


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
