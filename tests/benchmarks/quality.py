"""Measures the limits of `QualitySettings`: accuracy on photos of people who are not in the training data, made worse in steps.

    python tests/benchmarks/quality.py ../shared/data/faces_wild ../shared/data/fer2013 [MODEL.tflite] > tests/benchmarks/quality.txt

For each worse photo, points, chip and reading are computed anew, in the box where the detector found the face in the plain photo.

First a table for each measure, with bins from good to bad: number of faces, accuracy, share of the plain faces. The limit is at the first
bin whose accuracy is 15 percentage points lower than that of the plain photos, or that has fewer than 30 faces.
Then a line for each step: accuracy with all faces and with the trusted ones, those without doubt, and the share of each doubt.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.chips import chips_of
from models.datasets import label_index, load_fer2013, read_table
from models.face_table import is_held_out, majority
from models.framing import crop_points, placement_of
from models.pictures import point_predictor, read_gray
from models.scores import WILD_LABELS, wilson
from realtime.base.geometry import scale_box
from realtime.config import ClassifierSettings, DetectorSettings, QualitySettings
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.quality import doubt, eye_distance, texture, turn
from realtime.faces.align import align
from realtime.faces.detector import Detector
from realtime.values import Box

ACCURACY_LOSS, LEAST_FACES = 0.15, 30


@dataclass(frozen=True)
class Photo:
    """A gray picture (h, w) uint8, the box of its face, the distance between the eyes in px, and the index of its label."""

    gray: np.ndarray
    box: Box
    eyes: float
    label: int


@dataclass(frozen=True)
class FaceMeasures:
    """The measures of n faces (each (n,)), whether the model was right, and the doubt about each (None or a word)."""

    small: np.ndarray
    dark: np.ndarray
    grain: np.ndarray
    blurred: np.ndarray
    turned: np.ndarray
    correct: np.ndarray
    doubts: np.ndarray


def concatenate(parts: list[FaceMeasures]) -> FaceMeasures:
    return FaceMeasures(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(FaceMeasures)))


def photos(folder: Path) -> Iterator[Photo]:
    """The photos of people who are held out of training, with an expression that counts; of each, the face nearest to the middle."""
    detector, predictor = Detector(DetectorSettings(enlarge=1.0)), point_predictor()
    for place, row in read_table(folder / "labels.csv", ("image", "person", "label")):
        if row["label"] not in WILD_LABELS or not is_held_out(row["person"]):
            continue
        gray = read_gray(folder / row["image"], place)
        middle = np.array(gray.shape[::-1])
        boxes = sorted(detector.find(gray, 320), key=lambda box: np.abs(np.array([box.x0 + box.x1, box.y0 + box.y1]) - middle).sum())
        if boxes:
            yield Photo(gray, boxes[0], eye_distance(predictor.points(gray, boxes[0])), label_index(row["label"], place))


def darken(photo: Photo, stops: float, gain: float, draw: np.random.Generator) -> np.ndarray:
    """The photo with an exposure `stops` stops too short, brightened by `gain` stops.

    The simulated sensor is a webcam's: a full pixel holds 4,000 electrons, the read noise is 4 electrons; gamma 2.2.
    """
    full, read = 4000, 4
    caught = draw.poisson((photo.gray / 255) ** 2.2 * full / 2**stops) + draw.normal(0, read, photo.gray.shape)
    return np.rint((caught / full * 2**gain).clip(0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def reduce_contrast(photo: Photo, share: float, draw: np.random.Generator) -> np.ndarray:
    """The photo with this share of its contrast, as behind a dirty lens or against the light; noise of 1 grey level."""
    return np.rint((photo.gray - 128.0) * share + 128 + draw.normal(0, 1, photo.gray.shape)).clip(0, 255).astype(np.uint8)


def defocus(photo: Photo, radius: float, draw: np.random.Generator) -> np.ndarray:
    """The photo out of focus: each point becomes a disc, whose radius is in eye distances."""
    side = 2 * max(round(radius * photo.eyes), 1) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.float32)
    return cv2.filter2D(photo.gray, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE)


def blur_by_motion(photo: Photo, length: float, draw: np.random.Generator) -> np.ndarray:
    """The photo of a face that moves `length` eye distances in a random direction while the shutter is open."""
    side = 2 * max(round(length * photo.eyes / 2), 1) + 1
    line = np.zeros((side, side), np.float32)
    line[side // 2] = 1
    middle = (side // 2, side // 2)
    line = cv2.warpAffine(line, cv2.getRotationMatrix2D(middle, draw.uniform(0, 180), 1), (side, side))
    return cv2.filter2D(photo.gray, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE)


def shrink(photo: Photo, eyes: float, draw: np.random.Generator) -> np.ndarray:
    """The photo reduced to a distance of `eyes` pixels between the eyes."""
    factor = eyes / photo.eyes
    size_wh = (round(photo.gray.shape[1] * factor), round(photo.gray.shape[0] * factor))
    return cv2.resize(photo.gray, size_wh, interpolation=cv2.INTER_AREA)


def keep_plain(photo: Photo, step: float, draw: np.random.Generator) -> np.ndarray:
    return photo.gray


Worsen = Callable[[Photo, float, np.random.Generator], np.ndarray]
LADDERS: dict[str, tuple[tuple[float, ...], Worsen]] = {
    "darker, stops": ((4, 5, 6, 7, 8), lambda photo, step, draw: darken(photo, step, 0, draw)),
    "hazy, share of contrast": ((0.3, 0.2, 0.1, 0.06), reduce_contrast),
    "dim and brightened, stops": ((6, 7, 7.5, 8, 9), lambda photo, step, draw: darken(photo, step, step, draw)),
    "defocused, eye distances": ((0.08, 0.12, 0.16, 0.2, 0.25, 0.3), defocus),
    "moved, eye distances": ((0.2, 0.3, 0.4, 0.5, 0.7), blur_by_motion),
    "smaller, px between the eyes": ((12, 8, 7, 6, 5, 4), shrink),
}
MEASURES: dict[str, tuple[tuple[float, ...], tuple[str, ...]]] = {
    "dark": ((20, 15, 10, 8, 6, 5, 4, 3, 2), ("darker", "hazy")),
    "grain": ((0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2), ("dim",)),
    "blurred": ((0.4, 0.35, 0.3, 0.275, 0.25, 0.225, 0.2, 0.175, 0.15), ("defocused", "moved")),
    "small": ((12, 10, 8, 7, 6, 5, 4), ("smaller",)),
    "turned": ((0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4), ()),
}
"""For each measure: the limits of its bins, from good to bad, and the first words of the ladders that make it worse."""


def measure_faces(
    chips: np.ndarray, points: np.ndarray, labels: np.ndarray, model: EmotionClassifier, settings: QualitySettings
) -> FaceMeasures:
    """Measures chips (n, 64, 64) with points (n, 5, 2) and labels (n,)."""
    opinion = model.read(chips)
    contrast, detail, grain = np.array([texture(chip) for chip in chips]).T
    return FaceMeasures(
        small=np.array([eye_distance(each) for each in points]),
        dark=contrast,
        grain=grain,
        blurred=detail,
        turned=np.abs([turn(each) for each in points]),
        correct=opinion.probs.argmax(1) == labels,
        doubts=np.array(
            [doubt(chip, each, float(r), settings) for chip, each, r in zip(chips, points, opinion.reject, strict=True)], object
        ),
    )


def measure_worsened(
    plain: list[Photo], worsen: Worsen, step: float, draw: np.random.Generator, model: EmotionClassifier, settings: QualitySettings
) -> FaceMeasures:
    """Measures all photos, made worse by one step."""
    predictor = point_predictor()
    chips, points = [], []
    for photo in plain:
        gray = worsen(photo, step, draw)
        points.append(predictor.points(gray, scale_box(photo.box, gray.shape[1] / photo.gray.shape[1])))
        chips.append(align(gray, points[-1]))
    return measure_faces(np.stack(chips), np.stack(points), np.array([photo.label for photo in plain]), model, settings)


def fer2013(folder: Path, model: EmotionClassifier, settings: QualitySettings) -> FaceMeasures:
    """Measures the labelled faces of the public test whose points fit. They are 48x48 crops, so their size says nothing."""
    faces = load_fer2013(folder, "public_test")
    faces = faces.where(majority(faces.votes) >= 0)
    faces = faces.where(np.array([(placement_of(crop) != np.eye(2, 3)).any() for crop in faces.pixels]))
    points = np.stack([crop_points(crop) for crop in faces.pixels])
    return measure_faces(chips_of(faces), points, majority(faces.votes), model, settings)


def print_measure(name: str, worsened: FaceMeasures, plain: FaceMeasures, others: FaceMeasures, settings: QualitySettings) -> None:
    """Prints a line for each bin, and the limit that follows."""
    edges, _ = MEASURES[name]
    bins = [np.digitize(getattr(part, name), edges) for part in (worsened, plain, others)]
    plain_accuracy, limit = plain.correct.mean(), None
    print(f"\n{name:>15}       n  right (95 % interval)  of plain photos, of FER2013")
    for i in range(len(edges) + 1):
        correct = worsened.correct[bins[0] == i]
        n, share = len(correct), correct.mean() if len(correct) else 0.0
        low, high = wilson(int(correct.sum()), n) if n else (0.0, 1.0)
        if limit is None and i and (n < LEAST_FACES or share < plain_accuracy - ACCURACY_LOSS):
            limit = edges[i - 1]
        first, last = (f"{edges[i - 1]:g}" if i else "..."), (f"{edges[i]:g}" if i < len(edges) else "...")
        ours, theirs = (f"{(part == i).mean():7.1%}" for part in bins[1:])
        row = f"{f'{first} to {last}':>15} {n:7d}  {share:4.0%}  ({low:.0%} to {high:.0%})        {ours}"
        print(row if name == "small" else f"{row} {theirs}")
    limit_text = "none" if limit is None else f"{limit:g}"
    print(f"  limit by this table: {limit_text}; the setting is {getattr(settings, name):g}")


def print_step(name: str, part: FaceMeasures) -> None:
    """Prints the accuracy with all faces and with the trusted ones, those without doubt, and the share of each doubt."""
    trusted = part.correct[np.equal(part.doubts, None)]
    words = Counter(word for word in part.doubts if word)
    doubts = ", ".join(f"{word} {count / len(part.doubts):.1%}" for word, count in words.most_common())
    trusted_text = f"{trusted.mean():4.0%} of {len(trusted)} trusted" if len(trusted) else "none trusted"
    print(f"  {name:34} {part.correct.mean():4.0%} of {len(part.correct)} right, {trusted_text:22}  {doubts}".rstrip())


def main(wild: Path, fer: Path, path: Path) -> None:
    cv2.setNumThreads(1)
    model, settings, draw = EmotionClassifier(path), QualitySettings(), np.random.default_rng(0)
    plain_photos = list(photos(wild))
    plain, others = measure_worsened(plain_photos, keep_plain, 0, draw, model, settings), fer2013(fer, model, settings)
    steps = {
        (name, step): measure_worsened(plain_photos, worsen, step, draw, model, settings)
        for name, (values, worsen) in LADDERS.items()
        for step in values
    }
    print(
        f"{path.name}, sha256 {model.sha256[:12]}; {len(plain.correct)} plain photos of {wild.name}, {len(others.correct)} faces of FER2013"
    )
    for name, (_, ladders) in MEASURES.items():
        worsened = [part for (ladder, _), part in steps.items() if ladder.startswith(ladders)] if ladders else [others]
        print_measure(name, concatenate([plain, *worsened]), plain, others, settings)
    print("\naccuracy and doubts of each step:")
    print_step("plain photos", plain)
    print_step("FER2013, public test", others)
    for (name, step), part in steps.items():
        print_step(f"{name} {step:g}", part)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) == 4 else ClassifierSettings().model)
