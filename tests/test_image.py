"""`image`: what it says of the faces of photos, and the photos with labels that it writes."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import DATA

from realtime.commands.photos import PhotoOptions, labelled_name, ordinal, place_in_words, read_photos
from realtime.config import PhotoSettings, Settings
from realtime.pipeline import build_photo_pipeline
from realtime.values import Box


@pytest.mark.parametrize(
    ("x", "number", "count", "words"),
    [
        (50, 1, 1, "left"),
        (150, 1, 1, "middle"),
        (150, 2, 3, "middle, 2nd of 3"),
        (299, 3, 3, "right, 3rd of 3"),
        (-9, 1, 2, "left, 1st of 2"),
    ],
)
def test_where_a_face_is(x, number, count, words):
    assert place_in_words(Box(x - 5, 0, x + 5, 9), number, count, 300) == words


def test_ordinals():
    assert [ordinal(n) for n in (1, 2, 3, 4, 10, 11, 12, 13, 21, 22, 101, 111)] == [
        *("1st", "2nd", "3rd", "4th", "10th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th")
    ]


def test_labelled_names_keep_jpeg_and_png_and_are_never_shared():
    names = ("a.jpg", "a.JPEG", "in/a.png", "a.heic", "a.webp")
    assert [str(labelled_name(Path(name))) for name in names] == ["a.jpg", "a.JPEG", "in/a.png", "a.heic.jpg", "a.webp.jpg"]


def test_smaller_faces_take_a_larger_picture():
    sides = [
        build_photo_pipeline(Settings(photo=PhotoSettings(min_face=share)), float).governor.update(0).near_side
        for share in (PhotoSettings.min_face, 0.04, 0.5)
    ]
    assert sides == [960, 2000, 160]


def test_photos_of_a_folder_have_their_lines(tmp_path, capsys):
    shutil.copy(DATA / "obama.jpg", tmp_path / "b.JPG")
    (tmp_path / "a.png").write_text("damaged")
    (tmp_path / "c.txt").write_text("no photo")
    assert read_photos([tmp_path, tmp_path / "none.png"], Settings(), PhotoOptions(as_json=True)) == 2
    said = capsys.readouterr()
    [line] = map(json.loads, said.out.splitlines())
    assert (line["file"], line["face"]["label"]) == (str(tmp_path / "b.JPG"), "happiness")
    assert ["a.png" in said.err, "none.png" in said.err, said.err.count("\n")] == [True, True, 2]


def test_photos_are_written_with_labels_in_the_tree_of_theirs(tmp_path, capsys):
    out = tmp_path / "out"
    (tmp_path / "in").mkdir()
    row = np.hstack([cv2.resize(cv2.imread(str(DATA / f"{name}.jpg")), (400, 500)) for name in ("biden", "obama")])
    cv2.imwrite(str(tmp_path / "in" / "two.png"), row)
    cv2.imwrite(str(tmp_path / "wall.webp"), np.full((300, 300, 3), 200, np.uint8))
    options = PhotoOptions(out_dir=out)
    assert read_photos([tmp_path], Settings(), options) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1].split("%")[-1] for line in said[:2]] == [" (left, 1st of 2)", " (right, 2nd of 2)"]
    assert said[2:] == [f"{tmp_path / 'wall.webp'}: no face", f"wrote 2 labelled photos into {out}"]
    labelled = cv2.imread(str(out / "in" / "two.png"))
    assert labelled.shape == row.shape and 0.01 < (labelled != row).mean() < 0.3
    assert (out / "in" / "two.png").stat().st_mode & 0o077 == 0
    assert cv2.imread(str(out / "wall.webp.jpg")).shape == (300, 300, 3)
    # The folder of labelled photos lies in the one that is read: it is left out. What is there is kept.
    assert read_photos([tmp_path], Settings(), options) == 2
    assert capsys.readouterr().err.count("exists and is kept") == 2
    assert read_photos([tmp_path], Settings(), PhotoOptions(out_dir=out, overwrite=True)) == 0
    assert sorted(file.name for file in out.rglob("*.*")) == ["two.png", "wall.webp.jpg"]


def test_photos_that_are_read_are_never_written(tmp_path, capsys):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), np.full((60, 60, 3), 200, np.uint8))
    before = (tmp_path / "x" / "a.png").read_bytes()
    both = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"]
    assert read_photos(both, Settings(), PhotoOptions(out_dir=tmp_path / "x", overwrite=True)) == 2
    assert capsys.readouterr().err.count("is the file to be read") == 2
    assert (tmp_path / "x" / "a.png").read_bytes() == before
    assert read_photos(both, Settings(), PhotoOptions(out_dir=tmp_path / "out", overwrite=True)) == 1
    assert "two photos would both become" in capsys.readouterr().err


def test_photos_are_written_upright(tmp_path):
    turned = cv2.rotate(cv2.imread(str(DATA / "obama.jpg")), cv2.ROTATE_90_COUNTERCLOCKWISE)
    _, content = cv2.imencode(".jpg", turned)
    # Orientation 6: the top of the picture is at the right.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    jpeg = content.tobytes()
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    assert read_photos([tmp_path / "a.jpg"], Settings(), PhotoOptions(out_dir=tmp_path / "out")) == 0
    written = (tmp_path / "out" / "a.jpg").read_bytes()
    picture = cv2.imdecode(np.frombuffer(written, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert picture.shape == (500, 400, 3) and b"Exif" not in written


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((60, 60, 3), 200, np.uint8))
    (tmp_path / "out").write_text("a file")
    assert read_photos([tmp_path / "a.png"], Settings(), PhotoOptions(out_dir=tmp_path / "out")) == 1
    said = capsys.readouterr().err
    assert "cannot be written (" in said and said.count("\n") == 1
