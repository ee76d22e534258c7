import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.negatives import UNSEEN, backgrounds, covered, false_alarms, smeared, textures, unseen  # noqa: E402


def faces(n: int) -> np.ndarray:
    """Pictures with structure: a bright disc on a slope."""
    y, x = np.mgrid[:48, :48]
    disc = (x - 24) ** 2 + (y - 24) ** 2 < 150
    return np.stack([(disc * 120 + x * 2 + i % 30).astype(np.uint8) for i in range(n)])


def test_textures_differ_and_repeat():
    one, two = (textures(30, np.random.default_rng(5)) for _ in range(2))
    assert one.shape == (30, 48, 48)
    assert (one == two).all()
    assert len({picture.tobytes() for picture in one}) == 30


def test_covers_hide_two_thirds_and_leave_a_strip():
    torch.manual_seed(0)
    chips, cloth = torch.zeros(200, 1, 64, 64), torch.ones(200, 1, 64, 64)
    hidden = covered(chips, cloth).mean((1, 2, 3))
    assert float(hidden.min()) > 0.6
    assert float(hidden.max()) < 0.95


def test_smearing_leaves_no_detail():
    torch.manual_seed(0)
    chips = torch.rand(60, 1, 64, 64)
    after = smeared(chips)
    assert after.shape == chips.shape
    assert float(after.std((1, 2, 3)).max()) < 0.5 * float(chips.std((1, 2, 3)).min())


def test_unseen_kinds_keep_the_pixels_they_move():
    given = faces(50)
    made = unseen(given, np.random.default_rng(0), n=20)
    assert set(made) == set(UNSEEN)
    assert all(pictures.shape == (20, 48, 48) and pictures.dtype == np.uint8 for pictures in made.values())
    sums = {int(face.sum()) for face in given}
    assert all(int(picture.sum()) in sums for picture in made["scrambled"])
    assert not any((picture == face).all() for picture in made["scrambled"] for face in given)


def test_backgrounds_come_from_the_edges_of_photos(shared):
    found = backgrounds(shared("faces_wild/labels.csv").parent, 8, np.random.default_rng(0))
    assert found.shape == (8, 48, 48)


def test_a_film_without_faces_gives_places_that_look_like_one(shared):
    found = false_alarms(shared("video/no_face.mp4"), every=60)
    assert found.shape[1:] == (48, 48)
    assert len(found) > 0
