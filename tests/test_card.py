import json
from pathlib import Path

import pytest

from models.card import replace_model, write_card

OLD, NEW = (b"old model", {"sha256": "old"}), (b"new model", {"sha256": "new"})


def pair(path: Path) -> tuple[bytes, dict]:
    return path.read_bytes(), json.loads(path.with_suffix(".json").read_text())


@pytest.fixture
def path(tmp_path):
    """A model file with its card."""
    path = tmp_path / "net.tflite"
    replace_model(path, *OLD)
    return path


def test_a_pair_replaces_another(path):
    assert pair(path) == OLD
    replace_model(path, *NEW)
    assert pair(path) == NEW
    assert sorted(file.name for file in path.parent.iterdir()) == ["net.json", "net.tflite"]


def test_a_new_folder_is_made(tmp_path):
    path = tmp_path / "new" / "folder" / "net.tflite"
    replace_model(path, *NEW)
    assert pair(path) == NEW


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("move", [1, 2])
def test_an_interruption_at_a_move_leaves_the_older_pair(path, monkeypatch, when, move):
    real, count = Path.replace, 0

    def interrupted(self, target):
        nonlocal count
        count += 1
        if count == move and when == "before":
            raise KeyboardInterrupt
        real(self, target)
        if count == move and when == "after":
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_model(path, *NEW)
    assert count >= move
    assert pair(path) == OLD
    assert sorted(file.name for file in path.parent.iterdir()) == ["net.json", "net.tflite"]


def test_the_card_moves_last(path, monkeypatch):
    """A kill between the two moves leaves no card that a loader takes for that of the model: its sha256 is the older model's."""
    real, states = Path.replace, []

    def watched(self, target):
        real(self, target)
        states.append(pair(path))

    monkeypatch.setattr(Path, "replace", watched)
    replace_model(path, *NEW)
    assert states == [(NEW[0], OLD[1]), NEW]


def test_without_an_older_pair_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no space left"):
        replace_model(tmp_path / "net.tflite", *NEW)
    assert list(tmp_path.iterdir()) == []


def test_a_card_is_indented_json_with_a_line_end(tmp_path):
    write_card(tmp_path / "net.json", {"name": "net"})
    assert (tmp_path / "net.json").read_text() == '{\n "name": "net"\n}\n'
