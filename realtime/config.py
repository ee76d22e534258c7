"""All settings: default, unit and reason of each. The stages get them from here, and so do the defaults of the command line."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DetectorSettings:
    enlarge: float = 4.0  # a picture is enlarged at most this many times for the search: further enlarging adds false detections only
    threshold: float = 0.0  # dlib's default score; a lower one finds more faces, and more places that are no face


@dataclass(frozen=True)
class Effort:
    """How much work is done; the governor lowers it when the machine does not keep up."""

    near_s: float  # seconds between searches for large faces; twice that while faces are tracked
    far_s: float  # seconds between searches for small faces, which cost ten times as much; also twice that while faces are tracked
    near_side: int  # px; short side of the picture in which large faces are searched; 320 finds faces from a quarter of its height
    tilted_s: float  # seconds between searches for leaning faces, to the left and to the right in turn; longer while faces are tracked
    check_s: float  # seconds after which the judge looks at a face that the model does not confirm
    classify_s: float  # seconds between two classifications of a face; smoothing takes in seven pictures a second
    frame_every: int  # one of so many frames is processed at all


EFFORTS = (
    Effort(near_s=0.25, far_s=1.5, near_side=320, tilted_s=0.25, check_s=0.25, classify_s=0.05, frame_every=1),
    Effort(near_s=0.35, far_s=4.0, near_side=320, tilted_s=0.25, check_s=0.3, classify_s=0.05, frame_every=1),
    Effort(near_s=0.5, far_s=float("inf"), near_side=240, tilted_s=float("inf"), check_s=0.3, classify_s=0.06, frame_every=1),
    Effort(near_s=1.0, far_s=float("inf"), near_side=240, tilted_s=float("inf"), check_s=0.4, classify_s=0.1, frame_every=1),
    Effort(near_s=1.0, far_s=float("inf"), near_side=240, tilted_s=float("inf"), check_s=0.4, classify_s=0.13, frame_every=2),
    Effort(near_s=1.0, far_s=float("inf"), near_side=240, tilted_s=float("inf"), check_s=0.4, classify_s=0.13, frame_every=4),
)
"""From the full effort to the least. Even with the least, the track of a face that has left ends within half a second."""


SMALL_EFFORTS = EFFORTS[1:]
"""For boards such as a Raspberry Pi 4: even the first effort has fewer searches."""


@dataclass(frozen=True)
class GovernorSettings:
    target_fps: float | None = None  # frames a second to reach; None: all that the camera gives
    max_cpu: float | None = None  # per cent of one core that may be used; None: no limit
    window_s: float = 0.5  # s between two decisions; in less time a slow camera gives too few frames
    enough: float = 0.9  # share of the target frames; with less the machine does not keep up
    patience_s: float = 3.0  # s without lost frames before a higher effort is tried
    most_patience_s: float = 60.0  # s; the longest such time, after attempts that failed


@dataclass(frozen=True)
class ChangeSettings:
    """Which part of a picture is searched again: `realtime.faces.changes`."""

    levels: float = 8.0  # grey levels by which a place must change; a camera's noise, averaged over a place, has less than 2
    head: float = 0.4  # face widths around a tracked face's box that change with it
    margin: float = 0.15  # of the picture's short side around what changed: a new face is in it with the border that the search needs
    most: float = 0.7  # share of the picture; if more has changed, all is searched
    whole_every: int = 4  # one of so many searches is of the whole picture


@dataclass(frozen=True)
class FinderSettings:
    smallest_px: float = 80.0  # px; dlib's detector was trained on faces of this size and finds larger ones in reduced copies
    min_face: float = 0.10  # share of the picture's short side: smaller faces are not searched
    step: float = 1.4  # between two sizes; takes 0.6 of the time of dlib's 1.2, and misses three more of 600 faces in the first frame
    threshold: float = -0.85  # score; places with less are not looked at: each costs 2 ms
    lean: float = 30.0  # degrees by which a frame is turned for leaning faces; the detector finds faces that lean by up to 20
    tilted_seldom: float = 8.0  # times as long between such searches while faces are tracked: those are followed however they lean
    changes: ChangeSettings = field(default_factory=ChangeSettings)


@dataclass(frozen=True)
class PhotoSettings:
    """What is a face in a single photo; `tests/benchmarks/finding.py` measures it.

    Chosen on 600 photos of people whom no model saw, 184 posed heads that are turned or raised, and 427 pictures without people.
    """

    min_face: float = 1 / 12  # share of the photo's short side: smaller faces are not searched; 960 px for faces of 80 px
    threshold: float = -1.0  # the detector's score; a place with less is not looked at
    border: float = 0.25  # share of the photo's width and height that is added on each side: the detector needs room around a face
    step: int = 30  # degrees between two turned copies
    turned_side: float = 800.0  # px; short side of a turned copy at most: with 960, 12 megapixels without a face took 3 s
    misfit: float = 0.10  # as `TrackerSettings.misfit`
    sure: float = 0.0  # score in an upright copy from which on the detector is sure of a face
    judged_sure: float = -2.0  # logit of judge and model from which on such a place is a face
    judged: float = 2.25  # the same of another place in an upright copy; of a rocket beside a portrait that leans it is up to 2.0
    judged_turned: float = 6.0  # the same in a turned copy: eleven copies are as many chances to err


@dataclass(frozen=True)
class CutSettings:
    surely: float = 0.35  # change (`realtime.faces.cuts.change`) that is always a cut; the most within a shot was 0.16, in a cross-fade
    at_least: float = 0.12  # a smaller change is no cut; between two shots of people in one room 0.2 is typical
    times_usual: float = 8.0  # times the usual change; less is no cut, unless it is above `surely`
    usual_s: float = 0.5  # s; time constant of the average that is the usual change
    close_s: float = 0.05  # s between two frames up to which these limits hold; further apart, frames of one shot differ more
    apart_s: float = 0.7  # s between two frames from which on `surely_apart` holds
    surely_apart: float = (
        0.55  # as `surely`; frames of one shot 1 or 2 s apart differed by up to 0.54; of 100 cuts between portraits, 20 by less
    )
    shift: float = 0.2  # share of the picture's width and height; a larger movement between two frames leaves too little to compare
    unexplained: float = 0.5  # share of a change that may remain after a shift is undone; with more, the shift is chance
    blank: float = 2.0  # grey levels of contrast; a picture with less is black, white or grey, and what is left in it is noise
    flash_s: float = 0.5  # s; a shot that is interrupted for less goes on; hardly a shot of a film is so short
    white: float = 240.0  # grey level from which on a place counts as white
    whiter: float = 0.1  # share of the picture that a flash makes white at least
    darker: float = 0.02  # share that may become darker in a flash; of 39,800 pairs of photos, none passed both limits
    noise: float = 4.0  # grey levels by which a place may become darker by the camera's noise


@dataclass(frozen=True)
class TrackerSettings:
    reach: float = 0.6  # face widths; a detection further from every track is a new face
    stray: float = 0.5  # face widths; greatest distance of the points from the expected place: no head moves faster between two frames
    misfit: float = 0.10  # share of the crop's side, root mean square; five points that are further from a face's shape are no face
    shrinking: float = 0.7  # 1/s; a box becomes smaller no faster: half as wide in a second, as of a face that goes twice as far away
    growing: float = 1.4  # 1/s; the same of one that becomes larger: a face may come back to its size sooner than it lost it
    velocity_s: float = 0.1  # s; time constant of the velocity: long enough to average jitter, short enough to follow a nod
    recheck_s: float = 0.1  # s; until the next look when the judge did not confirm a face
    hold_s: float = 0.4  # s; a track lasts this long without confirmation: a blink or a blurred frame takes less
    forget_s: float = 1.0  # s; a face that comes back within this time near the place where it was lost keeps its id
    tilted: float = 15.0  # degrees; the points of a face that leans by more are found in a copy that is turned upright
    sure: float = 0.0  # score from which on the detector is sure of an upright face
    judged_sure: float = -2.5  # the judge's logit from which on such a place is a new face
    judged: float = 2.25  # logit of judge and model from which on another upright place is one
    judged_leaning: float = 5.0  # the same of a place in a frame that was turned
    judged_again: float = -1.0  # the judge's logit of a tracked face, above which it is still there
    reject: float = 0.01  # the model's reject probability of a tracked face, up to which the model confirms it
    slid: float = 0.25  # face widths from the place of a face that the detector is sure of, from which on the judge compares both
    swollen: float = 1.35  # times as large or small, likewise; the detector's sizes are 1.2 apart
    surer: float = 1.0  # logit by which the judge must be surer of the detector's place, if the track is to go there
    same_place: float = 0.15  # face widths by which a face may be elsewhere after a cut between alike pictures, if it is to keep its id
    same_size: float = 1.15  # times as large or small
    same_chip: float = 0.5  # correlation of its chips; of 606,651 pairs of photos of different people, 15 % have more
    carried: float = 0.25  # face widths; after a larger movement of the camera, the judge tells whether the face is where it was


@dataclass(frozen=True)
class SmoothingSettings:
    """Chosen by `tests/benchmarks/smoothing.py`; docs/smoothing.md shows what other values do."""

    dwell_s: float = 2.0  # s; mean time between two changes of expression; values from 1 to 4 give nearly the same results
    looks_per_s: float = 7.0  # independent pictures a second; with more, the same noise would count twice
    noise: float = 0.01  # probability that a picture tells nothing about the face: one bad frame must not outweigh many good ones
    lead: float = 0.5  # probability by which a new label must lead the shown one
    hold_s: float = 0.3  # s; shortest time that a label is shown: a shorter one cannot be read
    average_s: float = 0.25  # s; time constant of the shown probabilities: they change about as fast as the label
    tie: float = 0.05  # lead in probability; with a smaller one no expression stands out, which is a tie
    clear: float = 0.6  # lead that ends a tie; with a smaller value a face between two expressions changes all the time
    tie_s: float = 0.5  # s that a tie, or its end, must last before it is shown


@dataclass(frozen=True)
class QualitySettings:
    """Limits of the measures of `realtime.expression.quality`; the reading of a chip beyond one of them is not used.

    Each limit lies where the accuracy is 15 percentage points lower than for plain photos, or where there are too few faces to measure it.
    The table is `tests/benchmarks/quality.txt`. The shares below are of 1,096 plain photos of people who are not in the training data, and
    of 3,053 faces of FER2013. For the model emotion alone the limits would be dark 2, grain 1 and blurred 0.15; for nano, measured by the
    same script, dark 4 and grain 0.7. The limits here lie between.
    """

    small: float = 5.0  # px between the eyes; the detector finds no face under 7, but a tracked face may become smaller
    dark: float = 3.0  # grey levels of contrast; almost no face has less than 10
    grain: float = 0.9  # share of the contrast, mostly noise; such a chip is called dark too; no face has more
    blurred: float = 0.2  # detail as a share of the contrast; no photo and 0.1 % of FER2013 have less
    turned: float = 0.5  # eye distances from nose to middle, some 45 degrees
    # Few plain photos have more than 0.3. Of photos that were turned in depth 80 % are right from 0.5 to 0.55 and 74 % from 0.55 to 0.6
    # (nano 76 and 74 %), where 82 % are from 0 to 0.1 (`tests/benchmarks/turned.py`); real heads may be harder.
    covered: float = 0.5  # the model's reject probability; its offset was fitted so that 1 of 200 faces has more


MODELS = Path(__file__).resolve().parent.parent / "models"
SHIPPED = {"emotion": MODELS / "emotion.tflite", "nano": MODELS / "emotion_nano.tflite"}
"""The models of this program by name. nano needs an eighth of the work, for the smallest boards."""

POINTS = MODELS / "five_points.dat"
"""The predictor of the five face points."""

DETECTOR = MODELS / "face_detector.svm"
"""dlib's frontal face detector as a file. Loading the file takes a millisecond; dlib's own copy takes 0.4 s to unpack."""

ONE_SIZE_DETECTOR = MODELS / "face_detector_one_size.svm"
"""The same for a picture in one size."""

JUDGE = MODELS / "face_judge.tflite"
"""The network that tells faces from what the detector mistakes for faces."""


def model_file(text: str) -> Path:
    """The model's file: `text` is the name of a shipped model or the path of a file."""
    return SHIPPED.get(text) or Path(text)


PRIOR_OF_USE = (0.15, 0.03, 0.08, 0.21, 0.15, 0.13, 0.25)
"""How often each of `realtime.values.LABELS` is expected before a camera; sums to 1. The classifier's probabilities are honest under it.

A person before a webcam poses more than the people of FER2013. So it lies between FER2013's class mix, in which the models learned
(neutral 34 %, anger 9 %, fear 3 %, disgust 1 %), and an even one: that mix to the power of 0.6, with 1.4 times as much anger and fear,
rounded. With a lower power nano takes more than one in ten neutral faces of people whom it never saw for something else (faces_wild),
with a higher one rare expressions are missed more often. More anger and fear cost no accuracy on the public test, and a frown with closed
lips is less often neutral. models/NOTES.md has the table."""


@dataclass(frozen=True)
class ClassifierSettings:
    model: Path = SHIPPED["emotion"]
    threads: int = 1  # a second thread doubled the processor time and was no faster (0.20 against 0.21 ms a chip, 2 cores)


@dataclass(frozen=True)
class ReportSettings:
    least_s: float = 1.0  # s; people who were there for less are only counted: mostly passers-by and false detections
    people: int = 12  # most people of one recording; those who were there longest come first, and a longer page would hardly be read
    tracks: int = 200  # most tracks of one recording, the longest; a track is a face from its appearance until it is lost
    points: int = 3000  # most points of a curve: about a screen's columns, and the page of an hour stays under a megabyte
    moments: int = 9000  # most frames of a person of which the page has the values: all of 5 minutes, every 13th of an hour
    thumbnail_px: int = 160  # side in px; shown at half that size, so that it is sharp on a phone
    stills: int = 6  # pictures that stand for the film on paper: two rows of three
    still_px: int = 320  # width in px of a still, printed 6 cm wide: 135 dots an inch
    around: float = 1.3  # side of a thumbnail's part of the picture, in sides of the face's box


@dataclass(frozen=True)
class BenchmarkSettings:
    """When `bench --compare` calls something slower than in the stored report.

    Nine runs of 5 s beside other work, 3 to 8 busy processes on two cores, differed by up to 2.7 times in the medians of the steps (most by
    up to 1.7), and by up to 3.8 times in the frames a second: only a machine that does nothing else can be compared with itself.
    """

    tolerance: float = 0.5  # share by which a value may be worse; less, and the chance of one machine's hours is called slow


@dataclass(frozen=True)
class CameraSettings:
    width: int = 640  # px; nearly every webcam delivers this size at 30 fps
    height: int = 480  # px
    rate: float = 30.0  # frames a second
    small_height: int = 324  # px; of a Pi camera's small gray picture, in which large faces are searched: that search needs 320
    raw_wh: tuple[int, int] | None = None  # px; size of raw pictures in a pipe; None: the pipe has a format with a header
    stale_s: float = 2.0  # s without a frame after which the connection is lost; no working camera pauses so long
    first_s: float = 10.0  # s; the same before a connection's first frame
    unknown_s: float = 30.0  # s; the same of a stream from the network whose rate is not known yet: some cameras send a picture in 10 s
    retry_s: float = 0.5  # s before the first attempt to open it again; doubled for each further attempt
    retry_most_s: float = 3.0  # s; longest such time. So the picture is back within 5 s of the camera: an RTSP stream takes 1.6 s to open


@dataclass(frozen=True)
class RecorderSettings:
    crf: int = 23  # x264's own default quality
    preset: str = "veryfast"  # takes 0.4 of the processor time of "medium", and its file of the demo clip is smaller
    bits_per_pixel: float = 0.1  # of hardware encoders, which share no scale of quality: 0.9 Mbit/s at 640x480 and 30 fps
    fragment_s: float = 0.2  # s; a crash costs this, two frames, and up to 0.1 s that pictures wait for sound: under 0.5 s in all
    queue_mb: float = 64.0  # MB of pictures that wait for the encoder at most: 2 s at 640x480 and 30 fps; even a Pi has that memory
    close_s: float = 30.0  # s without a byte or frame written, after which finishing a recording counts as failed
    end_s: float = 4.0  # s that frames may still wait for the encoder after the program was asked to end; systems kill it after 10 s
    stop_s: float = 5.0  # s as close_s, after the program was asked to end
    check_s: float = 1.0  # s between two checks of the disk
    warn_free_mb: float = 500.0  # MB; with less the user is warned: enough for an hour at 640x480, or ten minutes of busy 1080p
    stop_free_mb: float = 16.0  # MB; with less the recording ends: the index of many hours takes some MB, and other programs need room


@dataclass(frozen=True)
class PrivacySettings:
    """How faces are covered: `realtime.recording.privacy`."""

    wider: float = 1.5  # side of a covered place in sides of the face's box, which lacks hair, ears and forehead
    cells: int = 4  # colours across a covered face: with 4 nobody is recognised, and no detector finds a face
    hold_s: float = 1.0  # s that a place stays covered after its face was lost: detectors miss single frames, and heads turn
    ahead_s: float = 0.3  # s that a place is covered before its face was found: longer than the pause between two searches
    threshold: float = -0.3  # of the detector in the covered picture; below its usual 0, because encoding changes the picture a little
    threshold_all: float = -0.2  # the same in turned and stretched copies: of 40 photos at four angles 39 have more, of 32 scenes 4
    step: int = 40  # degrees between two turned copies; the detector finds faces that lean by up to 20
    border: float = 0.25  # as `PhotoSettings.border`: the half of a face that is in the picture has room around it
    stretches: tuple[float, ...] = (0.75, 4 / 3)  # widths of stretched copies: pictures of 16:9 are shown as 4:3, and the reverse
    side_all: float = 480.0  # px; short side of the picture in all these copies, which take half a second: faces of a sixth of it are found
    near_s: float = 0.0  # s between two such searches in a film: every frame
    far_s: float = 0.25  # s between two searches of the picture at twice its size, for small faces
    all_s: float = 0.3  # s between two searches for faces of any direction; a place is covered as long before
    near_live_s: float = 0.1  # s between two searches of a camera's picture, because the encoder's thread must keep up
    far_live_s: float = 1.0  # s between two searches of a camera's picture at twice its size
    all_live_s: float = 2.0  # s between two searches of a camera's picture for faces of any direction


@dataclass(frozen=True)
class Choices:
    """What a recording holds."""

    picture: str = "annotated"  # "annotated", "clean", or "both": then the clean one has _clean in its name
    privacy: str = "none"  # "none", "blur" (faces are covered) or "numbers" (no pictures are written)
    size_wh: tuple[int, int] | None = None  # px, width and height of the video; None: those of the first frame
    fps: float | None = None  # frames per second of a video with a constant rate; None: every frame at its own time
    csv: bool = False  # whether the readings are also written as a table
    srt: bool = False  # whether the labels are also written as subtitles
    lang: str = "en"  # language of the words on annotated pictures


@dataclass(frozen=True)
class WebSettings:
    """The preview in a browser: `realtime.viewers.web`."""

    port: int = 8000  # where it is served; 0 is any free one
    quality: int = 80  # of the JPEGs, 1 to 100: some 40 kB a picture at 640x480
    viewers: int = 8  # at once; each takes 1.2 MB a second at 30 fps
    connections: int = 64  # at once of those who have shown the token; a page has up to six
    strangers: int = 256  # connections at once of all others; a browser shows the token within one round trip, in a flood as well
    ahead: int = 2  # pictures that a viewer has not yet said to have: with one, the network's way there and back would be idle time
    beat_s: float = 1.0  # without a new picture after which a sign of life is sent
    patience_s: float = 10.0  # for a viewer who takes nothing
    request_s: float = 10.0  # for a request to arrive
    answer_s: float = 120.0  # until an answer begins; the report about an hour takes the longest
    sweep_s: float = 0.25  # between two looks for connections that are late
    shared_s: float = 1.0  # for which the list of recordings and that of cameras are not made again, whoever asks
    stream_s: float = 3600.0  # after which a stream of readings ends: nobody can tell whether it is read; a program that does asks again
    request_bytes: int = 16384  # of a request's head
    message_bytes: int = 1024  # of a command, or of what a viewer says
    orders: int = 16  # commands that wait for the loop; one is done a frame
    listed: int = 200  # files that the page lists, newest first


@dataclass(frozen=True)
class FitSettings:
    """How far a person's takes may change the model's answers: `calibration.fit`."""

    rest_lead: float = 0.4  # share of neutral's lead in everybody's resting face that a person's is given; more costs the others more
    rest_most: float = 4.0  # nats by which an expression is lowered at most
    offset_sigma: float = 0.5  # nats; standard deviation of the prior of the seven offsets, around 0
    pull: float = 1.0  # precision of the prior of the head, around the model's own; the embedding has a mean square length of 1
    least_frames: int = 10  # of resting face: a third of a second at 30 fps
    unclear: float = 0.5  # share of takes read rightly under which the user is told that the faces may not show what was asked for
    least_expressions: int = 3  # with a take each; fewer say too little about the borders between the seven


@dataclass(frozen=True)
class CaptureSettings:
    """What a take of a guided capture requires: `calibration.session`.

    Raises:
        ValueError: a face could be straight and turned at once.
    """

    hold_s: float = 1.5  # s for which an expression is held; acted ones fade after two
    rest_s: float = 3.0  # s of resting face: long enough to hold blinks and swallows
    settle_s: float = 0.5  # s for which all requirements must be met before the countdown
    countdown_s: float = 3.0  # s to get the expression ready
    review_s: float = 1.5  # s in which a take can still be repeated
    apart_s: float = 0.1  # s between two stored pictures: closer ones show the same
    least: int = 3  # pictures of a take; with fewer it is repeated
    eyes_px: float = 20.0  # px between the eyes: from here on the chip is not enlarged
    dim: float = 35.0  # mean grey level of the face; darker ones are mostly noise
    glare: float = 225.0  # the same; brighter ones have white patches
    front: float = 0.12  # largest turn of a straight face, some 14 degrees, by `realtime.expression.quality.turn`; they are within 0.1
    side: float = 0.15  # least turn of a face seen from the side, more than `front`; the largest is `QualitySettings.turned`
    still: float = 1.0  # eye distances a second; speed up to which a face is still: a nod has three
    calm_s: float = 0.3  # s over which the speed is measured
    patience_s: float = 0.5  # s for which a requirement may be unmet in a take: the detector misses faces for less
    change: float = 20.0  # grey levels by which face or picture differ in another light: twice what moving the head changes
    change_side: float = 30.0  # the same for one side of the face against the other, which a turned head changes more
    alone: float = 2.0  # times as large as any other face that the person's must be, by area
    practice_rounds: int = 2  # of seven expressions
    plain: float = 0.9  # probability from which on a laugh is a laugh, whatever was asked for: see calibration/refusal.py
    refused_s: float = 3.0  # s in which a take that is plainly something else is shown and can be kept all the same
    tries: int = 3  # such takes in a row after which the terminal, which has no keys, leaves the expression out
    risen: float = 3.5  # nats above the own rest from which on what was asked for counts: see docs/practice.md
    risen_unasked: float = 7.0  # the same for another expression; also a match of 1: the median of London's smiles is 6.6, with nano 6.5

    def __post_init__(self) -> None:
        if not self.front < self.side:
            raise ValueError(f"front ({self.front}) must be less than side ({self.side}): no face is straight and turned at once")


@dataclass(frozen=True)
class Settings:
    efforts: tuple[Effort, ...] = EFFORTS
    governor: GovernorSettings = field(default_factory=GovernorSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    finder: FinderSettings = field(default_factory=FinderSettings)
    photo: PhotoSettings = field(default_factory=PhotoSettings)
    cuts: CutSettings = field(default_factory=CutSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    profile: Path | None = None  # file of a person's profile, made for the classifier's model; None: the model for everybody


PHOTO = Effort(near_s=0.0, far_s=float("inf"), near_side=960, tilted_s=float("inf"), check_s=0.0, classify_s=0.0, frame_every=1)
"""For single photos: small faces in a group matter more than time, and small pictures are enlarged."""
