import numpy as np
import pytest

from models.lesson import Lesson, MeasuredFaces, load_lesson, pack_pictures, pack_weights, save_lesson, unpack_pictures, unpack_weights
from realtime.base.errors import Trouble


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """(n, 48, 48) uint8 noise with every grey level in it."""
    noise = np.random.default_rng(seed).integers(0, 256, (n, 48, 48), np.uint8)
    noise[0, :2, :2] = [[0, 255], [255, 0]]
    return noise


def small_lesson() -> Lesson:
    """Five faces, two pictures of scenery, one set of three test faces, one network to start from."""
    draw = np.random.default_rng(1)
    matrices = draw.uniform(-1.5, 1.5, (5, 2, 3)).astype("f4")
    return Lesson(
        crops=pictures(5),
        framing=matrices,
        distribution=np.eye(8, dtype="f4")[:5],
        weight=np.array([1, 0.5, 0, 0.25, 1], "f4"),
        single=np.array([0, 6, -1, 2, 3], "i1"),
        prior=np.arange(1, 8, dtype="f4") / 28,
        scenery=pictures(2, 3),
        tests={"a": MeasuredFaces(pictures(3, 4), matrices[:3], np.array([0, -1, 6], "i1"), np.array([-1, 1, 2], "i1"))},
        starts={"net": {"conv.weight": draw.normal(size=(4, 3, 3, 3)).astype("f4"), "bias": np.array([1e-9, 1], "f4")}},
    )


def test_packed_pictures_come_back_within_two_grey_levels():
    before = pictures(20)
    after = unpack_pictures(pack_pictures(before))
    assert after.dtype == np.uint8
    assert np.abs(after.astype(int) - before).max() == 2
    assert (unpack_pictures(pack_pictures(after)) == after).all()


def test_a_smooth_picture_is_packed_small():
    slope = np.add.outer(np.arange(48), np.arange(48)).astype(np.uint8) * 2
    assert len(pack_pictures(np.stack([slope] * 50))) < 3000
    assert len(pack_pictures(pictures(50))) > 50 * 48 * 48 * 6 / 8 * 0.95


def test_packed_matrices_are_off_by_less_than_a_step_of_their_row():
    matrix = np.random.default_rng(0).normal(size=(6, 10, 3, 3)).astype("f4") * np.array([1e-3, 1, 5, 0.1, 2, 0], "f4").reshape(-1, 1, 1, 1)
    packed = pack_weights({"w": matrix, "norm": np.array([0.123456, 7], "f4")})
    assert packed["w"].dtype == np.int8
    back = unpack_weights(packed)
    steps = np.abs(matrix).max((1, 2, 3), keepdims=True) / 127
    assert (np.abs(back["w"] - matrix) <= steps / 2 + 1e-9).all()
    assert (back["norm"] == np.array([0.123456, 7], "f4")).all()
    assert set(back) == {"w", "norm"}


def test_a_lesson_comes_back_as_it_was(tmp_path):
    before = small_lesson()
    size = save_lesson(before, tmp_path / "lesson.npz")
    assert size == (tmp_path / "lesson.npz").stat().st_size
    after = load_lesson(tmp_path / "lesson.npz")
    assert np.abs(after.crops.astype(int) - before.crops).max() <= 2
    assert np.abs(after.scenery.astype(int) - before.scenery).max() <= 2
    assert after.framing == pytest.approx(before.framing, abs=1e-3)
    for name in ("distribution", "weight", "single", "prior"):
        assert getattr(after, name) == pytest.approx(getattr(before, name)), name
    assert after.tests["a"].labels.tolist() == [0, -1, 6]
    assert after.tests["a"].single.tolist() == [-1, 1, 2]
    assert set(after.starts["net"]) == {"conv.weight", "bias"}
    assert after.starts["net"]["conv.weight"] == pytest.approx(before.starts["net"]["conv.weight"], abs=0.02)


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "other"])
def test_a_damaged_lesson_is_told_in_one_line(tmp_path, damage):
    path = tmp_path / "lesson.npz"
    save_lesson(small_lesson(), path)
    content = path.read_bytes()
    path.unlink()
    if damage == "text":
        path.write_text("no lesson")
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "other":
        np.savez(path, something=np.zeros(3))
    with pytest.raises(Trouble, match=r"lesson\.npz is no lesson that can be read .*make it with `python -m models\.pack_lesson`"):
        load_lesson(path)
