"""All settings, each with its default, its unit and its reason. The command line takes its defaults from here."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DetectorSettings:
    short_side: int = 320  # px; the picture is searched at this size: faces from about a quarter of its height, 7 ms at 4:3
    enlarge: float = 1.0  # at most this much; 1 never enlarges, which a camera's picture does not need
    threshold: float = 0.0  # dlib's own; lower finds more faces and more wallpaper


@dataclass(frozen=True)
class TrackerSettings:
    reach: float = 0.6  # face widths between two frames' centres at most; beyond that it is someone else
    hold_s: float = 0.2  # a face that the detector misses keeps its box this long, so that labels do not blink
    forget_s: float = 1.0  # a face that comes back within this time where it left keeps its id


@dataclass(frozen=True)
class SmoothingSettings:
    """Chosen by `tests/benchmarks/smoothing.py`; docs/smoothing.md shows what other values do."""

    dwell_s: float = 2.0  # mean time between two changes of expression; from 1 to 2 s little changes
    via_neutral: float = 0.75  # share of the changes that end in neutral: faces mostly relax before they take on something else
    looks_per_s: float = 6.0  # pictures a second that tell something new; more would count the same noise twice
    noise: float = 0.01  # chance that a picture says nothing about the face: one odd frame must not outweigh many
    prior_power: float = 0.5  # how much of the training prior is taken out, 0 to 1: without, faint rare labels are missed; all, common ones
    lead: float = 0.7  # belief by which a new label must lead the shown one
    hold_s: float = 0.3  # s that a label stays at least: a shorter one cannot be read
    average_s: float = 0.3  # s after which the shown probabilities have gone 63 % of the way: about as fast as the label
    tie: float = 0.1  # lead in probability under which no expression stands out
    clear: float = 0.5  # lead from which one does again; with less, a face between two expressions goes to and fro
    tie_s: float = 0.5  # s that a tie, or its end, must last to be said


@dataclass(frozen=True)
class LabelSettings:
    reject: float = 0.5  # reject probability from which the chip is called unclear


MODELS = Path(__file__).resolve().parent.parent / "models"
SHIPPED = {"emotion": MODELS / "emotion.tflite", "nano": MODELS / "emotion_nano.tflite"}
"""The models of this program by name; nano takes an eighth of the work, for the smallest boards."""


def model_file(text: str) -> Path:
    """The model that a user means: the name of a shipped one, or a file's path."""
    return SHIPPED.get(text) or Path(text)


@dataclass(frozen=True)
class ClassifierSettings:
    model: Path = SHIPPED["emotion"]
    threads: int = 1  # a second one doubled the processor time and gained nothing (0.20 against 0.21 ms a chip, 2 cores)


@dataclass(frozen=True)
class CameraSettings:
    width: int = 640  # px; what nearly every webcam delivers at 30 fps
    height: int = 480  # px
    rate: float = 30.0  # frames a second


@dataclass(frozen=True)
class RecorderSettings:
    crf: int = 23  # x264's own default quality
    preset: str = "veryfast"  # 0.4 of the processor time of "medium", and on the demo clip a smaller file


@dataclass(frozen=True)
class Settings:
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    label: LabelSettings = field(default_factory=LabelSettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)


PHOTO = DetectorSettings(short_side=960, enlarge=4.0)
"""For single photos: time matters less than a small face in a group, and a thumbnail is worth enlarging."""
