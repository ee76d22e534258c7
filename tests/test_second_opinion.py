import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import pytest

from models.chips import framing_of
from models.face_table import VOTED, FaceTable
from models.framing import placement_of, sampling_matrix
from models.near_copies import ALIKE, near_copies, person_folds, signature
from models.second_opinion import (
    TRIES,
    CrossValidatedNetworks,
    WebService,
    detected_faces,
    enlarged,
    learnable,
    networks,
    parse_answer,
    votes_or_label,
)
from realtime.base.errors import Trouble
from realtime.values import LABELS
from tests.fakes import FakeClock
from tests.test_near_copies import pictures

ANGER, HAPPINESS = LABELS.index("anger"), LABELS.index("happiness")


def table(n: int = 1, **columns) -> FaceTable:
    """Training faces cut by others, without votes, copies and persons, all labelled anger, except for the columns in `columns`."""
    usual = {
        "names": np.array([f"f{i}" for i in range(n)]),
        "pixels": pictures(n),
        "votes": np.zeros((n, len(VOTED)), np.float32),
        "labels": np.zeros(n, np.int64),
        "near_copy_in": np.full(n, ""),
        "persons": np.full(n, ""),
        "splits": np.full(n, "train"),
        "framed": np.full(n, False),
    }
    return FaceTable(**(usual | {name: np.asarray(column) for name, column in columns.items()}))


def votes(**counts: int) -> list[float]:
    return [float(counts.get(name, 0)) for name in VOTED]


def crop(gray) -> np.ndarray:
    """A (48, 48) uint8 crop as FER2013 has them: the face fills it."""
    return cv2.resize(gray("obama")[50:190, 152:292], (48, 48), interpolation=cv2.INTER_AREA)


# Networks


class FakeTraining:
    """Stands for the training of networks. It records the training faces, and answers with each picture's greatest correlation to them."""

    def __init__(self, fail_at: int | None = None):
        self.training_sets: list[FaceTable] = []
        self.fail_at = fail_at
        self.prepared = 0

    def __call__(self, faces: FaceTable):
        self.prepared += 1

        def train_and_answer(outside: np.ndarray, inside: np.ndarray, out: Path) -> np.ndarray:
            assert out.is_dir()
            if len(self.training_sets) == self.fail_at:
                raise KeyboardInterrupt
            self.training_sets.append(faces.where(outside))
            pixels = faces.pixels[inside]
            both = [signature(pixels), signature(pixels[:, :, ::-1])]
            resembles = np.max([side @ signature(faces.pixels[outside]).T for side in both], axis=(0, 2))
            return np.repeat(resembles[:, None], len(LABELS), 1)

        return train_and_answer


def with_copies(n: int) -> FaceTable:
    """n faces, then each of them again: unchanged, mirrored, lighter, or only alike."""
    faces = pictures(n)
    other = pictures(n, seed=1)
    again = faces.copy()
    again[1::4] = faces[1::4, :, ::-1]
    again[2::4] = cv2.convertScaleAbs(faces[2::4], alpha=0.7, beta=30)
    again[3::4] = 0.8 * faces[3::4] + 0.2 * other[3::4]
    return table(2 * n, pixels=np.concatenate([faces, again]))


def test_no_network_learned_from_the_faces_that_it_answers_or_from_copies(tmp_path):
    faces = with_copies(60)
    teach = FakeTraining()
    fold, usable = person_folds(near_copies(faces.pixels, ALIKE), faces.persons, 4, 0), np.full(len(faces), True)
    resemblance = CrossValidatedNetworks(fold, usable, teach, tmp_path).opinion(faces)[:, 0]
    assert [len(part) for part in teach.training_sets] == [90] * 4
    assert teach.prepared == 1
    assert resemblance.max() < ALIKE
    # With folds that separate copies the fake does notice them.
    separated = np.arange(len(faces)) // 60
    assert CrossValidatedNetworks(separated, usable, FakeTraining(), tmp_path / "separated").opinion(faces)[:, 0].min() > ALIKE


def test_networks_learn_from_no_test_row(tmp_path):
    faces = table(24, splits=["train"] * 16 + ["public_test"] * 8)
    teach = FakeTraining()
    opinion = CrossValidatedNetworks(np.arange(24) % 3, learnable(faces), teach, tmp_path).opinion(faces)
    assert not np.isnan(opinion).any()
    assert {name for part in teach.training_sets for name in part.names.tolist()} == set(faces.names[:16].tolist())


def test_what_can_be_learned_from():
    labels, voted = [ANGER, -1, -1, ANGER], [votes(), votes(fear=9), votes(), votes(unknown=9)]
    for splits, expected in (
        (["train"] * 4, [True, True, False, False]),
        (["train", "test", "train", "train"], [True, False, False, False]),
        # Without a training split all rows are used.
        ([""] * 4, [True, True, False, False]),
    ):
        assert learnable(table(4, labels=labels, votes=voted, splits=splits)).tolist() == expected


def test_a_run_that_was_stopped_continues_with_the_fold_where_it_stopped(tmp_path):
    faces, fold, usable = table(12), np.arange(12) % 3, np.full(12, True)
    with pytest.raises(KeyboardInterrupt):
        CrossValidatedNetworks(fold, usable, FakeTraining(fail_at=2), tmp_path).opinion(faces)
    teach = FakeTraining()
    continued = CrossValidatedNetworks(fold, usable, teach, tmp_path).opinion(faces)
    assert [len(part) for part in teach.training_sets] == [8]
    # After a complete run there is nothing to prepare.
    CrossValidatedNetworks(fold, usable, teach, tmp_path).opinion(faces)
    assert teach.prepared == 1
    assert (continued == CrossValidatedNetworks(fold, usable, FakeTraining(), tmp_path / "whole").opinion(faces)).all()


def test_nothing_to_learn_from(tmp_path):
    usable = np.array([True, False])
    with pytest.raises(Trouble, match="no train rows with a label are left to learn from beside fold 1 of 2"):
        CrossValidatedNetworks(np.array([0, 1]), usable, FakeTraining(), tmp_path).opinion(table(2))


def test_networks_learn_votes_where_there_are_any_and_labels_elsewhere():
    faces = table(4, votes=[votes(fear=8, anger=2), votes(), votes(unknown=9), votes()], labels=[ANGER, HAPPINESS, ANGER, -1])
    distribution, weight = votes_or_label(faces)
    assert distribution[0, LABELS.index("fear")] == pytest.approx(0.8)
    assert distribution[1].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert weight.tolist() == [1, 1, 0, 0]


def test_a_crop_is_framed_unless_the_camera_framed_it(gray):
    face = crop(gray)
    framing = framing_of(table(2, pixels=[face, face], framed=[True, False]))
    assert framing.dtype == np.float32
    assert (framing[0] == np.eye(2, 3)).all()
    assert (framing[1] == sampling_matrix(placement_of(face))).all()
    assert np.abs(framing[1] - framing[0]).max() > 0.02


def test_a_network_learns_to_distinguish_faces_that_it_did_not_learn_from(tmp_path):
    pytest.importorskip("torch", reason="needs models/requirements.txt")
    draw = np.random.default_rng(0)
    labels = np.arange(96) % 2 * HAPPINESS
    pixels = draw.integers(0, 60, (96, 48, 48)).astype(np.uint8)
    pixels[labels == HAPPINESS, 12:36, 12:36] += 180
    faces = table(96, pixels=pixels, labels=labels)
    probs = networks("nano", 60, 1)(faces)(np.arange(96) < 64, np.arange(96) >= 64, tmp_path)
    assert probs.shape == (32, 7)
    assert (probs.sum(1) <= 1 + 1e-5).all()
    assert (probs.argmax(1) == labels[64:]).mean() > 0.9


# The detector


def test_a_dataset_crop_is_searched_as_the_detector_needs_it(gray, tmp_path):
    face = crop(gray)
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    assert enlarged(face).shape == (256, 256)
    # In the last crop, which the camera's chain cut out, a face was detected before.
    faces = table(3, pixels=[noise, face, noise], framed=[False, False, True])
    assert detected_faces(faces, tmp_path / "found.npz").tolist() == [False, True, True]
    # The second time the answer comes from the file.
    assert detected_faces(faces.where([1, 1, 1]), tmp_path / "found.npz").tolist() == [False, True, True]


# A web service


class Service:
    """A face-analysis service on this machine. Answers from a script, one entry a request; the last stays.

    An entry is (status, body, headers), or a number of seconds to be silent for.
    """

    key = "right"

    def __init__(self):
        self.script: list = [self.answer("happiness")]
        self.requests: list[tuple[str, bytes]] = []
        self.watch, self.watched = (lambda: None), []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.requests.append((self.headers["Content-Type"], body))
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def answer(label: str | None) -> tuple[int, bytes, dict]:
        emotions = None if label is None else {name: 93 if name == label else 1 for name in LABELS}
        return 200, json.dumps({"emotions": emotions}).encode(), {}


@pytest.fixture
def service():
    with Service() as started:
        yield started


def client(service: Service, out: Path, key: str = "right", per_second: float = 1000.0, timeout_s: float = 5.0):
    clock = FakeClock()
    return WebService(service.url, key, out, per_second, timeout_s, clock, clock.sleep), clock


def test_a_service_gets_each_picture_once(service, tmp_path):
    service.script = [service.answer("fear"), service.answer(None), service.answer("anger")]
    faces = table(4)
    faces.pixels[3] = faces.pixels[0]
    opinion = client(service, tmp_path)[0].opinion(faces)
    assert opinion.shape == (4, 7)
    assert opinion[0, LABELS.index("fear")] == pytest.approx(0.939, abs=1e-3)
    assert np.isnan(opinion[1]).all()
    assert opinion[2].argmax() == ANGER
    assert (opinion[3] == opinion[0]).all()
    assert len(service.requests) == 3
    kind, body = service.requests[0]
    assert kind == "image/png"
    assert (cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED) == enlarged(faces.pixels[0])).all()
    again = client(service, tmp_path)[0].opinion(faces)
    assert np.array_equal(again, opinion, equal_nan=True)
    assert len(service.requests) == 3


def test_an_answer_is_on_disk_before_the_next_question(service, tmp_path):
    service.watch = lambda: sum(file.read_text().count("\n") for file in tmp_path.iterdir())
    client(service, tmp_path)[0].opinion(table(3))
    assert service.watched == [0, 1, 2]


def test_another_service_gets_all_pictures_again(service, tmp_path):
    client(service, tmp_path)[0].opinion(table(1))
    service.url += "2"
    client(service, tmp_path)[0].opinion(table(1))
    assert len(service.requests) == 2


@pytest.mark.parametrize("trouble", [(429, b"", {}), (503, b"", {}), 1.0])
def test_a_request_that_fails_is_repeated(service, tmp_path, trouble):
    service.script = [trouble, trouble, service.answer("fear")]
    web_service, clock = client(service, tmp_path, timeout_s=0.5 if trouble == 1.0 else 10.0)
    assert web_service.opinion(table(1))[0].argmax() == LABELS.index("fear")
    assert len(service.requests) == 3
    assert clock.now == pytest.approx(1 + 2, abs=0.1)


def test_a_service_may_tell_how_long_to_wait(service, tmp_path):
    service.script = [(429, b"", {"Retry-After": "30"}), service.answer("fear")]
    web_service, clock = client(service, tmp_path)
    web_service.opinion(table(1))
    assert clock.now == pytest.approx(30, abs=0.1)


def test_requests_keep_their_distance(service, tmp_path):
    web_service, clock = client(service, tmp_path, per_second=2)
    web_service.opinion(table(5))
    assert clock.now == pytest.approx(4 * 0.5)


@pytest.mark.parametrize(
    ("answer", "message", "requests"),
    [
        ((401, b"", {}), r"refuses the key \(401\): set JUDGE_KEY to a valid one", 1),
        ((403, b"", {}), r"refuses the key \(403\)", 1),
        ((404, b"", {}), r"answered 404 \(Not Found\): check --judge-url", 1),
        ((302, b"", {"Location": "http://127.0.0.1:9/elsewhere"}), "answered 302", 1),
        ((500, b"", {}), r"failed 5 times in a row \(500 Internal Server Error\): try again later", TRIES),
        (1.0, r"failed 5 times in a row \(timed out\)", TRIES),
        ((200, b"<html>hello", {}), "answered with '<html>hello', not with the JSON of models.second_opinion.WebService", 1),
        ((200, b'{"faces": []}', {}), "not with the JSON", 1),
        ((200, b"[1]", {}), "not with the JSON", 1),
        ((200, b'{"emotions": {"anger": 1}}', {}), "not with the JSON", 1),
    ],
)
def test_a_service_that_fails_gives_one_line_and_no_answer_is_lost(service, tmp_path, answer, message, requests):
    service.script = [service.answer("fear"), service.answer("anger"), answer]
    # Short only where time runs out: on a busy machine a good answer must not come too late.
    web_service, _ = client(service, tmp_path, timeout_s=0.5 if answer == 1.0 else 10.0)
    with pytest.raises(Trouble, match=message) as caught:
        web_service.opinion(table(4))
    assert "\n" not in str(caught.value)
    assert "right" not in str(caught.value)
    assert "2 answers are kept in" in str(caught.value)
    assert len(service.requests) == 2 + requests
    service.script = [service.answer("happiness")]
    answers = client(service, tmp_path)[0].opinion(table(4)).argmax(1)
    assert [LABELS[i] for i in answers] == ["fear", "anger", "happiness", "happiness"]
    assert len(service.requests) == 2 + requests + 2


def test_a_service_that_is_not_there(tmp_path):
    clock = FakeClock()
    with Service() as absent:
        pass
    with pytest.raises(Trouble, match=r"failed 5 times in a row \(connection refused\).*; 0 answers are kept"):
        WebService(absent.url, "right", tmp_path, 1000.0, 1.0, clock, clock.sleep).opinion(table(1))
    assert clock.now == pytest.approx(1 + 2 + 4 + 8, abs=0.1)


def test_an_incomplete_last_line_is_requested_again(service, tmp_path):
    client(service, tmp_path)[0].opinion(table(2))
    [file] = tmp_path.glob("judged-*.jsonl")
    file.write_bytes(file.read_bytes()[:-20])
    for _ in range(2):
        assert client(service, tmp_path)[0].opinion(table(2)).argmax(1).tolist() == [HAPPINESS] * 2
    assert len(service.requests) == 3


@pytest.mark.parametrize("body", [b'{"emotions": null}', json.dumps({"emotions": dict.fromkeys([*LABELS, "contempt"], 3)}).encode()])
def test_answers_that_can_be_parsed(body):
    probabilities = parse_answer(body)
    assert probabilities is None or probabilities == pytest.approx([1 / 7] * 7, abs=1e-5)


@pytest.mark.parametrize("value", [-1, float("nan"), 0, "much", None, 10**400])
def test_answers_that_cannot_be_parsed(value):
    body = json.dumps({"emotions": dict.fromkeys(LABELS, value)}).encode()
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError)):
        parse_answer(body)


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("judge.example/x", "k", "expected an address"),
        ("file:///faces", "k", "expected an address"),
        ("https://x.y/z", " ", "set the environment variable JUDGE_KEY"),
    ],
)
def test_wrong_settings_of_a_service(url, key, message, tmp_path):
    with pytest.raises(Trouble, match=message):
        WebService(url, key, tmp_path, 1.0)


def test_secrets_in_an_address_are_not_shown(tmp_path):
    assert WebService("https://x.y/z?secret=s#f", "k", tmp_path, 1.0).address == "https://x.y/z"


def test_the_answers_file_is_named_after_the_address(service, tmp_path):
    client(service, tmp_path)[0].opinion(table(1))
    [line] = (tmp_path / f"judged-{hashlib.sha256(service.url.encode()).hexdigest()[:8]}.jsonl").read_text().splitlines()
    assert json.loads(line)["picture"] == hashlib.sha256(table(1).pixels[0].tobytes()).hexdigest()
    assert "right" not in line
