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
import math
import os
import platform
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from realtime.base.errors import Trouble, reason
from realtime.base.silence import silence_libraries
from realtime.config import (
    EFFORTS,
    PHOTO,
    SHIPPED,
    SMALL_EFFORTS,
    CameraSettings,
    Choices,
    ClassifierSettings,
    Effort,
    FinderSettings,
    GovernorSettings,
    ReportSettings,
    Settings,
    WebSettings,
    model_file,
)

if TYPE_CHECKING:
    from realtime.recording.recording import Means, Recording
    from realtime.sources.cameras import Measured
    from realtime.sources.source import Source
    from realtime.viewers.controls import Controls
    from realtime.viewers.web.page import Web


def not_installed(module: str | None, bits: int, system: str, machine: str) -> str:
    """What to do when a module is missing, in one line."""
    if bits < 64:
        remedy = "this is a 32-bit Python, for which there are no wheels; use a 64-bit system, such as the 64-bit Raspberry Pi OS"
    elif (system, machine) == ("Darwin", "x86_64"):
        remedy = "Intel Macs have no wheels of dlib-bin and ai-edge-litert; use a Mac with Apple silicon, Linux or Windows"
    else:
        remedy = "run `pip install -r requirements.txt` in a venv and start run.py with that venv's Python"
    return f"run.py: the module {module!r} is not installed: {remedy}"


def not_loading(error: ImportError) -> str:
    """What to do when a library that is installed does not load, in one line."""
    if "shared object" not in str(error):
        return f"run.py: a library does not load ({reason(error)}): install anew with `pip install --force-reinstall -r requirements.txt`"
    return (
        f"run.py: a library of the system is missing ({reason(error)}): "
        "on Debian, Ubuntu and Raspberry Pi OS run `sudo apt install libgl1 libglib2.0-0`"
    )


def here() -> tuple[int, str, str]:
    """This Python's word length and machine, as `not_installed` takes them."""
    return (64 if sys.maxsize > 2**32 else 32), platform.system(), platform.machine()


try:
    from typing import Annotated

    import typer
    from rich.console import Console
except ModuleNotFoundError as error:
    sys.exit(not_installed(error.name, *here()))

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Facial expressions in real time.")


def model_option(default: str) -> typer.models.OptionInfo:
    return typer.Option(
        help="The classifier: emotion, nano (an eighth of the work), or a .tflite file with its .json beside it.",
        metavar="NAME|FILE",
        parser=model_file,
        show_default=default,
    )


Model = Annotated[Path, model_option("emotion")]
SuitedModel = Annotated[Path | None, model_option("emotion; nano on small boards")]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", help="Whose face it is: a name given to calibrate.", metavar="NAME", show_default="nobody's in particular"),
]
Seconds = Annotated[
    float | None, typer.Option(help="Stop after this many seconds of film.", min=0.1, metavar="S", show_default="until the end")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
MinFace = Annotated[
    float, typer.Option(help="Smallest face to look for, as a share of the picture's short side.", min=0.03, max=1.0, metavar="SHARE")
]
RECORDINGS = Path("recordings")
CONSENT = (
    "Small pictures of the face and its surroundings are kept in the folder people/ on this computer, and nowhere else. They make the "
    "profile for this face, and can train a model if you give them away. `run.py calibrate --delete NAME` erases all of them."
)


class Size(NamedTuple):
    """Of pictures, in px. A plain tuple would be two words to Typer."""

    width: int
    height: int


Overlay = Annotated[bool, typer.Option("--overlay", help="Record annotated pictures, as without this; with --clean both.")]
Clean = Annotated[bool, typer.Option("--clean", help="Record clean pictures; with --overlay as OUT_clean.mp4 beside the annotated ones.")]
Privacy = Annotated[
    Literal["none", "blur", "numbers"], typer.Option(help="Cover faces in the recording, or write the readings alone, without pictures.")
]
Fps = Annotated[
    float | None,
    typer.Option(
        help="Record at a constant rate: repeat or leave out frames.", min=1, max=240, metavar="RATE", show_default="frames at their times"
    ),
]

Lang = Annotated[
    Literal["en", "zh", "es", "de", "fr", "ja"], typer.Option(help="Language of the words on the picture; files keep the English ones.")
]
Csv = Annotated[bool, typer.Option("--csv", help="Write the readings as a table as well: a row a face and frame.")]
Srt = Annotated[bool, typer.Option("--srt", help="Write what is shown as subtitles as well.")]


def suited(model: Path | None, board: str | None, tell: Callable[[str], None]) -> tuple[Path, tuple[Effort, ...]]:
    """The model, and how much is spent on a frame: less on a small board, unless the user names a model."""
    if model is not None or board is None:
        return model or ClassifierSettings.model, EFFORTS
    tell(f"{board}: the nano model and fewer searches, as suits a small board; --model emotion overrides both")
    return SHIPPED["nano"], SMALL_EFFORTS


def person(model: Path, name: str | None, tell: Callable[[str], None]) -> ClassifierSettings:
    """The classifier for a person's face. A profile that cannot be used is told of, and the base model reads instead."""
    from realtime.expression.people import PEOPLE, find, usable

    if name is None:
        return ClassifierSettings(model)
    path = find(PEOPLE, name, model)
    try:
        return ClassifierSettings(model, usable(path, model))
    except Trouble as trouble:
        tell(f"{trouble}; the base model reads meanwhile")
        return ClassifierSettings(model)


def pictures(overlay: bool, clean: bool) -> str:
    """Which pictures are to be recorded, as `realtime.config.Choices` names them."""
    return "both" if overlay and clean else "clean" if clean else "annotated"


def as_size(text: str) -> Size:
    """Width and height in px out of "640x480"."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 32 <= int(width) <= 7680 and 32 <= int(height) <= 7680):
        raise typer.BadParameter(f"{text!r} is no size: write width and height in pixels, such as 640x480")
    return Size(int(width), int(height))


RecordSize = Annotated[
    Size | None, typer.Option("--size", help="Size of the recorded pictures.", parser=as_size, metavar="WxH", show_default="the source's")
]


SOURCES = (
    "A camera's number or name (or a part of it), a file, an address (rtsp://, http://), pi (the ribbon cable's camera), screen, "
    "- (a pipe), or demo."
)
Raw = Annotated[
    Size | None,
    typer.Option(
        help="Size of the raw pictures (3 bytes a pixel: blue, green, red) that come through the pipe of --source -.",
        parser=as_size,
        metavar="WxH",
        show_default="the pipe says what it holds",
    ),
]


def stop_on_signal() -> Callable[[], bool]:
    """Lets Ctrl-C and SIGTERM end the loop after the frame in hand, so that files are finished; a second one ends at once."""
    asked: list[int] = []

    def note(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return lambda: bool(asked)


def new_recording(
    out: Path, made_from: Sequence["Source"], header: Callable[[], dict[str, object]], means: "Means", overwrite: bool
) -> "Recording":
    """A recording into `out`, which must not be one of the files that it is made from."""
    from realtime.recording.recording import Recording
    from realtime.sources.films import VideoFile

    recording = Recording(out, header, means, overwrite)
    for source in made_from:
        if isinstance(source, VideoFile) and out.exists() and source.path.exists() and out.samefile(source.path):
            raise Trouble(f"{out} is the file to be read: choose another name to write to")
    return recording


@app.command()
def live(
    source: Annotated[str | None, typer.Option(help=SOURCES, metavar="SOURCE", show_default="the first camera, else demo")] = None,
    raw: Raw = None,
    record: Annotated[Path | None, typer.Option(help="Record from the start into this .mp4 file.", metavar="FILE")] = None,
    window: Annotated[
        bool | None, typer.Option(help="Show a window, or readings in the terminal.", show_default="a window if it can")
    ] = None,
    seconds: Seconds = None,
    overwrite: Overwrite = False,
    mic: Annotated[
        str | None,
        typer.Option(help="Record this microphone as well: default, or FFmpeg's name of it.", metavar="DEVICE", show_default="no sound"),
    ] = None,
    overlay: Overlay = False,
    clean: Clean = False,
    privacy: Privacy = "none",
    size: RecordSize = None,
    fps: Fps = None,
    csv: Csv = False,
    srt: Srt = False,
    min_face: MinFace = FinderSettings.min_face,
    target_fps: Annotated[
        float | None,
        typer.Option(
            help="Frames a second to be reached: spend less on each before they are fewer.",
            min=1,
            metavar="FPS",
            show_default="all that come",
        ),
    ] = None,
    max_cpu: Annotated[
        float | None, typer.Option(help="Per cent of one core that may be used.", min=5, metavar="%", show_default="no limit")
    ] = None,
    model: SuitedModel = None,
    profile: ProfileName = None,
    web: Annotated[
        bool | None, typer.Option(help="Show the picture in browsers.", show_default="where there is no display, unless --no-window")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to serve the page at; 0.0.0.0 lets other machines look, with a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page; 0 is any free one.", min=0, max=65535)] = WebSettings.port,
    lang: Lang = "en",
) -> None:
    """Show expressions live: in a window, in browsers, or as a line in the terminal."""
    from realtime.base.machine import small_board
    from realtime.base.timing import Countdown, LatencyMeter
    from realtime.drawing.words import LANGUAGES
    from realtime.expression.people import ProfileSwitch
    from realtime.loop import Sinks, Tap, run_loop
    from realtime.pipeline import build_pipeline
    from realtime.readings.format import readings_header
    from realtime.recording.batch import face_search
    from realtime.recording.recording import Means
    from realtime.recording.sound import Microphone, MicrophoneSound
    from realtime.recording.switch import RecordSwitch
    from realtime.sources.cameras import camera_choices, list_cameras
    from realtime.sources.opening import open_live, open_source, usual_sources
    from realtime.sources.playing import Thinned
    from realtime.sources.switching import SourceSwitch
    from realtime.viewers.controls import Controls
    from realtime.viewers.desktop import has_display
    from realtime.viewers.terminal import Line
    from realtime.viewers.window import Window

    console, clock, stopped = Console(highlight=False, soft_wrap=True), time.monotonic, stop_on_signal()
    windowed = window is not False and not (web and window is None) and has_display()
    if window and not windowed:
        raise Trouble("there is no display for a window here: leave out --window to see readings in the terminal, or use --record FILE.mp4")
    model, efforts = suited(model, small_board(), console.print)
    settings = Settings(
        efforts,
        classifier=person(model, profile, console.print),
        finder=FinderSettings(min_face=min_face),
        governor=GovernorSettings(target_fps, max_cpu),
    )
    pipeline = build_pipeline(settings, clock, live=True)

    def header() -> dict[str, object]:
        return readings_header(frames.name, pipeline, settings, frames.delivery)

    def tell(why: str) -> None:
        console.print(why)
        if isinstance(shown, Window):
            shown.say(why.splitlines()[-1])
        if page:
            page.say(why.splitlines()[-1])

    def over() -> bool:
        return stopped() or countdown.over() or (isinstance(shown, Window) and shown.closed)

    wanted, camera = [source] if source else usual_sources(), CameraSettings(raw_wh=raw)
    drawn, written, countdown = LatencyMeter(clock), LatencyMeter(clock), Countdown(clock, seconds)
    given = [open_source(text, clock, camera) for text in wanted]
    choices = Choices(pictures(overlay, clean), privacy, size, fps, csv, srt, lang)
    microphone = Microphone(mic, clock) if mic else None
    if microphone:
        try:
            microphone.open()
        except Trouble as trouble:
            console.print(str(trouble))
            microphone = None
    means = Means(
        clock,
        choices=choices,
        live=True,
        tell=tell,
        written=written.update,
        search=face_search(choices),
        sound=lambda: MicrophoneSound(microphone) if microphone else None,
    )
    recording = new_recording(record, given, header, means, overwrite) if record else None
    switch = RecordSwitch(RECORDINGS, header, means, recording)
    shown = (
        Window(
            clock,
            lambda: frames.mirror,
            switch,
            lambda: drawn.dropped,
            lambda: pipeline.governor.level,
            ProfileSwitch(pipeline.classifier),
            lambda: cameras.next(),
            LANGUAGES[lang],
        )
        if windowed
        else Line(console, clock)
    )
    page = None
    if web or (web is None and window is None and not windowed):
        controls = Controls(
            lambda: frames.mirror,
            switch,
            lambda: drawn.dropped,
            lambda: pipeline.governor.level,
            lambda: cameras,
            ProfileSwitch(pipeline.classifier),
            LANGUAGES[lang],
        )
        page = open_page(controls, host, port, clock, bool(web), console.print)

    def idle(why: str | None) -> None:
        shown.idle(why)
        if page:
            page.idle(why)

    cameras = SourceSwitch(
        lambda text: open_live(text, clock, camera, lambda: over() or cameras.due, idle, console.print),
        wanted,
        lambda: camera_choices(cameras.current, list_cameras()),
        tell,
    )
    frames = Thinned(cameras, lambda: pipeline.governor.effort.frame_every)
    if window is None and not windowed and not web:
        seen = "a browser shows the picture" if page else "to see the picture, run this on a desktop"
        console.print(f"No display: readings follow here; {seen}. To keep it, use --record FILE.mp4. Ctrl-C ends.")
    try:
        run_loop(frames, pipeline, Sinks([shown, *([page] if page else []), Tap(drawn.update), switch, Tap(countdown.update)]), over)
    finally:
        if microphone:
            microphone.close()
    recorded = f", to written {written.latency()}" if written.frames else ""
    console.print(f"{drawn.summary()}, latency to drawn {drawn.latency()}{recorded}")
    for made in switch.made:
        console.print(told(made))


def open_page(
    controls: "Controls", host: str, port: int, clock: Callable[[], float], asked: bool, tell: Callable[[str], None]
) -> "Web | None":
    """The page, or None where nobody asked for it and it cannot be served: readings in the terminal do without."""
    try:
        from realtime.viewers.web.page import Web

        return Web(clock, controls, host, port, WebSettings(), tell)
    except (Trouble, ModuleNotFoundError) as error:
        if asked:
            raise
        tell(str(error) if isinstance(error, Trouble) else not_installed(str(error.name), *here()))
        return None


def told(made: "Recording") -> str:
    """What was written, in a line."""
    lost = f"; {made.dropped} frames were dropped: the encoder did not keep up" if made.dropped else ""
    *others, last = map(str, made.files)
    return f"wrote {', '.join(others)}{' and ' if others else ''}{last}{lost}"


@app.command()
def record(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="SOURCE OUT.mp4: what `live --source` takes, and what to write; the readings go beside it as .jsonl. "
            "With --out-dir: films, and folders of films.",
            metavar="SOURCE...",
        ),
    ],
    out_dir: Annotated[
        Path | None,
        typer.Option(help="Record many films into this folder, as many at a time as there are cores; finished ones are skipped."),
    ] = None,
    raw: Raw = None,
    seconds: Seconds = None,
    overwrite: Overwrite = False,
    overlay: Overlay = False,
    clean: Clean = False,
    privacy: Privacy = "none",
    size: RecordSize = None,
    fps: Fps = None,
    csv: Csv = False,
    srt: Srt = False,
    min_face: MinFace = FinderSettings.min_face,
    model: Model = ClassifierSettings.model,
    profile: ProfileName = None,
    lang: Lang = "en",
) -> None:
    """Write an annotated video and its readings: every frame of a file, with its sound, or what a camera sees."""
    settings = Settings(classifier=person(model, profile, print), finder=FinderSettings(min_face=min_face))
    choices = Choices(pictures(overlay, clean), privacy, size, fps, csv, srt, lang)
    if out_dir is not None:
        record_many([Path(source) for source in sources], out_dir, settings, choices, seconds, overwrite)
    elif len(sources) == 2:
        record_one(sources[0], Path(sources[1]), settings, choices, seconds, overwrite, raw)
    else:
        raise Trouble("record takes a source and an .mp4 file to write, or --out-dir DIR and any number of films")


def record_one(
    source: str, out: Path, settings: Settings, choices: Choices, seconds: float | None, overwrite: bool, raw: Size | None
) -> None:
    """Records one source with a progress bar."""
    from realtime.base.timing import Countdown
    from realtime.loop import Sinks, Tap, run_loop
    from realtime.pipeline import build_pipeline
    from realtime.readings.format import readings_header
    from realtime.recording.batch import Job, face_search, film_means
    from realtime.recording.recording import Means
    from realtime.sources.films import VideoFile
    from realtime.sources.opening import open_live, open_source
    from realtime.sources.playing import FirstSeconds
    from realtime.viewers.terminal import Bar

    console, clock, stopped = Console(highlight=False, soft_wrap=True), time.monotonic, stop_on_signal()
    camera = CameraSettings(raw_wh=raw)
    given = open_source(source, clock, camera)
    is_film = isinstance(given, VideoFile)
    if isinstance(given, VideoFile):
        means = film_means(Job(given.path, out, settings, choices, seconds), console.print, stopped)
    else:
        means = Means(clock, choices=choices, live=True, tell=console.print, search=face_search(choices))
    recording = new_recording(out, [given], lambda: readings_header(frames.name, pipeline, settings, frames.delivery), means, overwrite)
    bar = Bar(console, lambda: given.expected, seconds)
    countdown = Countdown(clock, None if is_film else seconds)

    def over() -> bool:
        return stopped() or countdown.over()

    if is_film:
        frames = given if seconds is None else FirstSeconds(given, seconds)
    else:
        frames = open_live(source, clock, camera, over, bar.idle, console.print)
    pipeline = build_pipeline(settings, clock, live=not is_film)
    started = clock()
    run_loop(frames, pipeline, Sinks([recording, bar, Tap(countdown.update)]), over)
    if not recording.frames:
        raise Trouble(f"nothing was recorded: {given.name} gave no frame")
    took = clock() - started
    console.print(f"{told(recording)}: {recording.frames} frames in {took:.1f} s ({recording.frames / took:.0f} fps)")


def record_many(given: list[Path], out_dir: Path, settings: Settings, choices: Choices, seconds: float | None, overwrite: bool) -> None:
    """Records films into a folder, in parallel, and names those that failed."""
    from realtime.recording.batch import Job, films_in, is_done, outputs, record_all
    from realtime.viewers.terminal import Bars

    console, stopped = Console(highlight=False, soft_wrap=True), stop_on_signal()
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Trouble(f"cannot make the folder {out_dir} ({reason(error)}): check the path and your rights") from error
    films = films_in(given)
    jobs = [Job(film, out, settings, choices, seconds) for film, out in zip(films, outputs(films, out_dir), strict=True)]
    due = [job for job in jobs if overwrite or not is_done(job)]
    if len(due) < len(jobs):
        console.print(f"skipped: {len(jobs) - len(due)} of {len(jobs)} films are recorded already; --overwrite does them again")
    with Bars(console) as bars:
        failed = record_all(due, bars, stopped)
    if failed:
        raise Trouble(f"{len(failed)} of {len(due)} films failed, for reasons told above: {', '.join(map(str, failed))}")


@app.command()
def bench(
    source: Annotated[str, typer.Option(help="A video file, or demo.")] = "demo",
    seconds: Annotated[float, typer.Option(help="How long to measure.", min=0.5)] = 10.0,
    exact: Annotated[bool, typer.Option("--exact", help="Search in step with the frames: slower, and the same work in every run.")] = False,
    live_rate: Annotated[
        float | None, typer.Option(help="Pace the film as a camera of so many fps, newest frame only; tells load and latency.", min=1)
    ] = None,
    faces: Annotated[
        int | None, typer.Option(help="So many faces side by side, cut out of the film.", min=1, max=16, show_default="as in the film")
    ] = None,
    size: Annotated[
        Size | None, typer.Option(help="Size of the pictures.", parser=as_size, metavar="WxH", show_default="the film's")
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.", metavar="FILE")] = None,
    model: SuitedModel = None,
) -> None:
    """Measure speed: each stage, frames a second, latency, load, memory, on this machine."""
    from realtime.base.machine import small_board
    from realtime.commands.benchmark import Clocks, Crowd, Resized, measure, portraits, rate_line, report, table_rows
    from realtime.pipeline import build_pipeline
    from realtime.sources.films import VideoFile
    from realtime.sources.newest import NewestFrame
    from realtime.sources.opening import open_source
    from realtime.sources.playing import Paced, Repeated, Retimed
    from realtime.viewers.terminal import table

    console, clock = Console(highlight=False, soft_wrap=True), time.perf_counter
    if out is not None and not out.parent.is_dir():
        raise Trouble(f"cannot write {out}: there is no folder {out.parent}; create it first")
    if exact and live_rate:
        raise Trouble("--exact does all work in step, --live-rate drops what comes too fast: choose one of them")
    film = open_source(source, clock, CameraSettings())
    if not isinstance(film, VideoFile):
        raise Trouble(
            f"bench measures a film, so that runs can be compared: {source} is none; name a video file, or see a camera's rate in live"
        )
    model, efforts = suited(model, small_board(), console.print)
    settings = Settings(efforts, classifier=ClassifierSettings(model))
    pipeline = build_pipeline(settings, clock, live=not exact, patience_s=math.inf if live_rate else 0.1)
    shown: Source
    if faces is not None:
        shown = Crowd(portraits(film, pipeline.finder.search, faces), size or (640, 480), live_rate or 30.0)
    else:
        shown = Repeated(film if size is None else Resized(film, size))
    if live_rate:
        shown = NewestFrame(Paced(Retimed(shown, live_rate), clock), lambda: False)
    with shown as frames, pipeline:
        measured = measure(frames, pipeline, Clocks(clock, time.process_time), seconds, warmup_s=1.0, live=bool(live_rate))
    made = report(measured, pipeline, settings, film.name)
    if out is not None:
        try:
            out.write_text(json.dumps(made, indent=1) + "\n")
        except OSError as error:
            raise Trouble(f"cannot write {out} ({reason(error)}): check the path and your rights") from error
    console.print(table(rate_line(made), ("stage", "median ms", "p95 ms", "p99 ms"), table_rows(made)))
    heat_c = made["machine"]["temperature_c"]
    used, size_wh = made["model"], "x".join(map(str, made["size"]))
    console.print(
        f"{shown.name} {size_wh}, {made['frames']} frames, {made['dropped']} dropped, {made['faces_per_frame']:.2f} faces a frame"
    )
    age = made["latency"]
    console.print(
        f"latency {age['median_ms']:.1f} ms (p95 {age['p95_ms']:.1f}, p99 {age['p99_ms']:.1f}), governor at level {made['level']}"
    )
    console.print(
        f"{made['cpu_percent']:.0f} % of one core, peak memory {made['peak_memory_mb']} MB; "
        f"{used['name']} {used['sha256'][:12]} in {used['runtime']}"
    )
    told_machine = {**made["machine"], "temperature_c": None if heat_c is None else f"{heat_c:.0f} °C"}
    console.print(", ".join(str(value) for value in told_machine.values() if value is not None))
    console.print(", ".join(f"{name} {version}" for name, version in made["versions"].items()))


@app.command()
def calibrate(
    name: Annotated[str | None, typer.Option(help="Who is calibrated.", metavar="NAME", show_default="me")] = None,
    plan: Annotated[
        Literal["neutral", "quick", "full", "room"],
        typer.Option(help="3 s of resting face; 7 expressions, a minute; 35 takes, three lights and from the side; several cameras."),
    ] = "quick",
    source: Annotated[
        list[str] | None,
        typer.Option(help="As in live; for the plan room one for each camera.", metavar="SOURCE", show_default="the first camera"),
    ] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Keep the takes under a random code instead of a name.")] = False,
    practising: Annotated[bool, typer.Option("--practice", help="Practise expressions and see how well they are recognised.")] = False,
    delete: Annotated[str | None, typer.Option(help="Erase all that is kept of a person, and end.", metavar="NAME")] = None,
    merge: Annotated[list[Path] | None, typer.Option(help="Add the takes of another people/ folder to this one, and end.")] = None,
    agreed: Annotated[bool, typer.Option("--yes", help="Agree to keeping the pictures without being asked.")] = False,
    window: Annotated[bool | None, typer.Option(help="Show a window, or guide in the terminal.", show_default="a window if it can")] = None,
    model: SuitedModel = None,
) -> None:
    """Learn a face: a guided capture, a profile for `live --profile NAME`, and the proof that it helps."""
    from calibration import collection
    from calibration.capture import Wish, guided
    from realtime.base.machine import small_board
    from realtime.expression.people import PEOPLE, checked

    if delete is not None:
        erased = collection.delete(PEOPLE, delete)
        print(f"erased all of {delete}: {erased} files")
        return
    if merge:
        merged = collection.merge(merge, PEOPLE)
        for person, called in merged.people.items():
            print(f"{person}: {called}")
        print(f"{merged.copied} sessions were added, {merged.known} were here already")
        for path in merged.differ:
            print(f"{path} holds other takes than the session of that name here, and was left out")
        return
    if anonymous and name is not None:
        raise Trouble("--anonymous keeps no name: leave out --name")
    sources = source or []
    if plan == "room" and len(sources) < 2:
        raise Trouble("the plan room takes several cameras: name each with --source, first the one that the person looks at")
    if plan != "room" and len(sources) > 1:
        raise Trouble("only the plan room takes several cameras: name one --source")
    who = None if anonymous else checked(name or "me")
    # Who only practises leaves nothing behind, unless a name is given.
    kept = not practising or name is not None or anonymous
    if kept and not agreed:
        ask_consent()
    # A profile is tied to a model: the one that live will take.
    model, _ = suited(model, small_board(), print)
    wish = Wish(who, "practice" if practising else plan, tuple(sources), CONSENT if kept else None, window is not False, model)
    taken_of = guided(wish, Console(highlight=False, soft_wrap=True), stop_on_signal())
    if taken_of is not None:
        install(taken_of, model)


def install(who: str, model: Path) -> None:
    """Makes the profiles of a person, and shows what that for `model` is good for; those for the other shipped models come along."""
    from calibration.enrol import enrol
    from calibration.proof import as_text
    from realtime.config import FitSettings
    from realtime.expression.classifier import EmotionClassifier
    from realtime.expression.people import PEOPLE

    console, told = Console(highlight=False, soft_wrap=True), False
    for file in [model, *(shipped for shipped in SHIPPED.values() if shipped != model)]:
        made, picture = enrol(PEOPLE, who, EmotionClassifier(file), FitSettings())
        if file == model and made.proofs:
            console.print(as_text(made.proofs[-1]))
        console.print(f"{file.stem}: {made.why}" + (f" (as a picture: {picture})" if picture else ""))
        told = told or made.profile is not None
    if told:
        console.print(f"use it with: run.py live --profile {shlex.quote(who)}")


def ask_consent() -> None:
    """Asks whether pictures may be kept.

    Raises:
        Trouble: they may not, or nobody can be asked.
    """
    print(CONSENT)
    if not sys.stdin.isatty():
        raise Trouble("nobody can be asked here whether pictures may be kept: agree with --yes")
    if not typer.confirm("Do you agree?"):
        raise Trouble("without consent nothing is taken; `calibrate --practice` keeps nothing")


@app.command()
def image(
    files: Annotated[list[Path], typer.Argument(help="Picture files.", metavar="FILE...")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a face.")] = False,
    model: Model = ClassifierSettings.model,
    profile: ProfileName = None,
) -> None:
    """Read the expressions in photos: a line a face."""
    from realtime.pipeline import build_pipeline, fresh
    from realtime.readings.format import face_values
    from realtime.sources.photos import Photo
    from realtime.viewers.terminal import summary

    settings = Settings(efforts=(PHOTO,), classifier=person(model, profile, partial(print, file=sys.stderr)))
    pipeline = build_pipeline(settings, time.monotonic)
    failed = 0
    for path in files:
        try:
            with Photo(path) as photo:
                readings = [reading for frame in photo for reading in fresh(pipeline, settings).read(frame)]
        except Trouble as trouble:
            print(f"run.py: {trouble}", file=sys.stderr)
            failed += 1
            continue
        if as_json:
            values: list[dict[str, Any] | None] = [face_values(reading) for reading in readings]
            for face in values or [None]:
                print(json.dumps({"file": str(path), "face": face}))
        else:
            for shown in [[reading] for reading in readings] or [[]]:
                print(f"{path}: {summary(shown)}")
    if failed:
        raise typer.Exit(1)


@app.command()
def cameras(as_json: Annotated[bool, typer.Option("--json", help="One JSON object for all.")] = False) -> None:
    """List the cameras by name, with the sizes and rates that each delivers, measured for a second each."""
    from realtime.sources.cameras import CHECKS, Webcam, list_cameras, measured, measured_sizes
    from realtime.sources.picamera import PiCamera, pi_cameras

    clock, settings = time.monotonic, CameraSettings()

    def sizes(number: int) -> "list[Measured]":
        return measured_sizes(lambda wh: Webcam(number, replace(settings, width=wh[0], height=wh[1]), clock), seconds=1.0)

    probes: list[tuple[str, str, Callable[[], list[Measured]]]] = [
        (str(camera.number), camera.name, partial(sizes, camera.number)) for camera in list_cameras()
    ]
    probes += [("pi", model, lambda: [measured(PiCamera(settings, clock), 1.0)]) for model in pi_cameras()[:1]]
    if not probes:
        raise Trouble(f"no camera is found: {CHECKS.get(sys.platform, CHECKS['linux'])}")
    told = []
    for source, name, probe in probes:
        if not as_json:
            print(f"{source}: {name}")
        try:
            found, why = probe(), None
        except Trouble as trouble:
            found, why = [], str(trouble)
        told.append({"source": source, "name": name, "formats": [asdict(one) for one in found], "trouble": why})
        if not as_json:
            print("\n".join(f"    {one}" for one in found) or f"    {why}")
    if as_json:
        print(json.dumps(told))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of all checks.")] = False, model: SuitedModel = None
) -> None:
    """Look at all that a session needs: a line each, with what helps; exit code 1 if something will not work."""
    from realtime.base.machine import small_board
    from realtime.commands.doctor import examine

    checks = []
    model, efforts = suited(model, small_board(), lambda line: None)
    for check in examine(Settings(efforts, classifier=ClassifierSettings(model)), Path(__file__).parent / "requirements.txt", RECORDINGS):
        checks.append(check)
        if not as_json:
            print(f"{check.state:8}{check.name:15} {check.said}" + (f"\n{'':23} {check.remedy}" if check.remedy else ""), flush=True)
    if as_json:
        print(json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=1))
    if any(check.state == "fault" for check in checks):
        raise typer.Exit(1)


@app.command()
def verify(
    files: Annotated[
        list[Path], typer.Argument(help="Recordings: the video or its readings, the other lies beside it.", metavar="FILE...")
    ],
) -> None:
    """Read recordings back, and tell whether they are whole: a line each, or a line a problem and exit code 1."""
    from realtime.readings.verify import verify as problems_of

    failed = 0
    for path in files:
        try:
            problems, held = problems_of(path)
        except Trouble as trouble:
            problems, held = [str(trouble)], ""
        for problem in problems:
            print(f"run.py: {problem}", file=sys.stderr)
        if not problems:
            print(f"{path}: {held}, whole")
        failed += bool(problems)
    if failed:
        raise typer.Exit(1)


@app.command()
def report(
    files: Annotated[list[Path], typer.Argument(help="Readings (.jsonl), or videos that have theirs beside them.", metavar="READINGS...")],
    out: Annotated[Path | None, typer.Option(help="The page to write.", metavar="FILE.html", show_default="beside the first file")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a page about recordings: timelines, shares, faces, with the video where there is one; several are compared."""
    from realtime.readings.file import readings_path
    from realtime.readings.report import write_report

    first = readings_path(files[0])
    page = out or (first.with_suffix(".html") if len(files) == 1 else first.with_name("report.html"))
    if page.suffix.lower() not in (".html", ".htm"):
        raise Trouble(f"cannot write the page to {page}: the name must end in .html")
    if not page.parent.is_dir():
        raise Trouble(f"cannot write {page}: there is no folder {page.parent}; create it first")
    if page.exists() and not overwrite:
        raise Trouble(f"{page} exists and is kept: choose another name with --out, or pass --overwrite")
    write_report(files, page, ReportSettings())
    print(f"wrote {page}")


def leave(code: int | str | None) -> NoReturn:
    """Ends the process as `sys.exit(code)` does, but at once where a thread is left.

    A reader that hangs in a camera's driver or a dead connection cannot be stopped, and wakes up in an interpreter that is being taken
    down, which crashes now and then. All files are closed by then.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        if isinstance(code, str):
            print(code, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)


def main() -> None:
    """Runs the command line. Expected trouble is one line on stderr and exit code 1."""
    silence_libraries()
    code: int | str | None = None
    try:
        app()
    except SystemExit as ended:
        code = ended.code
    except Trouble as trouble:
        code = f"run.py: {trouble}"
    except ModuleNotFoundError as error:
        code = not_installed(error.name, *here())
    except ImportError as error:
        code = not_loading(error)
    leave(code)


if __name__ == "__main__":
    main()
