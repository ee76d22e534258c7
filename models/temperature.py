"""Makes a model's probabilities honest: fits a temperature, an offset a class and the threshold of reject on the public test.

    python -m models.temperature --model models/emotion.tflite --fer2013 DIR --wild DIR

writes them into the card of a finished model, with everybody's resting face, which depends on them. This is due when
`realtime.config.PRIOR_OF_USE` changes. `models.quantize` does the same for a new model.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn

from models.card import write_card
from models.chips import chips_of
from models.cli import one_line
from models.datasets import load_fer2013, load_wild
from models.face_table import FaceTable, majority
from models.resting import neutral_of, resting
from models.scores import weights_of
from realtime.config import PRIOR_OF_USE
from realtime.expression.classifier import EmotionClassifier


def log_sum_exp(values: np.ndarray) -> np.ndarray:
    """log(sum(exp)) over the last axis, without overflow."""
    top = values.max(-1, keepdims=True)
    return (top + np.log(np.exp(values - top).sum(-1, keepdims=True)))[..., 0]


def fit_calibration(logits: np.ndarray, truth: np.ndarray, shift: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """The temperature and the offset of each class (7,) that make the true labels (n,) most likely, given logits (n, 7).

    Bias-corrected temperature scaling (Alexandari et al. 2020). The offsets have a normal prior about 0 with a standard
    deviation of 0.3, because the rare classes have only a few dozen faces.

    Args:
        shift: (7,), what the classifier adds for the prior of use.
        weights: (n,) of the rows, mean 1, with which their labels are as frequent as under the prior of use.
    """
    x, y = torch.from_numpy(logits).double(), torch.from_numpy(truth)
    added, counts = torch.from_numpy(shift).double(), torch.from_numpy(weights).double()
    log_t, bias = torch.zeros((), dtype=torch.double, requires_grad=True), torch.zeros(x.shape[1], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        losses = nn.functional.cross_entropy(x / log_t.exp() + bias + added, y, reduction="none")
        value = (losses * counts).mean() + bias.square().sum() / (2 * 0.3**2 * len(x))
        value.backward()
        return value

    optimizer.step(loss)
    return float(log_t.detach().exp()), (bias - bias.mean()).detach().numpy()


def reject_offset(scaled: np.ndarray, lost_share: float = 0.005) -> float:
    """The offset of the reject logit with which a share `lost_share` of real faces, of logits (n, 8), get a reject probability of 0.5."""
    return -float(np.quantile(scaled[:, -1] - log_sum_exp(scaled[:, :-1]), 1 - lost_share))


def calibrate(card: dict[str, Any], logits: np.ndarray, test: FaceTable) -> None:
    """Fits temperature and offsets on plain logits (n, 8) of the public test and enters them into the card.

    Rows without a majority, or with a copy in the private test, are left out.
    """
    truth = majority(test.votes)
    rows = (truth >= 0) & np.array(["private_test" not in copies for copies in test.near_copy_in])
    shift = np.log(np.array(PRIOR_OF_USE) / np.array(card["prior"]))
    temperature, bias = fit_calibration(logits[rows, :-1], truth[rows], shift, weights_of(PRIOR_OF_USE, truth[rows]))
    scaled = logits[rows] / temperature + np.append(bias + shift, 0)
    card["temperature"] = round(temperature, 4)
    card["bias"] = [round(float(v), 4) for v in (*bias, reject_offset(scaled))]


@one_line
def main(
    model: Annotated[list[Path], typer.Option(help="The .tflite file; give several to read the data once.")],
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    wild: Annotated[Path, typer.Option(help="Folder of faces_wild.")],
) -> None:
    """Fits temperature and offsets anew and writes them into the cards of models."""
    test, neutral = load_fer2013(fer2013, "public_test"), neutral_of(load_wild(wild))
    chips = chips_of(test)
    for path in model:
        beside = path.with_suffix(".json")
        card = json.loads(beside.read_text())
        calibrate(card, EmotionClassifier(path).logits(chips)[0], test)
        write_card(beside, card)
        card["resting"] = resting(EmotionClassifier(path), neutral)
        write_card(beside, card)
        print(f"wrote {beside}: temperature {card['temperature']}, offsets {card['bias']}, resting {card['resting']}")


if __name__ == "__main__":
    typer.run(main)
