import csv
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from models.clean import (
    ALIKE,
    BLOCK,
    COPY,
    COUNTS,
    DUPLICATE,
    KEEP,
    NOT_A_FACE,
    SUSPECT,
    TRIES,
    CrossValidated,
    Evidence,
    RemoteJudge,
    answer_in,
    as_text,
    best_known,
    chosen,
    confident,
    contact_sheet,
    copied_elsewhere,
    counted,
    dealt,
    enlarged,
    faces_found,
    folds,
    joined,
    main,
    mark,
    near_copies,
    read_data,
    same_person,
    signature,
    tree_place,
    verdicts,
)
from models.datasets import COLUMNS, VOTED, Faces, majority
from realtime.errors import Trouble
from realtime.values import LABELS
from tests.fakes import FakeClock

ANGER, HAPPINESS, SADNESS, NEUTRAL = (LABELS.index(name) for name in ("anger", "happiness", "sadness", "neutral"))


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """(n, 48, 48) uint8 that have nothing in common: noise coarse enough to be left at 16x16."""
    coarse = np.random.default_rng(seed).integers(30, 220, (n, 12, 12), np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


def table(n: int = 1, **columns) -> Faces:
    """Faces without votes, copies or persons, all labelled anger, but for the given columns."""
    usual = {
        "names": np.array([f"f{i}" for i in range(n)]),
        "pixels": pictures(n),
        "votes": np.zeros((n, len(VOTED)), np.float32),
        "labels": np.zeros(n, np.int64),
        "near_copy_in": np.full(n, ""),
        "persons": np.full(n, ""),
    }
    usual |= {name: np.asarray(column) for name, column in columns.items()}
    # Fields that this file does not know are texts.
    return Faces(**{name: usual.get(name, np.full(n, "")) for name in Faces.__dataclass_fields__})


def votes(**given: int) -> list[float]:
    return [float(given.get(name, 0)) for name in VOTED]


def says(label: str | None, sure: float = 0.9, face: float = 1.0) -> list[float]:
    """A judge's row: `sure` of `face` on one label; None for no face at all."""
    if label is None:
        return [np.nan] * len(LABELS)
    return [face * (sure if name == label else (1 - sure) / (len(LABELS) - 1)) for name in LABELS]


def evidence(faces: Faces, opinion: list[list[float]], **columns) -> Evidence:
    """Training rows on which a face was found and that are no copies, but for the given columns."""
    n = len(faces)
    usual = {
        "splits": np.full(n, "train"),
        "opinion": np.array(opinion, np.float32),
        "found": np.full(n, True),
        "majority": majority(faces.votes),
        "groups": np.arange(n),
    }
    return Evidence(**(usual | {name: np.asarray(column) for name, column in columns.items()}))


# Copies


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
    assert joined(8, copies.pairs).tolist() == [0, 1, 2, 0, 4, 1, 2, 4]


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
    wanted = [(3, 5), (3, BLOCK + 1), (5, BLOCK + 1), (BLOCK - 1, BLOCK), (7, n - 1), (2 * BLOCK, 2 * BLOCK + 1)]
    for a, b in wanted:
        faces[b] = faces[a]
    assert sorted(map(tuple, near_copies(faces).pairs.tolist())) == sorted(wanted)


@pytest.mark.parametrize("n", [0, 1])
def test_no_pictures_have_no_copies(n):
    copies = near_copies(pictures(n))
    assert copies.pairs.shape == (0, 2)
    assert joined(n, copies.pairs).tolist() == list(range(n))


def test_chains_join():
    assert joined(7, np.array([[5, 6], [1, 2], [2, 5], [0, 3]])).tolist() == [0, 1, 1, 0, 4, 1, 1]
    assert joined(4, np.array([[0, 1], [2, 3], [1, 3]])).tolist() == [0, 0, 0, 0]


def test_a_persons_rows_belong_together_and_unknown_ones_do_not():
    persons = np.array(["b", "", "a", "b", "", "b"])
    assert joined(6, same_person(persons)).tolist() == [0, 1, 2, 0, 4, 0]


@pytest.mark.timeout(120)
def test_the_copies_of_the_real_data_are_those_that_its_table_names(shared):
    faces, splits = read_data(shared("fer2013/labels.csv").parent)
    flagged = np.array(["public_test" in text for text in faces.near_copy_in]) & (splits == "train")
    rows = np.flatnonzero(flagged | (splits == "public_test"))
    groups = joined(len(rows), near_copies(faces.pixels[rows]).pairs)
    tested = set(groups[splits[rows] == "public_test"].tolist())
    # One pair lies at the threshold.
    assert flagged.sum() == 540
    assert sum(group in tested for group in groups[splits[rows] == "train"]) >= 539


# Folds and cross-validation


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


class Suspicious:
    """Stands for the training of a network: notes what was learned, and answers how much a picture resembles any of that."""

    def __init__(self, fail_at: int | None = None):
        self.lessons: list[Faces] = []
        self.fail_at = fail_at

    def __call__(self, faces: Faces, out: Path):
        assert out.is_dir()
        if len(self.lessons) == self.fail_at:
            raise KeyboardInterrupt
        self.lessons.append(faces)

        def answer(pixels: np.ndarray) -> np.ndarray:
            both = [signature(pixels), signature(pixels[:, :, ::-1])]
            resembles = np.max([side @ signature(faces.pixels).T for side in both], axis=(0, 2))
            return np.repeat(resembles[:, None], len(LABELS), 1)

        return answer


def with_copies(n: int) -> Faces:
    """n faces and, behind them, each once more: as it is, mirrored, lighter, or merely alike."""
    faces = pictures(n)
    other = pictures(n, seed=1)
    again = faces.copy()
    again[1::4] = faces[1::4, :, ::-1]
    again[2::4] = cv2.convertScaleAbs(faces[2::4], alpha=0.7, beta=30)
    again[3::4] = 0.8 * faces[3::4] + 0.2 * other[3::4]
    return table(2 * n, pixels=np.concatenate([faces, again]))


def test_no_face_is_judged_by_a_network_that_saw_it_or_a_copy_of_it(tmp_path):
    faces = with_copies(60)
    teach = Suspicious()
    fold, learnable = dealt(faces, np.full(len(faces), "train"), near_copies(faces.pixels, ALIKE), 4, 0)
    resemblance = CrossValidated(fold, learnable, teach, tmp_path).opinion(faces)[:, 0]
    assert [len(lesson) for lesson in teach.lessons] == [90] * 4
    assert resemblance.max() < ALIKE
    # The stand-in does see a leak where there is one.
    torn = np.arange(len(faces)) // 60
    assert CrossValidated(torn, learnable, Suspicious(), tmp_path / "torn").opinion(faces)[:, 0].min() > ALIKE


def test_a_judge_learns_from_no_test_row_and_keeps_persons_together(tmp_path):
    faces = table(24, persons=["p", "q", "", ""] * 6)
    splits = np.array(["train"] * 16 + ["public_test"] * 8)
    fold, learnable = dealt(faces, splits, near_copies(faces.pixels, ALIKE), 3, 0)
    assert all(len(set(fold[faces.persons == person].tolist())) == 1 for person in "pq")
    teach = Suspicious()
    opinion = CrossValidated(fold, learnable, teach, tmp_path).opinion(faces)
    assert not np.isnan(opinion).any()
    assert {name for lesson in teach.lessons for name in lesson.names.tolist()} == set(faces.names[:16].tolist())


def test_a_table_without_training_rows_is_learned_from_as_a_whole():
    faces = table(4)
    assert dealt(faces, np.full(4, "all"), near_copies(faces.pixels, ALIKE), 2, 0)[1].all()


def test_a_cut_run_goes_on_with_the_fold_that_was_cut(tmp_path):
    faces, fold, known = table(12), np.arange(12) % 3, np.full(12, True)
    with pytest.raises(KeyboardInterrupt):
        CrossValidated(fold, known, Suspicious(fail_at=2), tmp_path).opinion(faces)
    teach = Suspicious()
    went_on = CrossValidated(fold, known, teach, tmp_path).opinion(faces)
    assert [len(lesson) for lesson in teach.lessons] == [8]
    assert (went_on == CrossValidated(fold, known, Suspicious(), tmp_path / "whole").opinion(faces)).all()


def test_nothing_to_learn_from(tmp_path):
    known = np.array([True, False])
    with pytest.raises(Trouble, match="no train rows are left to learn from beside fold 1 of 2"):
        CrossValidated(np.array([0, 1]), known, Suspicious(), tmp_path).opinion(table(2))


def test_other_data_or_settings_have_another_mark():
    faces = pictures(2)
    marks = {mark(faces, {"seed": 1}), mark(faces, {"seed": 2}), mark(faces[::-1], {"seed": 1}), mark(faces[:, :, ::-1], {"seed": 1})}
    assert len(marks) == 4
    assert mark(faces, {"seed": 1}) in marks


def test_a_judge_learns_votes_where_there_are_any_and_labels_elsewhere():
    faces = table(3, votes=[votes(fear=8, anger=2), votes(), votes(unknown=9)], labels=[ANGER, HAPPINESS, ANGER])
    distribution, weight = best_known(faces)
    assert distribution[0, LABELS.index("fear")] == pytest.approx(0.8)
    assert distribution[1].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert weight.tolist() == [1, 1, 0]


# What a detector sees


def test_a_dataset_crop_is_searched_as_the_detector_needs_it(gray, tmp_path):
    # As FER2013 cuts them: the face fills the crop.
    face = cv2.resize(gray("obama")[40:320, 60:340], (48, 48), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    assert enlarged(face).shape == (256, 256)
    assert faces_found(np.stack([noise, face]), tmp_path / "found.npz").tolist() == [False, True]
    # The second time the file answers.
    assert faces_found(np.stack([face, face]), tmp_path / "found.npz").tolist() == [False, True]


# Verdicts


@pytest.mark.parametrize(
    ("voted", "opinion", "found", "verdict", "why"),
    [
        ({}, says("anger"), True, KEEP, "the judge says anger (90%)"),
        ({}, says("fear"), True, SUSPECT, "the judge says fear (90%)"),
        ({"anger": 8, "fear": 2}, says("fear"), True, KEEP, "the annotators say anger, the judge says fear (90%)"),
        ({"fear": 8, "anger": 2}, says("anger"), True, KEEP, "the annotators say fear, the judge says anger (90%)"),
        ({"fear": 8, "anger": 2}, says("sadness"), True, SUSPECT, "the annotators say fear, the judge says sadness (90%)"),
        ({"fear": 8}, says(None), False, SUSPECT, "the annotators say fear"),
        ({"fear": 5, "anger": 5}, says(None), False, KEEP, "nobody says otherwise"),
        ({"not_face": 7, "anger": 3}, says("anger"), True, NOT_A_FACE, "the annotators see no face"),
        ({"not_face": 5, "anger": 5}, says("anger"), True, KEEP, "the judge says anger (90%)"),
        ({}, says("anger", face=0.4), False, NOT_A_FACE, "neither the detector nor the judge sees a face"),
        ({}, says(None), False, NOT_A_FACE, "neither the detector nor the judge sees a face"),
        ({}, says("anger", face=0.4), True, KEEP, "the judge says anger (36%)"),
        ({}, says("anger"), False, KEEP, "the judge says anger (90%)"),
        # People looked at it.
        ({"anger": 9}, says("anger", face=0.1), False, KEEP, "the annotators say anger, the judge says anger (9%)"),
    ],
)
def test_what_one_face_labelled_anger_gets(voted, opinion, found, verdict, why):
    faces = table(1, votes=[votes(**voted)])
    told, reasons = verdicts(faces, evidence(faces, [opinion], found=[found]))
    assert (told[0], reasons[0]) == (verdict, why)


def test_a_hesitant_judge_alone_does_not_make_a_label_suspect():
    faces = table(3, labels=[HAPPINESS, ANGER, ANGER], votes=[votes(), votes(), votes(neutral=9)])
    seen = evidence(faces, [says("happiness", 0.9), says("happiness", 0.5), says("happiness", 0.5)])
    # 0.5 is less than the 0.63 with which it names happiness on average.
    assert confident(seen).tolist() == [True, False, False]
    assert verdicts(faces, seen)[0].tolist() == [KEEP, KEEP, SUSPECT]


def test_of_copies_a_test_row_stands_and_else_the_likeliest_label():
    faces = table(6, labels=[ANGER, SADNESS, ANGER, ANGER, ANGER, ANGER])
    opinion = [says("sadness", 0.7), says("sadness", 0.7), says("anger", 0.9), says("anger", 0.3), says("anger"), says("anger")]
    splits = ["train", "train", "train", "public_test", "train", "train"]
    seen = evidence(faces, opinion, splits=splits, groups=[0, 0, 2, 2, 4, 4])
    assert chosen(faces, seen).tolist() == [1, 1, 3, 3, 4, 4]
    told, why = verdicts(faces, seen)
    assert told.tolist() == [DUPLICATE, KEEP, DUPLICATE, KEEP, KEEP, DUPLICATE]
    assert why[0] == "copy of train f1"
    assert why[1] == "the judge says sadness (70%), its copies are labelled anger"
    assert why[2] == "copy of public_test f3"
    assert why[4] == "the judge says anger (90%)"


def test_rows_give_way_to_test_splits_that_are_not_in_the_table():
    near = np.array(["", "private_test", "public_test+private_test", "public_test", "train", "private_test", "public_test"])
    splits = np.array(["train", "train", "train", "train", "public_test", "public_test", "public_test"])
    elsewhere = copied_elsewhere(near, splits).tolist()
    assert elsewhere == ["", "private_test", "public_test+private_test", "public_test", "", "private_test", ""]
    faces = table(2, near_copy_in=near[:2])
    told, why = verdicts(faces, evidence(faces, [says("anger")] * 2))
    assert told.tolist() == [KEEP, DUPLICATE]
    assert why[1] == "copy of a picture in private_test"


# Counts


def test_counts_by_hand():
    labels = np.array([ANGER, ANGER, ANGER, ANGER, HAPPINESS, HAPPINESS, NEUTRAL])
    said = ["anger", "neutral", "neutral", "anger", "neutral", None, "anger"]
    faces = table(
        7, labels=labels, votes=[votes(anger=9), votes(neutral=9), votes(anger=9), votes(), votes(fear=9), votes(fear=9), votes()]
    )
    seen = evidence(faces, [says(label) for label in said], found=[True, True, True, False, True, True, True])
    made = counted(labels, np.array([KEEP, SUSPECT, KEEP, KEEP, SUSPECT, KEEP, DUPLICATE]), seen)
    assert made["faces"] == 7
    assert made["classes"]["anger"] == dict(zip(COUNTS, [4, 1, 3, 1, 2, 1, 3, 1, 0, 0], strict=True))
    assert made["classes"]["happiness"] == dict(zip(COUNTS, [2, 1, 1, 0, 1, 0, 1, 1, 0, 0], strict=True))
    assert made["classes"]["neutral"] == dict(zip(COUNTS, [1, 0, 1, 0, 1, 3, 0, 0, 0, 1], strict=True))
    assert made["wrong_by_label"][ANGER] == [0, 0, 0, 0, 0, 0, 2]
    assert made["wrong_by_opinion"][NEUTRAL] == [2, 0, 0, 1, 0, 0, 0]
    assert made["wrong_by_opinion"][ANGER] == [0, 0, 0, 0, 0, 0, 1]
    assert list(made["agreement"].values()) == [5, 2, 4, 2, 3, 1, 1]
    text = as_text("all", made)
    assert "2 of 5 (40.0%)" in text
    assert "annotators" not in as_text("all", counted(labels, np.full(7, KEEP), evidence(table(7), [says(label) for label in said])))


def test_the_folders_of_the_tree():
    assert tree_place(ANGER, ANGER, True) == "normal/right/anger"
    assert tree_place(ANGER, NEUTRAL, True) == "normal/wrong/anger"
    assert tree_place(ANGER, ANGER, False) == "error/anger"
    assert tree_place(ANGER, -1, True) == "error/anger"


def test_a_contact_sheet_shows_every_face_with_its_text():
    faces = np.stack([np.full((48, 48), 10 + i, np.uint8) for i in range(11)])
    captions = [("happiness \N{RIGHTWARDS ARROW} happiness 100%", "label 100.0%, votes: happiness")] * 11
    sheet = contact_sheet("title", faces, captions)
    for i in range(11):
        assert (sheet == 10 + i).all(2).sum() > 4 * 48 * 4 * 48 * 0.99
    # Each text stays under its own face: the gaps between the columns are empty.
    tile_rows = np.flatnonzero((sheet == 10).all(2).any(1))
    under = sheet[tile_rows[-1] + 1 : tile_rows[-1] + 40]
    starts = [np.flatnonzero((sheet == 10 + i).all(2).any(0))[0] for i in range(1, 8)]
    assert (under < 200).any()
    assert all((under[:, start - 6 : start] == sheet[0, 0]).all() for start in starts)


# A web service as the judge


class Service:
    """A face-analysis service on this machine. Answers from a script, one entry a request; the last stays.

    An entry is (status, body, headers), or a number of seconds to be silent for.
    """

    key = "right"

    def __init__(self):
        self.script: list = [self.answer("happiness")]
        self.asked: list[tuple[str, bytes]] = []
        self.watch, self.watched = (lambda: None), []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.asked.append((self.headers["Content-Type"], body))
                service.watched.append(service.watch())
                entry = service.script.pop(0) if len(service.script) > 1 else service.script[0]
                if isinstance(entry, float):
                    time.sleep(entry)
                    return
                if self.headers["Authorization"] != f"Bearer {service.key}":
                    entry = (401, b"", {})
                self.send_response(entry[0])
                for name, value in entry[2].items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(entry[1])

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/expression"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @staticmethod
    def answer(label: str | None) -> tuple[int, bytes, dict]:
        emotions = None if label is None else {name: 93 if name == label else 1 for name in LABELS}
        return 200, json.dumps({"emotions": emotions}).encode(), {}


@pytest.fixture
def service():
    started = Service()
    yield started
    started.server.shutdown()
    started.server.server_close()


def judge(service: Service, out: Path, key: str = "right", per_second: float = 1000.0, timeout_s: float = 5.0):
    clock = FakeClock()
    return RemoteJudge(service.url, key, out, per_second, timeout_s, clock, clock.sleep), clock


def test_a_service_judges_each_picture_once(service, tmp_path):
    service.script = [service.answer("fear"), service.answer(None), service.answer("anger")]
    faces = table(4)
    faces.pixels[3] = faces.pixels[0]
    opinion = judge(service, tmp_path)[0].opinion(faces)
    assert opinion.shape == (4, 7)
    assert opinion[0, LABELS.index("fear")] == pytest.approx(0.939, abs=1e-3)
    assert np.isnan(opinion[1]).all()
    assert opinion[2].argmax() == ANGER
    assert (opinion[3] == opinion[0]).all()
    assert len(service.asked) == 3
    kind, body = service.asked[0]
    assert kind == "image/png"
    assert (cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED) == enlarged(faces.pixels[0])).all()
    again = judge(service, tmp_path)[0].opinion(faces)
    assert np.array_equal(again, opinion, equal_nan=True)
    assert len(service.asked) == 3


def test_an_answer_is_on_disk_before_the_next_question(service, tmp_path):
    service.watch = lambda: sum(file.read_text().count("\n") for file in tmp_path.iterdir())
    judge(service, tmp_path)[0].opinion(table(3))
    assert service.watched == [0, 1, 2]


def test_another_service_is_asked_anew(service, tmp_path):
    judge(service, tmp_path)[0].opinion(table(1))
    service.url += "2"
    judge(service, tmp_path)[0].opinion(table(1))
    assert len(service.asked) == 2


@pytest.mark.parametrize("trouble", [(429, b"", {}), (503, b"", {}), 0.5])
def test_a_service_that_stumbles_is_asked_again(service, tmp_path, trouble):
    service.script = [trouble, trouble, service.answer("fear")]
    asker, clock = judge(service, tmp_path, timeout_s=0.1)
    assert asker.opinion(table(1))[0].argmax() == LABELS.index("fear")
    assert len(service.asked) == 3
    assert clock.now == pytest.approx(1 + 2, abs=0.1)


def test_a_service_may_say_how_long_to_wait(service, tmp_path):
    service.script = [(429, b"", {"Retry-After": "30"}), service.answer("fear")]
    asker, clock = judge(service, tmp_path)
    asker.opinion(table(1))
    assert clock.now == pytest.approx(30, abs=0.1)


def test_requests_keep_their_distance(service, tmp_path):
    asker, clock = judge(service, tmp_path, per_second=2)
    asker.opinion(table(5))
    assert clock.now == pytest.approx(4 * 0.5)


@pytest.mark.parametrize(
    ("answer", "said", "requests"),
    [
        ((401, b"", {}), r"refuses the key \(401\): set JUDGE_KEY to a valid one", 1),
        ((403, b"", {}), r"refuses the key \(403\)", 1),
        ((404, b"", {}), r"answered 404 \(Not Found\): check --judge-url", 1),
        ((302, b"", {"Location": "http://127.0.0.1:9/elsewhere"}), "answered 302", 1),
        ((500, b"", {}), r"failed 5 times in a row \(500 Internal Server Error\): try again later", TRIES),
        (0.5, r"failed 5 times in a row \(timed out\)", TRIES),
        ((200, b"<html>hello", {}), "answered with '<html>hello', not with the JSON of models.clean.RemoteJudge", 1),
        ((200, b'{"faces": []}', {}), "not with the JSON", 1),
        ((200, b"[1]", {}), "not with the JSON", 1),
        ((200, b'{"emotions": {"anger": 1}}', {}), "not with the JSON", 1),
    ],
)
def test_a_service_that_fails_is_told_in_one_line_and_nothing_judged_is_lost(service, tmp_path, answer, said, requests):
    service.script = [service.answer("fear"), service.answer("anger"), answer]
    asker, _ = judge(service, tmp_path, timeout_s=0.1)
    with pytest.raises(Trouble, match=said) as told:
        asker.opinion(table(4))
    assert "\n" not in str(told.value)
    assert "right" not in str(told.value)
    assert "2 answers are kept in" in str(told.value)
    assert len(service.asked) == 2 + requests
    service.script = [service.answer("happiness")]
    answers = judge(service, tmp_path)[0].opinion(table(4)).argmax(1)
    assert [LABELS[i] for i in answers] == ["fear", "anger", "happiness", "happiness"]
    assert len(service.asked) == 2 + requests + 2


def test_a_service_that_is_not_there(tmp_path):
    clock = FakeClock()
    absent = Service()
    absent.server.shutdown()
    absent.server.server_close()
    with pytest.raises(Trouble, match=r"failed 5 times in a row \(connection refused\).*; 0 answers are kept"):
        RemoteJudge(absent.url, "right", tmp_path, 1000.0, 1.0, clock, clock.sleep).opinion(table(1))
    assert clock.now == pytest.approx(1 + 2 + 4 + 8, abs=0.1)


def test_a_line_that_a_crash_cut_is_asked_for_again(service, tmp_path):
    judge(service, tmp_path)[0].opinion(table(2))
    [file] = tmp_path.glob("judged-*.jsonl")
    file.write_bytes(file.read_bytes()[:-20])
    for _ in range(2):
        assert judge(service, tmp_path)[0].opinion(table(2)).argmax(1).tolist() == [HAPPINESS] * 2
    assert len(service.asked) == 3


@pytest.mark.parametrize("body", [b'{"emotions": null}', json.dumps({"emotions": dict.fromkeys([*LABELS, "contempt"], 3)}).encode()])
def test_answers_that_are_understood(body):
    probabilities = answer_in(body)
    assert probabilities is None or probabilities == pytest.approx([1 / 7] * 7, abs=1e-5)


@pytest.mark.parametrize("value", [-1, float("nan"), 0, "much", None, 10**400])
def test_answers_that_are_not(value):
    body = json.dumps({"emotions": dict.fromkeys(LABELS, value)}).encode()
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError)):
        answer_in(body)


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("judge.example/x", "k", "expected an address"),
        ("file:///faces", "k", "expected an address"),
        ("https://x.y/z", " ", "set the environment variable JUDGE_KEY"),
    ],
)
def test_a_service_that_cannot_be_asked(url, key, said, tmp_path):
    with pytest.raises(Trouble, match=said):
        RemoteJudge(url, key, tmp_path, 1.0)


def test_secrets_in_an_address_are_not_shown(tmp_path):
    assert RemoteJudge("https://x.y/z?secret=s#f", "k", tmp_path, 1.0).shown == "https://x.y/z"


# The command


def write_data(folder: Path, n: int = 30) -> Path:
    """A FER2013 folder with n training faces of all labels and two test faces. The last training face is a copy of the first, the
    last but one is like the second."""
    faces = pictures(n + 2)
    faces[n - 1] = faces[0]
    faces[n - 2] = 0.8 * faces[1] + 0.2 * faces[n - 2]
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "split", "tile", "near_copy_in", "fer2013_label", *(f"votes_{name}" for name in VOTED)])
        for i in range(n + 2):
            split, tile = ("train", i) if i < n else ("public_test", i - n)
            label = LABELS[0 if i == n - 1 else i % len(LABELS)]
            writer.writerow([f"fer{i}", split, tile, "", label, *(int(v) for v in votes(**{label: 10}))])
    for split, part in (("train", faces[:n]), ("public_test", faces[n:])):
        mosaic = np.zeros((48, 48 * COLUMNS[split]), np.uint8)
        mosaic[:, : 48 * len(part)] = np.hstack(part)
        cv2.imwrite(str(folder / f"{split}.png"), mosaic)
    return folder


def command(*arguments: object, **environment: str):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    return CliRunner(env={"JUDGE_KEY": None, **environment}).invoke(app, [str(argument) for argument in arguments])


def test_a_run_with_a_service_writes_all_it_says(service, tmp_path):
    data = write_data(tmp_path / "data")
    service.script = [service.answer("anger"), service.answer(None), service.answer("happiness")]
    arguments = ["--data", data, "--out", tmp_path / "out", "--tree", tmp_path / "tree", "--judge-url", service.url, "--judge-rate", 1000]
    done = command(*arguments, JUDGE_KEY="right")
    assert done.exit_code == 0, done.output
    assert "read 32 faces" in done.output
    assert "1 pairs of copies, 1 of them exact; 31 different pictures" in done.output
    assert len(service.asked) == 31

    with (tmp_path / "out" / "faces.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"fer{i}" for i in range(32)]
    assert rows[0] | {"why": ""} == {
        "name": "fer0",
        "split": "train",
        "label": "anger",
        "majority": "anger",
        "opinion": "anger",
        "probability": "0.9394",
        "label_probability": "0.9394",
        "face_found": "yes",
        "copies": "0",
        "verdict": KEEP,
        "why": "",
    }
    assert (rows[1]["opinion"], rows[1]["probability"], rows[1]["face_found"], rows[1]["copies"]) == ("", "", "no", "")
    assert (rows[29]["verdict"], rows[29]["why"]) == (DUPLICATE, "copy of train fer0")
    assert rows[31]["split"] == "public_test"

    with (tmp_path / "out" / "near_copies.csv").open(newline="") as file:
        pair, alike = csv.DictReader(file)
    assert (alike["kind"], alike["first"], alike["second"]) == ("alike", "fer1", "fer28")
    assert (pair["kind"], pair["splits"], pair["first"], pair["second"]) == ("exact", "within", "fer0", "fer29")

    counts = json.loads((tmp_path / "out" / "counts.json").read_text())
    assert counts["parts"]["all"]["faces"] == 32
    assert counts["parts"]["train"]["classes"]["disgust"]["not_recognised"] == 1
    assert counts["settings"]["judge"] == service.url
    assert (tmp_path / "out" / "report.txt").read_text().strip() in done.output
    with (tmp_path / "out" / "counts.csv").open(newline="") as file:
        assert sum(int(row["total"]) for row in csv.DictReader(file) if row["part"] == "all") == 32

    trees = {place: len(list((tmp_path / "tree" / place).rglob("*.png"))) for place in ("normal/right", "normal/wrong", "error")}
    assert sum(trees.values()) == 32
    assert trees["error"] == 1
    assert cv2.imread(str(tmp_path / "tree/normal/right/anger/00000_fer0.png")).shape == (48, 48, 3)
    # No sheet of disgust is missing: other disgusted faces were recognised.
    assert all(cv2.imread(str(tmp_path / "out" / f"sheet_{label}.png")) is not None for label in LABELS)

    second = command(*arguments, JUDGE_KEY="right")
    assert second.exit_code == 1
    assert "holds something already" in second.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere", "--judge-url", "https://127.0.0.1/x"], r"JUDGE_KEY"),
        (["--data", "nowhere", "--judge-url", "127.0.0.1/x"], "expected an address"),
    ],
)
def test_what_is_wrong_with_a_service_shows_at_once(arguments, said, tmp_path):
    done = command(*arguments, "--out", tmp_path)
    assert done.exit_code == 1
    assert said in done.output
    assert done.output.count("\n") == 1


def test_missing_data_and_a_wrong_key_are_one_line(service, tmp_path):
    nothing = command("--data", tmp_path, "--out", tmp_path / "out", "--judge-url", service.url, JUDGE_KEY="right")
    assert nothing.output.startswith("models.clean: ")
    assert "labels.csv is missing" in nothing.output
    refused = command("--data", write_data(tmp_path / "data"), "--out", tmp_path / "out", "--judge-url", service.url, JUDGE_KEY="wrong")
    assert refused.exit_code == 1
    assert "refuses the key (401)" in refused.output.splitlines()[-1]


@pytest.mark.timeout(120)
def test_a_run_with_networks_touches_no_network_and_goes_on_where_it_was_cut(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs models/requirements.txt")

    def refuse(*_):
        raise AssertionError("a connection was made")

    monkeypatch.setattr("socket.socket.connect", refuse)
    data, out = write_data(tmp_path / "data"), tmp_path / "out"
    arguments = ["--data", data, "--out", out, "--folds", 3, "--epochs", 2]
    done = command(*arguments)
    assert done.exit_code == 0, done.output
    assert done.output.count("learning from ") == 3
    first = (out / "faces.csv").read_text()
    rows = list(csv.DictReader(first.splitlines()))
    assert all(0 < float(row["probability"]) <= 1 for row in rows)
    assert {row["face_found"] for row in rows} == {"no"}

    [cut] = out.glob("judge-*/fold1.npz")
    cut.unlink()
    again = command(*arguments)
    assert again.output.count("is judged already") == 2
    assert (out / "faces.csv").read_text() == first
    other = command(*arguments, "--seed", 2)
    assert "is judged already" not in other.output
    assert "choose one of emotion, nano" in command(*arguments, "--net", "huge").output


def test_without_torch_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    done = command("--data", tmp_path, "--out", tmp_path)
    assert done.exit_code == 1
    assert done.output.startswith("models.clean: the judge is a network, and torch is not installed: run `pip install")


def test_a_network_learns_to_tell_faces_apart_that_it_did_not_see(tmp_path):
    pytest.importorskip("torch", reason="needs models/requirements.txt")
    from models.clean import network_teacher

    draw = np.random.default_rng(0)
    labels = np.arange(96) % 2 * HAPPINESS
    pixels = draw.integers(0, 60, (96, 48, 48)).astype(np.uint8)
    pixels[labels == HAPPINESS, 12:36, 12:36] += 180
    faces = table(96, pixels=pixels, labels=labels)
    answer = network_teacher("nano", 60, 1)(faces.where(np.arange(96) < 64), tmp_path)
    probs = answer(faces.pixels[64:])
    assert probs.shape == (32, 7)
    assert (probs.sum(1) <= 1 + 1e-5).all()
    assert (probs.argmax(1) == labels[64:]).mean() > 0.9


def test_the_answers_file_is_named_after_the_address(service, tmp_path):
    judge(service, tmp_path)[0].opinion(table(1))
    [line] = (tmp_path / f"judged-{hashlib.sha256(service.url.encode()).hexdigest()[:8]}.jsonl").read_text().splitlines()
    assert json.loads(line)["picture"] == hashlib.sha256(table(1).pixels[0].tobytes()).hexdigest()
    assert "right" not in line
