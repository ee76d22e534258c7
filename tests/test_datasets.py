import csv
import os
from datetime import datetime

import cv2
import numpy as np
import pytest

from calibration.session_folder import SessionFolder
from calibration.takes import Take, TakePicture
from models.datasets import (
    CLASSES,
    COLUMNS,
    load,
    load_ck,
    load_ck48,
    load_fer2013,
    load_fer2013_csv,
    load_ferplus,
    load_folders,
    load_posed,
    load_rafdb,
    load_sessions,
    load_wild,
)
from models.face_table import VOTED, majority, mark, targets, without_single_votes
from models.framing import framed_chip
from realtime.base.errors import Trouble
from realtime.config import DetectorSettings
from realtime.faces.align import sample, similarity
from realtime.faces.detector import Detector
from realtime.faces.landmarks import PointPredictor
from realtime.values import LABELS

FERPLUS_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def tile(seed):
    """A 48x48 crop that no other seed gives."""
    return np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)


def flat(value, side=48):
    """A crop that does not change when it is resized or saved as JPEG."""
    return np.full((side, side), value, np.uint8)


def write(path, content):
    """A picture or a text, with the folders that lead to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        cv2.imwrite(str(path), content)


def fer2013_line(emotion=0, seed=0, usage="Training"):
    return f"{emotion},{' '.join(map(str, tile(seed).ravel()))},{usage}"


def write_fer2013_csv(folder, *lines):
    write(folder / "fer2013.csv", "\n".join(["emotion,pixels,Usage", *lines]) + "\n")


def write_ferplus(folder, *lines):
    write(folder / "fer2013new.csv", "\n".join([FERPLUS_HEADER, *lines]) + "\n")


def refuses(read, folder, message):
    """The error has this message, in one line."""
    with pytest.raises(Trouble, match=message) as caught:
        read(folder)
    assert "\n" not in str(caught.value)


def label_names(faces):
    return [LABELS[label] if label >= 0 else None for label in faces.labels]


@pytest.fixture
def ck_frame(gray):
    """Gives a committed portrait as a frame of CK+'s size, 640x490."""

    def make(name):
        picture = gray(name)
        scaled = cv2.resize(picture, (round(picture.shape[1] * 490 / picture.shape[0]), 490), interpolation=cv2.INTER_AREA)
        return cv2.copyMakeBorder(scaled, 0, 0, 0, 640 - scaled.shape[1], cv2.BORDER_REPLICATE)

    return make


def camera_crop(picture):
    """What the camera's chain cuts out of a picture of one face."""
    [box] = Detector(DetectorSettings(enlarge=1.0)).find(picture, 10_000)
    return sample(picture, similarity(PointPredictor().points(picture, box)))


def write_tree(folder, rows):
    """A FER2013 folder in the team's format: tile i of the split is all of the value i."""
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "split", "tile", "near_copy_in", "fer2013_label", *(f"votes_{name}" for name in VOTED)])
        writer.writerows(rows)
    columns = COLUMNS["public_test"]
    mosaic = np.zeros((48 * 2, 48 * columns), np.uint8)
    for tile in range(2 * columns):
        y, x = 48 * (tile // columns), 48 * (tile % columns)
        mosaic[y : y + 48, x : x + 48] = tile
    cv2.imwrite(str(folder / "public_test.png"), mosaic)


def row(name="a", split="public_test", tile=0, near="", label="anger", **votes):
    return [name, split, tile, near, label, *(votes.get(name, 0) for name in VOTED)]


def test_tiles_votes_and_labels_belong_together(tmp_path):
    rows = [row("a", tile=61, label="fear", fear=7, contempt=3), row("b", split="train"), row("c", tile=2, near="train", neutral=10)]
    write_tree(tmp_path, rows)
    faces = load_fer2013(tmp_path, "public_test")
    assert faces.names.tolist() == ["a", "c"]
    assert (faces.pixels[0] == 61).all()
    assert (faces.pixels[1] == 2).all()
    assert [LABELS[i] for i in faces.labels] == ["fear", "anger"]
    assert faces.votes[0, VOTED.index("fear")] == 7
    assert faces.near_copy_in.tolist() == ["", "train"]
    assert faces.splits.tolist() == ["public_test", "public_test"]
    assert faces.where(np.array([False, True])).names.tolist() == ["c"]


@pytest.mark.parametrize(
    ("rows", "split", "message"),
    [
        ([row()], "private", "no split called 'private'"),
        ([row()], "train", r"train\.png is missing"),
        ([row(split="train")], "public_test", "has no row of the split"),
        ([row(tile=120)], "public_test", "too small for tile 120"),
        ([row("a", tile=5), row("b", tile=5)], "public_test", r"labels\.csv, line 2 and line 3 both name tile 5"),
        ([row(label="bored")], "public_test", "has the label 'bored': expected one of anger"),
        ([row(), row(tile=-1)], "public_test", r"labels\.csv, line 3: tile is '-1': expected a whole number"),
        ([row(fear="many")], "public_test", r"line 2: votes_fear is 'many': expected a whole number"),
    ],
)
def test_a_folder_that_is_not_what_it_should_be(tmp_path, rows, split, message):
    write_tree(tmp_path, rows)
    with pytest.raises(Trouble, match=message):
        load_fer2013(tmp_path, split)


def test_a_folder_without_files(tmp_path):
    with pytest.raises(Trouble, match=r"labels\.csv is missing"):
        load_fer2013(tmp_path, "train")


def test_all_mosaics_that_are_there_are_read(tmp_path):
    write_tree(tmp_path, [row("a", split="train", tile=1), row("b", tile=2), row("c", split="private_test")])
    cv2.imwrite(str(tmp_path / "train.png"), np.full((48, 48 * COLUMNS["train"]), 200, np.uint8))
    faces = load(tmp_path)
    assert faces.names.tolist() == ["a", "b"]
    assert faces.splits.tolist() == ["train", "public_test"]
    assert faces.pixels[:, 0, 0].tolist() == [200, 2]
    for name in ("train", "public_test"):
        (tmp_path / f"{name}.png").unlink()
    refuses(load, tmp_path, "holds labels.csv but no mosaic: expected one or more of train.png, public_test.png, private_test.png")


def test_a_mosaic_of_another_width_is_refused(tmp_path):
    write_tree(tmp_path, [row()])
    cv2.imwrite(str(tmp_path / "public_test.png"), np.zeros((96, 48 * 61), np.uint8))
    refuses(load, tmp_path, "2928 px wide: expected 2880, 60 tiles of 48 px")


def test_a_mosaic_that_is_no_picture(tmp_path):
    write_tree(tmp_path, [row()])
    write(tmp_path / "public_test.png", "not a picture")
    refuses(load, tmp_path, r"public_test\.png is not a picture that OpenCV can read: copy it again")


def test_fer2013_csv(tmp_path):
    usages = ("Training", "PublicTest", "PrivateTest", "Training", "Training", "Training", "Training")
    write_fer2013_csv(tmp_path, *(fer2013_line(code, seed=code, usage=usage) for code, usage in enumerate(usages)))
    faces = load_fer2013_csv(tmp_path)
    assert label_names(faces) == ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    assert faces.splits.tolist() == ["train", "public_test", "private_test", "train", "train", "train", "train"]
    assert faces.names[1] == "line 3"
    assert (faces.pixels == [tile(code) for code in range(7)]).all()
    assert faces.pixels.dtype == np.uint8
    assert faces.votes.shape == (7, 10)
    assert faces.votes.sum() == 0
    assert set(faces.persons) | set(faces.near_copy_in) == {""}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [fer2013_line(), fer2013_line(emotion=7)],
            r"fer2013\.csv, line 3: no expression has the code '7': expected one of 0 anger, 1 disgust",
        ),
        ([fer2013_line(emotion="happy")], "line 2: no expression has the code 'happy': expected one of 0 anger"),
        ([fer2013_line(emotion="nan")], "line 2: no expression has the code 'nan'"),
        ([fer2013_line(usage="Testing")], "line 2: Usage is 'Testing': expected one of Training, PublicTest, PrivateTest"),
        (["0,1 2 3,Training"], r"line 2: 3 pixels: expected 2304 \(48x48\)"),
        ([fer2013_line().replace(" ", " x", 1)], "line 2: pixels: .*'x.*expected 2304 whole numbers from 0 to 255"),
        ([fer2013_line().replace(" ", " 256 ", 1)], "line 2: pixels: .*expected 2304 whole numbers from 0 to 255"),
        (["0,1 2 3"], "line 2 has more or fewer values than the header: expected 3"),
        ([fer2013_line() + ",more"], "line 2 has more or fewer values than the header: expected 3"),
        (["0," + "1" * 200_000 + ",Training"], "field larger than field limit.*expected a csv file"),
        ([], "has no row below its header"),
    ],
)
def test_a_wrong_fer2013_csv(tmp_path, lines, message):
    write_fer2013_csv(tmp_path, *lines)
    refuses(load_fer2013_csv, tmp_path, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emotion,pixels\n0,1 2\n", r"fer2013\.csv, line 1: no column 'Usage' in 'emotion,pixels': expected emotion,pixels,Usage"),
        ("", "line 1: no column 'emotion' in ''"),
    ],
)
def test_a_fer2013_csv_without_its_header(tmp_path, text, message):
    write(tmp_path / "fer2013.csv", text)
    refuses(load_fer2013_csv, tmp_path, message)


def test_a_missing_fer2013_csv(tmp_path):
    refuses(load_fer2013_csv, tmp_path, r"fer2013\.csv is missing: expected a csv file with the columns emotion, pixels, Usage")


def ferplus_tree(folder):
    """Three rows, the middle one dropped by FER+, without pixels."""
    write_ferplus(
        folder,
        "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        "PrivateTest,fer0000001.png,0,1,2,0,0,0,3,1,1,2",
    )


def check_ferplus(faces):
    assert faces.names.tolist() == ["fer0000000", "fer0000001"]
    assert (faces.pixels == [tile(0), tile(2)]).all()
    assert faces.splits.tolist() == ["train", "private_test"]
    votes = [{name: int(count) for name, count in zip(VOTED, row, strict=True) if count} for row in faces.votes]
    assert votes[0] == {"neutral": 4, "sadness": 1, "anger": 3, "disgust": 2}
    assert votes[1] == {"happiness": 1, "surprise": 2, "fear": 3, "contempt": 1, "unknown": 1, "not_face": 2}


def test_ferplus_with_fer2013_csv_leaves_the_dropped_rows_out(tmp_path):
    ferplus_tree(tmp_path)
    write_fer2013_csv(tmp_path, fer2013_line(4, 0), fer2013_line(3, 1), fer2013_line(5, 2, "PrivateTest"))
    faces = load_ferplus(tmp_path)
    check_ferplus(faces)
    assert label_names(faces) == ["sadness", "surprise"]


@pytest.mark.parametrize("below", ["", "data"])
def test_ferplus_with_picture_folders(tmp_path, below):
    ferplus_tree(tmp_path)
    write(tmp_path / below / "FER2013Train" / "fer0000000.png", tile(0))
    write(tmp_path / below / "FER2013Test" / "fer0000001.png", tile(2))
    faces = load_ferplus(tmp_path)
    check_ferplus(faces)
    assert faces.labels.tolist() == [-1, -1]
    (tmp_path / below / "FER2013Test" / "fer0000001.png").unlink()
    refuses(load_ferplus, tmp_path, r"FER2013Test.fer0000001\.png is missing \(.*fer2013new\.csv, line 4, names it\): copy or unpack")


def test_the_public_test_lies_in_the_folder_called_valid(tmp_path):
    write_ferplus(tmp_path, "PublicTest,fer0000000.png,10,0,0,0,0,0,0,0,0,0")
    write(tmp_path / "FER2013Valid" / "fer0000000.png", tile(0))
    write(tmp_path / "FER2013Train" / "fer0000000.png", tile(1))
    faces = load_ferplus(tmp_path)
    assert (faces.pixels[0] == tile(0)).all()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([fer2013_line()], r"fer2013new\.csv has 3 rows, .*fer2013\.csv 1: expected the same faces in the same order"),
        (
            [fer2013_line(), fer2013_line(), fer2013_line()],
            r"fer2013new\.csv, line 4 is of the split private_test, but line 4 of .*fer2013\.csv is of train: expected the same faces",
        ),
    ],
)
def test_two_tables_of_different_faces(tmp_path, lines, message):
    ferplus_tree(tmp_path)
    write_fer2013_csv(tmp_path, *lines)
    refuses(load_ferplus, tmp_path, message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Training,a.png,4,0,0,x,3,2,0,0,0,0", r"fer2013new\.csv, line 2: sadness is 'x': expected a whole number"),
        ("Training,a.png,4,0,0,0,3,2,0,0,0,-1", "line 2: NF is '-1': expected a whole number"),
        ("Private,a.png,4,0,0,0,3,2,0,0,0,0", "line 2: Usage is 'Private': expected one of Training"),
        ("Training,,4,0,0,0,3,2,0,0,0,0", "names no picture: the column 'Image name' is empty in all 1 rows"),
        ("Training,a.png,4,0,0,0,3,2,0,0,0,0", "holds no fer2013.csv and no FER2013Train and no data/FER2013Train: expected one of them"),
    ],
)
def test_a_wrong_ferplus_table(tmp_path, line, message):
    write_ferplus(tmp_path, line)
    refuses(load_ferplus, tmp_path, message)


def test_ferplus_without_a_column(tmp_path):
    write(tmp_path / "fer2013new.csv", FERPLUS_HEADER.replace(",contempt", "") + "\nTraining,a.png,1,1,1,1,1,1,1,1,1\n")
    refuses(load_ferplus, tmp_path, "line 1: no column 'contempt' in 'Usage,Image name,neutral")


def write_sequence(folder, person, sequence, frames, code=None):
    """A CK+ sequence, and the label of its last frame if it has one."""
    for number, frame in enumerate(frames, start=1):
        write(folder / "cohn-kanade-images" / person / sequence / f"{person}_{sequence}_{number:08}.png", frame)
    if code is not None:
        name = f"{person}_{sequence}_{len(frames):08}_emotion.txt"
        write(folder / "Emotion" / person / sequence / name, code)


def test_ck_takes_the_first_frame_and_the_last_three_of_labelled_sequences(tmp_path, ck_frame):
    obama, biden, astronaut = map(ck_frame, ("obama", "biden", "astronaut"))
    write_sequence(tmp_path, "S005", "001", [obama, biden, biden, astronaut, flat(128, 200), astronaut], "   3.0000000e+00\n")
    write_sequence(tmp_path, "S005", "002", [biden] * 4)
    write_sequence(tmp_path, "S106", "004", [biden, obama, obama, obama], "   2.0000000e+00\n")
    (tmp_path / "Emotion" / "S005" / "002").mkdir()
    faces = load_ck(tmp_path)
    # Frame 5 shows nobody and is left out; frames 2 and 3 are neither neutral nor the peak.
    assert faces.names.tolist() == [
        *(f"S005_001_{number:08}.png" for number in (1, 4, 6)),
        *(f"S106_004_{number:08}.png" for number in (1, 2, 3, 4)),
    ]
    assert label_names(faces) == ["neutral", "disgust", "disgust", "neutral", None, None, None]
    assert faces.persons.tolist() == ["S005"] * 3 + ["S106"] * 4
    expected = [camera_crop(picture) for picture in (obama, astronaut, astronaut, biden, obama, obama, obama)]
    assert (faces.pixels == expected).all()
    assert set(faces.splits) == {""}


@pytest.mark.parametrize(
    ("code", "expected"), list(enumerate(("neutral", "anger", None, "disgust", "fear", "happiness", "sadness", "surprise")))
)
def test_every_code_of_ck(tmp_path, ck_frame, code, expected):
    write_sequence(tmp_path, "S005", "001", [flat(0, 200)] * 3 + [ck_frame("obama")], f"   {code}.0000000e+00\n")
    assert label_names(load_ck(tmp_path)) == [expected]


@pytest.mark.parametrize(
    ("frames", "code", "message"),
    [
        (
            4,
            "   9.0000000e+00\n",
            r"S005_001_00000004_emotion\.txt: no expression has the code '9.0000000e\+00': expected one of 0 neutral, 1 anger",
        ),
        (4, "  1.5\n", "no expression has the code '1.5'"),
        (4, "", "no expression has the code ''"),
        (0, "   3.0000000e+00\n", r"_emotion\.txt labels 0 frames .*S005_001_\*\.png: expected 4 or more; copy them again"),
        (3, "   3.0000000e+00\n", "labels 3 frames"),
        (4, None, "holds no Emotion: expected one of them"),
        (4, "   3.0000000e+00\n", r"no face was found in .*_00000001\.png to .*_00000004\.png, 4 in all: expected frontal faces"),
    ],
)
def test_a_wrong_ck(tmp_path, frames, code, message):
    (tmp_path / "cohn-kanade-images").mkdir()
    write_sequence(tmp_path, "S005", "001", [flat(0, 200)] * frames, code)
    refuses(load_ck, tmp_path, message)


def test_ck_without_labels_or_pictures(tmp_path):
    (tmp_path / "Emotion" / "S005" / "001").mkdir(parents=True)
    refuses(load_ck, tmp_path, "holds no cohn-kanade-images")
    (tmp_path / "cohn-kanade-images").mkdir()
    refuses(load_ck, tmp_path, r"Emotion holds no label: expected files such as S005/001/S005_001_00000011_emotion\.txt")


def test_ck48_knows_its_people(tmp_path):
    pictures = (
        ("anger", "S010_004_00000017"),
        ("contempt", "S138_008_00000007"),
        ("happy", "S011_006_00000013"),
        ("sadness", "S010_004_00000018"),
    )
    for seed, (folder, name) in enumerate(pictures):
        write(tmp_path / folder / f"{name}.png", tile(seed))
    faces = load_ck48(tmp_path)
    assert label_names(faces) == ["anger", None, "happiness", "sadness"]
    assert faces.persons.tolist() == ["S010", "S138", "S011", "S010"]
    assert (faces.pixels == [tile(seed) for seed in range(4)]).all()
    write(tmp_path / "anger" / "face1.png", tile(0))
    refuses(load_ck48, tmp_path, r"face1\.png is not named as CK\+48's pictures are: expected a name like S010_004_00000017\.png")


RAF_LIST = "train_00001.jpg 5\ntrain_00002.jpg 1\ntest_0001.jpg 7\n\n"


def rafdb_tree(folder, listing="list_patition_label.txt", aligned="aligned", text=RAF_LIST):
    write(folder / listing, text)
    for value, name in ((50, "train_00001"), (100, "train_00002"), (150, "test_0001")):
        write(folder / aligned / f"{name}_aligned.jpg", flat(value, 100))


@pytest.mark.parametrize(
    ("listing", "aligned"),
    [
        ("list_patition_label.txt", "aligned"),
        ("EmoLabel/list_patition_label.txt", "Image/aligned"),
        ("list_patition_label.txt", "Image/aligned"),
    ],
)
def test_rafdb(tmp_path, listing, aligned):
    rafdb_tree(tmp_path, listing, aligned)
    faces = load_rafdb(tmp_path)
    assert faces.names.tolist() == ["train_00001.jpg", "train_00002.jpg", "test_0001.jpg"]
    assert label_names(faces) == ["sadness", "surprise", "neutral"]
    assert faces.splits.tolist() == ["train", "train", "test"]
    assert faces.pixels.shape == (3, 48, 48)
    assert faces.pixels.mean((1, 2)) == pytest.approx([50, 100, 150], abs=1)


def test_every_code_of_rafdb(tmp_path):
    rafdb_tree(tmp_path, text="".join(f"test_0001.jpg {code}\n" for code in range(1, 8)))
    assert label_names(load_rafdb(tmp_path)) == ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "train_00001.jpg 5\ntrain_00002.jpg 0\n",
            r"label\.txt, line 2: no expression has the code '0': expected one of 1 surprise, 2 fear",
        ),
        ("train_00001.jpg 8\n", "line 1: no expression has the code '8'"),
        ("train_00001.jpg sad\n", "line 1: no expression has the code 'sad'"),
        ("train_00001.jpg\n", "line 1: 'train_00001.jpg': expected the name of a picture"),
        ("train_00001.jpg 5 6\n", "line 1: 'train_00001.jpg 5 6': expected the name of a picture"),
        ("val_00001.jpg 5\n", "line 1: 'val_00001.jpg 5': expected the name of a picture, train_... or test_..., and a code"),
        ("train_00009.jpg 5\n", r"train_00009_aligned\.jpg is missing \(.*label\.txt, line 1, names it\)"),
        ("", r"label\.txt is empty: expected lines such as"),
    ],
)
def test_a_wrong_list_of_rafdb(tmp_path, text, message):
    rafdb_tree(tmp_path, text=text)
    refuses(load_rafdb, tmp_path, message)


def test_rafdb_without_its_parts(tmp_path):
    refuses(load_rafdb, tmp_path, "holds no list_patition_label.txt and no EmoLabel/list_patition_label.txt: expected one of them")
    write(tmp_path / "list_patition_label.txt", RAF_LIST)
    refuses(load_rafdb, tmp_path, "holds no aligned and no Image/aligned")
    rafdb_tree(tmp_path)
    write(tmp_path / "aligned" / "train_00002_aligned.jpg", "not a picture")
    refuses(load_rafdb, tmp_path, r"train_00002_aligned\.jpg is not a picture that OpenCV can read \(.*line 2, names it\)")


def test_class_folders_with_splits_and_synonyms(tmp_path):
    write(tmp_path / "Train" / "Happy" / "a.png", tile(1))
    write(tmp_path / "Train" / "Happy" / "notes.txt", "passed over")
    write(tmp_path / "Train" / "SAD" / "b.png", tile(2))
    write(tmp_path / "val" / "fearful" / "c.PNG", tile(3))
    write(tmp_path / "__MACOSX" / "Train" / "._a.png", "passed over")
    faces = load_folders(tmp_path)
    assert faces.names.tolist() == ["Train/Happy/a.png", "Train/SAD/b.png", "val/fearful/c.PNG"]
    assert label_names(faces) == ["happiness", "sadness", "fear"]
    assert faces.splits.tolist() == ["train", "train", "val"]
    assert (faces.pixels == [tile(1), tile(2), tile(3)]).all()


@pytest.mark.parametrize(("folder", "expression"), sorted(CLASSES.items()))
def test_every_name_of_a_class_folder(tmp_path, folder, expression):
    write(tmp_path / folder.title() / "a.png", tile(0))
    faces = load_folders(tmp_path)
    assert label_names(faces) == [expression if expression in LABELS else None]
    assert faces.splits.tolist() == [""]


def test_large_pictures_pass_the_detector_and_small_ones_are_resized(tmp_path, gray):
    portrait = gray("obama")
    write(tmp_path / "happy" / "a.png", portrait)
    write(tmp_path / "happy" / "b.png", flat(128, 101))
    write(tmp_path / "happy" / "c.png", np.full((70, 100), 40, np.uint8))
    write(tmp_path / "happy" / "d.png", flat(60, 32))
    faces = load_folders(tmp_path)
    assert faces.names.tolist() == ["happy/a.png", "happy/c.png", "happy/d.png"]
    assert (faces.pixels == [camera_crop(portrait), flat(40), flat(60)]).all()


@pytest.mark.parametrize(
    ("pictures", "folder", "message"),
    [
        (["happy/a.png"], "bored", "bored is named after no expression: expected anger, disgust.*rename it or move it away"),
        (["happy/a.png"], "sad", "sad holds no picture: expected .bmp, .jpeg, .jpg, .png"),
        (["train/happy/a.png"], "val", "val is named after no expression"),
        ([], "", "holds no folder: expected one a class, named anger, disgust"),
    ],
)
def test_wrong_class_folders(tmp_path, pictures, folder, message):
    for picture in pictures:
        write(tmp_path / picture, tile(0))
    (tmp_path / folder).mkdir(exist_ok=True)
    refuses(load_folders, tmp_path, message)


def test_a_class_folder_with_a_broken_picture(tmp_path):
    write(tmp_path / "happy" / "a.png", "")
    refuses(load_folders, tmp_path, r"a\.png is not a picture that OpenCV can read: copy it again")


def wild_tree(folder, gray):
    write(folder / "labels.csv", "image,person,label\nimages/0.jpg,7,fear\nimages/1.png,8,anger\nimages/2.png,9,neutral\n")
    for number, picture in enumerate((gray("obama"), flat(128, 200), gray("astronaut"))):
        write(folder / "images" / f"{number}.{'png' if number else 'jpg'}", picture)


def test_faces_wild_leaves_photos_without_a_face_out(tmp_path, gray):
    wild_tree(tmp_path, gray)
    faces = load_wild(tmp_path)
    assert faces.names.tolist() == ["images/0.jpg", "images/2.png"]
    assert faces.persons.tolist() == ["7", "9"]
    assert label_names(faces) == ["fear", "neutral"]
    assert (faces.pixels[1] == camera_crop(gray("astronaut"))).all()
    assert faces.votes.sum() == 0
    assert faces.splits.tolist() == ["", ""]


def test_the_most_central_face_counts(tmp_path, gray):
    obama, biden = gray("obama")[:500], gray("biden")[:500]
    write(tmp_path / "labels.csv", "image,person,label\na.png,1,neutral\nb.png,2,neutral\n")
    write(tmp_path / "a.png", np.hstack([biden, obama, np.full((500, 400), 128, np.uint8)]))
    write(tmp_path / "b.png", np.hstack([obama, biden, np.full((500, 400), 128, np.uint8)]))
    first, second = load_wild(tmp_path).pixels.astype(float)
    for crop, central, other in ((first, obama, biden), (second, biden, obama)):
        assert np.abs(crop - camera_crop(central)).mean() < 0.5 * np.abs(crop - camera_crop(other)).mean()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,person,label\na.png,1,bored\n", r"labels\.csv, line 2 has the label 'bored': expected one of anger"),
        ("image,person,label\nb.png,1,fear\n", r"b\.png is missing \(.*labels\.csv, line 2, names it\)"),
        ("image,label\na.png,fear\n", "line 1: no column 'person' in 'image,label': expected image,person,label"),
        ("image,person,label\na.png,1,fear\n", r"no face was found in .*a\.png to .*a\.png, 1 in all"),
    ],
)
def test_a_wrong_faces_wild(tmp_path, text, message):
    write(tmp_path / "labels.csv", text)
    write(tmp_path / "a.png", flat(128, 200))
    refuses(load_wild, tmp_path, message)


def test_a_missing_list_of_faces_wild(tmp_path):
    refuses(load_wild, tmp_path, r"labels\.csv is missing: expected a csv file with the columns image, person, label")


POSED_HEADER = "image,set,person,label,pose,eyes,sex,ethnicity\n"


def posed_tree(folder, gray):
    """Two large portraits, one whose face is too small for a search without enlarging, and a picture without a face."""
    smile, plain = "a.png,london,1,happiness,straight,open,male,black\n", "b.png,london,1,neutral,straight,open,male,white\n"
    write(
        folder / "labels.csv",
        POSED_HEADER + smile + plain + "c.png,cmu,1,anger,left,sunglasses,,\nd.png,cmu,1,anger,left,open,,\n",
    )
    small = cv2.resize(gray("obama2"), None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA)
    for name, picture in zip("abcd", (gray("obama"), gray("biden"), small, flat(128, 128)), strict=True):
        write(folder / f"{name}.png", picture)


def test_posed_faces_keep_what_they_are_grouped_by(tmp_path, gray):
    posed_tree(tmp_path, gray)
    posed = load_posed(tmp_path)
    assert posed.faces.names.tolist() == ["a.png", "b.png", "c.png"]
    assert label_names(posed.faces) == ["happiness", "neutral", "anger"]
    assert posed.faces.persons.tolist() == ["london 1", "london 1", "cmu 1"]
    assert (posed.faces.pixels[0] == camera_crop(gray("obama"))).all()
    assert posed.faces.framed.all()
    columns = (posed.sets, posed.poses, posed.eyes, posed.sexes, posed.ethnicities)
    assert [values.tolist() for values in columns] == [
        ["london", "london", "cmu"],
        ["straight", "straight", "left"],
        ["open", "open", "sunglasses"],
        ["male", "male", ""],
        ["black", "white", ""],
    ]
    assert posed.searched == {"london, straight": 2, "cmu, left": 2}


def test_a_small_picture_is_enlarged_only_for_the_search(tmp_path, gray):
    posed_tree(tmp_path, gray)
    small = cv2.imread(str(tmp_path / "c.png"), cv2.IMREAD_GRAYSCALE)
    assert Detector(DetectorSettings(enlarge=1.0)).find(small, 10_000) == []
    [box] = Detector(DetectorSettings()).find(small, 960)
    assert (load_posed(tmp_path).faces.pixels[2] == sample(small, similarity(PointPredictor().points(small, box)))).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image,set,person,label,eyes\na.png,cmu,1,anger,open\n",
            "line 1: no column 'pose' in 'image,set,person,label,eyes': expected image,",
        ),
        (POSED_HEADER + "a.png,cmu,1,anger,ahead,open,,\n", "line 2 has the pose 'ahead': expected one of straight, left, right, up"),
        (POSED_HEADER + "a.png,cmu,1,anger,up,shut,,\n", "line 2 has the eyes 'shut': expected one of open, sunglasses"),
        (POSED_HEADER + "a.png,paris,1,anger,up,open,,\n", "line 2 has the set 'paris': expected one of london, cmu"),
        (POSED_HEADER + "a.png,cmu,1,bored,up,open,,\n", "line 2 has the label 'bored': expected one of anger"),
        (POSED_HEADER + "a.png,cmu,1,anger,up,open,,\n" * 2, r"line 3 names a\.png again: expected each picture once"),
        (POSED_HEADER + "a.png,cmu,1,anger,up,open,,\n", r"no face was found in .*a\.png to .*a\.png, 1 in all"),
    ],
)
def test_wrong_posed_faces(tmp_path, text, message):
    write(tmp_path / "labels.csv", text)
    write(tmp_path / "a.png", flat(128, 128))
    refuses(load_posed, tmp_path, message)


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)


def test_load_recognises_each_format(tmp_path, gray, ck_frame):
    plus, pictures, plain, wild, posed, ck, ck48, raf, classes, splits = (tmp_path / str(number) for number in range(10))
    ferplus_tree(plus)
    write_fer2013_csv(plus, fer2013_line(4, 0), fer2013_line(3, 1), fer2013_line(5, 2, "PrivateTest"))
    ferplus_tree(pictures)
    write(pictures / "FER2013Train" / "fer0000000.png", tile(0))
    write(pictures / "FER2013Test" / "fer0000001.png", tile(2))
    write_fer2013_csv(plain, fer2013_line(4, 0))
    wild_tree(wild, gray)
    posed_tree(posed, gray)
    write_sequence(ck, "S005", "001", [ck_frame("obama")] * 4, "   3.0000000e+00\n")
    write(ck48 / "anger" / "S010_004_00000017.png", tile(0))
    rafdb_tree(raf, "EmoLabel/list_patition_label.txt", "Image/aligned")
    write(classes / "Happy" / "a.png", tile(0))
    write(splits / "test" / "surprised" / "a.png", tile(0))
    readers = {
        plus: load_ferplus,
        pictures: load_ferplus,
        plain: load_fer2013_csv,
        wild: load_wild,
        posed: lambda folder: load_posed(folder).faces,
        ck: load_ck,
        ck48: load_ck48,
        raf: load_rafdb,
        classes: load_folders,
        splits: load_folders,
    }
    for folder, read in readers.items():
        assert same(load(folder), read(folder)), read
    assert load(ck48).persons.tolist() == ["S010"]


def test_load_says_what_it_looked_for(tmp_path):
    write(tmp_path / "holiday" / "a.png", tile(0))
    telltales = (
        r"fer2013new\.csv \(FER\+\), fer2013\.csv .*labels\.csv.*cohn-kanade-images.*CK\+48.*list_patition_label\.txt.*anger, disgust"
    )
    refuses(load, tmp_path, rf"holds no known data set: looked for {telltales}.*; give the folder that holds one of these directly")
    refuses(load, tmp_path / "nowhere", "nowhere is not a folder: looked for")
    refuses(load, tmp_path / "holiday" / "a.png", "is not a folder: looked for")


def add_session(people, name, expressions, seed=0):
    """A session of a person with a take of two pictures for each expression; gives its folder and its face crops."""
    session = SessionFolder.create(people, name, "quick", "yes", ["0"], datetime(2026, 11, 23))
    crops = [tile(seed + number) for number in range(2 * len(expressions))]
    for number, expression in enumerate(expressions):
        pair = crops[2 * number : 2 * number + 2]
        pictures = tuple(TakePicture(crop, np.zeros((9, 9, 3), np.uint8), np.zeros((5, 2), np.float32), 0.0) for crop in pair)
        session.add(Take(expression, "front", "first", "0", {}, pictures))
    return session.path, crops


def test_the_takes_of_people_who_calibrated(tmp_path):
    _, adas = add_session(tmp_path, "ada", ["fear", "neutral"])
    path, bobs = add_session(tmp_path, "bob", ["disgust"], seed=50)
    (path / "takes.jsonl").open("a").write('{"number": 2')
    (path / "faces" / "002-00.png").write_bytes(b"half")
    faces = load(tmp_path)
    assert faces.persons.tolist() == ["ada"] * 4 + ["bob"] * 2
    assert label_names(faces) == ["fear"] * 2 + ["neutral"] * 2 + ["disgust"] * 2
    assert faces.names[-1] == "bob/sessions/2026-11-23_00-00-00/faces/001-01.png"
    assert faces.framed.all()
    assert (faces.pixels == np.stack(adas + bobs)).all()


def test_a_person_stays_in_one_split_whoever_joins(tmp_path):
    people = [f"person {number}" for number in range(24)]
    for name in people[:12]:
        add_session(tmp_path, name, ["anger"])
    before = dict(zip(*(getattr(load_sessions(tmp_path), what) for what in ("persons", "splits")), strict=True))
    for name in people[12:]:
        add_session(tmp_path, name, ["anger"])
    faces = load_sessions(tmp_path)
    after = dict(zip(faces.persons, faces.splits, strict=True))
    assert {name: after[name] for name in before} == before
    assert 4 <= list(after.values()).count("test") <= 12
    assert set(after.values()) == {"train", "test"}


def test_sessions_without_a_take_or_with_a_damaged_one(tmp_path):
    path, _ = add_session(tmp_path, "ada", [])
    refuses(load, tmp_path, "holds sessions but no take that was confirmed")
    (path / "takes.jsonl").write_text("{}\n")
    refuses(load, tmp_path, r"takes\.jsonl, line 1, is damaged")


def test_a_ck_without_pictures_is_refused(tmp_path):
    (tmp_path / "Emotion").mkdir()
    refuses(load, tmp_path, "holds no cohn-kanade-images")


def votes(**counts) -> np.ndarray:
    return np.array([[counts.get(name, 0) for name in VOTED]], np.float32)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"anger": 6, "neutral": 4}, "anger"),
        ({"anger": 5, "neutral": 5}, None),
        # Nine counted: one single vote fell away, and 5 of 9 is more than half.
        ({"anger": 5, "neutral": 4, "fear": 1}, "anger"),
        ({"contempt": 6, "neutral": 4}, None),
        ({"unknown": 6, "neutral": 4}, None),
        ({"not_face": 10}, None),
        (dict.fromkeys(VOTED, 1), None),
        ({"anger": 2, "neutral": 1, "fear": 1, "sadness": 1, "disgust": 1}, "anger"),
    ],
)
def test_the_papers_rule_for_a_majority(counts, expected):
    label = majority(votes(**counts))[0]
    assert (LABELS[label] if label >= 0 else None) == expected


def test_what_is_learned_from_votes():
    distribution, weight = targets(
        np.concatenate([votes(anger=6, neutral=3, fear=1), votes(anger=4, unknown=4, not_face=2), votes(unknown=9)])
    )
    assert distribution[0, LABELS.index("anger")] == pytest.approx(6 / 9)
    assert distribution[0, LABELS.index("fear")] == 0
    assert distribution[1, -1] == pytest.approx(2 / 6)
    assert distribution.sum(1).tolist() == pytest.approx([1, 1, 0])
    assert weight.tolist() == pytest.approx([1, 0.6, 0])


def test_single_votes_fall_away():
    assert without_single_votes(votes(anger=1, fear=2)).sum() == 2


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    folder = tmp_path / "happy"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.png")).write_bytes(cv2.imencode(".png", tile(0))[1].tobytes())
    (folder / "empty.png").touch()
    with pytest.raises(Trouble, match=r"empty\.png is not a picture"):
        load(tmp_path)
    (folder / "empty.png").unlink()
    assert (load(tmp_path).pixels == [tile(0)]).all()


def test_other_data_or_settings_have_another_mark():
    faces = np.stack([tile(0), tile(1)])
    marks = {mark(faces, {"seed": 1}), mark(faces, {"seed": 2}), mark(faces[::-1], {"seed": 1}), mark(faces[:, :, ::-1], {"seed": 1})}
    assert len(marks) == 4
    assert mark(faces, {"seed": 1}) in marks


def test_a_crop_becomes_a_chip():
    chip = framed_chip(np.full((48, 48), 99, np.uint8))
    assert chip.shape == (64, 64)
    assert (chip == 99).all()


def test_the_real_folder_has_the_counts_that_the_papers_rule_gives(shared):
    faces = load_fer2013(shared("fer2013/labels.csv").parent, "public_test")
    truth = majority(faces.votes)
    assert (len(faces), int((truth >= 0).sum())) == (3579, 3186)
