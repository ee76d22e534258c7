"""All settings, each with its default, its unit and its reason. The command line takes its defaults from here."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DetectorSettings:
    enlarge: float = 4.0  # the picture that is searched is at most this much larger: beyond that there are only guesses
    threshold: float = 0.0  # dlib's own; lower finds more faces and more wallpaper
    confirm: float = -0.3  # the threshold where a face is expected; on 706 frames of two films all faces had 0.1 or more
    confirm_reach: float = 0.3  # face widths from the expected place at most


@dataclass(frozen=True)
class Effort:
    """How much is spent: what the governor turns down when the machine does not keep up."""

    near_s: float  # seconds between searches for large faces; twice that while faces are followed
    far_s: float  # the same for small faces, which cost ten times as much
    near_side: int  # px; short side of the picture in which large faces are searched; 320 finds those from a quarter of its height
    check_s: float  # seconds between two looks at a followed face
    classify_every: int  # frames; each face's expression is read in one of so many
    frame_every: int  # frames; one of so many is taken at all


EFFORTS = (
    Effort(near_s=0.25, far_s=1.5, near_side=320, check_s=0.25, classify_every=1, frame_every=1),
    Effort(near_s=0.35, far_s=4.0, near_side=320, check_s=0.3, classify_every=1, frame_every=1),
    Effort(near_s=0.5, far_s=float("inf"), near_side=240, check_s=0.3, classify_every=2, frame_every=1),
    Effort(near_s=1.0, far_s=float("inf"), near_side=240, check_s=0.4, classify_every=3, frame_every=1),
    Effort(near_s=1.0, far_s=float("inf"), near_side=240, check_s=0.4, classify_every=2, frame_every=2),
    Effort(near_s=1.0, far_s=float("inf"), near_side=240, check_s=0.4, classify_every=1, frame_every=4),
)
"""From all to the least; the rarest look is still often enough to lose a face within half a second of its vanishing."""


SMALL_EFFORTS = EFFORTS[1:]
"""For boards such as a Raspberry Pi 4: fewer searches from the start."""


@dataclass(frozen=True)
class GovernorSettings:
    target_fps: float | None = None  # frames a second that are to be reached; None: all that the camera gives
    max_cpu: float | None = None  # per cent of one core that may be used; None: no limit
    window_s: float = 0.5  # what is looked at; shorter ones hold too few frames of a slow camera
    enough: float = 0.9  # share of the wanted frames under which the machine does not keep up
    patience_s: float = 3.0  # without trouble before more is tried
    most_patience_s: float = 60.0  # after attempts in vain


@dataclass(frozen=True)
class FinderSettings:
    smallest_px: float = 80.0  # dlib's detector has learned faces of this size; larger ones it finds in its own reduced copies
    min_face: float = 0.10  # of the picture's short side: smaller faces are not looked for


@dataclass(frozen=True)
class CutSettings:
    surely: float = 0.35  # change (see `realtime.faces.cuts.change`) that is always a cut; within a shot 0.16 was the most, in a cross-fade
    at_least: float = 0.12  # change that is a cut where the picture was calm; between two shots of people in one room 0.2 is usual
    times_usual: float = 8.0  # and this many times the usual change
    usual_s: float = 0.5  # time constant of what is usual


@dataclass(frozen=True)
class TrackerSettings:
    reach: float = 0.6  # face widths between a found face and a known one at most; beyond that it is someone else
    stray: float = 0.5  # face widths from the expected place at most; no head moves faster between two frames
    misfit: float = 0.10  # of the chip's side, root mean square: five points further from a face's shape are none
    velocity_s: float = 0.1  # time constant of the speed: long enough to calm jitter, short enough to follow a nod
    recheck_s: float = 0.1  # after a look in vain the next one comes this soon
    hold_s: float = 0.4  # a face that no look confirms is shown this long: the detector blinks for less
    forget_s: float = 1.0  # a face that comes back within this time where it left keeps its id


@dataclass(frozen=True)
class SmoothingSettings:
    """Chosen by `tests/benchmarks/smoothing.py`; docs/smoothing.md shows what other values do."""

    dwell_s: float = 2.0  # mean time between two changes of expression; from 1 to 4 s little changes
    via_neutral: float = 0.75  # share of the changes that end in neutral: faces mostly relax before they take on something else
    looks_per_s: float = 7.0  # pictures a second that tell something new; more would count the same noise twice
    noise: float = 0.01  # chance that a picture says nothing about the face: one odd frame must not outweigh many
    prior_power: float = 0.5  # how much of the training prior is taken out, 0 to 1: where macro-F1 of single pictures is highest
    rarest: float = 0.03  # share as which a rarer label counts: else disgust, 0.9 %, would beat a two to three times likelier anger
    lead: float = 0.7  # belief by which a new label must lead the shown one
    hold_s: float = 0.3  # s that a label stays at least: a shorter one cannot be read
    average_s: float = 0.25  # s after which the shown probabilities have gone 63 % of the way: about as fast as the label
    tie: float = 0.08  # lead in probability under which no expression stands out
    clear: float = 0.6  # lead from which one does again; with less, a face between two expressions goes to and fro
    tie_s: float = 0.5  # s that a tie, or its end, must last to be said


@dataclass(frozen=True)
class QualitySettings:
    """Limits beyond which a chip is not believed, by the measures of `realtime.expression.quality`.

    Each lies where the answers are 15 points less often right than for plain photos, or where there are too few faces to know. The table
    is `tests/benchmarks/quality.txt`; shares are of 1,096 plain photos of people whom the model never saw and of 3,053 faces of FER2013.
    Emotion would bear dark 2, grain 1 and blurred 0.15; nano, measured by the same script, wants dark 4 and grain 0.7: these lie between.
    """

    small: float = 5.0  # px between the eyes; the detector finds no face under 7, but one that is followed may go further
    dark: float = 3.0  # grey levels of contrast; hardly any has less than 10
    grain: float = 0.9  # share of the contrast, mostly noise: called dark too; beyond it are none
    blurred: float = 0.2  # share of the contrast; none and 0.1 % have less detail
    turned: float = 0.35  # eye distances from nose to middle, some 45 degrees; 1.0 % and 0.1 % are beyond, too few to know how they fare
    # From 0.3 to there lie 26 faces, of which 54 to 86 % are right; with dlib's points in FER2013's crops they were 47, and 72 to 93 %.
    covered: float = 0.5  # the model's reject probability, whose offset was fitted to leave 1 of 200 faces beyond


MODELS = Path(__file__).resolve().parent.parent / "models"
SHIPPED = {"emotion": MODELS / "emotion.tflite", "nano": MODELS / "emotion_nano.tflite"}
"""The models of this program by name; nano takes an eighth of the work, for the smallest boards."""


POINTS = MODELS / "five_points.dat"
"""The predictor of the five face points."""


DETECTOR = MODELS / "face_detector.svm"
"""dlib's frontal face detector as a file: dlib itself takes 0.4 s to unpack it, a file a millisecond."""


def model_file(text: str) -> Path:
    """The model that a user means: the name of a shipped one, or a file's path."""
    return SHIPPED.get(text) or Path(text)


@dataclass(frozen=True)
class ClassifierSettings:
    model: Path = SHIPPED["emotion"]
    threads: int = 1  # a second one doubled the processor time and gained nothing (0.20 against 0.21 ms a chip, 2 cores)


@dataclass(frozen=True)
class ReportSettings:
    least_s: float = 1.0  # s; whoever was seen for less is only counted: mostly a passer-by, or a face that was none
    people: int = 12  # of one recording, those seen longest; a crowd would make a page that nobody reads to its end
    points: int = 3000  # of each curve: more than any screen has columns, and an hour stays under a megabyte
    thumbnail_px: int = 160  # side; sharp on a phone at half that size
    around: float = 1.3  # times the face's box that a thumbnail shows


@dataclass(frozen=True)
class CameraSettings:
    width: int = 640  # px; what nearly every webcam delivers at 30 fps
    height: int = 480  # px
    rate: float = 30.0  # frames a second
    small_height: int = 324  # px; of a Pi camera's second picture, in which large faces are searched: their search takes 320
    raw_wh: tuple[int, int] | None = None  # px; of raw pictures in a pipe; None: the pipe says itself what it holds
    stale_s: float = 2.0  # no frame for this long: the connection is lost; no camera that works pauses so long
    first_s: float = 10.0  # a connection's first frame may take longer: a stream is opened and waits for its next key frame
    retry_s: float = 0.5  # until the first attempt to open it again; doubled for each further one
    retry_most_s: float = 3.0  # the picture is there within 5 s of the camera's return: an RTSP stream takes 1.6 s to open


@dataclass(frozen=True)
class RecorderSettings:
    crf: int = 23  # x264's own default quality
    preset: str = "veryfast"  # 0.4 of the processor time of "medium", and on the demo clip a smaller file
    bits_per_pixel: float = 0.1  # at 30 fps, for hardware encoders, which have no common quality scale: 0.9 Mbit/s at 640x480
    fragment_s: float = 0.5  # s; what a crash may cost, with a frame more; shorter ones would cost more bytes
    queue_mb: float = 64.0  # of pictures that wait for the encoder: 2 s at 640x480 and 30 fps, for slow disks; a Pi has the room
    close_s: float = 30.0  # s that the end of a recording may take before the disk is given up
    check_s: float = 1.0  # s between two looks at the disk
    warn_free_mb: float = 500.0  # under this the user is warned: over an hour at 640x480, ten minutes of a restless 1080p
    stop_free_mb: float = 16.0  # under this a recording ends: the index of hours needs some MB, and so do other programs


@dataclass(frozen=True)
class PrivacySettings:
    """How faces are covered: `realtime.recording.privacy`."""

    wider: float = 1.5  # times the face's box, which goes from the brows to the chin: hair and ears belong to a face
    cells: int = 4  # colours across a covered face: with 4 nobody is recognised, and no detector finds its gradients
    hold_s: float = 1.0  # s that a place stays covered after its face was lost: detectors blink, heads turn
    ahead_s: float = 0.3  # s that a place is covered before its face was found: longer than the time between two searches
    threshold: float = -0.3  # of the search through the covered picture; the detector's own is 0, and encoding changes it a little
    near_s: float = 0.0  # s between two such searches in a film: every frame
    far_s: float = 0.25  # s between two searches of the picture at twice its size, for small faces
    near_live_s: float = 0.1  # s between two before a camera, whose encoder's thread must keep up
    far_live_s: float = 1.0  # the same at twice the size


@dataclass(frozen=True)
class Choices:
    """What a recording is to hold."""

    picture: str = "annotated"  # or "clean", or "both": then the clean one has _clean in its name
    privacy: str = "none"  # "blur" covers faces, "numbers" writes no picture at all
    size_wh: tuple[int, int] | None = None  # px; None: the first frame's
    fps: float | None = None  # frames a second of a file of constant rate; None: every frame at its own time
    csv: bool = False  # the readings as a table as well
    srt: bool = False  # what is shown, as subtitles
    lang: str = "en"  # of the words on annotated pictures


@dataclass(frozen=True)
class WebSettings:
    """The preview in a browser: `realtime.viewers.web`."""

    port: int = 8000  # where it is served; 0 is any free one
    quality: int = 80  # of the JPEGs, 1 to 100: some 40 kB a picture at 640x480
    viewers: int = 8  # at once; each takes 1.2 MB a second at 30 fps
    connections: int = 64  # at once, of all kinds; a page has up to six
    ahead: int = 2  # pictures that a viewer has not yet said to have: with one, the network's way there and back would be idle time
    beat_s: float = 1.0  # without a new picture after which a sign of life is sent
    patience_s: float = 10.0  # for a viewer who takes nothing
    request_s: float = 10.0  # for a request to arrive
    request_bytes: int = 16384  # of a request's head
    message_bytes: int = 1024  # of a command, or of what a viewer says
    orders: int = 16  # commands that wait for the loop; one is done a frame
    listed: int = 200  # files that the page lists, newest first


@dataclass(frozen=True)
class FitSettings:
    """How strongly a person's takes may move the model: `calibration.fit`."""

    rest_lead: float = 0.4  # of neutral's lead in everybody's resting face that a person's is given; more costs the others more
    rest_most: float = 4.0  # nats that an expression is lowered by at most
    offset_sigma: float = 0.5  # how far the seven offsets of a person are from 0, as the natural logarithm of a ratio
    pull: float = 1.0  # of the head towards the model's own, where the embedding is scaled to a mean square length of 1
    least_frames: int = 10  # of resting face: a third of a second at 30 fps
    unclear: float = 0.5  # share of takes read rightly under which the user is told that the faces may not show what was asked for
    least_expressions: int = 3  # with a take each; fewer say too little about the borders between the seven


@dataclass(frozen=True)
class CaptureSettings:
    """What a take of a guided capture must be like: `calibration.session`."""

    hold_s: float = 1.5  # s that an expression is held; acted ones fade after two
    rest_s: float = 3.0  # s of resting face: blinks and swallows are in it
    settle_s: float = 0.5  # s that all must be well before the countdown begins
    countdown_s: float = 3.0  # s to get the expression ready in
    review_s: float = 1.5  # s in which a take can still be taken back
    apart_s: float = 0.1  # s between two kept pictures: closer ones show the same
    least: int = 3  # pictures of a take; fewer, and it is taken anew
    eyes_px: float = 20.0  # between the eyes: the chip is then not enlarged
    dim: float = 35.0  # grey levels of the face, mean; darker ones are mostly noise
    glare: float = 225.0  # brighter ones have white patches
    front: float = 0.12  # turn by `realtime.expression.quality.turn`, some 20 degrees; straight faces are within 0.1
    side: float = 0.15  # from here on a face is seen from the side; up to where quality calls it turned
    still: float = 1.0  # eye distances a second that a face may move; a nod has three
    calm_s: float = 0.3  # s over which movement is measured
    patience_s: float = 0.5  # s of a take that may be unusable: a blink of the detector
    change: float = 20.0  # grey levels by which face or picture differ in another light: twice what moving the head changes
    change_side: float = 30.0  # the same for one side of the face against the other, which a turned head changes more
    alone: float = 2.0  # times the area of any other face that the person's must have
    practice_rounds: int = 2  # of seven expressions


@dataclass(frozen=True)
class Settings:
    efforts: tuple[Effort, ...] = EFFORTS
    governor: GovernorSettings = field(default_factory=GovernorSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    finder: FinderSettings = field(default_factory=FinderSettings)
    cuts: CutSettings = field(default_factory=CutSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    profile: Path | None = None  # file of the person whose face is read, made for the classifier's model; None: for everybody


PHOTO = Effort(near_s=0.0, far_s=float("inf"), near_side=960, check_s=0.0, classify_every=1, frame_every=1)
"""For single photos: time matters less than a small face in a group, and a thumbnail is worth enlarging."""
