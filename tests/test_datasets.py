import csv

import cv2
import numpy as np
import pytest

from models.datasets import COLUMNS, VOTED, DatasetError, chip_from_crop, load_fer2013, majority, targets, without_single_votes
from realtime.values import LABELS


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
    assert faces.where(np.array([False, True])).names.tolist() == ["c"]


@pytest.mark.parametrize(
    ("rows", "split", "said"),
    [
        ([row()], "private", "no split called 'private'"),
        ([row()], "train", r"train\.png is missing"),
        ([row(split="train")], "public_test", "has no row of the split"),
        ([row(tile=120)], "public_test", "too small for tile 120"),
        ([row(label="bored")], "public_test", "has the label 'bored': expected one of anger"),
    ],
)
def test_a_folder_that_is_not_what_it_should_be(tmp_path, rows, split, said):
    write_tree(tmp_path, rows)
    with pytest.raises(DatasetError, match=said):
        load_fer2013(tmp_path, split)


def test_a_folder_without_files(tmp_path):
    with pytest.raises(DatasetError, match=r"labels\.csv is missing"):
        load_fer2013(tmp_path, "train")


def votes(**given) -> np.ndarray:
    return np.array([[given.get(name, 0) for name in VOTED]], np.float32)


@pytest.mark.parametrize(
    ("given", "expected"),
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
def test_the_papers_rule_for_a_majority(given, expected):
    label = majority(votes(**given))[0]
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


def test_a_crop_becomes_a_chip():
    chip = chip_from_crop(np.full((48, 48), 99, np.uint8))
    assert chip.shape == (64, 64)
    assert (chip == 99).all()


def test_the_real_folder_has_the_counts_that_the_papers_rule_gives(shared):
    faces = load_fer2013(shared("fer2013/labels.csv").parent, "public_test")
    truth = majority(faces.votes)
    assert (len(faces), int((truth >= 0).sum())) == (3579, 3186)
