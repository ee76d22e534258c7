"""What `run.py cameras` is built from: every camera is opened and measured at the usual sizes."""

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from realtime.base.errors import Trouble
from realtime.base.timing import Clock
from realtime.config import CameraSettings
from realtime.sources.cameras import CHECKS, Measurement, Webcam, list_cameras, measure_camera, measure_sizes
from realtime.sources.picamera import PiCamera, pi_cameras

SECONDS = 1.0
"""How long the frames of each size are counted."""


def json_of(measurement: Measurement) -> dict[str, object]:
    """A measurement as `--json` prints it: the format that the camera reports, the real size in px, the real rate."""
    return {"said": asdict(measurement.format), "size_wh": measurement.size_wh, "rate": measurement.rate}


def no_camera_remedy() -> str:
    """What to check where no camera is found."""
    return CHECKS.get(sys.platform, CHECKS["linux"])


def probe_cameras(settings: CameraSettings, clock: Clock, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measures all cameras of this machine.

    Args:
        tell: gets a line for each camera before it is measured, and then its formats or what went wrong.

    Returns:
        For each camera "source" (what --source takes), "name", "formats" and "trouble" (None, or why it cannot be measured).
    """

    def webcam(number: int, size_wh: tuple[int, int]) -> Webcam:
        return Webcam(number, replace(settings, width=size_wh[0], height=size_wh[1]), clock)

    def pi_camera() -> list[Measurement]:
        return [measure_camera(PiCamera(settings, clock), SECONDS)]

    probes: list[tuple[str, str, Callable[[], list[Measurement]]]] = [
        (str(camera.number), camera.name, partial(measure_sizes, partial(webcam, camera.number), SECONDS)) for camera in list_cameras()
    ]
    probes += [("pi", model, pi_camera) for model in pi_cameras()[:1]]
    reports = []
    for source, name, probe in probes:
        tell(f"{source}: {name}")
        formats, trouble = [], None
        try:
            formats = probe()
        except Trouble as error:
            trouble = str(error)
        tell("\n".join(f"    {one}" for one in formats) or f"    {trouble}")
        reports.append({"source": source, "name": name, "formats": [json_of(one) for one in formats], "trouble": trouble})
    return reports
