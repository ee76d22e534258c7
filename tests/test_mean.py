"""The mean of networks: their weights in shares, under one prior."""

import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import Trained, build, read_trained, save_trained  # noqa: E402
from models.mean import TEMPERATURE, main, mean_weights, under_prior_of_use  # noqa: E402
from realtime.config import PRIOR_OF_USE  # noqa: E402

EVEN, OF_USE = {"prior": [1 / 7] * 7}, {"prior": list(PRIOR_OF_USE)}
SHIFT = [TEMPERATURE * float(torch.tensor(share * 7).log()) for share in PRIOR_OF_USE] + [0]
"""What is added to the logits of a network that answered under an even prior."""


def test_weights_count_by_their_shares():
    few, many = ({"body": torch.tensor([value]), "count": torch.tensor(count)} for value, count in ((1.0, 3), (3.0, 5)))
    mean = mean_weights([few, many], [1, 3])
    assert mean["body"].tolist() == [2.5] and mean["count"] == 5


@pytest.mark.parametrize(("recipe", "shift"), [(EVEN, SHIFT), (OF_USE, [0] * 8)])
def test_a_network_is_brought_under_the_prior_of_use(recipe, shift):
    model = build("nano")
    torch.nn.init.zeros_(model.head.bias)
    moved = under_prior_of_use(Trained("nano", recipe | {"steps": 7}, model))
    assert moved.model.head.bias.tolist() == pytest.approx(shift, abs=1e-5)
    assert moved.recipe == OF_USE | {"steps": 7}


@pytest.fixture
def written(tmp_path):
    """Writes weights of a network, all of its head of one value, and gives the file."""

    def write(name, recipe, value, net="nano"):
        model = build(net)
        for part in model.head.parameters():
            torch.nn.init.constant_(part, value)
        save_trained(tmp_path / name, net, recipe, model.state_dict())
        return tmp_path / name

    return write


def test_the_command_writes_the_mean(tmp_path, written):
    out = tmp_path / "new" / "mean.pt"
    main([written("a", {"steps": 3}, 1.0), written("b", {"steps": 7}, 5.0)], [0.75, 0.25], out)
    mean = read_trained(out)
    assert (mean.model.head.weight - 2).abs().max() < 1e-6 and (mean.model.head.bias - 2).abs().max() < 1e-6
    assert mean.net == "nano" and mean.recipe == {"steps": 7, "shares": [0.75, 0.25]}


def test_networks_of_different_priors_meet_under_the_prior_of_use(tmp_path, written):
    main([written("a", EVEN, 1.0), written("b", OF_USE, 1.0)], [0.5, 0.5], tmp_path / "mean.pt")
    mean = read_trained(tmp_path / "mean.pt")
    assert mean.model.head.bias.tolist() == pytest.approx([1 + shift / 2 for shift in SHIFT], abs=1e-5)
    assert mean.recipe["prior"] == list(PRIOR_OF_USE)


@pytest.mark.parametrize(
    ("recipes", "nets", "shares", "told"),
    [
        ([EVEN, EVEN], ["nano", "emotion"], [0.5, 0.5], "different networks cannot be averaged: emotion, nano"),
        ([EVEN, EVEN], ["nano", "nano"], [1.0], "2 files of weights have 1 shares, with a sum of 1: give each a share"),
        ([EVEN], ["nano"], [0.0], "1 files of weights have 1 shares, with a sum of 0"),
        ([EVEN, {}], ["nano", "nano"], [0.5, 0.5], "do not say under which prior"),
    ],
)
def test_what_has_no_mean_is_told(tmp_path, written, recipes, nets, shares, told):
    files = [written(str(i), recipe, 1.0, net) for i, (recipe, net) in enumerate(zip(recipes, nets, strict=True))]
    with pytest.raises(SystemExit, match=told):
        main(files, shares, tmp_path / "mean.pt")
    assert not (tmp_path / "mean.pt").exists()
