"""Reads labelled faces into one table: pixels, votes, label, split, person.

`load` recognises a data set by what lies in its folder; each format has one function. Face crops are brought to 48x48; photos pass the
camera's own detector, points and sampling, so that training sees what running sees. Wrong or missing files raise DatasetError.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from calibration.stored_sessions import read_person_takes
from models.framing import framed_chip, placement_of, sampling_matrix
from realtime.base.errors import Trouble
from realtime.config import DetectorSettings
from realtime.faces.align import CROP, enlarge, sample, similarity
from realtime.faces.detector import Detector
from realtime.faces.landmarks import PointPredictor
from realtime.values import LABELS, Box

VOTED = (*LABELS, "contempt", "unknown", "not_face")
COLUMNS = {"train": 170, "public_test": 60, "private_test": 60}

INDEX = {**{name: index for index, name in enumerate(LABELS)}, "contempt": -1}
"""Label of an expression in the table. Contempt is none of the seven: its faces are kept, without a label."""

FER2013_CODES = dict(enumerate(("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")))
CK_CODES = dict(enumerate(("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")))
RAF_CODES = dict(enumerate(("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"), start=1))

USAGES = {"Training": "train", "PublicTest": "public_test", "PrivateTest": "private_test"}
FERPLUS_FOLDERS = {"train": "FER2013Train", "public_test": "FER2013Valid", "private_test": "FER2013Test"}

ADJECTIVES = {"angry": "anger", "disgusted": "disgust", "fearful": "fear", "happy": "happiness", "sad": "sadness", "surprised": "surprise"}
CLASSES = {**{name: name for name in INDEX}, **ADJECTIVES}
"""Folder names in lower case -> the expression."""

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
LARGEST_CROP = 100
"""Longer side in pixels up to which a picture of a class folder is a face crop: RAF-DB's aligned ones have 100."""

CK_PICTURE = "S???_???_????????.png"
"""Person, sequence and frame, such as S010_004_00000017.png."""


class DatasetError(Exception):
    """A dataset on disk is not what it should be; the message says which file, what was expected and what to do."""


@dataclass(frozen=True)
class Faces:
    """A table of faces, one row each.

    Attributes:
        names: (n,) picture names.
        pixels: (n, 48, 48) uint8 gray.
        votes: (n, 10) float32, how many annotators chose each of `VOTED`; all zero where nobody voted.
        labels: (n,) int64, the original single label as an index into `LABELS`; -1 where it is unknown or contempt.
        near_copy_in: (n,) text, the test splits that hold (nearly) the same picture; empty where none does or nobody looked.
        persons: (n,) text, who is shown; empty where nobody knows.
        splits: (n,) text: "train", "public_test", "private_test", "test" or a split folder's name; empty where there is no split.
        framed: (n,) bool, whether the camera's chain (detector, points, sampling) cut the face, or somebody else did.
    """

    names: np.ndarray
    pixels: np.ndarray
    votes: np.ndarray
    labels: np.ndarray
    near_copy_in: np.ndarray
    persons: np.ndarray
    splits: np.ndarray
    framed: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def where(self, mask: np.ndarray) -> "Faces":
        """The rows that a boolean mask (n,) or an index array picks."""
        return Faces(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def load(folder: Path) -> Faces:
    """Reads a data set, all its splits, whichever of the formats below it has.

    Raises:
        DatasetError: nothing in the folder is known, or a file is not what it should be. The readers below raise it too.
    """
    folder = Path(folder)
    telltales = (
        ("fer2013new.csv", "FER+", load_ferplus),
        ("fer2013.csv", "FER2013", load_fer2013_csv),
        ("labels.csv", "mosaics or faces_wild", load_labels_csv),
        ("cohn-kanade-images", "CK+", load_ck),
        ("Emotion", "CK+", load_ck),
        (f"*/{CK_PICTURE}", "CK+48", load_ck48),
        ("list_patition_label.txt", "RAF-DB", load_rafdb),
        ("EmoLabel/list_patition_label.txt", "RAF-DB", load_rafdb),
        ("*/sessions/*/session.json", "the sessions of `run.py calibrate`", load_sessions),
    )
    for pattern, _, read in telltales:
        if any(folder.glob(pattern)):
            return read(folder)
    if any(path.name.lower() in CLASSES for level in ("*", "*/*") for path in folder.glob(level) if path.is_dir()):
        return load_folders(folder)
    looked_for = ", ".join(f"{pattern} ({name})" for pattern, name, _ in telltales)
    raise DatasetError(
        f"{folder} {'holds no known data set' if folder.is_dir() else 'is not a folder'}: looked for {looked_for}"
        f" and folders named after expressions ({', '.join(CLASSES)}); give the folder that holds one of these directly"
    )


def load_labels_csv(folder: Path) -> Faces:
    """Reads what `labels.csv` lists: the mosaics that are there, of all splits, if it counts tiles; otherwise the photos of faces_wild."""
    with (folder / "labels.csv").open(encoding="utf-8", errors="replace") as file:
        if "tile" not in file.readline():
            return load_wild(folder)
    parts = [load_fer2013(folder, split) for split in COLUMNS if (folder / f"{split}.png").is_file()]
    if not parts:
        raise DatasetError(f"{folder} holds labels.csv but no mosaic: expected one or more of {', '.join(f'{s}.png' for s in COLUMNS)}")
    return Faces(*(np.concatenate([getattr(part, name) for part in parts]) for name in Faces.__dataclass_fields__))


def load_fer2013(folder: Path, split: str) -> Faces:
    """Reads one split ("train", "public_test" or "private_test") of FER2013 with FER+ votes, as mosaics of 48x48 tiles (one PNG a split).

    `labels.csv` has one row a tile: name, split, tile, near_copy_in, fer2013_label and the ten votes.

    Raises:
        DatasetError: a file is missing or does not fit the others.
    """
    if split not in COLUMNS:
        raise DatasetError(f"no split called {split!r} in FER2013: it has {', '.join(COLUMNS)}")
    table, picture = Path(folder) / "labels.csv", Path(folder) / f"{split}.png"
    for path in (table, picture):
        if not path.is_file():
            raise DatasetError(f"{path} is missing: a FER2013 folder holds labels.csv and one mosaic a split, such as {split}.png")
    columns = ("name", "split", "tile", "near_copy_in", "fer2013_label", *(f"votes_{name}" for name in VOTED))
    rows = [(place, row) for place, row in read_table(table, columns) if row["split"] == split]
    if not rows:
        raise DatasetError(f"{table} has no row of the split {split!r}")
    mosaic = read_gray(picture)
    if mosaic.shape[1] != COLUMNS[split] * CROP:
        raise DatasetError(f"{picture} is {mosaic.shape[1]} px wide: expected {COLUMNS[split] * CROP}, {COLUMNS[split]} tiles of {CROP} px")
    tiles = np.array([whole(row, "tile", place) for place, row in rows])
    placed = dict(zip(tiles.tolist(), (place for place, _ in rows), strict=True))
    for tile, (place, _) in zip(tiles.tolist(), rows, strict=True):
        if placed[tile] != place:
            raise DatasetError(f"{place} and {placed[tile].rpartition(', ')[2]} both name tile {tile}: copy the table again")
    top, left = CROP * (tiles // COLUMNS[split]), CROP * (tiles % COLUMNS[split])
    if top.max() + CROP > mosaic.shape[0] or left.max() + CROP > mosaic.shape[1]:
        raise DatasetError(f"{picture} is {mosaic.shape[1]}x{mosaic.shape[0]}, too small for tile {tiles.max()} of {table}")
    faces = unvoted(
        names=[row["name"] for _, row in rows],
        pixels=[mosaic[y : y + CROP, x : x + CROP] for y, x in zip(top, left, strict=True)],
        labels=[named(row["fer2013_label"], place) for place, row in rows],
        splits=[split] * len(rows),
    )
    votes = np.array([[whole(row, f"votes_{name}", place) for name in VOTED] for place, row in rows], np.float32)
    return replace(faces, votes=votes, near_copy_in=np.array([row["near_copy_in"] for _, row in rows]))


def load_fer2013_csv(folder: Path) -> Faces:
    """Reads FER2013's own `fer2013.csv` (Goodfellow et al. 2013): emotion (a code), pixels (2304 numbers), Usage; names are "line 2"..."""
    names, pixels, labels, splits = [], [], [], []
    for place, row in read_table(folder / "fer2013.csv", ("emotion", "pixels", "Usage")):
        try:
            values = bytes(map(int, row["pixels"].split()))
        except ValueError as error:
            raise DatasetError(f"{place}: pixels: {error}: expected {CROP * CROP} whole numbers from 0 to 255") from error
        if len(values) != CROP * CROP:
            raise DatasetError(f"{place}: {len(values)} pixels: expected {CROP * CROP} (48x48); copy the file again")
        names.append(f"line {place.rpartition(' ')[2]}")
        pixels.append(np.frombuffer(values, np.uint8).reshape(CROP, CROP))
        labels.append(decoded(row["emotion"], FER2013_CODES, place))
        splits.append(split_of(row, place))
    return unvoted(names, pixels, labels, splits)


def load_ferplus(folder: Path) -> Faces:
    """Reads FER+'s `fer2013new.csv` (Barsoum et al. 2016) with the pixels of `fer2013.csv`, row by row, or of FER+'s picture folders.

    Rows without a picture name are those that FER+ dropped: they are left out. The folders, as FER+'s own script fills them, are
    FER2013Train, FER2013Valid and FER2013Test, in the folder or in data/; the original labels are then unknown (-1).
    """
    table = folder / "fer2013new.csv"
    columns = {name: "NF" if name == "not_face" else name for name in VOTED}
    rows = list(read_table(table, ("Usage", "Image name", *columns.values())))
    files, splits = [row["Image name"].strip() for _, row in rows], [split_of(row, place) for place, row in rows]
    votes = np.array([[whole(row, column, place) for column in columns.values()] for place, row in rows], np.float32)
    kept = np.array([index for index, file in enumerate(files) if file], int)
    if len(kept) == 0:
        raise DatasetError(f"{table} names no picture: the column 'Image name' is empty in all {len(rows)} rows; copy the file again")
    source = first_of(folder, "fer2013.csv", "FER2013Train", "data/FER2013Train")
    if source.name == "fer2013.csv":
        faces, same = load_fer2013_csv(folder), "expected the same faces in the same order; copy both files again"
        if len(faces) != len(rows):
            raise DatasetError(f"{table} has {len(rows)} rows, {source} {len(faces)}: {same}")
        for (place, _), name, here, there in zip(rows, faces.names, splits, faces.splits, strict=True):
            if here != there:
                raise DatasetError(f"{place} is of the split {here}, but {name} of {source} is of {there}: {same}")
        faces = faces.where(kept)
    else:
        paths = {i: source.parent / FERPLUS_FOLDERS[splits[i]] / files[i] for i in kept}
        faces = read_pictures([Picture(path, files[i], -1, splits[i], place=rows[i][0]) for i, path in paths.items()], resized)
    return replace(faces, names=np.array([Path(files[i]).stem for i in kept]), votes=votes[kept])


def load_ck(folder: Path) -> Faces:
    """Reads CK+ (Lucey et al. 2010) as it was handed out: `cohn-kanade-images/S005/001/*.png` and `Emotion/S005/001/*_emotion.txt`.

    Only labelled sequences count. Their last three frames show the label, the first one is neutral. Frames in which no face is found are
    left out.
    """
    films, emotions = first_of(folder, "cohn-kanade-images"), first_of(folder, "Emotion")
    pictures = []
    for told in sorted(emotions.glob("S*/*/S*_emotion.txt")):
        sequence, person = told.parent.name, told.parent.parent.name
        label = decoded(told.read_text(encoding="utf-8", errors="replace").strip(), CK_CODES, told)
        frames = sorted((films / person / sequence).glob(f"{person}_{sequence}_*.png"))
        if len(frames) < 4:
            found = f"{len(frames)} frames {films / person / sequence}/{person}_{sequence}_*.png"
            raise DatasetError(f"{told} labels {found}: expected 4 or more; copy them again or take the label away")
        for frame, its in ((frames[0], INDEX["neutral"]), *((frame, label) for frame in frames[-3:])):
            pictures.append(Picture(frame, frame.name, its, person=person))
    if not pictures:
        raise DatasetError(f"{emotions} holds no label: expected files such as S005/001/S005_001_00000011_emotion.txt")
    return read_pictures(pictures, cut_out)


def load_ck48(folder: Path) -> Faces:
    """Reads CK+ in its 48x48 form: one folder a class, pictures named like S010_004_00000017.png, the person first."""
    faces = load_folders(folder)
    for name in faces.names:
        if not Path(name).match(CK_PICTURE):
            raise DatasetError(f"{folder / name} is not named as CK+48's pictures are: expected a name like S010_004_00000017.png")
    return replace(faces, persons=np.array([Path(name).name.partition("_")[0] for name in faces.names]))


def load_rafdb(folder: Path) -> Faces:
    """Reads RAF-DB's single labels (Li et al. 2017): `list_patition_label.txt` and its aligned 100x100 pictures.

    The list may lie in EmoLabel/ and the pictures in Image/aligned/, as they were handed out, or both in the folder itself.
    """
    listing = first_of(folder, "list_patition_label.txt", "EmoLabel/list_patition_label.txt")
    aligned = first_of(folder, "aligned", "Image/aligned")
    pictures = []
    for number, line in enumerate(listing.read_text(encoding="utf-8-sig", errors="replace").rstrip().splitlines(), start=1):
        place, words, split = f"{listing}, line {number}", line.split(), line.partition("_")[0].strip()
        if len(words) != 2 or split not in ("train", "test"):
            raise DatasetError(f"{place}: {line!r}: expected the name of a picture, train_... or test_..., and a code: 'train_00001.jpg 5'")
        path = aligned / f"{Path(words[0]).stem}_aligned.jpg"
        pictures.append(Picture(path, words[0], decoded(words[1], RAF_CODES, place), split, place=place))
    if not pictures:
        raise DatasetError(f"{listing} is empty: expected lines such as 'train_00001.jpg 5'; copy it again")
    return read_pictures(pictures, resized)


def load_folders(folder: Path) -> Faces:
    """Reads one folder a class (`CLASSES`, any case), in the folder itself or one level down in folders that are splits.

    Pictures of at most 100 px are face crops and are resized; in larger ones the face is looked for, and those without one are left out.
    Hidden folders and files that are no pictures by their ending are passed over.
    """
    inner = folders_in(folder)
    if any(path.name.lower() in CLASSES for path in inner):
        found = [("", path) for path in inner]
    else:
        found = [(split.name.lower(), path) for split in inner for path in folders_in(split) or [split]]
    if not found:
        raise DatasetError(f"{folder} holds no folder: expected one a class, named {', '.join(CLASSES)}")
    pictures = []
    for split, path in found:
        if path.name.lower() not in CLASSES:
            raise DatasetError(f"{path} is named after no expression: expected {', '.join(CLASSES)}; rename it or move it away")
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES and not file.name.startswith("."))
        if not inside:
            raise DatasetError(f"{path} holds no picture: expected {', '.join(sorted(PICTURES))}; fill it or take it away")
        label = INDEX[CLASSES[path.name.lower()]]
        pictures += [Picture(file, file.relative_to(folder).as_posix(), label, split) for file in inside]
    return read_pictures(pictures, crop_or_photo)


def load_wild(folder: Path) -> Faces:
    """Reads `labels.csv` (image, person, label) and cuts each photo's most central face out as a camera's would be.

    The real detector, points and sampling do it; photos in which no face is found are left out. There are no votes: `votes` is zero.
    """
    pictures = [
        Picture(Path(folder) / row["image"], row["image"], named(row["label"], place), person=row["person"], place=place)
        for place, row in read_table(Path(folder) / "labels.csv", ("image", "person", "label"))
    ]
    return read_pictures(pictures, cut_out)


def load_sessions(folder: Path) -> Faces:
    """Reads the takes that people gave in `run.py calibrate`: one row a picture, of all confirmed takes of the people in a folder.

    A person is in one split, by the name alone, whoever else is there: "test" for about one in three, "train" for the others.
    """
    folder = Path(folder)
    names, pixels, labels, persons = [], [], [], []
    for person in folders_in(folder):
        try:
            for take in read_person_takes(folder, person.name):
                crops = take.face_crops()
                names += [path.relative_to(folder).as_posix() for path in take.paths]
                pixels += list(crops)
                labels += [LABELS.index(take.expression)] * len(crops)
                persons += [person.name] * len(crops)
        except Trouble as trouble:
            raise DatasetError(str(trouble)) from trouble
    if not names:
        raise DatasetError(f"{folder} holds sessions but no take that was confirmed: show some faces with `run.py calibrate`")
    faces = unvoted(names, pixels, labels, ["test" if _third(person) else "train" for person in persons])
    return replace(faces, persons=np.array(persons), framed=np.ones(len(faces), bool))


def _third(person: str) -> bool:
    """Whether a person is among the third that is measured on; who joins later changes nothing for those who are there."""
    return hashlib.sha256(person.encode()).digest()[0] % 3 == 0


@dataclass(frozen=True)
class Picture:
    """A picture on disk and what its data set says of it; `place` is where, if a list names it."""

    path: Path
    name: str
    label: int
    split: str = ""
    person: str = ""
    place: str = ""


def read_pictures(pictures: list[Picture], cut: Callable[[np.ndarray], "Cut | None"]) -> Faces:
    """The table of those pictures (one at least) in which `cut` finds a face. Nobody voted."""
    crops = [cut(read_gray(picture.path, picture.place)) for picture in pictures]
    kept = [(picture, crop) for picture, crop in zip(pictures, crops, strict=True) if crop is not None]
    if not kept:
        first, last = pictures[0].path, pictures[-1].path
        raise DatasetError(f"no face was found in {first} to {last}, {len(pictures)} in all: expected frontal faces, 80 px wide or more")
    pictures, pixels = [picture for picture, _ in kept], [crop.pixels for _, crop in kept]
    faces = unvoted([each.name for each in pictures], pixels, [each.label for each in pictures], [each.split for each in pictures])
    return replace(faces, persons=np.array([each.person for each in pictures]), framed=np.array([crop.framed for _, crop in kept]))


def unvoted(names: list[str], pixels: list[np.ndarray], labels: list[int], splits: list[str]) -> Faces:
    """A table, from one row at least, with no votes, no near copies and no persons."""
    nobody = np.full(len(names), "")
    votes = np.zeros((len(names), len(VOTED)), np.float32)
    return Faces(
        np.array(names), np.stack(pixels), votes, np.array(labels, np.int64), nobody, nobody, np.array(splits), np.zeros(len(names), bool)
    )


def read_gray(path: Path, place: str = "") -> np.ndarray:
    """A picture as (h, w) uint8; `place` is where a list names it, for the message."""
    teller = f" ({place}, names it)" if place else ""
    if not path.is_file():
        raise DatasetError(f"{path} is missing{teller}: copy or unpack the data set again")
    # OpenCV ends the program where a file's name is not UTF-8: it gets the content.
    content = np.frombuffer(path.read_bytes(), np.uint8)
    gray = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if len(content) else None
    if gray is None:
        raise DatasetError(f"{path} is not a picture that OpenCV can read{teller}: copy it again")
    return gray


class Cut(NamedTuple):
    """A face as (48, 48) uint8, and whether the camera's chain framed it."""

    pixels: np.ndarray
    framed: bool


def resized(gray: np.ndarray) -> Cut:
    """A face crop (h, w) uint8, however it was framed; one that is not square is squeezed."""
    return Cut(cv2.resize(gray, (CROP, CROP), interpolation=cv2.INTER_AREA if max(gray.shape) > CROP else cv2.INTER_LINEAR), False)


SEARCHED = 960
"""Photos are searched with a short side of at most so many px."""


def cut_out(gray: np.ndarray) -> Cut | None:
    """The most central face of a photo (h, w) uint8 as the camera's chain cuts it; None if none is found."""
    box = central_box(gray)
    return None if box is None else Cut(sample(gray, similarity(point_predictor().points(gray, box))), True)


def central_box(gray: np.ndarray) -> Box | None:
    """The box of the most central face of a photo (h, w) uint8; None if none is found."""
    middle = np.array(gray.shape[::-1]) / 2
    found = detector().find(gray, SEARCHED)
    return min(found, key=lambda box: np.abs(np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2 - middle).sum(), default=None)


def crop_or_photo(gray: np.ndarray) -> Cut | None:
    """The face of a picture (h, w) uint8 that is by its size a crop or a photo; None if a photo shows none."""
    return resized(gray) if max(gray.shape) <= LARGEST_CROP else cut_out(gray)


@cache
def detector() -> Detector:
    """Built at the first photo: it loads dlib, which data sets of crops do without."""
    return Detector(DetectorSettings(enlarge=1.0))


@cache
def point_predictor() -> PointPredictor:
    """Built at the first photo, as the detector is."""
    return PointPredictor()


def read_table(table: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a csv file, with its place ("FILE, line 7") for messages.

    Raises:
        DatasetError: the file is missing, is no csv file, lacks a column or has no row, or a row is too short or too long.
    """
    if not table.is_file():
        raise DatasetError(f"{table} is missing: expected a csv file with the columns {', '.join(columns)}")
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader, place = csv.DictReader(file), None
        try:
            found = reader.fieldnames or []
            for column in columns:
                if column not in found:
                    raise DatasetError(f"{table}, line 1: no column {column!r} in {','.join(found)[:80]!r}: expected {','.join(columns)}")
            for row in reader:
                place = f"{table}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise DatasetError(f"{place} has more or fewer values than the header: expected {len(found)}; copy the file again")
                yield place, row
        except csv.Error as error:
            raise DatasetError(f"{table}, after line {reader.line_num}: {error}: expected a csv file; copy it again") from error
    if place is None:
        raise DatasetError(f"{table} has no row below its header: copy it again")


def whole(row: dict[str, str], column: str, place: str) -> int:
    """The number in a column; never negative."""
    if not row[column].strip().isdecimal():
        raise DatasetError(f"{place}: {column} is {row[column]!r}: expected a whole number, 0 or more")
    return int(row[column])


def named(label: str, place: str) -> int:
    """The index of one of `LABELS`."""
    if label not in LABELS:
        raise DatasetError(f"{place} has the label {label!r}: expected one of {', '.join(LABELS)}")
    return LABELS.index(label)


def decoded(code: str, codes: dict[int, str], place: str | Path) -> int:
    """The label that a data set's own code stands for; 3 may be written 3.0000000e+00."""
    try:
        return INDEX[{float(number): name for number, name in codes.items()}[float(code)]]
    except (ValueError, KeyError) as error:
        expected = ", ".join(f"{number} {name}" for number, name in codes.items())
        raise DatasetError(f"{place}: no expression has the code {code!r}: expected one of {expected}") from error


def split_of(row: dict[str, str], place: str) -> str:
    """The split that FER2013 calls Usage."""
    if row["Usage"].strip() not in USAGES:
        raise DatasetError(f"{place}: Usage is {row['Usage']!r}: expected one of {', '.join(USAGES)}")
    return USAGES[row["Usage"].strip()]


def first_of(folder: Path, *places: str) -> Path:
    """The first of these places in a folder that is there."""
    for place in places:
        if (folder / place).exists():
            return folder / place
    raise DatasetError(f"{folder} holds no {' and no '.join(places)}: expected one of them; unpack the data set there")


def folders_in(folder: Path) -> list[Path]:
    """Its folders, without hidden ones, by name."""
    return sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith((".", "__")))


def mark(*parts: object) -> str:
    """A short name for data and settings: other arrays or values give another one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return digest.hexdigest()[:12]


def without_single_votes(votes: np.ndarray) -> np.ndarray:
    """FER+ (Barsoum et al. 2016) counts a class that one annotator alone chose as an outlier: such votes become 0."""
    return np.where(votes > 1, votes, 0).astype(np.float32)


def majority(votes: np.ndarray) -> np.ndarray:
    """The FER+ paper's label of each face: single votes dropped, the top class must hold more than half of what remains.

    Returns:
        (n,) int64: an index into `LABELS`, or -1 where no class has the majority or the winner is contempt, unknown or not a face.
    """
    kept = without_single_votes(votes)
    winner = kept.argmax(axis=1)
    clear = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    return np.where(clear & (winner < len(LABELS)), winner, -1)


def targets(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network learns from the votes: a distribution over the seven expressions and reject, and how much to trust it.

    Reject is "not a face". Votes for contempt and unknown name none of the seven: they are left out and lower the weight.

    Returns:
        (n, 8) float32 rows that sum to 1, and (n,) float32 weights in [0, 1]; rows of weight 0 are all zero.
    """
    kept = without_single_votes(votes)
    learned = np.concatenate([kept[:, : len(LABELS)], kept[:, [VOTED.index("not_face")]]], axis=1)
    total = learned.sum(axis=1)
    return learned / np.maximum(total, 1)[:, None], total / np.maximum(kept.sum(axis=1), 1)


def held_out(persons: np.ndarray) -> np.ndarray:
    """(n,) bool: every third person (n,) of faces_wild is measured on, never learned from."""
    return np.array([int(person) % 3 == 0 for person in persons])


def framing_of(faces: Faces) -> np.ndarray:
    """(n, 2, 3) float32: how each crop is sampled to frame its face; the identity where the camera's chain framed it."""
    crops = zip(faces.pixels, faces.framed, strict=True)
    return np.stack([np.eye(2, 3, dtype=np.float32) if framed else sampling_matrix(placement_of(crop)) for crop, framed in crops])


def chip_from_crop(face48: np.ndarray) -> np.ndarray:
    """One (48, 48) uint8 crop of a data set as the (64, 64) uint8 chip that the model expects: framed as a camera's face is."""
    return framed_chip(face48)


def chips_of(faces: Faces) -> np.ndarray:
    """(n, 64, 64) uint8 chips of a table of faces; those that the camera's chain cut are framed already."""
    return np.stack([enlarge(face) if cut else chip_from_crop(face) for face, cut in zip(faces.pixels, faces.framed, strict=True)])
