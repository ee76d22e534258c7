"""Counts the faces that the search for photos finds, and those that it sees where there is none.

    python tests/benchmarks/finding.py FOLDER [--without FOLDER_OR_FILM ...] [--posed FOLDER] [--most 600] [--turn 90] [--model nano]

FOLDER holds photos with one face each, in their middle: a face counts as found if the middle of its box lies within the middle half of the
photo. For faces_wild beside its labels.csv only people are taken whom no model learned from. Of a film every tenth frame is a photo. Both
are also searched by the detector alone at its own threshold, and photos and pictures without a face as the first frame of a film. The
folder of the posed faces is told by pose and eyes.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.face_table import is_held_out
from models.pictures import read_gray
from realtime.base.errors import Trouble
from realtime.config import PHOTO, ClassifierSettings, Settings, model_file
from realtime.faces.photo_finder import PhotoFinder
from realtime.pipeline import Pipeline, build_photo_pipeline, build_pipeline, fresh
from realtime.sources.films import VideoFile
from realtime.values import Box, Frame

EVERY = 10
"""One of so many frames of a film is searched."""


def photo_files(folder: Path, most: int) -> list[Path]:
    """At most `most` photos of a folder, drawn at random, always the same ones."""
    table = folder.parent / "labels.csv"
    if table.is_file():
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        files = [table.parent / row["image"] for row in rows if is_held_out(row["person"])]
    else:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    return [files[i] for i in np.random.default_rng(0).permutation(len(files))[:most]]


def pictures(place: Path) -> Iterator[np.ndarray]:
    """The readable pictures of a folder, or one of `EVERY` frames of a film, in gray."""
    if place.is_dir():
        for path in sorted(place.iterdir()):
            try:
                yield read_gray(path)
            except Trouble:
                continue
    else:
        with VideoFile(place) as film:
            for number, frame in enumerate(film):
                if number % EVERY == 0:
                    yield cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)


def is_central(box: Box, gray: np.ndarray) -> bool:
    """Whether the middle of a box lies within the middle half of a picture (h, w)."""
    x, y = (box.x0 + box.x1) / 2 / gray.shape[1], (box.y0 + box.y1) / 2 / gray.shape[0]
    return abs(x - 0.5) < 0.25 and abs(y - 0.5) < 0.25


def measure_photos(finder: PhotoFinder, files: list[Path], turn: int) -> str:
    """How many photos, turned by `turn` degrees (a multiple of 90), have a face in their middle by the detector alone and by the search."""
    alone = found = lost = elsewhere = 0
    times = []
    for path in files:
        gray = np.ascontiguousarray(np.rot90(read_gray(path), turn // 90))
        before = any(is_central(box, gray) for box in finder.search.find(gray, PHOTO.near_side))
        began = time.process_time()
        central = [is_central(face.box, gray) for face in finder.faces(gray, PHOTO.near_side)]
        times.append(time.process_time() - began)
        alone, found, lost = alone + before, found + any(central), lost + (before and not any(central))
        elsewhere += len(central) - sum(central)
    n = len(files)
    return (
        f"{n} photos turned by {turn} degrees: the detector alone finds {alone / n:.1%}, the search {found / n:.1%} (it misses {lost} "
        f"of the others) and {elsewhere} more faces; {np.median(times):.2f} s a photo (95 % below {np.quantile(times, 0.95):.2f} s)"
    )


def first_faces(pipeline: Pipeline, settings: Settings, gray: np.ndarray) -> list[Box]:
    """The faces that are shown in the first frame of a film of this picture (h, w) uint8."""
    frame = Frame(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), 0.0, 0)
    return [reading.face.box for reading in fresh(pipeline, settings).read(frame)]


def measure_first_frames(pipeline: Pipeline, settings: Settings, files: list[Path]) -> str:
    """In how many photos, upright, the first frame of a film shows a face in their middle."""
    pictures = [read_gray(path) for path in files]
    found = sum(any(is_central(box, gray) for box in first_faces(pipeline, settings, gray)) for gray in pictures)
    return f"{len(files)} films of these photos: the first frame shows the face in {found / len(files):.1%}"


def measure_posed(finder: PhotoFinder, folder: Path) -> str:
    """In how many pictures of the posed faces a face is found, by data set, pose and eyes."""
    counts: dict[tuple[str, str, str], list[bool]] = {}
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found = bool(finder.faces(read_gray(folder / row["image"]), PHOTO.near_side))
            counts.setdefault((row["set"], row["pose"], row["eyes"]), []).append(found)
    return "; ".join(f"{' '.join(filter(None, kind))}: {sum(found)} of {len(found)}" for kind, found in sorted(counts.items()))


def measure_without(finder: PhotoFinder, pipeline: Pipeline, settings: Settings, place: Path) -> str:
    """How many pictures without a face show one by the detector alone, by the search, and as the first frame of a film."""
    n = alone = found = first = 0
    for gray in pictures(place):
        n += 1
        alone += bool(finder.search.find(gray, PHOTO.near_side))
        found += bool(finder.faces(gray, PHOTO.near_side))
        first += bool(first_faces(pipeline, settings, gray))
    seen = f"the detector alone sees one in {alone}, the search in {found}, the first frame of a film in {first}"
    return f"{place.name}: {n} pictures without a face; {seen}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without", type=Path, nargs="*", default=[])
    parser.add_argument("--posed", type=Path)
    parser.add_argument("--most", type=int, default=600)
    parser.add_argument("--turn", type=int, choices=(0, 90, 180, 270), default=0)
    parser.add_argument("--model", default="emotion")
    args = parser.parse_args()
    settings, files = Settings(classifier=ClassifierSettings(model_file(args.model))), photo_files(args.folder, args.most)
    finder, pipeline = build_photo_pipeline(settings, time.monotonic).finder, build_pipeline(settings, time.monotonic)
    print(measure_photos(finder, files, args.turn))
    print(measure_first_frames(pipeline, settings, files))
    for place in args.without:
        print(measure_without(finder, pipeline, settings, place))
    if args.posed is not None:
        print(measure_posed(finder, args.posed))


if __name__ == "__main__":
    main()
