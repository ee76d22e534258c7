"""What a result depends on: the machine, and the versions of the packages that do the work."""

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

PACKAGES = ("numpy", "opencv-python", "dlib-bin", "ai-edge-litert", "tflite-runtime", "tensorflow", "av")


def _line_of(path: str, key: str = "") -> str | None:
    """The first line of a small system file, or the value of its first "key : value" line."""
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
"""What the bits of a Raspberry Pi's get_throttled say."""
SMALL_BOARD = re.compile(r"Raspberry Pi (Zero 2|3|4|400|Compute Module [34])\b")
SMALL_GHZ = 2.0
"""Arm boards whose fastest clock is under this are small: a Pi 4 has 1.8 at most, a Pi 5 has 2.4."""


@dataclass(frozen=True)
class Heat:
    """Temperature in degrees Celsius, and what the board did about heat and weak power, in words; None: the system does not tell."""

    temperature_c: float | None
    throttled: tuple[str, ...] | None


def throttle_words(said: str | None) -> tuple[str, ...] | None:
    """What "throttled=0x50005" or "50005", a hexadecimal number of bits, means; None where it is none."""
    try:
        bits = int((said or "").rpartition("=")[2], 16)
    except ValueError:
        return None
    return tuple(words for bit, words in THROTTLED.items() if bits >> bit & 1)


def heat() -> Heat:
    """How hot the machine is, and whether a Raspberry Pi slows down for it."""
    temperature = _line_of("/sys/class/thermal/thermal_zone0/temp")
    said = _line_of("/sys/devices/platform/soc/soc:firmware/get_throttled")
    if said is None and shutil.which("vcgencmd"):
        with suppress(OSError, subprocess.TimeoutExpired):
            said = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2, check=False).stdout.strip()
    return Heat(float(temperature) / 1000 if temperature and temperature.lstrip("-").isdecimal() else None, throttle_words(said))


def is_small(board: str | None, architecture: str, top_ghz: float | None) -> bool:
    """Whether a board is too small for the full model and all searches: by its name, or an Arm processor by its fastest clock."""
    if board is not None and SMALL_BOARD.match(board):
        return True
    return board is not None and architecture == "aarch64" and top_ghz is not None and top_ghz < SMALL_GHZ


def small_board() -> str | None:
    """The name of this machine's board if it is a small one."""
    board, top_khz = _line_of("/proc/device-tree/model"), _line_of("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    return board if is_small(board, platform.machine(), float(top_khz) / 1e6 if top_khz and top_khz.isdecimal() else None) else None


def machine() -> dict[str, Any]:
    """Board, processor, cores, governor, temperature, throttling, system, Python. What the system does not tell is None."""
    now = heat()
    return {
        "board": _line_of("/proc/device-tree/model"),
        "processor": _line_of("/proc/cpuinfo", "model name") or platform.processor() or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "governor": _line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "temperature_c": now.temperature_c,
        "throttled": None if now.throttled is None else ", ".join(now.throttled) or "never throttled",
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
