import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from models.clean import (
    COUNTS,
    DUPLICATE,
    KEEP,
    NOT_A_FACE,
    SUSPECT,
    Evidence,
    as_text,
    confident,
    contact_sheet,
    copied_elsewhere,
    count,
    main,
    representatives,
    tree_place,
    verdicts,
)
from models.datasets import COLUMNS
from models.face_table import VOTED, FaceTable, majority
from realtime.values import LABELS
from tests.test_near_copies import pictures
from tests.test_second_opinion import Service, table, votes

ANGER, HAPPINESS, SADNESS, NEUTRAL = (LABELS.index(name) for name in ("anger", "happiness", "sadness", "neutral"))


def opinion_row(label: str | None, sure: float = 0.9, face: float = 1.0) -> list[float]:
    """A row of second opinions: `sure` of `face` for one label; None for no face."""
    if label is None:
        return [np.nan] * len(LABELS)
    return [face * (sure if name == label else (1 - sure) / (len(LABELS) - 1)) for name in LABELS]


def evidence(faces: FaceTable, opinion: list[list[float]], **columns) -> Evidence:
    """A face was detected in every row and none is a copy, except for the columns in `columns`."""
    n = len(faces)
    usual = {
        "opinion": np.array(opinion, np.float32),
        "detected": np.full(n, True),
        "majority": majority(faces.votes),
        "groups": np.arange(n),
    }
    return Evidence(**(usual | {name: np.asarray(column) for name, column in columns.items()}))


# Verdicts


@pytest.mark.parametrize(
    ("voted", "opinion", "detected", "verdict", "why"),
    [
        ({}, opinion_row("anger"), True, KEEP, "the judge says anger (90%)"),
        ({}, opinion_row("fear"), True, SUSPECT, "the judge says fear (90%)"),
        ({"anger": 8, "fear": 2}, opinion_row("fear"), True, KEEP, "the annotators say anger, the judge says fear (90%)"),
        ({"fear": 8, "anger": 2}, opinion_row("anger"), True, KEEP, "the annotators say fear, the judge says anger (90%)"),
        ({"fear": 8, "anger": 2}, opinion_row("sadness"), True, SUSPECT, "the annotators say fear, the judge says sadness (90%)"),
        ({"fear": 8}, opinion_row(None), False, SUSPECT, "the annotators say fear"),
        ({"fear": 5, "anger": 5}, opinion_row(None), False, KEEP, "nobody says otherwise"),
        ({"not_face": 7, "anger": 3}, opinion_row("anger"), True, NOT_A_FACE, "the annotators see no face"),
        ({"not_face": 5, "anger": 5}, opinion_row("anger"), True, KEEP, "the judge says anger (90%)"),
        ({}, opinion_row("anger", face=0.4), False, NOT_A_FACE, "neither the detector nor the judge sees a face"),
        ({}, opinion_row(None), False, NOT_A_FACE, "neither the detector nor the judge sees a face"),
        ({}, opinion_row("anger", face=0.4), True, KEEP, "the judge says anger (36%)"),
        ({}, opinion_row("anger"), False, KEEP, "the judge says anger (90%)"),
        # Annotators looked at it.
        ({"anger": 9}, opinion_row("anger", face=0.1), False, KEEP, "the annotators say anger, the judge says anger (9%)"),
    ],
)
def test_what_one_face_labelled_anger_gets(voted, opinion, detected, verdict, why):
    faces = table(1, votes=[votes(**voted)])
    names, reasons = verdicts(faces, evidence(faces, [opinion], detected=[detected]))
    assert (names[0], reasons[0]) == (verdict, why)


def test_an_unsure_opinion_alone_does_not_make_a_label_suspect():
    faces = table(3, labels=[HAPPINESS, ANGER, ANGER], votes=[votes(), votes(), votes(neutral=9)])
    facts = evidence(faces, [opinion_row("happiness", 0.9), opinion_row("happiness", 0.5), opinion_row("happiness", 0.5)])
    # 0.5 is less than 0.63, the mean probability of its answers "happiness".
    assert confident(facts).tolist() == [True, False, False]
    assert verdicts(faces, facts)[0].tolist() == [KEEP, KEEP, SUSPECT]


def test_copies_are_represented_by_a_test_row_or_by_the_likeliest_label():
    splits = ["train", "train", "train", "public_test", "train", "train"]
    faces = table(6, labels=[ANGER, SADNESS, ANGER, ANGER, ANGER, ANGER], splits=splits)
    opinion = [
        opinion_row("sadness", 0.7),
        opinion_row("sadness", 0.7),
        opinion_row("anger", 0.9),
        opinion_row("anger", 0.3),
        opinion_row("anger"),
        opinion_row("anger"),
    ]
    facts = evidence(faces, opinion, groups=[0, 0, 2, 2, 4, 4])
    assert representatives(faces, facts).tolist() == [1, 1, 3, 3, 4, 4]
    names, why = verdicts(faces, facts)
    assert names.tolist() == [DUPLICATE, KEEP, DUPLICATE, KEEP, KEEP, DUPLICATE]
    assert why[0] == "copy of train f1"
    assert why[1] == "the judge says sadness (70%), its copies are labelled anger"
    assert why[2] == "copy of public_test f3"
    assert why[4] == "the judge says anger (90%)"


def test_rows_are_duplicates_of_test_splits_that_are_not_in_the_table():
    near = np.array(["", "private_test", "public_test+private_test", "public_test", "train", "private_test", "public_test"])
    splits = np.array(["train", "train", "train", "train", "public_test", "public_test", "public_test"])
    elsewhere = copied_elsewhere(near, splits).tolist()
    assert elsewhere == ["", "private_test", "public_test+private_test", "public_test", "", "private_test", ""]
    faces = table(2, near_copy_in=near[:2])
    names, why = verdicts(faces, evidence(faces, [opinion_row("anger")] * 2))
    assert names.tolist() == [KEEP, DUPLICATE]
    assert why[1] == "copy of a picture in private_test"


# Counts


def test_counts_by_hand():
    labels = np.array([ANGER, ANGER, ANGER, ANGER, HAPPINESS, HAPPINESS, NEUTRAL])
    answers = ["anger", "neutral", "neutral", "anger", "neutral", None, "anger"]
    faces = table(
        7, labels=labels, votes=[votes(anger=9), votes(neutral=9), votes(anger=9), votes(), votes(fear=9), votes(fear=9), votes()]
    )
    facts = evidence(faces, [opinion_row(label) for label in answers], detected=[True, True, True, False, True, True, True])
    counts = count(labels, np.array([KEEP, SUSPECT, KEEP, KEEP, SUSPECT, KEEP, DUPLICATE]), facts)
    assert (counts["faces"], counts["without_label"]) == (7, 0)
    assert counts["classes"]["anger"] == dict(zip(COUNTS, [4, 1, 3, 1, 2, 1, 3, 1, 0, 0], strict=True))
    assert counts["classes"]["happiness"] == dict(zip(COUNTS, [2, 1, 1, 0, 1, 0, 1, 1, 0, 0], strict=True))
    assert counts["classes"]["neutral"] == dict(zip(COUNTS, [1, 0, 1, 0, 1, 3, 0, 0, 0, 1], strict=True))
    assert counts["wrong_by_label"][ANGER] == [0, 0, 0, 0, 0, 0, 2]
    assert counts["wrong_by_opinion"][NEUTRAL] == [2, 0, 0, 1, 0, 0, 0]
    assert counts["wrong_by_opinion"][ANGER] == [0, 0, 0, 0, 0, 0, 1]
    assert list(counts["agreement"].values()) == [5, 2, 4, 2, 3, 1, 1]
    text = as_text("all", counts)
    assert "2 of 5 (40.0%)" in text
    assert "annotators" not in as_text(
        "all", count(labels, np.full(7, KEEP), evidence(table(7), [opinion_row(label) for label in answers]))
    )


def test_a_face_without_a_label_can_only_be_a_duplicate_or_no_face():
    faces = table(4, labels=[-1, -1, ANGER, -1], votes=[votes(fear=9), votes(), votes(), votes(not_face=9)], splits=[""] * 4)
    facts = evidence(faces, [opinion_row("fear"), opinion_row("anger"), opinion_row("anger"), opinion_row("anger")], groups=[0, 1, 1, 3])
    names, why = verdicts(faces, facts)
    assert names.tolist() == [KEEP, DUPLICATE, KEEP, NOT_A_FACE]
    assert why.tolist()[:3] == ["the annotators say fear, the judge says fear (90%)", "copy of f2", "the judge says anger (90%)"]
    counts = count(faces.labels, names, facts)
    assert (counts["faces"], counts["without_label"]) == (4, 3)
    assert sum(row["total"] for row in counts["classes"].values()) == 1
    assert "4 faces, 3 of them without a label" in as_text("all", counts)


def test_the_folders_of_the_tree():
    assert tree_place(ANGER, ANGER, True) == "normal/right/anger"
    assert tree_place(ANGER, NEUTRAL, True) == "normal/wrong/anger"
    assert tree_place(ANGER, ANGER, False) == "error/anger"
    assert tree_place(ANGER, -1, True) == "error/anger"
    assert tree_place(-1, ANGER, True) == "normal/no_label"
    assert tree_place(-1, -1, True) == "error/no_label"


def test_a_contact_sheet_shows_every_face_with_its_text():
    faces = np.stack([np.full((48, 48), 10 + i, np.uint8) for i in range(11)])
    captions = [("happiness \N{RIGHTWARDS ARROW} happiness 100%", "label 100.0%, votes: happiness")] * 11
    sheet = contact_sheet("title", faces, captions)
    for i in range(11):
        assert (sheet == 10 + i).all(2).sum() > 4 * 48 * 4 * 48 * 0.99
    # Each text stays below its own face: the gaps between the columns are empty.
    tile_rows = np.flatnonzero((sheet == 10).all(2).any(1))
    under = sheet[tile_rows[-1] + 1 : tile_rows[-1] + 40]
    starts = [np.flatnonzero((sheet == 10 + i).all(2).any(0))[0] for i in range(1, 8)]
    assert (under < 200).any()
    assert all((under[:, start - 6 : start] == sheet[0, 0]).all() for start in starts)


# The command


@pytest.fixture
def service():
    with Service() as started:
        yield started


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


def test_a_run_with_a_service_writes_all_files(service, tmp_path):
    data = write_data(tmp_path / "data")
    service.script = [service.answer("anger"), service.answer(None), service.answer("happiness")]
    arguments = ["--data", data, "--out", tmp_path / "out", "--tree", tmp_path / "tree", "--judge-url", service.url, "--judge-rate", 1000]
    result = command(*arguments, JUDGE_KEY="right")
    assert result.exit_code == 0, result.output
    assert f"read 32 faces from {data}: public_test 2, train 30" in result.output
    assert "1 pairs of copies, 1 of them exact; 31 different pictures" in result.output
    assert len(service.requests) == 31

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
    assert (tmp_path / "out" / "report.txt").read_text().strip() in result.output
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
    ("arguments", "message"),
    [
        (["--data", "nowhere", "--judge-url", "https://127.0.0.1/x"], r"JUDGE_KEY"),
        (["--data", "nowhere", "--judge-url", "127.0.0.1/x"], "expected an address"),
    ],
)
def test_what_is_wrong_with_a_service_shows_at_once(arguments, message, tmp_path):
    result = command(*arguments, "--out", tmp_path)
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.count("\n") == 1


def test_missing_data_and_a_wrong_key_are_one_line(service, tmp_path):
    nothing = command("--data", tmp_path, "--out", tmp_path / "out", "--judge-url", service.url, JUDGE_KEY="right")
    assert nothing.output.startswith("models.clean: ")
    assert "holds no known data set" in nothing.output
    refused = command("--data", write_data(tmp_path / "data"), "--out", tmp_path / "out", "--judge-url", service.url, JUDGE_KEY="wrong")
    assert refused.exit_code == 1
    assert "refuses the key (401)" in refused.output.splitlines()[-1]


@pytest.mark.timeout(120)
def test_a_run_with_networks_makes_no_connection_and_continues_where_it_stopped(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs models/requirements.txt")

    def refuse(*_):
        raise AssertionError("a connection was counts")

    monkeypatch.setattr("socket.socket.connect", refuse)
    data, out = write_data(tmp_path / "data"), tmp_path / "out"
    arguments = ["--data", data, "--out", out, "--folds", 3, "--epochs", 1]
    result = command(*arguments)
    assert result.exit_code == 0, result.output
    assert result.output.count("learning from ") == 3
    first = (out / "faces.csv").read_text()
    rows = list(csv.DictReader(first.splitlines()))
    assert all(0 < float(row["probability"]) <= 1 for row in rows)
    assert {row["face_found"] for row in rows} == {"no"}

    [cut] = out.glob("judge-*/fold1.npz")
    cut.unlink()
    again = command(*arguments)
    assert again.output.count("is judged already") == 2
    assert (out / "faces.csv").read_text() == first
    assert "is judged already" not in command(*arguments, "--seed", 2).output
    assert "choose one of emotion, nano" in command(*arguments, "--net", "huge").output


def test_the_options_reach_the_networks_and_the_seed_decides_the_folds(tmp_path, monkeypatch):
    calls, answered = [], []

    def fake(*arguments: object):
        calls.append(arguments)
        answered.append([])

        def prepare(faces: FaceTable):
            def train_and_answer(outside: np.ndarray, inside: np.ndarray, out: Path) -> np.ndarray:
                answered[-1].append(inside.tolist())
                return np.full((inside.sum(), len(LABELS)), 1 / len(LABELS))

            return train_and_answer

        return prepare

    monkeypatch.setattr("models.clean.networks", fake)
    data = write_data(tmp_path / "data")
    for run, seed in enumerate((1, 2, 1)):
        result = command("--data", data, "--out", tmp_path / f"{run}", "--net", "emotion", "--epochs", 7, "--folds", 3, "--seed", seed)
        assert result.exit_code == 0, result.output
    assert calls == [("emotion", 7, 1), ("emotion", 7, 2), ("emotion", 7, 1)]
    assert [len(run) for run in answered] == [3, 3, 3]
    assert answered[0] == answered[2] != answered[1]


def test_without_torch_the_command_loads_and_says_what_to_install(tmp_path):
    start = "import runpy, sys; sys.modules['torch'] = None; runpy.run_module('models.clean', run_name='__main__')"
    arguments = ["--data", tmp_path, "--out", tmp_path]
    result = subprocess.run([sys.executable, "-c", start, *arguments], cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("models.clean: the judge is a network, and torch is not installed: run `pip install")
    assert result.stderr.count("\n") == 1
