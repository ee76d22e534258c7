"""Reads data sets of labelled faces into one table (`models.face_table.FaceTable`).

`load` recognises a data set by the files in its folder; each format has one function. Face crops are brought to 48x48; in photos the face
is looked for (`models.pictures`). Wrong or missing files raise Trouble.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.stored_sessions import read_person_takes
from models.face_table import VOTED, FaceTable, PosedFaces, joined_tables, without_votes
from models.pictures import Picture, crop_or_photo, cut_out, cut_out_small, read_gray, read_pictures, resized
from realtime.base.errors import Trouble
from realtime.values import CROP, LABELS

COLUMNS = {"train": 170, "public_test": 60, "private_test": 60}
"""The splits of FER2013, and how many tiles lie in a row of each mosaic."""

INDEX = {**{name: index for index, name in enumerate(LABELS)}, "contempt": -1}
"""Label of an expression in the table. Contempt is none of the seven: its faces stay in the table, without a label."""

FER2013_CODES = dict(enumerate(("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")))
CK_CODES = dict(enumerate(("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")))
RAF_CODES = dict(enumerate(("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"), start=1))

USAGES = {"Training": "train", "PublicTest": "public_test", "PrivateTest": "private_test"}
FERPLUS_FOLDERS = {"train": "FER2013Train", "public_test": "FER2013Valid", "private_test": "FER2013Test"}

ADJECTIVES = {"angry": "anger", "disgusted": "disgust", "fearful": "fear", "happy": "happiness", "sad": "sadness", "surprised": "surprise"}
CLASSES = {**{name: name for name in INDEX}, **ADJECTIVES}
"""Folder names in lower case -> the expression."""

POSED_VALUES = {
    "set": ("london", "cmu"),
    "pose": ("straight", "left", "right", "up"),
    "eyes": ("open", "sunglasses"),
}
"""What the columns of posed faces may say."""

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
CK_PICTURE = "S???_???_????????.png"
"""Person, sequence and frame, such as S010_004_00000017.png."""


def load(folder: Path) -> FaceTable:
    """Reads all splits of a data set that has one of the formats below.

    Raises:
        Trouble: the folder holds no data set of a known format, or a file is wrong. The readers below raise it too.
    """
    folder = Path(folder)
    telltales = (
        ("fer2013new.csv", "FER+", load_ferplus),
        ("fer2013.csv", "FER2013", load_fer2013_csv),
        ("labels.csv", "mosaics, faces_wild or posed faces", load_labels_csv),
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
    raise Trouble(
        f"{folder} {'holds no known data set' if folder.is_dir() else 'is not a folder'}: looked for {looked_for}"
        f" and folders named after expressions ({', '.join(CLASSES)}); give the folder that holds one of these directly"
    )


def load_labels_csv(folder: Path) -> FaceTable:
    """Reads what `labels.csv` lists, by its columns.

    With `tile` these are the mosaics of all splits that are there, with `pose` posed faces, else the photos of faces_wild.
    """
    with (folder / "labels.csv").open(encoding="utf-8", errors="replace") as file:
        header = file.readline()
    if "pose" in header:
        return load_posed(folder).faces
    if "tile" not in header:
        return load_wild(folder)
    parts = [load_fer2013(folder, split) for split in COLUMNS if (folder / f"{split}.png").is_file()]
    if not parts:
        raise Trouble(f"{folder} holds labels.csv but no mosaic: expected one or more of {', '.join(f'{s}.png' for s in COLUMNS)}")
    return joined_tables(parts)


def load_fer2013(folder: Path, split: str) -> FaceTable:
    """Reads one split ("train", "public_test" or "private_test") of FER2013 with FER+ votes, as mosaics of 48x48 tiles (one PNG a split).

    `labels.csv` has one row a tile: name, split, tile, near_copy_in, fer2013_label and the ten votes.

    Raises:
        Trouble: a file is missing or does not fit the others.
    """
    if split not in COLUMNS:
        raise Trouble(f"no split called {split!r} in FER2013: it has {', '.join(COLUMNS)}")
    table, picture = Path(folder) / "labels.csv", Path(folder) / f"{split}.png"
    for path in (table, picture):
        if not path.is_file():
            raise Trouble(f"{path} is missing: a FER2013 folder holds labels.csv and one mosaic a split, such as {split}.png")
    columns = ("name", "split", "tile", "near_copy_in", "fer2013_label", *(f"votes_{name}" for name in VOTED))
    rows = [(place, row) for place, row in read_table(table, columns) if row["split"] == split]
    if not rows:
        raise Trouble(f"{table} has no row of the split {split!r}")
    mosaic = read_gray(picture)
    if mosaic.shape[1] != COLUMNS[split] * CROP:
        raise Trouble(f"{picture} is {mosaic.shape[1]} px wide: expected {COLUMNS[split] * CROP}, {COLUMNS[split]} tiles of {CROP} px")
    tiles = np.array([whole_number(row, "tile", place) for place, row in rows])
    placed = dict(zip(tiles.tolist(), (place for place, _ in rows), strict=True))
    for tile, (place, _) in zip(tiles.tolist(), rows, strict=True):
        if placed[tile] != place:
            raise Trouble(f"{place} and {placed[tile].rpartition(', ')[2]} both name tile {tile}: copy the table again")
    top, left = CROP * (tiles // COLUMNS[split]), CROP * (tiles % COLUMNS[split])
    if top.max() + CROP > mosaic.shape[0] or left.max() + CROP > mosaic.shape[1]:
        raise Trouble(f"{picture} is {mosaic.shape[1]}x{mosaic.shape[0]}, too small for tile {tiles.max()} of {table}")
    faces = without_votes(
        names=[row["name"] for _, row in rows],
        pixels=[mosaic[y : y + CROP, x : x + CROP] for y, x in zip(top, left, strict=True)],
        labels=[label_index(row["fer2013_label"], place) for place, row in rows],
        splits=[split] * len(rows),
    )
    votes = np.array([[whole_number(row, f"votes_{name}", place) for name in VOTED] for place, row in rows], np.float32)
    return replace(faces, votes=votes, near_copy_in=np.array([row["near_copy_in"] for _, row in rows]))


def load_fer2013_csv(folder: Path) -> FaceTable:
    """Reads FER2013's own `fer2013.csv` (Goodfellow et al. 2013): emotion (a code), pixels (2304 numbers), Usage; names are "line 2"..."""
    names, pixels, labels, splits = [], [], [], []
    for place, row in read_table(folder / "fer2013.csv", ("emotion", "pixels", "Usage")):
        try:
            values = bytes(map(int, row["pixels"].split()))
        except ValueError as error:
            raise Trouble(f"{place}: pixels: {error}: expected {CROP * CROP} whole numbers from 0 to 255") from error
        if len(values) != CROP * CROP:
            raise Trouble(f"{place}: {len(values)} pixels: expected {CROP * CROP} (48x48); copy the file again")
        names.append(f"line {place.rpartition(' ')[2]}")
        pixels.append(np.frombuffer(values, np.uint8).reshape(CROP, CROP))
        labels.append(decoded_label(row["emotion"], FER2013_CODES, place))
        splits.append(split_of(row, place))
    return without_votes(names, pixels, labels, splits)


def load_ferplus(folder: Path) -> FaceTable:
    """Reads FER+'s `fer2013new.csv` (Barsoum et al. 2016) with the pixels of `fer2013.csv`, row by row, or of FER+'s picture folders.

    Rows without a picture name are those that FER+ dropped: they are left out. The folders, as FER+'s own script fills them, are
    FER2013Train, FER2013Valid and FER2013Test, in the folder or in data/; the original labels are then unknown (-1).
    """
    table = folder / "fer2013new.csv"
    columns = {name: "NF" if name == "not_face" else name for name in VOTED}
    rows = list(read_table(table, ("Usage", "Image name", *columns.values())))
    files, splits = [row["Image name"].strip() for _, row in rows], [split_of(row, place) for place, row in rows]
    votes = np.array([[whole_number(row, column, place) for column in columns.values()] for place, row in rows], np.float32)
    usable = np.array([index for index, file in enumerate(files) if file], int)
    if len(usable) == 0:
        raise Trouble(f"{table} names no picture: the column 'Image name' is empty in all {len(rows)} rows; copy the file again")
    source = first_of(folder, "fer2013.csv", "FER2013Train", "data/FER2013Train")
    if source.name == "fer2013.csv":
        faces, remedy = load_fer2013_csv(folder), "expected the same faces in the same order; copy both files again"
        if len(faces) != len(rows):
            raise Trouble(f"{table} has {len(rows)} rows, {source} {len(faces)}: {remedy}")
        for (place, _), name, here, there in zip(rows, faces.names, splits, faces.splits, strict=True):
            if here != there:
                raise Trouble(f"{place} is of the split {here}, but {name} of {source} is of {there}: {remedy}")
        faces = faces.where(usable)
    else:
        paths = {i: source.parent / FERPLUS_FOLDERS[splits[i]] / files[i] for i in usable}
        faces = read_pictures([Picture(path, files[i], -1, splits[i], place=rows[i][0]) for i, path in paths.items()], resized)
    return replace(faces, names=np.array([Path(files[i]).stem for i in usable]), votes=votes[usable])


def load_ck(folder: Path) -> FaceTable:
    """Reads CK+ (Lucey et al. 2010) as it was handed out: `cohn-kanade-images/S005/001/*.png` and `Emotion/S005/001/*_emotion.txt`.

    Only labelled sequences count. Their last three frames show the label, the first one is neutral. Frames in which no face is found are
    left out.
    """
    films, emotions = first_of(folder, "cohn-kanade-images"), first_of(folder, "Emotion")
    pictures = []
    for label_file in sorted(emotions.glob("S*/*/S*_emotion.txt")):
        sequence, person = label_file.parent.name, label_file.parent.parent.name
        label = decoded_label(label_file.read_text(encoding="utf-8", errors="replace").strip(), CK_CODES, label_file)
        frames = sorted((films / person / sequence).glob(f"{person}_{sequence}_*.png"))
        if len(frames) < 4:
            sequence_files = f"{films / person / sequence}/{person}_{sequence}_*.png"
            raise Trouble(
                f"{label_file} labels {len(frames)} frames {sequence_files}: expected 4 or more; copy them again or take the label away"
            )
        pictures.append(Picture(frames[0], frames[0].name, INDEX["neutral"], person=person))
        pictures += [Picture(frame, frame.name, label, person=person) for frame in frames[-3:]]
    if not pictures:
        raise Trouble(f"{emotions} holds no label: expected files such as S005/001/S005_001_00000011_emotion.txt")
    return read_pictures(pictures, cut_out)


def load_ck48(folder: Path) -> FaceTable:
    """Reads CK+ in its 48x48 form: one folder a class, pictures named like S010_004_00000017.png, the person first."""
    faces = load_folders(folder)
    for name in faces.names:
        if not Path(name).match(CK_PICTURE):
            raise Trouble(f"{folder / name} is not named as CK+48's pictures are: expected a name like S010_004_00000017.png")
    return replace(faces, persons=np.array([Path(name).name.partition("_")[0] for name in faces.names]))


def load_rafdb(folder: Path) -> FaceTable:
    """Reads RAF-DB's single labels (Li et al. 2017): `list_patition_label.txt` and its aligned 100x100 pictures.

    The list may lie in EmoLabel/ and the pictures in Image/aligned/, as they were handed out, or both in the folder itself.
    """
    listing = first_of(folder, "list_patition_label.txt", "EmoLabel/list_patition_label.txt")
    aligned = first_of(folder, "aligned", "Image/aligned")
    pictures = []
    for number, line in enumerate(listing.read_text(encoding="utf-8-sig", errors="replace").rstrip().splitlines(), start=1):
        place, words, split = f"{listing}, line {number}", line.split(), line.partition("_")[0].strip()
        if len(words) != 2 or split not in ("train", "test"):
            raise Trouble(f"{place}: {line!r}: expected the name of a picture, train_... or test_..., and a code: 'train_00001.jpg 5'")
        path = aligned / f"{Path(words[0]).stem}_aligned.jpg"
        pictures.append(Picture(path, words[0], decoded_label(words[1], RAF_CODES, place), split, place=place))
    if not pictures:
        raise Trouble(f"{listing} is empty: expected lines such as 'train_00001.jpg 5'; copy it again")
    return read_pictures(pictures, resized)


def load_folders(folder: Path) -> FaceTable:
    """Reads one folder a class (`CLASSES`, any case), in the folder itself or one level down in folders that are splits.

    Pictures of at most 100 px are face crops and are resized; in larger ones the face is looked for, and those without one are left out.
    Hidden folders and files that are no pictures by their ending are passed over.
    """
    inner = folders_in(folder)
    if any(path.name.lower() in CLASSES for path in inner):
        class_folders = [("", path) for path in inner]
    else:
        class_folders = [(split.name.lower(), path) for split in inner for path in folders_in(split) or [split]]
    if not class_folders:
        raise Trouble(f"{folder} holds no folder: expected one a class, named {', '.join(CLASSES)}")
    pictures = []
    for split, path in class_folders:
        if path.name.lower() not in CLASSES:
            raise Trouble(f"{path} is named after no expression: expected {', '.join(CLASSES)}; rename it or move it away")
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES and not file.name.startswith("."))
        if not inside:
            raise Trouble(f"{path} holds no picture: expected {', '.join(sorted(PICTURES))}; fill it or take it away")
        label = INDEX[CLASSES[path.name.lower()]]
        pictures += [Picture(file, file.relative_to(folder).as_posix(), label, split) for file in inside]
    return read_pictures(pictures, crop_or_photo)


def load_wild(folder: Path) -> FaceTable:
    """Reads faces_wild: `labels.csv` (image, person, label) and its photos, of each the most central face.

    Photos in which no face is found are left out. There are no votes: `votes` is zero.
    """
    pictures = [
        Picture(Path(folder) / row["image"], row["image"], label_index(row["label"], place), person=row["person"], place=place)
        for place, row in read_table(Path(folder) / "labels.csv", ("image", "person", "label"))
    ]
    return read_pictures(pictures, cut_out)


def load_posed(folder: Path) -> PosedFaces:
    """Reads posed faces: `labels.csv` (image, set, person, label, pose, eyes, sex, ethnicity) and of each picture the most central face.

    Pictures in which no face is found are left out. Small ones are enlarged for the search: in 1 of the team's 239 from CMU a face is found
    without that, in 133 with it.
    """
    columns = ("image", "set", "person", "label", "pose", "eyes", "sex", "ethnicity")
    rows, pictures = {}, []
    for place, row in read_table(Path(folder) / "labels.csv", columns):
        for column, values in POSED_VALUES.items():
            if row[column] not in values:
                raise Trouble(f"{place} has the {column} {row[column]!r}: expected one of {', '.join(values)}")
        if row["image"] in rows:
            raise Trouble(f"{place} names {row['image']} again: expected each picture once; copy the table again")
        rows[row["image"]] = row
        label, person = label_index(row["label"], place), f"{row['set']} {row['person']}"
        pictures.append(Picture(Path(folder) / row["image"], row["image"], label, person=person, place=place))
    faces = read_pictures(pictures, cut_out_small)
    sets, poses, eyes, sexes, ethnicities = (
        np.array([rows[name][column] for name in faces.names]) for column in ("set", "pose", "eyes", "sex", "ethnicity")
    )
    searched = Counter(f"{row['set']}, {row['pose']}" for row in rows.values())
    return PosedFaces(faces, sets, poses, eyes, sexes, ethnicities, searched)


def load_sessions(folder: Path) -> FaceTable:
    """Reads the takes that people gave in `run.py calibrate`: one row a picture, of all confirmed takes of the people in a folder.

    All pictures of a person are in one split, which depends only on the name: "test" for about one in three, "train" for the others.
    """
    folder = Path(folder)
    names, pixels, labels, persons = [], [], [], []
    for person in folders_in(folder):
        for take in read_person_takes(folder, person.name):
            crops = take.face_crops()
            names += [path.relative_to(folder).as_posix() for path in take.paths]
            pixels += list(crops)
            labels += [LABELS.index(take.expression)] * len(crops)
            persons += [person.name] * len(crops)
    if not names:
        raise Trouble(f"{folder} holds sessions but no take that was confirmed: show some faces with `run.py calibrate`")
    faces = without_votes(names, pixels, labels, ["test" if _in_test_split(person) else "train" for person in persons])
    return replace(faces, persons=np.array(persons), framed=np.ones(len(faces), bool))


def _in_test_split(person: str) -> bool:
    """Whether a person is in the third that is only measured on. It depends on the name alone: people who join later change nothing."""
    return hashlib.sha256(person.encode()).digest()[0] % 3 == 0


def read_table(table: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a csv file, with its place ("FILE, line 7") for messages.

    Raises:
        Trouble: the file is missing, is no csv file, lacks a column or has no row, or a row is too short or too long.
    """
    if not table.is_file():
        raise Trouble(f"{table} is missing: expected a csv file with the columns {', '.join(columns)}")
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader, place = csv.DictReader(file), None
        try:
            header = reader.fieldnames or []
            for column in columns:
                if column not in header:
                    raise Trouble(f"{table}, line 1: no column {column!r} in {','.join(header)[:80]!r}: expected {','.join(columns)}")
            for row in reader:
                place = f"{table}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise Trouble(f"{place} has more or fewer values than the header: expected {len(header)}; copy the file again")
                yield place, row
        except csv.Error as error:
            raise Trouble(f"{table}, after line {reader.line_num}: {error}: expected a csv file; copy it again") from error
    if place is None:
        raise Trouble(f"{table} has no row below its header: copy it again")


def whole_number(row: dict[str, str], column: str, place: str) -> int:
    """The number in a column of a row, 0 or more."""
    if not row[column].strip().isdecimal():
        raise Trouble(f"{place}: {column} is {row[column]!r}: expected a whole number, 0 or more")
    return int(row[column])


def label_index(label: str, place: str) -> int:
    """The index of a label in `LABELS`."""
    if label not in LABELS:
        raise Trouble(f"{place} has the label {label!r}: expected one of {', '.join(LABELS)}")
    return LABELS.index(label)


def decoded_label(code: str, codes: dict[int, str], place: str | Path) -> int:
    """The index of the label that a data set's own code stands for; 3 may be written 3.0000000e+00."""
    try:
        return INDEX[{float(number): name for number, name in codes.items()}[float(code)]]
    except (ValueError, KeyError) as error:
        expected = ", ".join(f"{number} {name}" for number, name in codes.items())
        raise Trouble(f"{place}: no expression has the code {code!r}: expected one of {expected}") from error


def split_of(row: dict[str, str], place: str) -> str:
    """The split of a row, which FER2013 calls Usage."""
    if row["Usage"].strip() not in USAGES:
        raise Trouble(f"{place}: Usage is {row['Usage']!r}: expected one of {', '.join(USAGES)}")
    return USAGES[row["Usage"].strip()]


def first_of(folder: Path, *places: str) -> Path:
    """The first of these paths in a folder that exists."""
    for place in places:
        if (folder / place).exists():
            return folder / place
    raise Trouble(f"{folder} holds no {' and no '.join(places)}: expected one of them; unpack the data set there")


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder by name, without hidden ones."""
    return sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith((".", "__")))
