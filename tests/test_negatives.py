import numpy as np

from models.negatives import UNSEEN, backgrounds, false_alarms, textures, unseen


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


def test_unseen_kinds_keep_the_pixels_they_move():
    originals = faces(50)
    kinds = unseen(originals, np.random.default_rng(0), n=20)
    assert set(kinds) == set(UNSEEN)
    assert all(pictures.shape == (20, 48, 48) and pictures.dtype == np.uint8 for pictures in kinds.values())
    sums = {int(face.sum()) for face in originals}
    assert all(int(picture.sum()) in sums for picture in kinds["scrambled"])
    assert not any((picture == face).all() for picture in kinds["scrambled"] for face in originals)


def test_backgrounds_come_from_the_edges_of_photos(shared):
    squares = backgrounds(shared("faces_wild/labels.csv").parent, 8, np.random.default_rng(0))
    assert squares.shape == (8, 48, 48)


def test_a_film_without_faces_gives_places_that_look_like_one(shared):
    crops = false_alarms(shared("video/no_face.mp4"), every=60)
    assert crops.shape[1:] == (48, 48)
    assert len(crops) > 0
