"""What other priors of use would give: FER2013's class mix raised to powers, with more anger and fear, and what is chosen.

    python tests/benchmarks/prior.py ../shared/data/fer2013 ../shared/data/faces_wild        needs torch

For each prior temperature and offsets are fitted anew on the public test, as `models.temperature` does. Then: accuracy, mean recall and
calibration error on the public test by FER+ majority, and on photos of people whom no model learned from how many neutral faces are read as
neutral, and macro-F1 over five expressions. `realtime.config.PRIOR_OF_USE` is chosen by this table.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.chips import chips_of
from models.datasets import load_fer2013, load_wild
from models.face_table import FaceTable, held_out, majority
from models.quantize import prior as class_mix
from models.scores import scores, weights_of, wild_scores
from models.temperature import fit_calibration
from realtime.config import PRIOR_OF_USE, SHIPPED
from realtime.expression.classifier import EmotionClassifier, softmax
from realtime.values import LABELS

POWERS = (1.0, 0.75, 0.6, 0.5, 0.4, 0.25, 0.0)
POSED = ("anger", "fear")
TIMES = (1.2, 1.4, 1.8, 2.5)
"""How much more often `POSED` are than by the power of `USUAL`."""
USUAL = 0.6


def priors(mix: np.ndarray) -> dict[str, np.ndarray]:
    """The priors (7,) to compare, by their names, given FER2013's class mix (7,)."""
    made = {f"{power:g}": mix**power for power in POWERS}
    posed = np.isin(LABELS, POSED)
    made |= {f"{USUAL:g}, {' and '.join(POSED)} x {times:g}": np.where(posed, times, 1) * mix**USUAL for times in TIMES}
    return {name: prior / prior.sum() for name, prior in (made | {"chosen": np.array(PRIOR_OF_USE)}).items()}


def row(
    model: EmotionClassifier,
    name: str,
    prior: np.ndarray,
    public: FaceTable,
    logits: np.ndarray,
    photos: FaceTable,
    photo_logits: np.ndarray,
) -> str:
    """A line of the table. `logits` (n, 8) and `photo_logits` (m, 8) are the model's for the public test and for the photos."""
    shift, truth = np.log(prior / model.prior), majority(public.votes)
    fitted = (truth >= 0) & np.array(["private_test" not in copies for copies in public.near_copy_in])
    temperature, bias = fit_calibration(logits[fitted, :-1], truth[fitted], shift, weights_of(prior, truth[fitted]))

    def probs(raw: np.ndarray) -> np.ndarray:
        return softmax(raw[:, :-1] / temperature + bias + shift)

    faces = truth >= 0
    part = scores(probs(logits)[faces], truth[faces], prior)
    wild = wild_scores(probs(photo_logits), photos)
    cells = [name, f"{part['accuracy']:.1%}", f"{part['mean_recall']:.3f}", f"{part['ece']:.3f}"]
    return f"| {model.path.stem} | {' | '.join(cells)} | {wild['recall']['neutral']:.1%} | {wild['macro_f1']:.3f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fer2013", type=Path, help="folder of FER2013 with FER+ votes")
    parser.add_argument("wild", type=Path, help="folder of faces_wild")
    args = parser.parse_args()
    public, photos = load_fer2013(args.fer2013, "public_test"), load_wild(args.wild)
    photos = photos.where(held_out(photos.persons))
    mix = class_mix(load_fer2013(args.fer2013, "train"))
    chips, photo_chips = chips_of(public), chips_of(photos)
    print(f"n = {(majority(public.votes) >= 0).sum()} faces of the public test, {len(photos)} photos")
    print("| model | prior | right | mean recall | ECE | photos: neutral recalled | macro-F1 |\n|---|---|---|---|---|---|---|")
    for path in SHIPPED.values():
        model = EmotionClassifier(path)
        logits, photo_logits = model.logits(chips)[0], model.logits(photo_chips)[0]
        for name, prior in priors(mix).items():
            print(row(model, name, prior, public, logits, photos, photo_logits), flush=True)
