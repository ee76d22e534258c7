"""Averages the weights of networks that were trained from the same start.

    python -m models.mean --weights runs/start.pt --share 0.4 --weights runs/course/weights.pt --share 0.6 --out runs/mean/weights.pt

A mean of a start and of what courses made of it does better than each on faces that none learned from (Wortsman et al. 2022). What the
normalisations expect is measured anew, since the mean of two networks' statistics is not that of the mean network (Izmailov et al. 2018).
"""

from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

from models.checkpoint import read_trained, save_trained
from models.cli import one_line
from models.lesson import load_lesson
from models.network import ManyHeaded
from models.views import Faces, faces_of, in_light, view
from realtime.base.errors import Trouble
from realtime.config import PRIOR_OF_USE

TEMPERATURE = 0.57
"""Of the shipped emotion's logits: the change of the prior is multiplied by it before it is added to them."""

PART = 200
"""How many faces the network sees at once."""


def under_prior_of_use(weights: dict[str, Tensor], prior: list[float]) -> dict[str, Tensor]:
    """Weights that answer under the prior of use; they answered under `prior` (7)."""
    shift = (torch.tensor(PRIOR_OF_USE) / torch.tensor(prior)).log() * TEMPERATURE
    return weights | {"head.bias": weights["head.bias"] + F.pad(shift, (0, 1))}


def mean_weights(states: list[dict[str, Tensor]], shares: list[float]) -> dict[str, Tensor]:
    """The mean of several states of one network, tensors by name, in these shares of the whole."""
    parts = [share / sum(shares) for share in shares]
    return {
        # The batch counters of normalisations are whole numbers, which have no mean.
        name: sum(part * state[name] for part, state in zip(parts, states, strict=True)) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }


@torch.no_grad()
def measure_statistics(net: ManyHeaded, faces: Faces) -> None:
    """Gives the normalisations of a network, in place, the mean and the variance of what they see of views of these faces."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all parts
        norm.train()
    for rows in torch.randperm(len(faces.crops)).split(PART):
        some = faces.rows(rows)
        net.embed(in_light(view(some.crops, some.framing)))
    net.eval()


@one_line
def main(
    weights: Annotated[list[Path], typer.Option(help="A file of weights; give several.")],
    share: Annotated[list[float], typer.Option(help="Its share of the whole; as many as there are files, in their order.", min=0)],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    lesson: Annotated[Path, typer.Option(help="The file that models.pack_lesson wrote.")] = Path("runs/lesson.npz"),
) -> None:
    """Averages the weights."""
    if len(weights) != len(share) or not sum(share) > 0:
        raise Trouble(f"{len(weights)} files of weights have {len(share)} shares, with a sum of {sum(share):g}: give each a share")
    torch.manual_seed(1)
    whole, trained = load_lesson(lesson), [read_trained(path) for path in weights]
    if len(nets := {one.net for one in trained}) > 1:
        raise Trouble(f"different networks cannot be averaged: {', '.join(sorted(nets))}")
    states = [under_prior_of_use(one.model.state_dict(), one.recipe.get("prior", whole.prior.tolist())) for one in trained]
    net, recipe, model = trained[-1]
    model.load_state_dict(mean_weights(states, share))
    measure_statistics(model.to(memory_format=torch.channels_last), faces_of(whole, torch.device("cpu")))
    save_trained(out, net, recipe | {"prior": list(PRIOR_OF_USE), "shares": share}, model.state_dict())
    print(f"wrote {out}, the mean of {len(weights)}")


if __name__ == "__main__":
    typer.run(main)
