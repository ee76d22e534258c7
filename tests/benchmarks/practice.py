"""From which rise above the own rest on an expression should count in practice: the tables of docs/practice.md.

    python tests/benchmarks/practice.py ../shared/data/posed ../shared/data/faces_wild

Hits are London's smiles against the same person's neutral photo, and photos of faces_wild against the same person's neutral photos. False
alarms are neutral photos of faces_wild against others of the same person. `realtime.config.CaptureSettings` has what was chosen.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from calibration.rest import EXPRESSIONS, average_logs, choose_shown
from models.chips import chips_of
from models.datasets import load_posed, load_wild
from models.face_table import FaceTable, held_out
from realtime.config import SHIPPED, CaptureSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.values import LABELS

NEUTRAL = LABELS.index("neutral")
RISEN = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)
RISEN_UNASKED = (3.5, 5.0, 6.0, 7.0, 8.0)


@dataclass(frozen=True)
class Pair:
    """A face of one person: its label, its probabilities (7,), and the mean log-probabilities (7,) of the person's other neutral faces."""

    person: str
    label: str
    probs: np.ndarray
    rest: np.ndarray


def pairs_of(faces: FaceTable, probs: np.ndarray, most: int | None = None) -> list[Pair]:
    """All labelled faces with another neutral face of the same person; `most`: the rest is of so many neutral faces at most."""
    pairs = []
    for i, (person, label) in enumerate(zip(faces.persons, faces.labels, strict=True)):
        others = np.flatnonzero((faces.persons == person) & (faces.labels == NEUTRAL) & (np.arange(len(faces)) != i))[:most]
        if label >= 0 and len(others):
            pairs.append(Pair(person, LABELS[label], probs[i], average_logs(list(probs[others]))))
    return pairs


def share_shown(pairs: Sequence[Pair], asked: str, answer: str, settings: CaptureSettings) -> float:
    """The share of faces that are taken for `answer` where `asked` was asked for."""
    return float(np.mean([choose_shown(asked, [pair.probs], pair.rest, settings) == answer for pair in pairs]))


def neutral_stays(pairs: Sequence[Pair], asked: Sequence[str], settings: CaptureSettings) -> str:
    """How many neutral faces are taken for neutral, in the mean over what was asked: of the faces / where each person counts once."""
    neutral = [pair for pair in pairs if pair.label == "neutral"]
    groups = [[pair for pair in neutral if pair.person == person] for person in {pair.person for pair in neutral}]
    of_faces = np.mean([share_shown(neutral, name, "neutral", settings) for name in asked])
    of_people = np.mean([share_shown(group, name, "neutral", settings) for name in asked for group in groups])
    return f"{of_faces:.1%} / {of_people:.1%}"


def neutral_taken(pairs: Sequence[Pair], settings: CaptureSettings) -> str:
    """How many neutral faces are taken for the expression that was asked for, in the mean over the six."""
    neutral = [pair for pair in pairs if pair.label == "neutral"]
    return f"{np.mean([share_shown(neutral, name, name, settings) for name in EXPRESSIONS]):.1%}"


def hits(pairs: Sequence[Pair], asked: str, settings: CaptureSettings) -> str:
    """How many faces that show an expression are taken for it where it was asked for."""
    mine = [pair for pair in pairs if pair.label == asked]
    return f"{round(share_shown(mine, asked, asked, settings) * len(mine))} of {len(mine)}"


def asked_rows(name: str, pairs: list[Pair], one_rest: list[Pair], london: list[Pair]) -> list[str]:
    """Lines of the first table: another expression than neutral is asked for. `one_rest`: the pairs whose rest is a single photo."""
    rows = []
    for risen in RISEN:
        settings = replace(CaptureSettings(), risen=risen)
        neutral = [neutral_taken(pairs, settings), *(neutral_stays(rest, EXPRESSIONS, settings) for rest in (pairs, one_rest))]
        shown = [hits(pairs, asked, settings) for asked in ("happiness", "surprise", "anger", "sadness")]
        rows.append(f"| {name} | {risen:g} | {' | '.join([hits(london, 'happiness', settings), *neutral, *shown])} |")
    return rows


def neutral_rows(name: str, pairs: list[Pair], one_rest: list[Pair]) -> list[str]:
    """Lines of the second table: neutral is asked for."""
    rows = []
    for risen in RISEN_UNASKED:
        settings = replace(CaptureSettings(), risen_unasked=risen)
        rows.append(f"| {name} | {risen:g} | {' | '.join(neutral_stays(rest, ['neutral'], settings) for rest in (pairs, one_rest))} |")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posed", type=Path, help="folder of posed faces")
    parser.add_argument("wild", type=Path, help="folder of faces_wild")
    args = parser.parse_args()
    posed, wild = load_posed(args.posed), load_wild(args.wild)
    smiles = posed.faces.where(posed.sets == "london")
    parts = {"learned from": wild.where(~held_out(wild.persons)), "never learned from": wild.where(held_out(wild.persons))}
    first, second = [], []
    for path in SHIPPED.values():
        model = EmotionClassifier(path)
        london = pairs_of(smiles, model.probabilities(chips_of(smiles)))
        for part, faces in parts.items():
            probs = model.probabilities(chips_of(faces))
            pairs, one_rest = pairs_of(faces, probs), pairs_of(faces, probs, most=1)
            people = [pair.person for pair in pairs if pair.label == "neutral"]
            print(f"{part}: {len(people)} neutral photos of {len(set(people))} people", file=sys.stderr)
            name = f"{path.stem}, {part}"
            first += asked_rows(name, pairs, one_rest, london)
            second += neutral_rows(name, pairs, one_rest)
    stay = "neutral stays: photos / people | the same, rest of one photo"
    seen = "happiness | surprise | anger | sadness"
    print(f"| model, people | risen | London's smiles | neutral taken for what was asked | {stay} | {seen} |\n{'|---' * 10}|")
    print(*first, sep="\n")
    print(f"\n| model, people | risen_unasked | {stay} |\n{'|---' * 4}|")
    print(*second, sep="\n")
