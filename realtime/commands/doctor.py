"""The checks of `run.py doctor`: each takes facts about the machine, and says in a line whether they suffice and, if not, what to do.

A `check_...` is a pure function of such facts. A `probe_...` gathers the facts and then checks them. `examine` runs all of them, in
about six seconds.
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
from rich.text import Text

from realtime.base.errors import Trouble, reason
from realtime.base.installation import REINSTALL, REMEDY
from realtime.base.machine import Heat, read_heat
from realtime.base.output import folded, shown
from realtime.base.timing import summary_ms
from realtime.base.version import RELEASE
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
"""How long the camera is measured at most: one that has not delivered a second of frames by then hangs."""
HOT_C = 80.0
"""Degrees Celsius from which a Raspberry Pi lowers its clock; laptops bear more, but not for long."""
SLOW = 0.8
"""A camera is called slow below this share of the rate that was requested: 24 of 30 frames a second."""
TIGHT = 0.7
"""Share of the time between two frames that the work on one frame may take: the searches and a recording need the rest."""
SPEED_FRAMES, SPEED_S = 180, 3.0
"""The speed is measured on so many frames of the demo clip, or for so many seconds, whichever ends first; the second half counts."""

OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
"""Packages that all are the module cv2: only one of them may be installed."""

State = Literal["ok", "warning", "fault"]


@dataclass(frozen=True)
class Check:
    """The result of one check. `said` is what was found, in one line; `remedy` is what to do about it, "" if the state is "ok".

    With a "warning" a session works, but worse than it could; a "fault" ends or spoils it.
    """

    name: str
    state: State
    said: str
    remedy: str = ""


COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "fault": "bold red"}
NARROW = 72
"""Columns below which the findings begin beside the state, not in a column of their own."""


def describe_check(check: Check, width: int | None) -> Text:
    """A check for the terminal: state and name, what was found, what helps; the state in its colour.

    Args:
        width: of the terminal, in columns; None: lines are not broken.
    """
    narrow = width is not None and width < NARROW
    column = 8 if narrow else 24
    head = f"{check.state:8}{check.name}: " if narrow else f"{check.state:8}{check.name:15} "
    lines = [folded(shown(head + check.said), width, column)]
    if check.remedy:
        lines.append(folded(shown(" " * column + check.remedy), width, column))
    text = Text("\n".join(lines))
    text.stylize(COLOURS[check.state], 0, len(check.state))
    return text


def check_python(version: tuple[int, int], bits: int) -> Check:
    finding = f"{version[0]}.{version[1]}, {bits}-bit"
    if bits < 64:
        return Check("Python", "fault", finding, "install a 64-bit system, such as 64-bit Raspberry Pi OS: others have no wheels")
    if version < (3, 11):
        return Check("Python", "fault", finding, "install Python 3.11 or newer and make the venv anew with it")
    return Check("Python", "ok", finding)


def check_packages(requirements: str, installed: Callable[[str], str | None]) -> Check:
    """Takes the text of requirements.txt; `installed(name)` gives a package's version, or None."""
    from packaging.requirements import Requirement

    lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    needed = [package for package in map(Requirement, lines) if package.marker is None or package.marker.evaluate()]
    versions = {package: installed(package.name) for package in needed}
    unsuitable = [
        f"{package.name} {version or 'missing'} (needs {package.specifier})"
        for package, version in versions.items()
        if version is None or version not in package.specifier
    ]
    if unsuitable:
        return Check("packages", "fault", ", ".join(unsuitable), REMEDY)
    cvs = [name for name in OPENCVS if installed(name)]
    if len(cvs) > 1:
        finding = f"{' and '.join(cvs)} are installed, and each overwrites files of the others"
        return Check("packages", "warning", finding, f"`pip uninstall -y {' '.join(cvs)}`, then {REINSTALL}")
    return Check("packages", "ok", f"all {len(needed)} of requirements.txt")


def check_processor(features: str, architecture: str, cores: int) -> Check:
    """Takes OpenCV's line of processor features: words, some with a * before them, with a ? behind those that the processor lacks."""
    present = {word.removeprefix("*") for word in features.split()}
    needed = "NEON" if architecture.lower() in ("aarch64", "arm64") else "AVX2"
    quick = "NEON_DOTPROD" if needed == "NEON" else "AVX512-SKX"
    finding = f"{architecture}, {cores} cores, {', '.join(name for name in (needed, quick) if name in present) or 'no ' + needed}"
    if needed not in present:
        return Check("processor", "warning", finding, "the model and the pictures take several times longer: use `--model nano`")
    return Check("processor", "ok", finding)


def check_camera(name: str | None, delivery: Measurement | None, why: str | None, rate: float, system: str = sys.platform) -> Check:
    """Takes what a camera delivered when `rate` frames a second were requested.

    `name` is None if no camera is connected; `delivery` is None if the camera does not deliver, and `why` then says the reason.
    """
    if name is None:
        remedy = f"{CHECKS.get(system, CHECKS['linux'])}; without a camera `live` plays the demo clip"
        return Check("camera", "warning", "none is connected", remedy)
    if delivery is None:
        return Check("camera", "fault", f"{name} does not deliver", why or CHECKS.get(system, CHECKS["linux"]))
    if delivery.rate < SLOW * rate:
        remedy = "more light: most cameras expose longer in the dark; else another USB port; `run.py cameras` shows what other sizes give"
        return Check("camera", "warning", f"{name}: {delivery}", remedy)
    return Check("camera", "ok", f"{name}: {delivery}")


def check_display(available: bool) -> Check:
    if available:
        return Check("display", "ok", "a window can be opened")
    return Check("display", "warning", "no window can be opened here", "run it on the desktop, not over ssh; `live` works without too")


def check_fonts(draw: Callable[[str], np.ndarray]) -> Check:
    """`draw(text)` gives a (h, w, 3) picture of the text, in which letters that the font lacks are question marks."""
    chinese, missing = draw("高兴"), draw("??")
    if not chinese.any():
        return Check("fonts", "fault", "no text can be drawn", "run `pip install --force-reinstall opencv-python-headless`")
    if np.array_equal(chinese, missing):
        return Check("fonts", "warning", "no Chinese letters", "for `--lang zh` and `ja`: sudo apt install fonts-wqy-microhei")
    return Check("fonts", "ok", "Latin and Chinese letters are drawn")


def check_encoder(name: str, written: int, read: int, why: str | None) -> Check:
    """Takes how many frames were written and read back, or `why` that failed."""
    if why is not None:
        return Check("encoder", "fault", f"{name} fails: {why}", "run `pip install --force-reinstall av`")
    if read != written:
        return Check("encoder", "fault", f"{name}: {read} of {written} frames come back", "run `pip install --force-reinstall av`")
    return Check("encoder", "ok", f"{name} writes, and the file is read back")


def check_model(classifier: EmotionClassifier | None, why: str | None) -> Check:
    """`classifier` is None if the model does not load; `why` then says the reason."""
    if classifier is None:
        return Check("model", "fault", why or "it does not load", f"restore the folder models/ from {RELEASE}")
    return Check("model", "ok", f"{classifier.path.name}, sha256 {classifier.sha256[:12]} as its card says")


def check_delegate(runtime: str, fast: bool) -> Check:
    """`fast` says whether the runtime computes with XNNPACK, its kernels for this processor."""
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
    finding = f"{frame_ms:.1f} ms a frame (95 % below {worst_ms:.1f}), {between_ms:.0f} ms between two at {rate:.0f} fps"
    if frame_ms > between_ms:
        return Check("speed", "fault", finding, "frames will be left out: use `--model nano`, close other programs, see heat and power")
    if frame_ms > TIGHT * between_ms:
        return Check("speed", "warning", finding, "it will just do: `--model nano` and a larger `--min-face` save time")
    return Check("speed", "ok", finding)


def check_disk(folder: str, free_mb: float, why: str | None, settings: RecorderSettings) -> Check:
    """`why` says why the folder cannot be written to; None if it can."""
    if why is not None:
        return Check("disk", "fault", f"{folder} cannot be written to ({why})", "start run.py in a folder that is yours")
    finding = f"{free_mb / 1000:.1f} GB are free for recordings"
    if free_mb < settings.stop_free_mb:
        return Check("disk", "fault", finding, "recordings would end at once: make room")
    if free_mb < settings.warn_free_mb:
        return Check("disk", "warning", finding, "recordings will be short: make room, or record to another disk")
    return Check("disk", "ok", finding)


def check_heat(state: Heat) -> Check:
    parts = [f"{state.temperature_c:.0f} °C" if state.temperature_c is not None else "no sensor is known"]
    if state.throttled is not None:
        parts.append(", ".join(state.throttled) or "never throttled since the start")
    finding = ", ".join(parts)
    if any("voltage" in word for word in state.throttled or ()):
        return Check("heat and power", "warning", finding, "use the power supply made for this board; feed USB devices from a hub")
    if state.throttled or (state.temperature_c or 0) >= HOT_C:
        return Check("heat and power", "warning", finding, "cool it: a heat sink or a fan, and air around it")
    return Check("heat and power", "ok", finding)


def check_profiles(folder: str, names: Sequence[str], damaged: Sequence[str]) -> Check:
    """`names` are the people with a profile for the model; `damaged` has a message for each profile that cannot be read."""
    if damaged:
        return Check("profiles", "warning", "; ".join(damaged), "run `run.py calibrate --name NAME` again for them")
    return Check("profiles", "ok", f"{folder}/ has {', '.join(names)}" if names else "nobody's yet: everybody's face is read alike")


def probe_camera(camera: CameraSettings) -> Check:
    """Measures the first camera, or if there is none the Raspberry Pi's own."""
    probes: list[tuple[str, Webcam | PiCamera]] = [
        (webcam.name, Webcam(webcam.number, camera, time.monotonic)) for webcam in list_cameras()[:1]
    ]
    probes = probes or [(model, PiCamera(camera, time.monotonic)) for model in pi_cameras()[:1]]
    if not probes:
        return check_camera(None, None, None, camera.rate)
    name, source = probes[0]
    try:
        return check_camera(name, measure_camera(source, 1.0, CAMERA_S), None, camera.rate)
    except Trouble as trouble:
        return check_camera(name, None, str(trouble), camera.rate)


def draw_sample(text: str) -> np.ndarray:
    """The text in white on a black (40, 120, 3) picture."""
    picture = np.zeros((40, 120, 3), np.uint8)
    draw_text(picture, text, 4, 30, 24, (255, 255, 255))
    return picture


def probe_encoder(settings: RecorderSettings) -> Check:
    """Writes a small film and reads it back."""
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
    """Runs the whole chain on the demo clip, as `bench --exact` does."""
    pipeline, times_s, until = build_pipeline(settings, time.perf_counter), [], time.perf_counter() + SPEED_S
    with VideoFile(DEMO) as film, pipeline:
        for frame in islice(film, SPEED_FRAMES):
            start = time.perf_counter()
            annotate(frame.image, pipeline.read(frame))
            times_s.append(time.perf_counter() - start)
            if start > until:
                break
    times = summary_ms(times_s[len(times_s) // 2 :])
    return check_speed(times["median_ms"], times["p95_ms"], rate)


def probe_disk(folder: Path, settings: RecorderSettings) -> Check:
    """Tries to write into the folder for recordings, or where it would be created."""
    place = folder if folder.is_dir() else folder.absolute().parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
        return check_disk(str(place), shutil.disk_usage(place).free / 1e6, None, settings)
    except OSError as error:
        return check_disk(str(place), 0.0, reason(error), settings)


def probe_profiles(model: Path) -> Check:
    """Reads all profiles that were made for the model."""
    damaged, names = [], with_profile(PEOPLE, model)
    for name in names:
        try:
            usable(PEOPLE / name / f"{model.stem}.json", model)
        except Trouble as trouble:
            damaged.append(str(trouble))
    return check_profiles(str(PEOPLE), names, damaged)


def version_of(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def examine(settings: Settings, requirements: Path, recordings: Path) -> Iterator[Check]:
    """Runs all checks, and yields each result as soon as it is there.

    `requirements` is the path of requirements.txt, `recordings` the folder that recordings are written into.
    """
    camera, recorder, model = CameraSettings(), RecorderSettings(), settings.classifier.model
    yield check_python(sys.version_info[:2], 64 if sys.maxsize > 2**32 else 32)
    yield check_packages(requirements.read_text(), version_of)
    yield check_processor(cv2.getCPUFeaturesLine(), platform.machine(), os.cpu_count() or 1)
    yield probe_camera(camera)
    yield check_display(has_display())
    yield check_fonts(draw_sample)
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
