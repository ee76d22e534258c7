"""Trains the predictor of the five face points that ships, and scores it beside its teacher, dlib's public predictor.

    python -m models.train_landmarks --wild DIR --out models/five_points.dat

Reads the photos of faces_wild. The teacher's points are the truth; every third person is measured on, never learned from. dlib's trainer
sees each face as a camera may show it (turned, small, dark, blurred, noisy, mirrored), in boxes as tracking gives them. Writes the
predictor and beside it a .json with settings, versions, scores and sha256. `--evaluate` scores a file that is there and writes nothing.
"""

import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import dlib
import numpy as np
import typer

from models.cli import one_line
from models.datasets import SEARCHED, central_box, detector, held_out, read_gray, read_table
from models.dlib_files import public_predictor_path
from realtime.base.geometry import box_around, mirror_box, scale_box, width
from realtime.commands.benchmark import describe_machine, package_versions
from realtime.config import POINTS
from realtime.expression.quality import eye_distance, turn
from realtime.faces.landmarks import MIRRORED, PointPredictor, corners
from realtime.sources.films import VideoFile
from realtime.values import Box

Points = Callable[[np.ndarray, Box], np.ndarray]
"""`PointPredictor.points`: a gray picture and a box -> (5, 2) positions."""


@dataclass(frozen=True)
class Recipe:
    """What the predictor depends on, saved with its scores. Chosen on an eighth of the training people."""

    cascades: int = 20  # steps from the mean shape to the face
    trees: int = 75  # a step; 1,500 trees make 1.9 MB
    depth: int = 4
    shrinkage: float = 0.1  # dlib's nu
    pixels: int = 400  # to choose from in each step
    splits: int = 20  # tried at each node
    nearness: float = 0.1  # dlib's lambda: how near to each other the two pixels of a split lie
    padding: float = 0.25  # pixels may lie this much outside the points' rectangle; without, errors were 1.7 times as large
    pictures: int = 12  # made of each photo that shows a face from the front
    aside: float = 25.0  # that many times as many more of a face whose nose lies a whole eye distance aside: such are few and harder
    turn_deg: float = 10.0  # standard deviation; cut off at 25
    shift: float = 0.05  # of a box, standard deviation in box widths; doubled for three boxes of ten
    stretch: float = 0.06  # of a box's side, standard deviation of its logarithm; doubled with it
    seed: int = 1


class Portrait(NamedTuple):
    """A photo (h, w) uint8, the box in which the detector found its face, and the truth: five points (5, 2) in pixels."""

    gray: np.ndarray
    box: Box
    points: np.ndarray


def enlarged(points: np.ndarray, factor: float) -> np.ndarray:
    """The points in a picture `factor` times as large: its corners stay in place, not its pixels' centres."""
    return (points + 0.5) * factor - 0.5


def jittered(box: Box, draw: np.random.Generator, shift: float, stretch: float) -> Box:
    """The square about the box's centre, moved and resized by chance; standard deviations in widths and as a logarithm."""
    side = width(box)
    x, y = np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2 + draw.normal(0, shift, 2) * side
    half = side / 2 * math.exp(draw.normal(0, stretch))
    return Box(float(x - half), float(y - half), float(x + half), float(y + half))


def truth(teacher: Points, gray: np.ndarray, box: Box, draw: np.random.Generator, n: int = 16) -> np.ndarray:
    """(5, 2) mean of what the teacher says in `n` boxes around its own points.

    The picture is enlarged for it, because dlib answers in whole pixels.
    """
    large = cv2.resize(gray, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    around = scale_box(box_around(teacher(gray, box)), 3)
    return enlarged(np.mean([teacher(large, jittered(around, draw, 0.02, 0.03)) for _ in range(n)], axis=0), 1 / 3)


def flipped(portrait: Portrait) -> Portrait:
    """As a mirror shows it."""
    gray, box, points = portrait
    across = gray.shape[1]
    return Portrait(np.ascontiguousarray(gray[:, ::-1]), mirror_box(box, across), points[MIRRORED] * [-1, 1] + [across - 1, 0])


def turned(portrait: Portrait, degrees: float) -> Portrait:
    """Turned about the middle of the points; the box moves with its centre and stays upright."""
    gray, box, points = portrait
    matrix = cv2.getRotationMatrix2D(tuple(map(float, points.mean(0))), degrees, 1)
    picture = cv2.warpAffine(gray, matrix, gray.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x, y = matrix @ [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, 1]
    half = width(box) / 2
    return Portrait(picture, Box(x - half, y - half, x + half, y + half), points @ matrix[:, :2].T + matrix[:, 2])


def resized(portrait: Portrait, face_width: float) -> Portrait:
    """So that the box is `face_width` pixels wide."""
    gray, box, points = portrait
    factor = face_width / width(box)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return Portrait(cv2.resize(gray, None, fx=factor, fy=factor, interpolation=how), scale_box(box, factor), enlarged(points, factor))


def pixelated(portrait: Portrait, times: int) -> Portrait:
    """Each pixel becomes a square of `times` pixels: a small face whose truth need not be rounded to its own pixels."""
    gray, box, points = portrait
    return Portrait(gray.repeat(times, 0).repeat(times, 1), scale_box(box, times), enlarged(points, times))


def relit(gray: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The picture under other light (from the side, weaker, harder), out of focus, and with the noise of a sensor."""
    height, across = gray.shape
    picture = 255 * (gray / 255.0) ** math.exp(draw.normal(0, 0.3))
    side, above = draw.normal(0, 0.35, 2)
    light = 1 + side * np.linspace(-1, 1, across)[None] + above * np.linspace(-1, 1, height)[:, None]
    picture = picture * light.clip(0.25, 2) * draw.uniform(0.4, 1.3) + draw.uniform(-10, 40)
    if draw.uniform() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), draw.uniform(0.4, 0.02 * across))
    picture += draw.normal(0, draw.uniform(0, 9), gray.shape)
    return picture.clip(0, 255).astype(np.uint8)


def example(portrait: Portrait, draw: np.random.Generator, recipe: Recipe) -> Portrait:
    """The portrait as a camera may show it. The box lies where the frame before puts the face or, less often, where the detector does."""
    if draw.uniform() < 0.5:
        portrait = flipped(portrait)
    portrait = turned(portrait, float(np.clip(draw.normal(0, recipe.turn_deg), -25, 25)))
    face_width = draw.uniform(40, 150)
    portrait = resized(portrait, face_width)
    portrait = pixelated(portrait._replace(gray=relit(portrait.gray, draw)), math.ceil(150 / face_width))
    box = portrait.box if draw.uniform() < 0.3 else box_around(portrait.points)
    much = 2 if draw.uniform() < 0.3 else 1
    return portrait._replace(box=jittered(box, draw, much * recipe.shift, much * recipe.stretch))


def pictures_of(portrait: Portrait, recipe: Recipe) -> int:
    """How many examples are made of a portrait: more the further the head is turned to the side."""
    return round(recipe.pictures * (1 + recipe.aside * abs(turn(portrait.points))))


def options(recipe: Recipe) -> dlib.shape_predictor_training_options:
    """The recipe in dlib's words. dlib makes no boxes of its own: the examples have theirs."""
    made = dlib.shape_predictor_training_options()
    made.cascade_depth, made.num_trees_per_cascade_level, made.tree_depth = recipe.cascades, recipe.trees, recipe.depth
    made.nu, made.lambda_param, made.num_test_splits = recipe.shrinkage, recipe.nearness, recipe.splits
    made.feature_pool_size, made.feature_pool_region_padding = recipe.pixels, recipe.padding
    made.oversampling_amount, made.oversampling_translation_jitter = 1, 0
    made.random_seed, made.num_threads = str(recipe.seed), 1
    return made


def train(portraits: list[Portrait], recipe: Recipe) -> dlib.shape_predictor:
    """Fits the predictor; needs about 50 kB of memory for each example."""
    draw = np.random.default_rng(recipe.seed)
    examples = [example(portrait, draw, recipe) for portrait in portraits for _ in range(pictures_of(portrait, recipe))]
    print(f"made {len(examples)} examples of {len(portraits)} portraits; training", flush=True)
    truths = [
        [dlib.full_object_detection(dlib.rectangle(*corners(each.box)), [dlib.point(*xy) for xy in each.points.round().astype(int)])]
        for each in examples
    ]
    return dlib.train_shape_predictor([each.gray for each in examples], truths, options(recipe))


def read_portraits(folder: Path, teacher: Points) -> tuple[list[Portrait], list[Portrait]]:
    """The faces that the detector finds in the photos of faces_wild: of people to learn from, and of those held out."""
    draw = np.random.default_rng(0)
    parts: tuple[list[Any], list[Any]] = ([], [])
    rows = list(read_table(folder / "labels.csv", ("image", "person", "label")))
    for (place, row), apart in zip(rows, held_out(np.array([row["person"] for _, row in rows])), strict=True):
        gray = read_gray(folder / row["image"], place)
        box = central_box(gray)
        if box is not None:
            parts[int(apart)].append(Portrait(gray, box, truth(teacher, gray, box, draw)))
    print(f"read {len(rows)} photos: {len(parts[0])} faces to learn from, {len(parts[1])} of people held out", flush=True)
    return parts


class Task(NamedTuple):
    """What a predictor is asked: from the box of a portrait, to predict `rounds` times, each time in the box of the points before."""

    portrait: Portrait
    rounds: int


def tasks(portrait: Portrait, draw: np.random.Generator) -> dict[str, Task]:
    """Each situation that is scored; boxes are as wrong as training made them."""
    own = portrait._replace(box=box_around(portrait.points))
    tilted = turned(own, float(draw.choice([-20, 20])))
    return {
        "detector box": Task(portrait, 1),
        "jittered box": Task(own._replace(box=jittered(own.box, draw, Recipe.shift, Recipe.stretch)), 1),
        "10 rounds": Task(portrait, 10),
        "10 rounds, 60 px": Task(resized(portrait, 60), 10),
        "10 rounds, turned by 20 degrees": Task(tilted._replace(box=box_around(tilted.points)), 10),
        "10 rounds, other light, blur, noise": Task(portrait._replace(gray=relit(portrait.gray, draw)), 10),
    }


def answer(predict: Points, task: Task) -> np.ndarray:
    """The points (5, 2) after the last round."""
    gray, box, _ = task.portrait
    for _ in range(task.rounds):
        points = predict(gray, box)
        box = box_around(points)
    return points


def errors(points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(5,) distances between five points and where they should be, in % of the distance between the eyes."""
    return 100 * np.hypot(*(points - wanted).T) / eye_distance(wanted)


def summary(found: Iterable[np.ndarray]) -> dict[str, float]:
    """Median and 95th percentile in % of the eye distance over all points, and the number of points."""
    every = np.concatenate(list(found))
    return {"median": round(float(np.median(every)), 2), "p95": round(float(np.percentile(every, 95)), 2), "n": len(every)}


def scores(predict: Points, portraits: list[Portrait]) -> dict[str, dict[str, float]]:
    """The `summary` of each situation; the same tasks for every predictor."""
    draw = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for portrait in portraits:
        for name, task in tasks(portrait, draw).items():
            found.setdefault(name, []).append(errors(answer(predict, task), task.portrait.points))
    return {name: summary(each) for name, each in found.items()}


def drift(film: Path, predict: Points, teacher: Points) -> dict[str, float]:
    """A film of one face: the predictor follows its own boxes from the first detection on; the teacher answers in the detector's boxes."""
    box, found, draw = None, [], np.random.default_rng(0)
    with VideoFile(film) as frames:
        for frame in frames:
            gray = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
            seen = detector().find(gray, SEARCHED)
            if box is None and seen:
                box = seen[0]
            if box is not None:
                points = predict(gray, box)
                box = box_around(points)
                found += [errors(points, truth(teacher, gray, seen[0], draw))] if seen else []
    return summary(found)


def milliseconds(predictors: Mapping[str, Points], portrait: Portrait, calls: int = 300) -> dict[str, dict[str, float]]:
    """Median time of a call: "hot", one right after the other, and "cold", after 32 MB of other memory were touched."""
    other = np.zeros(32_000_000, np.uint8)

    def took(predict: Points) -> float:
        started = time.perf_counter()
        predict(portrait.gray, portrait.box)
        return 1000 * (time.perf_counter() - started)

    def took_cold(predict: Points) -> float:
        np.add(other, 1, out=other)
        return took(predict)

    return {
        name: {
            state: round(statistics.median(measure(predict) for _ in range(calls)), 3)
            for state, measure in (("hot", took), ("cold", took_cold))
        }
        for name, predict in predictors.items()
    }


def report(path: Path, teacher: Path, portraits: list[Portrait], films: list[Path]) -> dict[str, Any]:
    """Scores a predictor's file beside its teacher's on people that it never saw, and prints that."""
    files = {"own": path, "teacher": teacher}
    predictors = {name: PointPredictor(file).points for name, file in files.items()}
    taken, made = milliseconds(predictors, portraits[0]), {}
    for name, predict in predictors.items():
        found = scores(predict, portraits) | {film.name: drift(film, predict, predictors["teacher"]) for film in films}
        made[name] = {"error_percent_of_eye_distance": found, "ms": taken[name]}
        size = files[name].stat().st_size / 1e6
        print(f"{files[name].name}: {size:.2f} MB, {taken[name]['hot']} ms hot, {taken[name]['cold']} ms cold; in % of the eye distance:")
        for situation, each in found.items():
            print(f"  {situation:36} median {each['median']:5.2f}   95 % below {each['p95']:5.2f}   {each['n']} points")
    return made


def make(wild: Path, teacher: Path, out: Path, films: list[Path], recipe: Recipe) -> None:
    """Trains, scores, and writes `out` and the .json beside it."""
    lessons, measured = read_portraits(wild, PointPredictor(teacher).points)
    card = out.with_suffix(".json")
    # An older one does not describe the new file.
    card.unlink(missing_ok=True)
    train(lessons, recipe).save(str(out))
    about = {
        "schema": "points/1",
        "name": out.stem,
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "bytes": out.stat().st_size,
        "made": date.today().isoformat(),
        "teacher": {"name": teacher.name, "sha256": hashlib.sha256(teacher.read_bytes()).hexdigest()},
        "faces": {"learned_from": len(lessons), "measured_on": len(measured)},
        "settings": asdict(recipe),
        "versions": package_versions(),
        "scores": report(out, teacher, measured, films),
        "processor": describe_machine()["processor"],
    }
    card.write_text(json.dumps(about, indent=1) + "\n")
    print(f"wrote {out} and {card}")


@one_line
def main(
    wild: Annotated[Path, typer.Option(help="Folder of faces_wild: labels.csv and photos.")],
    out: Annotated[Path, typer.Option(help="The predictor's file, .dat.")] = POINTS,
    film: Annotated[list[Path] | None, typer.Option(help="A film of one face, to see whether the predictor drifts along it.")] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Only score the file that is there.")] = False,
) -> None:
    """Trains the predictor of the five points and scores it."""
    teacher = public_predictor_path()
    if evaluate:
        report(out, teacher, read_portraits(wild, PointPredictor(teacher).points)[1], film or [])
    else:
        make(wild, teacher, out, film or [], Recipe())


if __name__ == "__main__":
    typer.run(main)
