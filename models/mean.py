"""Averages the weights of networks that were trained from the same start.

    python -m models.mean --weights runs/start.pt --share 0.4 --weights runs/course/weights.pt --share 0.6 --out runs/mean/weights.pt

A mean of a start and of what courses made of it does better than each on faces that none learned from (Wortsman et al. 2022).
"""

from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from models.checkpoint import Trained, read_trained, save_trained
from models.cli import one_line
from realtime.base.errors import Trouble
from realtime.config import PRIOR_OF_USE

TEMPERATURE = 0.57
"""Of the shipped emotion's logits: the change of the prior is multiplied by it before it is added to them."""


def under_prior_of_use(trained: Trained) -> Trained:
    """A network that answers under the prior of use, and says so; it changes in place.

    Raises:
        Trouble: under which prior it answered is not known.
    """
    if "prior" not in trained.recipe:
        raise Trouble("weights that do not say under which prior they answer cannot be averaged with others that do")
    shift = (torch.tensor(PRIOR_OF_USE) / torch.tensor(trained.recipe["prior"])).log() * TEMPERATURE
    with torch.no_grad():
        trained.model.head.bias += F.pad(shift, (0, 1))
    return trained._replace(recipe=trained.recipe | {"prior": list(PRIOR_OF_USE)})


def mean_weights(states: list[dict[str, Tensor]], shares: list[float]) -> dict[str, Tensor]:
    """The mean of several states of one network, tensors by name, in these shares of the whole."""
    parts = [share / sum(shares) for share in shares]
    return {
        # The batch counters of normalisations are whole numbers, which have no mean.
        name: sum(part * state[name] for part, state in zip(parts, states, strict=True)) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }


@one_line
def main(
    weights: Annotated[list[Path], typer.Option(help="A file of weights; give several.")],
    share: Annotated[list[float], typer.Option(help="Its share of the whole; as many as there are files, in their order.", min=0)],
    out: Annotated[Path, typer.Option(help="The file to write.")],
) -> None:
    """Averages the weights."""
    if len(weights) != len(share) or not sum(share) > 0:
        raise Trouble(f"{len(weights)} files of weights have {len(share)} shares, with a sum of {sum(share):g}: give each a share")
    trained = [read_trained(path) for path in weights]
    if len(nets := {one.net for one in trained}) > 1:
        raise Trouble(f"different networks cannot be averaged: {', '.join(sorted(nets))}")
    if any(one.recipe.get("prior") != trained[0].recipe.get("prior") for one in trained):
        trained = [under_prior_of_use(one) for one in trained]
    mean = mean_weights([one.model.state_dict() for one in trained], share)
    save_trained(out, trained[-1].net, trained[-1].recipe | {"shares": share}, mean)
    print(f"wrote {out}, the mean of {len(weights)}")


if __name__ == "__main__":
    typer.run(main)
