import json
import os
import stat

import numpy as np
import pytest
from conftest import HOSTILE_JSON

from realtime.base.errors import Trouble
from realtime.expression.classifier import softmax
from realtime.expression.profile import MOST_BYTES, Profile, load, personal, save

MODEL = "a" * 64


@pytest.fixture
def profile():
    rng = np.random.default_rng(0)
    return Profile("ada", MODEL, "head", rng.normal(size=7).astype(np.float32), rng.normal(size=(208, 7)).astype(np.float32), {"takes": 7})


def test_a_profile_adds_to_the_log_probabilities(profile):
    rng = np.random.default_rng(1)
    logits, embedding = rng.normal(size=(5, 7)), rng.normal(size=(5, 208))
    expected = softmax(logits + profile.offsets + embedding @ profile.weights)
    assert personal(profile, softmax(logits), embedding) == pytest.approx(expected, abs=1e-6)


def test_offsets_move_the_border_between_two_expressions():
    profile = Profile("ada", MODEL, "offsets", np.log(np.array([1, 1, 1, 1, 0.25, 1, 1])).astype(np.float32))
    probs = np.array([[0, 0, 0, 0, 0.6, 0, 0.4]], np.float32)
    assert personal(profile, probs, np.zeros((1, 3))) == pytest.approx(np.array([[0, 0, 0, 0, 0.15 / 0.55, 0, 0.4 / 0.55]]), abs=1e-6)
    assert personal(profile, probs[:0], np.zeros((0, 3))).shape == (0, 7)


def test_what_is_saved_is_read_back_and_small_and_private(profile, tmp_path):
    path = tmp_path / "new" / "ada.json"
    save(profile, path)
    save(profile, path)
    again = load(path, MODEL, 208)
    assert (again.name, again.step, again.notes) == ("ada", "head", {"takes": 7})
    assert again.offsets == pytest.approx(profile.offsets, abs=1e-4)
    assert again.weights == pytest.approx(profile.weights, abs=1e-4)
    assert path.stat().st_size < MOST_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": "profile/2"}, "schema 'profile/2', .*this program reads 'profile/1'"),
        ({"model": "b" * 64}, "made for another model"),
        ({"offsets": [0.0] * 6}, "is damaged"),
        ({"offsets": [float("nan")] * 7}, "is damaged"),
        ({"offsets": [1e9] * 7}, "is damaged"),
        ({"weights": [[0.0] * 7]}, "is damaged"),
        ({"weights": "no"}, "is damaged"),
        ({"step": "magic"}, "is damaged"),
        ({"labels": ["joy"]}, "is damaged"),
        ({"name": " " * MOST_BYTES}, "more than"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(profile, tmp_path, change, complaint):
    path = tmp_path / "ada.json"
    save(profile, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Trouble, match=complaint) as trouble:
        load(path, MODEL, 208)
    assert "\n" not in str(trouble.value)
    assert "run.py calibrate" in str(trouble.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 9000])
def test_what_is_no_profile_is_refused(tmp_path, content):
    path = tmp_path / "ada.json"
    path.write_bytes(content)
    with pytest.raises(Trouble, match="is damaged"):
        load(path, MODEL, 208)


def test_a_profile_that_is_not_there(tmp_path):
    with pytest.raises(Trouble, match=r"cannot read profile .*no such file"):
        load(tmp_path / "ada.json", MODEL, 208)


def test_one_that_cannot_be_written_leaves_nothing(profile, tmp_path):
    (tmp_path / "ada.json").mkdir()
    with pytest.raises(Trouble, match="cannot write profile"):
        save(profile, tmp_path / "ada.json")
    assert [path.name for path in tmp_path.iterdir()] == ["ada.json"]


@pytest.mark.parametrize("entry", ["offsets", "weights", "labels", "step", "schema", "model", "notes"])
def test_whatever_stands_in_a_profile_is_one_line_of_trouble(profile, tmp_path, entry):
    path = tmp_path / "ada.json"
    save(profile, path)
    whole = json.loads(path.read_text())
    for raw in HOSTILE_JSON:
        if (entry, raw) in {("weights", "null"), ("notes", "{}")}:
            continue
        path.write_text(json.dumps(whole | {entry: "a hole"}).replace('"a hole"', raw))
        with pytest.raises(Trouble) as caught:
            load(path, MODEL, 208)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.timeout(10)
def test_a_pipe_in_place_of_a_profile_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "ada.json")
    with pytest.raises(Trouble, match="no regular file"):
        load(tmp_path / "ada.json", MODEL, 208)
