"""What `run.py doctor` looks at: each check takes facts about the machine and says in a line whether they will do, and what helps.

The checks are pure functions; `examine` gathers their facts and takes some six seconds.
"""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.machine import Heat, read_heat
from realtime.base.timing import summary_ms
from realtime.config import CameraSettings, RecorderSettings, Settings
from realtime.drawing.draw import annotate
from realtime.drawing.text import draw_text
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.people import PEOPLE, usable, with_profile
from realtime.pipeline import build_pipeline
from realtime.recording.video import VideoWriter, best_encoder
from realtime.sources.cameras import CHECKS, Measurement, Webcam, list_cameras, measure_camera
from realtime.sources.films import DEMO, VideoFile
from realtime.sources.picamera import PiCamera, pi_cameras
from realtime.viewers.desktop import has_display

CAMERA_S = 4.0
"""A camera that has not delivered for a second by then hangs."""
HOT_C = 80.0
"""From here a Raspberry Pi slows down; laptops stand more, but not for long."""
SLOW = 0.8
"""Share of the asked rate under which a camera is called slow: 24 of 30 frames a second."""
TIGHT = 0.7
"""Share of the time between two frames that may go into one: the searches and a recording need the rest."""
TRIED, TRIED_S = 180, 3.0
"""Frames of the demo clip at most, and seconds, for which the chain is tried; the second half counts."""

State = Literal["ok", "warning", "fault"]


@dataclass(frozen=True)
class Check:
    """One line. A "warning" can be lived with; a "fault" ends or spoils a session. `remedy` is what to do, "" where all is well."""

    name: str
    state: State
    said: str
    remedy: str = ""


def check_python(version: tuple[int, int], bits: int) -> Check:
    said = f"{version[0]}.{version[1]}, {bits}-bit"
    if bits < 64:
        return Check("Python", "fault", said, "install a 64-bit system, such as 64-bit Raspberry Pi OS: others have no wheels")
    if version < (3, 11):
        return Check("Python", "fault", said, "install Python 3.11 or newer and make the venv anew with it")
    return Check("Python", "ok", said)


def check_packages(requirements: str, installed: Callable[[str], str | None]) -> Check:
    """Takes the text of requirements.txt; `installed(name)` gives a package's version, or None."""
    from packaging.requirements import Requirement

    lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    wanted = [one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate()]
    found = {one: installed(one.name) for one in wanted}
    bad = [
        f"{one.name} {version or 'missing'} (needs {one.specifier})"
        for one, version in found.items()
        if version is None or version not in one.specifier
    ]
    if bad:
        return Check("packages", "fault", ", ".join(bad), "run `pip install -r requirements.txt` in the venv")
    return Check("packages", "ok", f"all {len(wanted)} of requirements.txt")


def check_processor(features: str, architecture: str, cores: int) -> Check:
    """Takes OpenCV's line of features, in which * stands before some and ? after those that the processor lacks."""
    has = {word.removeprefix("*") for word in features.split()}
    needed = "NEON" if architecture.lower() in ("aarch64", "arm64") else "AVX2"
    quick = "NEON_DOTPROD" if needed == "NEON" else "AVX512-SKX"
    said = f"{architecture}, {cores} cores, {', '.join(name for name in (needed, quick) if name in has) or 'no ' + needed}"
    if needed not in has:
        return Check("processor", "warning", said, "the model and the pictures take several times longer: use `--model nano`")
    return Check("processor", "ok", said)


def check_camera(name: str | None, found: Measurement | None, why: str | None, asked_rate: float, system: str = sys.platform) -> Check:
    """`name` is None where no camera is connected, `found` where it does not deliver; then `why`."""
    if name is None:
        remedy = f"{CHECKS.get(system, CHECKS['linux'])}; without a camera `live` plays the demo clip"
        return Check("camera", "warning", "none is connected", remedy)
    if found is None:
        return Check("camera", "fault", f"{name} does not deliver", why or CHECKS.get(system, CHECKS["linux"]))
    if found.rate < SLOW * asked_rate:
        remedy = "more light: most cameras expose longer in the dark; else another USB port; `run.py cameras` shows what other sizes give"
        return Check("camera", "warning", f"{name}: {found}", remedy)
    return Check("camera", "ok", f"{name}: {found}")


def check_display(there: bool) -> Check:
    if there:
        return Check("display", "ok", "a window can be opened")
    return Check("display", "warning", "no window can be opened here", "run it on the desktop, not over ssh; `live` works without too")


def check_fonts(draw: Callable[[str], np.ndarray]) -> Check:
    """`draw(text)` gives a picture of it; a letter that the font lacks becomes a question mark."""
    chinese, missing = draw("高兴"), draw("??")
    if not chinese.any():
        return Check("fonts", "fault", "no text can be drawn", "install opencv-python anew: `pip install --force-reinstall opencv-python`")
    if np.array_equal(chinese, missing):
        return Check("fonts", "warning", "no Chinese letters", "for `--lang zh` and `ja`: sudo apt install fonts-wqy-microhei")
    return Check("fonts", "ok", "Latin and Chinese letters are drawn")


def check_encoder(name: str, written: int, read: int, why: str | None) -> Check:
    if why is not None:
        return Check("encoder", "fault", f"{name} fails: {why}", "run `pip install --force-reinstall av`")
    if read != written:
        return Check("encoder", "fault", f"{name}: {read} of {written} frames come back", "run `pip install --force-reinstall av`")
    return Check("encoder", "ok", f"{name} writes, and the file is read back")


def check_model(classifier: EmotionClassifier | None, why: str | None) -> Check:
    if classifier is None:
        return Check("model", "fault", why or "it does not load", "restore the folder models/ from the release that this program came from")
    return Check("model", "ok", f"{classifier.path.name}, sha256 {classifier.sha256[:12]} as its card says")


def check_delegate(runtime: str, fast: bool) -> Check:
    if not fast:
        return Check(
            "runtime",
            "warning",
            f"{runtime} without XNNPACK",
            "`pip install --upgrade ai-edge-litert`: it is several times faster with",
        )
    return Check("runtime", "ok", f"{runtime} with XNNPACK")


def check_speed(frame_ms: float, worst_ms: float, rate: float) -> Check:
    """Takes median and 95th percentile of the milliseconds from a decoded frame to its labelled picture, and the camera's rate."""
    between_ms = 1000 / rate
    said = f"{frame_ms:.1f} ms a frame (95 % below {worst_ms:.1f}), {between_ms:.0f} ms between two at {rate:.0f} fps"
    if frame_ms > between_ms:
        return Check("speed", "fault", said, "frames will be left out: use `--model nano`, close other programs, see heat and power")
    if frame_ms > TIGHT * between_ms:
        return Check("speed", "warning", said, "it will just do: `--model nano` and a larger `--min-face` save time")
    return Check("speed", "ok", said)


def check_disk(folder: str, free_mb: float, why: str | None, settings: RecorderSettings) -> Check:
    if why is not None:
        return Check("disk", "fault", f"{folder} cannot be written to ({why})", "start run.py in a folder that is yours")
    said = f"{free_mb / 1000:.1f} GB are free for recordings"
    if free_mb < settings.stop_free_mb:
        return Check("disk", "fault", said, "recordings would end at once: make room")
    if free_mb < settings.warn_free_mb:
        return Check("disk", "warning", said, "recordings will be short: make room, or record to another disk")
    return Check("disk", "ok", said)


def check_heat(state: Heat) -> Check:
    parts = [f"{state.temperature_c:.0f} °C" if state.temperature_c is not None else "no sensor is known"]
    if state.throttled is not None:
        parts.append(", ".join(state.throttled) or "never throttled since the start")
    said = ", ".join(parts)
    if any("voltage" in word for word in state.throttled or ()):
        return Check("heat and power", "warning", said, "use the power supply made for this board; feed USB devices from a hub")
    if state.throttled or (state.temperature_c or 0) >= HOT_C:
        return Check("heat and power", "warning", said, "cool it: a heat sink or a fan, and air around it")
    return Check("heat and power", "ok", said)


def check_profiles(folder: str, names: Sequence[str], damaged: Sequence[str]) -> Check:
    """`names` have a usable profile for the model; `damaged` says what is wrong with others, a line each."""
    if damaged:
        return Check("profiles", "warning", "; ".join(damaged), "run `run.py calibrate --name NAME` again for them")
    return Check("profiles", "ok", f"{folder}/ has {', '.join(names)}" if names else "nobody's yet: everybody's face is read alike")


def probe_camera(camera: CameraSettings) -> Check:
    """The first camera, or the Pi's own."""
    probes: list[tuple[str, Webcam | PiCamera]] = [(one.name, Webcam(one.number, camera, time.monotonic)) for one in list_cameras()[:1]]
    probes = probes or [(model, PiCamera(camera, time.monotonic)) for model in pi_cameras()[:1]]
    if not probes:
        return check_camera(None, None, None, camera.rate)
    name, source = probes[0]
    try:
        return check_camera(name, measure_camera(source, 1.0, CAMERA_S), None, camera.rate)
    except Trouble as trouble:
        return check_camera(name, None, str(trouble), camera.rate)


def drawn(text: str) -> np.ndarray:
    picture = np.zeros((40, 120, 3), np.uint8)
    draw_text(picture, text, 4, 30, 24, (255, 255, 255))
    return picture


def probe_encoder(settings: RecorderSettings) -> Check:
    """Writes a small film and reads it."""
    frames, name = 10, "the encoder"
    try:
        name = best_encoder((640, 480), settings)
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / "film.mp4"
            writer = VideoWriter(film, settings, name)
            for i in range(frames):
                writer.write(np.full((480, 640, 3), 20 * i, np.uint8), i / 30)
            writer.close()
            with VideoFile(film) as back:
                return check_encoder(name, frames, sum(1 for _ in back), None)
    except Trouble as trouble:
        return check_encoder(name, frames, 0, str(trouble))
    except OSError as error:
        return check_encoder(name, frames, 0, reason(error))


def probe_speed(settings: Settings, rate: float) -> Check:
    """The whole chain on the demo clip, as `bench --exact` measures it."""
    pipeline, took, until = build_pipeline(settings, time.perf_counter), [], time.perf_counter() + TRIED_S
    with VideoFile(DEMO) as film, pipeline:
        for frame in islice(film, TRIED):
            began = time.perf_counter()
            annotate(frame.image, pipeline.read(frame))
            took.append(time.perf_counter() - began)
            if began > until:
                break
    times = summary_ms(took[len(took) // 2 :])
    return check_speed(times["median_ms"], times["p95_ms"], rate)


def probe_disk(folder: Path, settings: RecorderSettings) -> Check:
    there = folder if folder.is_dir() else folder.absolute().parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        return check_disk(str(there), shutil.disk_usage(there).free / 1e6, None, settings)
    except OSError as error:
        return check_disk(str(there), 0.0, reason(error), settings)


def probe_profiles(model: Path) -> Check:
    damaged, names = [], with_profile(PEOPLE, model)
    for name in names:
        try:
            usable(PEOPLE / name / f"{model.stem}.json", model)
        except Trouble as trouble:
            damaged.append(str(trouble))
    return check_profiles(str(PEOPLE), names, damaged)


def version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def examine(settings: Settings, requirements: Path, recordings: Path) -> Iterator[Check]:
    """All checks in turn, each as soon as it is known. The paths are of requirements.txt and of the folder for recordings."""
    camera, recorder, model = CameraSettings(), RecorderSettings(), settings.classifier.model
    yield check_python(sys.version_info[:2], 64 if sys.maxsize > 2**32 else 32)
    yield check_packages(requirements.read_text(), version_of)
    yield check_processor(cv2.getCPUFeaturesLine(), platform.machine(), os.cpu_count() or 1)
    yield probe_camera(camera)
    yield check_display(has_display())
    yield check_fonts(drawn)
    yield probe_encoder(recorder)
    try:
        classifier, why = EmotionClassifier(model), None
    except Trouble as trouble:
        classifier, why = None, str(trouble)
    yield check_model(classifier, why)
    if classifier is not None:
        yield check_delegate(classifier.runtime, classifier.fast)
        yield probe_speed(settings, camera.rate)
        yield probe_profiles(model)
    yield probe_disk(recordings, recorder)
    yield check_heat(read_heat())
