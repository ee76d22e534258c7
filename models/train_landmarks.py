"""Trains the shipped predictor of the five face points, and scores it beside its teacher, dlib's public predictor.

    python -m models.train_landmarks --wild DIR --mesh face_landmark.tflite --out models/five_points.dat

Reads the photos of faces_wild. The teacher's points are the truth; every third person is only measured on, never learned from. dlib's
trainer gets each face as a camera may show it (leaning, small, dark, blurred, noisy, mirrored, partly covered), in boxes as tracking gives
them. The teacher knows few heads that are turned, raised or lowered, so most examples are faces that look ahead, turned in depth
(`models/turning.py`): its points turn with them. Writes the predictor and beside it its card, a .json with settings, versions, scores and
sha256. `--evaluate` scores an existing file and writes nothing.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import dlib
import numpy as np
import typer

from models.card import points_card, replace_model
from models.cli import one_line
from models.covering import covered
from models.datasets import read_table
from models.dlib_files import public_predictor_path
from models.face_mesh import FaceMesh
from models.face_table import is_held_out
from models.pictures import SEARCHED, central_box, detector, read_gray
from models.turning import FIVE, Head, turned, turned_in_depth, yaw_of
from realtime.base.geometry import box_around, mirror_box, scale_box, width
from realtime.base.machine import describe_machine
from realtime.config import POINTS
from realtime.expression.quality import eye_distance, turn
from realtime.faces.landmarks import MIRRORED, PointPredictor, corners
from realtime.sources.films import VideoFile
from realtime.values import Box

SURE = 2.0
"""The face mesh's logit up to which it does not fit a photo's face, which is then not turned in depth."""

FRONTAL_DEG = 25.0
"""Heads that are turned further to the side are not turned in depth: half of such a face is not to be seen."""

PredictPoints = Callable[[np.ndarray, Box], np.ndarray]
"""`PointPredictor.points`: a gray picture and a box -> (5, 2) positions."""


@dataclass(frozen=True)
class PredictorSettings:
    """What the predictor depends on, saved with its scores. The values were chosen on an eighth of the training people."""

    cascades: int = 20  # steps from the mean shape to the face
    trees: int = 110  # a step; 2,200 trees make 2.7 MB
    depth: int = 4
    shrinkage: float = 0.1  # dlib's nu
    pixels: int = 400  # to choose from in each step
    splits: int = 20  # tried at each node
    nearness: float = 0.1  # dlib's lambda: how near to each other the two pixels of a split lie
    padding: float = 0.25  # how far outside the points' rectangle pixels may lie; with 0, errors were 1.7 times as large
    pictures: int = 9  # examples from each photo that shows a face from the front
    aside: float = 6.0  # by how many times more if the nose lies a whole eye distance to the side: such faces are few and harder
    in_depth: int = 14  # examples from each photo in which the head is turned in depth
    widest_deg: float = 60.0  # six of ten of these are turned to the side by any angle up to this, the others by some 12 degrees
    nod_deg: float = 16.0  # standard deviation of how far they are raised or lowered; cut off at 38
    covered: float = 0.2  # share of all examples with dark glasses, a cap, or something before the mouth
    lean_deg: float = 10.0  # standard deviation; cut off at 25
    shift: float = 0.05  # of a box, standard deviation in box widths; doubled for three boxes out of ten
    stretch: float = 0.06  # of a box's side, standard deviation of its logarithm; doubled for the same boxes
    seed: int = 1


class Portrait(NamedTuple):
    """A photo (h, w) uint8 of a face, the detector's box, the true five points (5, 2), and its face mesh (468, 3), all in px.

    Attributes:
        fits: whether the mesh is sure of the face.
    """

    gray: np.ndarray
    box: Box
    points: np.ndarray
    mesh: np.ndarray
    fits: bool

    @property
    def head(self) -> Head:
        """With the width of the box around the true points."""
        return Head(self.mesh, width(box_around(self.points)))

    @property
    def turns(self) -> bool:
        """Whether it can be turned in depth."""
        return self.fits and abs(yaw_of(self.mesh)) < FRONTAL_DEG

    @property
    def plain(self) -> "LandmarkExample":
        """The photo as an example."""
        return LandmarkExample(self.gray, self.box, self.points)


class LandmarkExample(NamedTuple):
    """A picture (h, w) uint8, the box of its face, and the true five points (5, 2) in pixels."""

    gray: np.ndarray
    box: Box
    points: np.ndarray


def enlarged(points: np.ndarray, factor: float) -> np.ndarray:
    """The points in a picture `factor` times as large. Enlarging keeps the corners of a picture in place, not the centres of its pixels."""
    return (points + 0.5) * factor - 0.5


def jittered(box: Box, draw: np.random.Generator, shift: float, stretch: float) -> Box:
    """A square about the box's centre, moved and resized at random.

    Args:
        box: where the square starts from.
        draw: the source of random numbers.
        shift: standard deviation of the movement, in widths of the box.
        stretch: standard deviation of the logarithm of the size.
    """
    side = width(box)
    x, y = np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2 + draw.normal(0, shift, 2) * side
    half = side / 2 * math.exp(draw.normal(0, stretch))
    return Box(float(x - half), float(y - half), float(x + half), float(y + half))


def truth(teacher: PredictPoints, gray: np.ndarray, box: Box, draw: np.random.Generator, n: int = 16) -> np.ndarray:
    """(5, 2) mean of the teacher's points in `n` boxes around its own first points.

    The picture is enlarged for the teacher, because dlib's points are whole pixels.
    """
    large = cv2.resize(gray, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    around = scale_box(box_around(teacher(gray, box)), 3)
    return enlarged(np.mean([teacher(large, jittered(around, draw, 0.02, 0.03)) for _ in range(n)], axis=0), 1 / 3)


def flipped(example: LandmarkExample) -> LandmarkExample:
    """The example as a mirror shows it."""
    gray, box, points = example
    across = gray.shape[1]
    return LandmarkExample(np.ascontiguousarray(gray[:, ::-1]), mirror_box(box, across), points[MIRRORED] * [-1, 1] + [across - 1, 0])


def in_depth(portrait: Portrait, yaw: float, pitch: float) -> tuple[LandmarkExample, np.ndarray]:
    """The portrait with its head turned by so many degrees to the picture's right and up, in the box of its new points; and its mesh."""
    gray, after = turned_in_depth(portrait.gray, portrait.head, yaw, pitch)
    points = turned(np.hstack([portrait.points, portrait.mesh[FIVE, 2:]]), portrait.head, yaw, pitch)[:, :2]
    return LandmarkExample(gray, box_around(points), points), after.mesh


def leaning(example: LandmarkExample, degrees: float) -> LandmarkExample:
    """The example turned in the picture's plane about the mean of the points; the box moves with its centre and stays upright."""
    gray, box, points = example
    matrix = cv2.getRotationMatrix2D(tuple(map(float, points.mean(0))), degrees, 1)
    picture = cv2.warpAffine(gray, matrix, gray.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x, y = matrix @ [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, 1]
    half = width(box) / 2
    return LandmarkExample(picture, Box(x - half, y - half, x + half, y + half), points @ matrix[:, :2].T + matrix[:, 2])


def resized(example: LandmarkExample, face_width: float) -> LandmarkExample:
    """The example at such a size that the box is `face_width` pixels wide."""
    gray, box, points = example
    factor = face_width / width(box)
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return LandmarkExample(
        cv2.resize(gray, None, fx=factor, fy=factor, interpolation=interpolation), scale_box(box, factor), enlarged(points, factor)
    )


def pixelated(example: LandmarkExample, times: int) -> LandmarkExample:
    """The example with each pixel as a square of `times` pixels, so that dlib's rounding to pixels matters less for a small face."""
    gray, box, points = example
    return LandmarkExample(gray.repeat(times, 0).repeat(times, 1), scale_box(box, times), enlarged(points, times))


def relit(gray: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The picture (h, w) uint8 in other light (from the side, weaker, harder), sometimes out of focus, and with the noise of a sensor."""
    height, across = gray.shape
    picture = 255 * (gray / 255.0) ** math.exp(draw.normal(0, 0.3))
    side, above = draw.normal(0, 0.35, 2)
    light = 1 + side * np.linspace(-1, 1, across)[None] + above * np.linspace(-1, 1, height)[:, None]
    picture = picture * light.clip(0.25, 2) * draw.uniform(0.4, 1.3) + draw.uniform(-10, 40)
    if draw.uniform() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), draw.uniform(0.4, 0.02 * across))
    picture += draw.normal(0, draw.uniform(0, 9), gray.shape)
    return picture.clip(0, 255).astype(np.uint8)


def augmented(example: LandmarkExample, draw: np.random.Generator, settings: PredictorSettings) -> LandmarkExample:
    """The example as a camera may show it, in the box that the points of the previous frame give or, less often, in the detector's box."""
    if draw.uniform() < 0.5:
        example = flipped(example)
    example = leaning(example, float(np.clip(draw.normal(0, settings.lean_deg), -25, 25)))
    face_width = draw.uniform(40, 150)
    example = resized(example, face_width)
    example = pixelated(example._replace(gray=relit(example.gray, draw)), math.ceil(150 / face_width))
    box = example.box if draw.uniform() < 0.3 else box_around(example.points)
    factor = 2 if draw.uniform() < 0.3 else 1
    return example._replace(box=jittered(box, draw, factor * settings.shift, factor * settings.stretch))


def plain_count(points: np.ndarray, settings: PredictorSettings) -> int:
    """How many examples a photo gives as it is: the more, the further the head is turned to the side."""
    return round(settings.pictures * (1 + settings.aside * abs(turn(points))))


def examples_of(portrait: Portrait, draw: np.random.Generator, settings: PredictorSettings) -> Iterator[LandmarkExample]:
    """The examples of a photo: as it is, and turned in depth."""

    def seen(example: LandmarkExample, mesh: np.ndarray) -> LandmarkExample:
        if draw.random() < settings.covered:
            example = example._replace(gray=covered(example.gray, Head(mesh, portrait.head.width), draw))
        return augmented(example, draw, settings)

    for _ in range(plain_count(portrait.points, settings)):
        yield seen(portrait.plain, portrait.mesh)
    now = yaw_of(portrait.mesh)
    for _ in range(settings.in_depth if portrait.turns else 0):
        yaw = draw.uniform(-settings.widest_deg, settings.widest_deg) if draw.random() < 0.6 else draw.normal(0, 12)
        yield seen(*in_depth(portrait, yaw - now, float(np.clip(draw.normal(0, settings.nod_deg), -38, 38))))


def dlib_options(settings: PredictorSettings) -> dlib.shape_predictor_training_options:
    """The settings as dlib takes them. dlib adds no boxes: the examples have theirs."""
    options = dlib.shape_predictor_training_options()
    options.cascade_depth, options.num_trees_per_cascade_level, options.tree_depth = settings.cascades, settings.trees, settings.depth
    options.nu, options.lambda_param, options.num_test_splits = settings.shrinkage, settings.nearness, settings.splits
    options.feature_pool_size, options.feature_pool_region_padding = settings.pixels, settings.padding
    options.oversampling_amount, options.oversampling_translation_jitter = 1, 0
    options.random_seed, options.num_threads = str(settings.seed), 1
    return options


def train(photos: list[Portrait], settings: PredictorSettings) -> dlib.shape_predictor:
    """Trains the predictor; needs about 80 kB of memory for each example."""
    draw = np.random.default_rng(settings.seed)
    examples = [example for photo in photos for example in examples_of(photo, draw, settings)]
    print(f"made {len(examples)} examples of {len(photos)} portraits; training", flush=True)
    truths = [
        [dlib.full_object_detection(dlib.rectangle(*corners(each.box)), [dlib.point(*xy) for xy in each.points.round().astype(int)])]
        for each in examples
    ]
    return dlib.train_shape_predictor([each.gray for each in examples], truths, dlib_options(settings))


def read_examples(folder: Path, teacher: PredictPoints) -> tuple[list[LandmarkExample], list[LandmarkExample]]:
    """The faces that the detector finds in the photos of faces_wild: of people to learn from, and of people who are held out."""
    draw = np.random.default_rng(0)
    parts: tuple[list[Any], list[Any]] = ([], [])
    rows = list(read_table(folder / "labels.csv", ("image", "person", "label")))
    for line, row in rows:
        gray = read_gray(folder / row["image"], line)
        box = central_box(gray)
        if box is not None:
            parts[is_held_out(row["person"])].append(LandmarkExample(gray, box, truth(teacher, gray, box, draw)))
    print(f"read {len(rows)} photos: {len(parts[0])} faces to learn from, {len(parts[1])} of people held out", flush=True)
    return parts


def read_portraits(folder: Path, teacher: PredictPoints, mesh: FaceMesh) -> tuple[list[Portrait], list[Portrait]]:
    """The same with their face meshes."""

    def portrait(example: LandmarkExample) -> Portrait:
        place, score = mesh.points_in(example.gray, example.points.astype(np.float32))
        return Portrait(*example, place, score > SURE)

    training, measured = read_examples(folder, teacher)
    return [portrait(each) for each in training], [portrait(each) for each in measured]


class Task(NamedTuple):
    """A task for a predictor: predict `rounds` times, first in the box of the example, then each time in the box of the last points."""

    example: LandmarkExample
    rounds: int


def tasks(portrait: Portrait, draw: np.random.Generator) -> dict[str, Task]:
    """The task of each situation that is scored, by name; jittered boxes are as wrong as those of training."""
    example = portrait.plain
    own = example._replace(box=box_around(example.points))
    tilted = leaning(own, float(draw.choice([-20, 20])))
    plain = {
        "detector box": Task(example, 1),
        "jittered box": Task(_in_a_wrong_box(own, draw), 1),
        "10 rounds": Task(example, 10),
        "10 rounds, 60 px": Task(resized(example, 60), 10),
        "10 rounds, leaning by 20 degrees": Task(tilted._replace(box=box_around(tilted.points)), 10),
        "10 rounds, other light, blur, noise": Task(example._replace(gray=relit(example.gray, draw)), 10),
    }
    if not portrait.turns:
        return plain
    # Of its own, so that the tasks above are the same whether there are these or not.
    draw = draw.spawn(1)[0]
    side, now = int(draw.choice([-1, 1])), yaw_of(portrait.mesh)
    made = {f"turned aside by {yaw} degrees": in_depth(portrait, side * yaw - now, 0)[0] for yaw in (20, 35, 45)}
    made |= {f"{name} by 25 degrees": in_depth(portrait, 0, pitch)[0] for name, pitch in (("raised", 25), ("lowered", -25))}
    made["partly covered"] = own._replace(gray=covered(own.gray, portrait.head, draw))
    return plain | {f"3 rounds, {name}": Task(_in_a_wrong_box(each, draw), 3) for name, each in made.items()}


def _in_a_wrong_box(example: LandmarkExample, draw: np.random.Generator) -> LandmarkExample:
    return example._replace(box=jittered(example.box, draw, PredictorSettings.shift, PredictorSettings.stretch))


def predicted(predict: PredictPoints, task: Task) -> np.ndarray:
    """The points (5, 2) after the last round."""
    gray, box, _ = task.example
    for _ in range(task.rounds):
        points = predict(gray, box)
        box = box_around(points)
    return points


def point_errors(points: np.ndarray, true_points: np.ndarray) -> np.ndarray:
    """(5,) distances between five points and the true ones, in % of the distance between the eyes."""
    return 100 * np.hypot(*(points - true_points).T) / eye_distance(true_points)


def summary(parts: Iterable[np.ndarray]) -> dict[str, float]:
    """Median and 95th percentile of errors in % of the eye distance over all points, and the number of points."""
    every = np.concatenate(list(parts))
    return {"median": round(float(np.median(every)), 2), "p95": round(float(np.percentile(every, 95)), 2), "n": len(every)}


def scores(predict: PredictPoints, portraits: list[Portrait]) -> dict[str, dict[str, float]]:
    """The `summary` of each situation; the same tasks for every predictor."""
    draw = np.random.default_rng(0)
    by_situation: dict[str, Any] = {}
    for portrait in portraits:
        for name, task in tasks(portrait, draw).items():
            by_situation.setdefault(name, []).append(point_errors(predicted(predict, task), task.example.points))
    return {name: summary(parts) for name, parts in by_situation.items()}


def drift(film: Path, predict: PredictPoints, teacher: PredictPoints) -> dict[str, float]:
    """The `summary` along a film of one face: the predictor in its own boxes from the first detection on, the teacher in the detector's."""
    box, parts, draw = None, [], np.random.default_rng(0)
    with VideoFile(film) as frames:
        for frame in frames:
            gray = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
            boxes = detector().find(gray, SEARCHED)
            if box is None and boxes:
                box = boxes[0]
            if box is not None:
                points = predict(gray, box)
                box = box_around(points)
                parts += [point_errors(points, truth(teacher, gray, boxes[0], draw))] if boxes else []
    return summary(parts)


def milliseconds(predictors: Mapping[str, PredictPoints], example: LandmarkExample, calls: int = 300) -> dict[str, dict[str, float]]:
    """Median time of a call in ms: "hot", one call right after the other, and "cold", after 32 MB of other memory were written."""
    other = np.zeros(32_000_000, np.uint8)

    def hot(predict: PredictPoints) -> float:
        started = time.perf_counter()
        predict(example.gray, example.box)
        return 1000 * (time.perf_counter() - started)

    def cold(predict: PredictPoints) -> float:
        np.add(other, 1, out=other)
        return hot(predict)

    return {
        name: {
            state: round(statistics.median(measure(predict) for _ in range(calls)), 3) for state, measure in (("hot", hot), ("cold", cold))
        }
        for name, predict in predictors.items()
    }


def report(path: Path, teacher: Path, portraits: list[Portrait], films: list[Path]) -> dict[str, Any]:
    """Scores a predictor's file and its teacher's on people that it did not learn from, and prints the scores."""
    files = {"own": path, "teacher": teacher}
    predictors = {name: PointPredictor(file).points for name, file in files.items()}
    times, results = milliseconds(predictors, portraits[0].plain), {}
    for name, predict in predictors.items():
        situations = scores(predict, portraits) | {film.name: drift(film, predict, predictors["teacher"]) for film in films}
        results[name] = {"error_percent_of_eye_distance": situations, "ms": times[name]}
        size = files[name].stat().st_size / 1e6
        print(f"{files[name].name}: {size:.2f} MB, {times[name]['hot']} ms hot, {times[name]['cold']} ms cold; in % of the eye distance:")
        for situation, each in situations.items():
            print(f"  {situation:36} median {each['median']:5.2f}   95 % below {each['p95']:5.2f}   {each['n']} points")
    return results


def make(wild: Path, teacher: Path, mesh: FaceMesh, out: Path, films: list[Path], settings: PredictorSettings) -> None:
    """Trains and scores a predictor, then writes `out` and its card; until then an older pair stays as it is."""
    training, measured = read_portraits(wild, PointPredictor(teacher).points, mesh)
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / out.name
        train(training, settings).save(str(aside))
        content = aside.read_bytes()
        faces = {"learned_from": len(training), "measured_on": len(measured)}
        card = points_card("points/1", out.stem, content, teacher, faces, asdict(settings))
        card |= {"scores": report(aside, teacher, measured, films), "processor": describe_machine()["processor"]}
    replace_model(out, content, card)
    print(f"wrote {out} and {out.with_suffix('.json')}")


@one_line
def main(
    wild: Annotated[Path, typer.Option(help="Folder of faces_wild: labels.csv and photos.")],
    mesh: Annotated[Path, typer.Option(help="The file face_landmark.tflite of mediapipe 0.10.21.")],
    out: Annotated[Path, typer.Option(help="The predictor's file, .dat.")] = POINTS,
    film: Annotated[list[Path] | None, typer.Option(help="A film of one face, to see whether the predictor drifts along it.")] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Only score the file that is there.")] = False,
) -> None:
    """Trains the predictor of the five points and scores it."""
    teacher, network = public_predictor_path(), FaceMesh(mesh)
    if evaluate:
        report(out, teacher, read_portraits(wild, PointPredictor(teacher).points, network)[1], film or [])
    else:
        make(wild, teacher, network, out, film or [], PredictorSettings())


if __name__ == "__main__":
    typer.run(main)
