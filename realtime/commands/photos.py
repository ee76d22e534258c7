"""What `run.py image` is built from: the faces of each photo, told in a line each, and the photo with labels."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import Exists, make_private_folder, refuse_inputs, replace_file
from realtime.base.output import tell
from realtime.commands.files import each_file, tell_failure
from realtime.config import Settings
from realtime.drawing.cards import caption
from realtime.drawing.draw import annotate
from realtime.pipeline import build_photo_pipeline, read_photo
from realtime.readings.format import face_values
from realtime.sources.photos import Photo
from realtime.values import LABELS, Box, Frame, Reading

PICTURES = (
    *(".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)
"""Files with these endings are taken when a folder is named."""
KEPT = (".jpe", ".jpeg", ".jpg", ".png")
"""Endings that a labelled photo keeps; after any other comes .jpg."""
QUALITY = 95
"""Of a labelled JPEG, of 100: hardly a difference can be seen."""


@dataclass(frozen=True)
class PhotoOptions:
    """What is asked of `image`.

    Attributes:
        as_json: whether a face is told as a JSON object.
        out_dir: the folder to write labelled photos into; None for none.
        overwrite: whether files in it may be replaced.
    """

    as_json: bool = False
    out_dir: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class PhotoFile:
    """A photo that the user named, or whose folder; and the labelled photo to write, or None."""

    path: Path
    target: Path | None


def read_photos(paths: Sequence[Path], settings: Settings, options: PhotoOptions) -> int:
    """Prints a line for each face of each photo; returns how many files or folders failed."""
    pipeline = build_photo_pipeline(settings, time.monotonic)
    failures: list[Trouble] = []
    photos = list(_photo_files(paths, options.out_dir, failures))
    written: set[Path] = set()
    for photo in photos:
        try:
            if photo.target is not None:
                _refuse(photo.target, options.overwrite, written, [one.path for one in photos])
            with Photo(photo.path) as source:
                [frame] = source
            readings = read_photo(pipeline, settings, frame)
            _tell_faces(photo.path, frame, readings, options.as_json)
            if photo.target is not None:
                _write_labelled(photo.target, frame, readings)
                written.add(photo.target)
        except Trouble as trouble:
            tell_failure(trouble, failures)
    if written and not options.as_json:
        tell(f"wrote {len(written)} labelled photo{'s' * (len(written) > 1)} into {options.out_dir}")
    return len(failures)


def _photo_files(paths: Sequence[Path], out_dir: Path | None, failures: list[Trouble]) -> Iterator[PhotoFile]:
    """The photos of all files and folders, in order. The folder of labelled photos is left out where it lies inside another."""
    for path in paths:
        for file in each_file([path], PICTURES, failures):
            if out_dir is None:
                yield PhotoFile(file, None)
            elif file == path or not file.resolve().is_relative_to(out_dir.resolve()):
                place = Path(file.name) if file == path else file.relative_to(path)
                yield PhotoFile(file, out_dir / labelled_name(place))


def labelled_name(place: Path) -> Path:
    """The name of a labelled photo: JPEG and PNG keep theirs, others become a JPEG with .jpg behind their name."""
    return place if place.suffix.lower() in KEPT else place.with_name(f"{place.name}.jpg")


def _refuse(target: Path, overwrite: bool, written: set[Path], inputs: Sequence[Path]) -> None:
    refuse_inputs([target], inputs)
    if target in written:
        raise Trouble(f"two photos would both become {target}: name the folder above them, or other folders for each")
    if target.exists() and not overwrite:
        raise Exists(target)


def _tell_faces(path: Path, frame: Frame, readings: list[Reading], as_json: bool) -> None:
    if as_json:
        faces: list[dict[str, Any] | None] = [face_values(reading) for reading in readings]
        for face in faces or [None]:
            print(json.dumps({"file": str(path), "labels": LABELS, "face": face}))
        return
    if not readings:
        tell(f"{path}: no face")
    for reading in readings:
        where = place_in_words(reading.face.box, reading.face.id, len(readings), frame.image.shape[1])
        tell(f"{path}: {reading.face.id} {caption(reading)} ({where})")


def place_in_words(box: Box, number: int, count: int, width: int) -> str:
    """Where a face is: in which third of a photo `width` px wide, and its number of `count` from left to right."""
    middle = (box.x0 + box.x1) / 2
    third = "left" if middle < width / 3 else "right" if middle > 2 * width / 3 else "middle"
    return third if count == 1 else f"{third}, {ordinal(number)} of {count}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, ... 11th, ... 21st."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _write_labelled(target: Path, frame: Frame, readings: list[Reading]) -> None:
    """Writes the photo upright, with a box and a card for every face. What else the file knew, such as the place, is not in it."""
    try:
        make_private_folder(target.parent)
        replace_file(target, _encoded(target, annotate(frame.image, readings)), private=True)
    except OSError as error:
        raise Trouble(f"{target} cannot be written ({reason(error)}); choose another --out-dir") from error


def _encoded(target: Path, picture: np.ndarray) -> bytes:
    try:
        _, content = cv2.imencode(target.suffix.lower(), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    except cv2.error as error:
        raise Trouble(f"{target} cannot be written ({reason(error):.80}): a JPEG has at most 65,535 pixels a side") from error
    return content.tobytes()
