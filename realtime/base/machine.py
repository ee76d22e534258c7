"""Facts about the machine and its packages: for the heads of readings files, benchmark reports and `doctor`."""

import os
import platform
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "opencv-python-headless", "opencv-python", "dlib-bin", "ai-edge-litert", "tflite-runtime", "tensorflow", "av")


def _read_line(path: str, key: str = "") -> str | None:
    """The first line of a small system file, or the value of its first "key : value" line; None where there is none."""
    try:
        text = Path(path).read_text(errors="replace").replace("\0", "")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.startswith(key)]
    return lines[0].split(":", 1)[-1].strip() if lines else None


THROTTLED = {
    0: "under-voltage now",
    1: "clock lowered now",
    2: "throttled now",
    3: "soft temperature limit now",
    16: "under-voltage since the start",
    17: "clock lowered since the start",
    18: "throttled since the start",
    19: "soft temperature limit since the start",
}
"""The bits of a Raspberry Pi's `get_throttled` (raspberrypi.com/documentation/computers/os.html#vcgencmd)."""
SMALL_BOARD = re.compile(r"Raspberry Pi (Zero 2|3|4|400|Compute Module [34])\b")
SMALL_GHZ = 2.0
"""An Arm board whose highest clock rate is under this is small: a Pi 4 has 1.8 GHz at most, a Pi 5 has 2.4."""


@dataclass(frozen=True)
class Heat:
    """Temperature in degrees Celsius, and what the board did because of heat or weak power. None: the system gives no value."""

    temperature_c: float | None
    throttled: tuple[str, ...] | None


def describe_throttling(answer: str | None) -> tuple[str, ...] | None:
    """The meaning of "throttled=0x50005" or "50005", bits as a hexadecimal number; None if it is no such number."""
    try:
        bits = int((answer or "").rpartition("=")[2], 16)
    except ValueError:
        return None
    return tuple(words for bit, words in THROTTLED.items() if bits >> bit & 1)


def read_heat() -> Heat:
    """The temperature of the machine, and whether a Raspberry Pi was slowed down."""
    temperature = _read_line("/sys/class/thermal/thermal_zone0/temp")
    answer = _read_line("/sys/devices/platform/soc/soc:firmware/get_throttled")
    if answer is None and shutil.which("vcgencmd"):
        with suppress(OSError, subprocess.TimeoutExpired):
            answer = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2, check=False).stdout.strip()
    return Heat(float(temperature) / 1000 if temperature and temperature.lstrip("-").isdecimal() else None, describe_throttling(answer))


def is_small(board: str | None, architecture: str, top_ghz: float | None) -> bool:
    """Whether a board is too small for the full model and all searches, by its name or by the highest clock rate of an Arm processor."""
    if board is not None and SMALL_BOARD.match(board):
        return True
    return board is not None and architecture == "aarch64" and top_ghz is not None and top_ghz < SMALL_GHZ


def small_board() -> str | None:
    """The name of this machine's board if it is a small one, else None."""
    board, top_khz = _read_line("/proc/device-tree/model"), _read_line("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    return board if is_small(board, platform.machine(), float(top_khz) / 1e6 if top_khz and top_khz.isdecimal() else None) else None


def describe_machine() -> dict[str, Any]:
    """Board, processor, cores, governor, temperature, throttling, system, Python. A value that the system does not give is None."""
    now = read_heat()
    return {
        "board": _read_line("/proc/device-tree/model"),
        "processor": _read_line("/proc/cpuinfo", "model name") or platform.processor() or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "governor": _read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "temperature_c": now.temperature_c,
        "throttled": None if now.throttled is None else ", ".join(now.throttled) or "never throttled",
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def package_versions() -> dict[str, str]:
    """The versions of the installed packages that results and speed depend on."""
    versions = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
