from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.framing import framed_chip, placement_of, sampling_matrix  # noqa: E402
from models.lesson import MeasuredFaces  # noqa: E402
from models.views import Blend, Faces, batches, beside, in_light, measured_chips, no_faces, random_blend, row_numbers, view  # noqa: E402
from realtime.faces.align import enlarge  # noqa: E402
from realtime.values import LABELS  # noqa: E402
from tests.conftest import DATA  # noqa: E402


def identity(n: int) -> "torch.Tensor":
    """(n, 2, 3) sampling matrices that change nothing."""
    return torch.eye(2, 3).expand(n, 2, 3)


def faces(n: int) -> Faces:
    """n faces of noise without labels."""
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 1, 48, 48), np.uint8))
    return Faces(crops, identity(n), torch.zeros(n, 8), torch.ones(n), torch.zeros(n, dtype=torch.long))


def test_the_chips_to_measure_on_are_those_of_the_camera_chain():
    import cv2

    photo = cv2.imread(str(DATA / "astronaut.jpg"), cv2.IMREAD_GRAYSCALE)
    crop = cv2.resize(photo[60:200, 150:290], (48, 48), interpolation=cv2.INTER_AREA)
    matrix = sampling_matrix(placement_of(crop))
    none = np.array([-1], "i1")
    faces, device = MeasuredFaces(crop[None], matrix[None], none, none), torch.device("cpu")
    chip = measured_chips(faces, whole=False, device=device).numpy()[0]
    assert np.abs(chip.astype(int) - framed_chip(crop)).max() <= 8  # OpenCV samples at 32 places between two pixels
    assert np.abs(chip.astype(int) - framed_chip(crop)).mean() < 0.5
    assert np.abs(measured_chips(faces, whole=True, device=device).numpy()[0].astype(int) - enlarge(crop)).max() <= 1


def test_a_blended_face_is_at_least_half_itself():
    torch.manual_seed(0)
    chips = torch.rand(400, 1, 8, 8)
    blend = random_blend(400, 0.5, torch.device("cpu"))
    mixed = blend.of(chips)
    assert 0.4 < float(blend.plain.float().mean()) < 0.6
    assert torch.equal(mixed[blend.plain], chips[blend.plain])
    assert float(blend.own.min()) >= 0.5
    changed = (mixed - chips).abs().amax((1, 2, 3)) > 0.05
    assert not changed[blend.plain].any()
    assert float(changed[~blend.plain].float().mean()) > 0.8
    assert torch.equal(random_blend(400, 0.0, torch.device("cpu")).of(chips), chips)
    half = Blend(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    assert half.of(torch.tensor([[0.0], [1.0]])).tolist() == [[0.25], [1.0]]


def test_photos_of_rare_expressions_count_four_times():
    labels = ["sadness", "happiness", "sadness", "neutral"]
    distribution = torch.eye(8)[[LABELS.index(label) for label in labels]]
    photos = Faces(torch.zeros(4, 1, 48, 48), identity(4), distribution, torch.ones(4), torch.tensor([4, -1, -1, -1]))
    assert row_numbers(photos).tolist() == [0, 1, 2, 3, 2, 2, 2]


def test_an_epoch_has_each_row_once():
    torch.manual_seed(0)
    rows = torch.arange(10) * 7
    parts = [part.tolist() for part in islice(batches(rows, 3), 6)]
    for epoch in (parts[:3], parts[3:]):
        assert len({row for part in epoch for row in part}) == 9
    assert parts[:3] != parts[3:]


def test_pictures_without_a_face_are_as_many_as_asked_and_not_the_faces():
    torch.manual_seed(0)
    data = faces(40)
    scenery = torch.full((3, 1, 48, 48), 50, dtype=torch.uint8)
    views = no_faces(data, scenery, 54)
    assert views.shape == (54, 1, 64, 64)
    # The last third is scenery.
    assert float((views[36:] - 50).abs().max()) < 30
    assert float(views[:36].std()) > 20


def test_a_misplaced_face_ends_where_the_scenery_begins():
    torch.manual_seed(0)
    face, scenery = torch.full((100, 1, 48, 48), 200, dtype=torch.uint8), torch.full((100, 1, 64, 64), 50.0)
    chips = beside(face, identity(100), scenery)
    assert float(chips.min()) > 45
    assert float(chips.max()) < 201
    shares = (chips > 125).float().mean((1, 2, 3))
    assert 0.2 < float(shares.mean()) < 0.8


def test_a_view_repeats_with_its_seed_and_the_light_changes_it():
    data = faces(30)

    def views():
        torch.manual_seed(3)
        return view(data.crops, data.framing)

    one = views()
    assert torch.equal(one, views())
    assert one.shape == (30, 1, 64, 64)
    lit = in_light(one)
    assert lit.shape == one.shape
    assert -1 <= float(lit.min()) < float(lit.max()) < 1.01
    assert float((lit - (one / 128 - 1)).abs().mean()) > 0.05
