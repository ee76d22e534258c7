"""Recognises facial expressions in real time: before a camera, in a video, in photos.

    python run.py live                            a camera, or the demo clip where there is none
    python run.py live --source demo
    python run.py record clip.mp4 labelled.mp4    the clip with labels, and labelled.jsonl with the numbers
    python run.py record clips/ --out-dir labelled
    python run.py bench --json bench.json
    python run.py image photo.jpg another.png
    python run.py verify labelled.mp4             whether a recording is whole
    python run.py report labelled.jsonl           a page about it: labelled.html

Each command is the same loop with other ends; the stages of a frame are in `realtime/pipeline.py`.
"""

import json
import os
import platform
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from realtime.base.errors import Trouble, reason
from realtime.base.installation import REINSTALL, REMEDY
from realtime.base.silence import silence_libraries
from realtime.base.version import __version__
from realtime.config import (
    CameraSettings,
    ClassifierSettings,
    FinderSettings,
    GovernorSettings,
    PhotoSettings,
    Settings,
    WebSettings,
)


def not_installed(module: str | None, bits: int, system: str, machine: str) -> str:
    """What to do when a module is missing, in one line."""
    if bits < 64:
        remedy = "this is a 32-bit Python, for which there are no wheels; use a 64-bit system, such as the 64-bit Raspberry Pi OS"
    elif (system, machine) == ("Darwin", "x86_64"):
        remedy = "Intel Macs have no wheels of dlib-bin and ai-edge-litert; use a Mac with Apple silicon, Linux or Windows"
    else:
        remedy = REMEDY
    return f"run.py: the module {module!r} is not installed: {remedy}"


def not_loading(error: ImportError) -> str:
    """What to do when a library that is installed does not load, in one line."""
    # glibc's words where it cannot map a library.
    if any(words in str(error) for words in ("failed to map segment", "Cannot allocate memory", "cannot allocate memory")):
        return f"run.py: {TOO_LITTLE_MEMORY} ({reason(error)})"
    if "shared object" not in str(error):
        return f"run.py: a library does not load ({reason(error)}): {REINSTALL}"
    return (
        f"run.py: a library of the system is missing ({reason(error)}): "
        "on Debian, Ubuntu and Raspberry Pi OS run `sudo apt install libgl1 libglib2.0-0`"
    )


def here() -> tuple[int, str, str]:
    """This Python's word length and machine, as `not_installed` takes them."""
    return (64 if sys.maxsize > 2**32 else 32), platform.system(), platform.machine()


try:
    import typer

    from realtime.base.output import TextConsole, make_output_endure, tell, tell_trouble
    from realtime.base.signals import stop_on_signal
    from realtime.commands import options as o
except ModuleNotFoundError as error:
    sys.exit(not_installed(error.name, *here()))

app = typer.Typer(
    cls=o.Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Facial expressions in real time.",
)
TOO_LITTLE_MEMORY = "there is too little memory: close other programs, or raise the limit (`ulimit -v`)"
RECORDINGS = Path("recordings")
"""Where `r` and `s` write."""


@app.callback(invoke_without_command=True)
def program(version: o.Version = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def live(
    source: o.LiveSource = None,
    film: o.AsFilm = None,
    raw: o.Raw = None,
    record: o.RecordFile = None,
    window: o.LiveWindow = None,
    seconds: o.Seconds = None,
    overwrite: o.Overwrite = False,
    mic: o.Microphone = None,
    overlay: o.Overlay = False,
    clean: o.Clean = False,
    privacy: o.Privacy = "none",
    size: o.RecordSize = None,
    fps: o.Fps = None,
    csv: o.Csv = False,
    srt: o.Srt = False,
    min_face: o.MinFace = FinderSettings.min_face,
    target_fps: o.TargetFps = None,
    max_cpu: o.MaxCpu = None,
    model: o.SuitedModel = None,
    profile: o.ProfileName = None,
    web: o.Web = None,
    host: o.Host = "127.0.0.1",
    port: o.Port = WebSettings.port,
    token: o.TokenFile = None,
    lang: o.ScreenLang = None,
    osc: o.Osc = None,
    lsl: o.Lsl = False,
    mqtt: o.Mqtt = None,
    webhook: o.Webhook = None,
    virtual_camera: o.VirtualCamera = False,
) -> None:
    """Show expressions live: in a window, in browsers, or as a line in the terminal."""
    from realtime.base.machine import small_board
    from realtime.commands.choose import choose_model, choose_profile
    from realtime.commands.live import LiveOptions, LiveSession
    from realtime.drawing.words import system_language
    from realtime.outputs.choices import OutputChoices

    console, interrupted = TextConsole(), stop_on_signal()
    model, efforts = choose_model(model, small_board(), console.print)
    face = choose_profile(profile, model, console.print)
    finder, governor = FinderSettings(min_face=min_face), GovernorSettings(target_fps, max_cpu)
    settings = Settings(efforts, classifier=ClassifierSettings(model), profile=face, finder=finder, governor=governor)
    options = LiveOptions(
        sources=(source,) if source else (),
        camera=CameraSettings(raw_wh=raw),
        seconds=seconds,
        folder=RECORDINGS,
        record=record,
        overwrite=overwrite,
        microphone=mic,
        choices=o.choices_of(overlay, clean, privacy, size, fps, csv, srt, lang or system_language()),
        window=window,
        web=web,
        host=host,
        port=port,
        token=token,
        is_film=film,
        outputs=OutputChoices(osc, lsl, mqtt, webhook, virtual_camera),
    )
    LiveSession(options, settings, console, time.monotonic, interrupted).run()


@app.command()
def record(
    sources: o.RecordSources,
    out_dir: o.OutDir = None,
    audio: o.AudioTrack = None,
    film: o.AsFilm = None,
    raw: o.Raw = None,
    seconds: o.Seconds = None,
    overwrite: o.Overwrite = False,
    overlay: o.Overlay = False,
    clean: o.Clean = False,
    privacy: o.Privacy = "none",
    size: o.RecordSize = None,
    fps: o.Fps = None,
    csv: o.Csv = False,
    srt: o.Srt = False,
    min_face: o.MinFace = FinderSettings.min_face,
    model: o.Model = ClassifierSettings.model,
    profile: o.ProfileName = None,
    lang: o.Lang = "en",
) -> None:
    """Write an annotated video and its readings: every frame of a file, with its sound, or what a camera sees."""
    from realtime.commands.choose import choose_profile
    from realtime.commands.record import RecordOptions, record_many, record_one

    settings = Settings(
        classifier=ClassifierSettings(model), profile=choose_profile(profile, model, tell), finder=FinderSettings(min_face=min_face)
    )
    choices = o.choices_of(overlay, clean, privacy, size, fps, csv, srt, lang)
    options = RecordOptions(settings, choices, CameraSettings(raw_wh=raw), seconds, overwrite, audio, film)
    if out_dir is not None:
        record_many([o.as_path(source) for source in sources], out_dir, options, TextConsole(), stop_on_signal())
    elif len(sources) == 2:
        record_one(sources[0], o.as_path(sources[1]), options, TextConsole(), stop_on_signal())
    else:
        raise Trouble("record takes a source and a video file to write, or --out-dir DIR and any number of films")


@app.command()
def bench(
    source: o.BenchSource = "demo",
    seconds: o.BenchSeconds = 10.0,
    exact: o.Exact = False,
    live_rate: o.LiveRate = None,
    faces: o.FaceCount = None,
    size: o.BenchSize = None,
    out: o.JsonFile = None,
    compare: o.CompareFile = None,
    model: o.SuitedModel = None,
) -> None:
    """Measure speed: each stage, frames a second, latency, load, memory, on this machine."""
    from realtime.base.machine import small_board
    from realtime.commands.bench import BenchOptions, run_bench
    from realtime.commands.choose import choose_model

    model, efforts = choose_model(model, small_board(), tell)
    settings = Settings(efforts, classifier=ClassifierSettings(model))
    if not run_bench(BenchOptions(source, seconds, exact, live_rate, faces, size, out, compare, settings), TextConsole()):
        raise typer.Exit(1)


@app.command()
def calibrate(
    name: o.PersonName = None,
    plan: o.Plan = "quick",
    source: o.CaptureSources = None,
    anonymous: o.Anonymous = False,
    practising: o.Practice = False,
    delete: o.Delete = None,
    merge: o.Merge = None,
    agreed: o.Agreed = False,
    window: o.CaptureWindow = None,
    model: o.SuitedModel = None,
    lang: o.ScreenLang = None,
) -> None:
    """Learn a face: a guided capture, a profile for `live --profile NAME`, and the proof that it helps."""
    from calibration.command import CaptureOptions, calibrate_person, delete_person, merge_people
    from realtime.base.machine import small_board
    from realtime.commands.choose import choose_model
    from realtime.drawing.words import system_language

    if delete is not None:
        delete_person(delete)
        return
    if merge:
        merge_people(merge)
        return
    # A profile belongs to a model: the one that live will take.
    model, _ = choose_model(model, small_board(), tell)
    sources, spoken = tuple(source or ()), lang or system_language()
    options = CaptureOptions(name, plan, sources, anonymous, practising, agreed, window is not False, model, spoken)
    calibrate_person(options, TextConsole(), stop_on_signal())


@app.command()
def image(
    files: o.Pictures,
    as_json: o.JsonPerFace = False,
    out_dir: o.LabelledFolder = None,
    overwrite: o.ReplacePhotos = False,
    min_face: o.MinFaceOfPhoto = PhotoSettings.min_face,
    model: o.Model = ClassifierSettings.model,
    profile: o.ProfileName = None,
) -> None:
    """Read the expressions in photos: a line a face, from left to right; and write the photos with labels."""
    from realtime.commands.choose import choose_profile
    from realtime.commands.photos import PhotoOptions, read_photos

    settings = Settings(
        classifier=ClassifierSettings(model),
        profile=choose_profile(profile, model, tell_trouble),
        photo=PhotoSettings(min_face=min_face),
    )
    if read_photos(files, settings, PhotoOptions(as_json, out_dir, overwrite)):
        raise typer.Exit(1)


@app.command()
def cameras(as_json: o.JsonForAll = False) -> None:
    """List the cameras by name, with the sizes and rates that each delivers, measured for a second each."""
    from realtime.commands.cameras import no_camera_remedy, probe_cameras

    reports = probe_cameras(CameraSettings(), time.monotonic, (lambda line: None) if as_json else tell)
    if as_json:
        print(json.dumps(reports))
    elif not reports:
        raise Trouble(f"no camera is found: {no_camera_remedy()}")


@app.command()
def doctor(as_json: o.JsonChecks = False, model: o.SuitedModel = None) -> None:
    """Look at all that a session needs: a line each, with what helps; exit code 1 if something will not work."""
    from realtime.base.machine import small_board
    from realtime.base.output import terminal_width
    from realtime.commands.choose import choose_model
    from realtime.commands.doctor import describe_check, examine

    checks, console = [], TextConsole()
    model, efforts = choose_model(model, small_board(), lambda line: None)
    for check in examine(Settings(efforts, classifier=ClassifierSettings(model)), Path(__file__).parent / "requirements.txt", RECORDINGS):
        checks.append(check)
        if not as_json:
            console.print(describe_check(check, terminal_width(sys.stdout)))
    if as_json:
        print(json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=1))
    if any(check.state == "fault" for check in checks):
        raise typer.Exit(1)


@app.command()
def verify(files: o.Recordings) -> None:
    """Read recordings back, and tell whether they are whole: a line each, or a line a problem and exit code 1."""
    from realtime.commands.files import verify_recordings

    if verify_recordings(files):
        raise typer.Exit(1)


@app.command()
def report(files: o.ReadingsFiles, out: o.PageFile = None, overwrite: o.Overwrite = False) -> None:
    """Make a page about recordings: timelines, shares, faces, with the video where there is one; several are compared."""
    from realtime.commands.files import report_recordings

    if report_recordings(files, out, overwrite):
        raise typer.Exit(1)


@app.command()
def study(files: o.ReadingsFiles, out: o.TablesFolder, interval: o.Interval = 10.0, overwrite: o.Overwrite = False) -> None:
    """Make tables for statistics out of many films: a row a film and person, a row an interval, and a codebook."""
    from realtime.commands.study import study_recordings

    if study_recordings(files, out, interval, overwrite):
        raise typer.Exit(1)


def leave(code: int) -> NoReturn:
    """Ends the process as `sys.exit(code)` does, but at once where a thread is left.

    A reader that hangs in a camera's driver or a dead connection cannot be stopped, and wakes up in an interpreter that is being taken
    down, which crashes now and then. All files are closed by then.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)


def main() -> None:
    """Runs the command line. Expected trouble is one line on stderr and exit code 1; so is output that could not be written."""
    silence_libraries()
    output, errors = make_output_endure()
    code, said = 1, ""
    try:
        app()
    except SystemExit as ended:
        code, said = (ended.code or 0, "") if isinstance(ended.code, int | None) else (1, ended.code)
    except Trouble as trouble:
        said = f"run.py: {trouble}"
    except ModuleNotFoundError as error:
        said = not_installed(error.name, *here())
    except ImportError as error:
        said = not_loading(error)
    except MemoryError:
        said = f"run.py: {TOO_LITTLE_MEMORY}"
    if said:
        tell_trouble(said)
    output.flush()
    if output.failure:
        tell_trouble(f"run.py: standard output cannot be written ({output.failure}): what was to be read there is lost, files are not")
    errors.flush()
    leave(code or int(bool(output.failure or errors.failure)))


if __name__ == "__main__":
    main()
