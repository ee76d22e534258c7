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
    time_constant_s: float = 0.2  # step answer 63 % after this time: quick enough to follow a smile, slow enough not to flicker
    lead: float = 0.08  # a new label must lead the shown one by this much probability


@dataclass(frozen=True)
class LabelSettings:
    reject: float = 0.5  # reject probability from which the chip is called unclear
    tie: float = 0.10  # lead of the best over the second best under which neither is believed


MODELS = Path(__file__).resolve().parent.parent / "models"
SHIPPED = {"emotion": MODELS / "emotion.tflite", "nano": MODELS / "emotion_nano.tflite"}
"""The models of this program by name; nano takes an eighth of the work, for the smallest boards."""


POINTS = MODELS / "five_points.dat"
"""The predictor of the five face points."""


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
