"""Lets the two other heads of a trained network have a say in the head that ships.

    python -m models.pool --weights runs/make/students/emotion.pt --own-labels 0.1 --opinion 0.1 --out runs/pooled/emotion.pt

That is a logarithmic opinion pool (Genest and Zidek 1986): the probabilities of the heads, each to the power of its share, are multiplied.
All heads are linear in the same embedding, so the sum of their logits is one head again, and it costs nothing at run time. The shares are
chosen on data that no network learned from.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from models.checkpoint import read_trained, save_trained
from models.cli import one_line
from models.network import N_EXPRESSIONS, ManyHeaded


@torch.no_grad()
def pool_heads(net: ManyHeaded, own_labels: float, opinion: float) -> None:
    """Adds shares of the other heads to the seven expressions of the head that ships, which changes in place.

    Args:
        net: the network.
        own_labels: share of the head that learned the single FER2013 labels.
        opinion: share of the head that learned what face-api's network says.
    """
    for head, original, other in zip(net.head.parameters(), net.original.parameters(), net.opinion.parameters(), strict=True):
        head[:N_EXPRESSIONS] += own_labels * original + opinion * other


@one_line
def main(
    weights: Annotated[Path, typer.Option(help="A file of weights from models.make or models.from_tflite.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    own_labels: Annotated[float, typer.Option(help="Share of the head for FER2013's own labels.")] = 0.0,
    opinion: Annotated[float, typer.Option(help="Share of the head for face-api's opinion.")] = 0.0,
) -> None:
    """Pools the heads of a trained network."""
    net, recipe, model = read_trained(weights)
    pool_heads(model, own_labels, opinion)
    save_trained(out, net, recipe | {"own_labels": own_labels, "opinion": opinion}, model.state_dict())
    print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
