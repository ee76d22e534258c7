import cv2
import numpy as np
import pytest

from models.datasets import load
from models.near_copies import ALIKE, BLOCK, COPY, connected, folds, near_copies, person_folds, same_person, signature
from realtime.base.errors import Trouble


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """(n, 48, 48) uint8 that have nothing in common: noise coarse enough to be left at 16x16."""
    coarse = np.random.default_rng(seed).integers(30, 220, (n, 12, 12), np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


def test_copies_are_found_however_they_were_changed():
    faces = pictures(8)
    faces[3] = faces[0]
    faces[5] = cv2.convertScaleAbs(faces[1], alpha=0.6, beta=40)
    faces[6] = cv2.imdecode(cv2.imencode(".jpg", faces[2], [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE)
    faces[7] = faces[4][:, ::-1]
    copies = near_copies(faces)
    assert copies.pairs.tolist() == [[0, 3], [1, 5], [2, 6], [4, 7]]
    assert copies.exact.tolist() == [True, False, False, True]
    assert copies.mirrored.tolist() == [False, False, False, True]
    assert (copies.correlation >= COPY).all()
    assert connected(8, copies.pairs).tolist() == [0, 1, 2, 0, 4, 1, 2, 4]


def test_a_higher_threshold_leaves_some_out():
    faces = pictures(3)
    faces[1] = faces[0]
    faces[2] = (0.8 * faces[0] + 0.2 * faces[2]).astype(np.uint8)
    alike = near_copies(faces, 0.9)
    assert len(alike.pairs) == 3
    assert alike.above(0.999).pairs.tolist() == [[0, 1]]


def test_flat_pictures_are_copies_only_of_their_equals():
    faces = np.zeros((6, 48, 48), np.uint8)
    faces[[1, 4]] = 200
    faces[2] = pictures(1)[0]
    copies = near_copies(faces)
    assert copies.pairs.tolist() == [[0, 3], [1, 4], [0, 5]]
    assert copies.exact.all()
    assert not signature(faces)[0].any()


def test_pairs_across_the_blocks_of_the_product():
    n = 2 * BLOCK + 100
    faces = pictures(n)
    pairs = [(3, 5), (3, BLOCK + 1), (5, BLOCK + 1), (BLOCK - 1, BLOCK), (7, n - 1), (2 * BLOCK, 2 * BLOCK + 1)]
    for a, b in pairs:
        faces[b] = faces[a]
    assert sorted(map(tuple, near_copies(faces).pairs.tolist())) == sorted(pairs)


@pytest.mark.parametrize("n", [0, 1])
def test_no_pictures_have_no_copies(n):
    copies = near_copies(pictures(n))
    assert copies.pairs.shape == (0, 2)
    assert connected(n, copies.pairs).tolist() == list(range(n))


def test_chains_join():
    assert connected(7, np.array([[5, 6], [1, 2], [2, 5], [0, 3]])).tolist() == [0, 1, 1, 0, 4, 1, 1]
    assert connected(4, np.array([[0, 1], [2, 3], [1, 3]])).tolist() == [0, 0, 0, 0]


def test_a_persons_rows_belong_together_and_unknown_ones_do_not():
    persons = np.array(["b", "", "a", "b", "", "b"])
    assert connected(6, same_person(persons)).tolist() == [0, 1, 2, 0, 4, 0]


@pytest.mark.timeout(120)
def test_the_copies_of_the_real_data_are_those_that_its_table_names(shared):
    faces = load(shared("fer2013/labels.csv").parent)
    flagged = np.array(["public_test" in text for text in faces.near_copy_in]) & (faces.splits == "train")
    faces = faces.where(flagged | (faces.splits == "public_test"))
    groups = connected(len(faces), near_copies(faces.pixels).pairs)
    tested = set(groups[faces.splits == "public_test"].tolist())
    # One pair lies at the threshold.
    assert flagged.sum() == 540
    assert sum(group in tested for group in groups[faces.splits == "train"]) >= 539


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_folds_keep_groups_whole_and_are_even(seed):
    groups = np.random.default_rng(seed).integers(0, 300, 1000)
    groups[:60] = 7
    fold = folds(groups, 5, seed)
    assert all(len(set(fold[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    assert np.bincount(fold).tolist() == pytest.approx([200] * 5, abs=2)
    assert (fold == folds(groups, 5, seed)).all()
    assert (fold != folds(groups, 5, seed + 1)).any()


def test_too_few_pictures_for_the_folds():
    with pytest.raises(Trouble, match="only 2 pictures differ enough"):
        folds(np.array([0, 0, 3, 3]), 3, 0)


def test_what_is_alike_and_who_is_one_person_share_a_fold():
    faces = pictures(24)
    faces[12:18] = 0.8 * faces[:6] + 0.2 * faces[12:18]
    persons = np.array(["p", "q", "", ""] * 6)
    alike = near_copies(faces, ALIKE)
    fold = person_folds(alike, persons, 3, 0)
    assert len(alike.pairs) == 6
    assert (fold[12:18] == fold[:6]).all()
    assert all(len(set(fold[persons == person].tolist())) == 1 for person in "pq")
    assert set(fold.tolist()) == {0, 1, 2}
    assert (person_folds(alike, persons, 3, 1) != fold).any()
