"""The options that several commands share, as types for Typer, and how their texts are read."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer
from typer.core import TyperGroup

from realtime.base.addresses import hide_secrets, is_address, without_secrets
from realtime.base.errors import Trouble
from realtime.config import Choices, model_file


class Size(NamedTuple):
    """Of pictures, in px. A plain tuple would be two words to Typer."""

    width: int
    height: int


def as_size(text: str) -> Size:
    """Width and height in px out of "640x480"."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 32 <= int(width) <= 7680 and 32 <= int(height) <= 7680):
        raise typer.BadParameter(f"{text!r} is no size: write width and height in pixels, such as 640x480")
    return Size(int(width), int(height))


def as_path(text: str) -> Path:
    """A path. An address is refused here: a message about a file that is not there would repeat its password."""
    if is_address(text):
        raise Trouble(
            f"{without_secrets(text)} is an address, where a file or folder is to be named; `run.py record ADDRESS OUT.mp4` records one"
        )
    return Path(text)


class Commands(TyperGroup):
    """The commands. What Typer says about a wrong command line does not repeat the passwords in it."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """As in TyperGroup."""
        return _without_secrets(super().make_context, *arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """As in TyperGroup."""
        return _without_secrets(super().invoke, ctx)


def _without_secrets(work: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return work(*arguments, **options)
    except USAGE_ERROR as error:
        error.message = hide_secrets(error.message + _remedy(error), sys.argv[1:])
        raise


def _remedy(error: Any) -> str:
    """What to write instead where a source is named without its option, as a sentence; else nothing."""
    command = error.ctx.info_name if error.ctx else None
    extra = re.search(r"unexpected extra argument[^(]*\(s\) \((\S+?)[ )]", error.message)
    if command not in ("live", "bench") or extra is None:
        return ""
    return f". Name what is to be watched with --source: {command} --source {extra[1]}"


def model_option(default: str) -> typer.models.OptionInfo:
    return typer.Option(
        help="The classifier: emotion, nano (an eighth of the work), or a .tflite file with its .json beside it.",
        metavar="NAME|FILE",
        parser=model_file,
        show_default=default,
    )


def choices_of(
    overlay: bool,
    clean: bool,
    privacy: str,
    size: Size | None,
    fps: float | None,
    csv: bool,
    srt: bool,
    lang: str,
) -> Choices:
    """What a recording is to hold, by the options of `live` and `record`."""
    picture = "both" if overlay and clean else "clean" if clean else "annotated"
    return Choices(picture, privacy, size, fps, csv, srt, lang)


USAGE_ERROR: Any = typer.BadParameter.__base__
"""What Typer raises about a wrong command line; it has no public name."""

SOURCES = (
    "A camera's number or name (or a part of it), a file, an address (rtsp://, http://), pi (the ribbon cable's camera), screen, "
    "- (a pipe), or demo."
)

Model = Annotated[Path, model_option("emotion")]
SuitedModel = Annotated[Path | None, model_option("emotion; nano on small boards")]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", help="Whose face it is: a name given to calibrate.", metavar="NAME", show_default="nobody's in particular"),
]
LiveSource = Annotated[
    str | None, typer.Option(help=SOURCES, metavar="SOURCE", show_default="the first camera, else demo", rich_help_panel="Source")
]
AsFilm = Annotated[
    bool | None,
    typer.Option(
        "--film/--live",
        help="Take an address or a pipe for a film (each picture, at its own time) or for live (the newest picture, when it comes).",
        show_default="a film has a known length; a pipe is one unless it holds MJPEG or raw pictures",
        rich_help_panel="Source",
    ),
]
Raw = Annotated[
    Size | None,
    typer.Option(
        help="Size of the raw pictures (3 bytes a pixel: blue, green, red) that come through the pipe of --source -.",
        parser=as_size,
        metavar="WxH",
        show_default="the pipe says what it holds",
        rich_help_panel="Source",
    ),
]
MinFace = Annotated[
    float,
    typer.Option(
        help="Smallest face to look for, as a share of the picture's short side.",
        min=0.03,
        max=1.0,
        metavar="SHARE",
        rich_help_panel="Source",
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        help="Stop after this many seconds of film.", min=0.1, metavar="S", show_default="until the end", rich_help_panel="Source"
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.", rich_help_panel="Recording")]

# What live shows.
LiveWindow = Annotated[
    bool | None,
    typer.Option(help="Show a window, or readings in the terminal.", show_default="a window if it can", rich_help_panel="Screen and page"),
]
Web = Annotated[
    bool | None,
    typer.Option(
        help="Show the picture in browsers.",
        show_default="where there is no display, unless --no-window",
        rich_help_panel="Screen and page",
    ),
]
Host = Annotated[
    str,
    typer.Option(
        help="Address to serve the page at; 0.0.0.0 lets other machines look. Everybody needs the token.", rich_help_panel="Screen and page"
    ),
]
Port = Annotated[int, typer.Option(help="Port of the page; 0 is any free one.", min=0, max=65535, rich_help_panel="Screen and page")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        help="File with the page's token, so that a bookmark lives; it is made where it is missing.",
        show_default="a new token each time",
        metavar="FILE",
        rich_help_panel="Screen and page",
    ),
]
Lang = Annotated[
    Literal["en", "zh", "es", "de", "fr", "ja"],
    typer.Option(help="Language of the words on the picture; files keep the English ones.", rich_help_panel="Screen and page"),
]
ScreenLang = Annotated[
    Literal["en", "zh", "es", "de", "fr", "ja"] | None,
    typer.Option(
        "--lang",
        help="Language of the screen; files keep the English words.",
        show_default="the system's",
        rich_help_panel="Screen and page",
    ),
]
TargetFps = Annotated[
    float | None,
    typer.Option(
        help="Frames a second to be reached: spend less on each before they are fewer.",
        min=1,
        metavar="FPS",
        show_default="all that come",
        rich_help_panel="Speed",
    ),
]
MaxCpu = Annotated[
    float | None,
    typer.Option(help="Per cent of one core that may be used.", min=5, metavar="%", show_default="no limit", rich_help_panel="Speed"),
]

# Where live sends readings.
Osc = Annotated[
    str | None,
    typer.Option(help="Send readings as OSC messages.", metavar="HOST:PORT", show_default=False, rich_help_panel="Other programs"),
]
Lsl = Annotated[bool, typer.Option("--lsl", help="Send readings as streams of the Lab Streaming Layer.", rich_help_panel="Other programs")]
Mqtt = Annotated[
    str | None,
    typer.Option(
        help="Send readings to an MQTT broker; Home Assistant finds them.",
        metavar="HOST[:PORT]",
        show_default=False,
        rich_help_panel="Other programs",
    ),
]
Webhook = Annotated[
    str | None,
    typer.Option(
        help="Post JSON to this http(s) address for each change of a label.",
        metavar="URL",
        show_default=False,
        rich_help_panel="Other programs",
    ),
]
VirtualCamera = Annotated[
    bool, typer.Option("--virtual-camera", help="Send the labelled picture to a virtual camera.", rich_help_panel="Other programs")
]

# What is recorded.
RecordFile = Annotated[
    Path | None,
    typer.Option(
        help="Record from the start into this .mp4, .mov or .mkv file.", parser=as_path, metavar="FILE", rich_help_panel="Recording"
    ),
]
Microphone = Annotated[
    str | None,
    typer.Option(
        help="Record this microphone as well: default, or FFmpeg's name of it.",
        metavar="DEVICE",
        show_default="no sound",
        rich_help_panel="Recording",
    ),
]
Overlay = Annotated[
    bool, typer.Option("--overlay", help="Record annotated pictures, as without this; with --clean both.", rich_help_panel="Recording")
]
Clean = Annotated[
    bool,
    typer.Option(
        "--clean", help="Record clean pictures; with --overlay as OUT_clean.mp4 beside the annotated ones.", rich_help_panel="Recording"
    ),
]
Privacy = Annotated[
    Literal["none", "blur", "numbers"],
    typer.Option(help="Cover faces in the recording, or write the readings alone, without pictures.", rich_help_panel="Recording"),
]
RecordSize = Annotated[
    Size | None,
    typer.Option(
        "--size",
        help="Size of the recorded pictures.",
        parser=as_size,
        metavar="WxH",
        show_default="the source's",
        rich_help_panel="Recording",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        help="Record at a constant rate: repeat or leave out frames.",
        min=1,
        max=240,
        metavar="RATE",
        show_default="frames at their times",
        rich_help_panel="Recording",
    ),
]
Csv = Annotated[
    bool, typer.Option("--csv", help="Write the readings as a table as well: a row a face and frame.", rich_help_panel="Recording")
]
Srt = Annotated[bool, typer.Option("--srt", help="Write what is shown as subtitles as well.", rich_help_panel="Recording")]
RecordSources = Annotated[
    list[str],
    typer.Argument(
        help="SOURCE OUT.mp4 (or .mov, .mkv): what `live --source` takes, and what to write; the readings go beside it as .jsonl. "
        "With --out-dir: films, and folders of films.",
        metavar="SOURCE...",
    ),
]
AudioTrack = Annotated[
    int | None,
    typer.Option(
        "--audio",
        help="Which of a film's tracks of sound to record.",
        min=1,
        metavar="N",
        show_default="its default one",
        rich_help_panel="Recording",
    ),
]
OutDir = Annotated[
    Path | None,
    typer.Option(
        help="Record many films into this folder, as many at a time as there are cores, in the tree of theirs; finished ones are skipped.",
        rich_help_panel="Recording",
    ),
]

# What bench measures.
BenchSource = Annotated[str, typer.Option(help="A video file, or demo.")]
BenchSeconds = Annotated[float, typer.Option(help="How long to measure.", min=0.5)]
Exact = Annotated[bool, typer.Option("--exact", help="Search in step with the frames: slower, and the same work in every run.")]
LiveRate = Annotated[
    float | None, typer.Option(help="Pace the film as a camera of so many fps, newest frame only; tells load and latency.", min=1)
]
FaceCount = Annotated[
    int | None, typer.Option(help="So many faces side by side, cut out of the film.", min=1, max=16, show_default="as in the film")
]
BenchSize = Annotated[
    Size | None, typer.Option("--size", help="Size of the pictures.", parser=as_size, metavar="WxH", show_default="the film's")
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.", metavar="FILE")]
CompareFile = Annotated[
    Path | None,
    typer.Option("--compare", help="Say what is slower than in this earlier --json file; exit code 1 if anything is.", metavar="FILE"),
]

# Whom calibrate asks, and for what.
PersonName = Annotated[str | None, typer.Option(help="Who is calibrated.", metavar="NAME", show_default="me")]
Plan = Annotated[
    Literal["neutral", "quick", "full", "room"],
    typer.Option(help="3 s of resting face; 7 expressions, a minute; 35 takes, three lights and from the side; several cameras."),
]
CaptureSources = Annotated[
    list[str] | None,
    typer.Option(help="As in live; for the plan room one for each camera.", metavar="SOURCE", show_default="the first camera"),
]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="Keep the takes under a random code instead of a name.")]
Practice = Annotated[bool, typer.Option("--practice", help="Practise expressions and see how well they are recognised.")]
Delete = Annotated[str | None, typer.Option(help="Erase all that is kept of a person, and end.", metavar="NAME")]
Merge = Annotated[list[Path] | None, typer.Option(help="Add the takes of another people/ folder to this one, and end.")]
Agreed = Annotated[bool, typer.Option("--yes", help="Agree to keeping the pictures without being asked.")]
CaptureWindow = Annotated[bool | None, typer.Option(help="Show a window, or guide in the terminal.", show_default="a window if it can")]

# What is read or written.
Pictures = Annotated[list[Path], typer.Argument(help="Picture files, and folders of them.", parser=as_path, metavar="FILE|FOLDER...")]
LabelledFolder = Annotated[
    Path | None,
    typer.Option(
        help="Write the photos with labels into this folder, in the tree of theirs; without place, time and other notes.", metavar="DIR"
    ),
]
ReplacePhotos = Annotated[bool, typer.Option("--overwrite", help="Replace labelled photos that exist.")]
MinFaceOfPhoto = Annotated[
    float,
    typer.Option(
        help="Smallest face to look for, as a share of the photo's short side; smaller ones take longer.",
        min=0.03,
        max=1.0,
        metavar="SHARE",
        show_default="0.083",
    ),
]
JsonPerFace = Annotated[bool, typer.Option("--json", help="One JSON object a face.")]
JsonForAll = Annotated[bool, typer.Option("--json", help="One JSON object for all.")]
JsonChecks = Annotated[bool, typer.Option("--json", help="One JSON array of all checks.")]
Recordings = Annotated[
    list[Path],
    typer.Argument(
        help="Recordings: the video or its readings, the other lies beside it. Folders of them, too.",
        parser=as_path,
        metavar="FILE|FOLDER...",
    ),
]
ReadingsFiles = Annotated[
    list[Path],
    typer.Argument(
        help="Readings (.jsonl), or videos that have theirs beside them; folders of readings.",
        parser=as_path,
        metavar="READINGS|FOLDER...",
    ),
]
PageFile = Annotated[Path | None, typer.Option(help="The page to write.", metavar="FILE.html", show_default="beside the first file")]
TablesFolder = Annotated[
    Path,
    typer.Option(
        "--out-dir", help="The folder for people.csv, intervals.csv and codebook.csv; it is made where it is missing.", metavar="DIR"
    ),
]
Interval = Annotated[float, typer.Option(help="Length of an interval in seconds.", min=0.1, max=86400)]
Version = Annotated[bool, typer.Option("--version", help="Print the version, and end.")]
