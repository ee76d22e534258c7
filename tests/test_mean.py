"""The mean of networks: their weights in shares, under one prior, with statistics of its own."""

import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import build, load_trained, read_trained, save_trained  # noqa: E402
from models.lesson import save_lesson  # noqa: E402
from models.mean import TEMPERATURE, main, mean_weights, measure_statistics, under_prior_of_use  # noqa: E402
from models.views import faces_of, in_light, view  # noqa: E402
from realtime.config import PRIOR_OF_USE  # noqa: E402
from tests.lessons import small_lesson  # noqa: E402

USED = {"prior": list(PRIOR_OF_USE)}


def first_norm(net) -> torch.nn.BatchNorm2d:
    return next(module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d))


def test_weights_count_by_their_shares():
    few, many = ({"body": torch.tensor([value]), "count": torch.tensor(count)} for value, count in ((1.0, 3), (3.0, 5)))
    mean = mean_weights([few, many], [1, 3])
    assert mean["body"].tolist() == [2.5] and mean["count"] == 5


def test_a_network_that_answered_under_another_prior_is_brought_under_the_prior_of_use():
    even, weights = [1 / 7] * 7, {"head.bias": torch.zeros(8), "body": torch.ones(1)}
    moved = under_prior_of_use(weights, even)
    assert moved["head.bias"][:7].tolist() == pytest.approx(
        [TEMPERATURE * float(torch.tensor(p * 7).log()) for p in PRIOR_OF_USE], abs=1e-5
    )
    assert moved["head.bias"][7] == 0 and moved["body"] == 1
    assert under_prior_of_use(weights, list(PRIOR_OF_USE))["head.bias"].abs().max() == 0


def test_the_statistics_are_those_of_the_faces():
    torch.manual_seed(0)
    net, faces, seen = build("nano"), faces_of(small_lesson(), torch.device("cpu")), []
    first = first_norm(net)
    first.running_mean.fill_(50)
    measure_statistics(net, faces)
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        net.embed(in_light(view(faces.crops, faces.framing)))
    assert (seen[0].mean((0, 2, 3)) - first.running_mean).abs().max() < 0.2 * seen[0].std()
    assert not net.training


@pytest.fixture
def files(tmp_path):
    """Three files of weights, of nets a, b (the same) and c (another), beside a lesson."""
    torch.manual_seed(0)
    for name, net, value in (("a", "nano", 1.0), ("b", "nano", 5.0), ("c", "emotion", 1.0)):
        model = build(net)
        torch.nn.init.constant_(model.head.weight, value)
        first_norm(model).running_mean.fill_(50)
        save_trained(tmp_path / name, net, USED | {"steps": 7}, model.state_dict())
    save_lesson(small_lesson(), tmp_path / "lesson.npz")
    return tmp_path


def test_the_command_writes_the_mean(files):
    main([files / "a", files / "b"], [0.75, 0.25], files / "new" / "mean.pt", files / "lesson.npz")
    mean = read_trained(files / "new" / "mean.pt")
    assert (mean.model.head.weight - 2).abs().max() < 1e-6
    assert mean.net == "nano" and mean.recipe == USED | {"steps": 7, "shares": [0.75, 0.25]}
    assert first_norm(mean.model).running_mean.abs().max() < 5, "measured anew"
    assert load_trained(files / "a").head.weight.max() == 1


@pytest.mark.parametrize(
    ("names", "shares", "told"),
    [
        ("ac", [0.5, 0.5], "different networks cannot be averaged: emotion, nano"),
        ("ab", [1.0], "2 files of weights have 1 shares, with a sum of 1: give each a share"),
        ("a", [0.0], "1 files of weights have 1 shares, with a sum of 0"),
    ],
)
def test_what_has_no_mean_is_told(files, names, shares, told):
    with pytest.raises(SystemExit, match=told):
        main([files / name for name in names], shares, files / "mean.pt", files / "lesson.npz")
    assert not (files / "mean.pt").exists()
