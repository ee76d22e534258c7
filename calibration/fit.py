"""Takes of one person -> a profile and the proof that it helps on takes that it was not fitted to, or the reason why there is none.

Three steps are tried, each with more freedom than the one before: the resting face, seven offsets, a linear head pulled towards the
model's own. The first that helps is the profile. A take, however many frames it has, counts once.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from realtime.base.errors import Trouble
from realtime.config import FitSettings
from realtime.expression.profile import Profile, personal
from realtime.values import LABELS

NEUTRAL = LABELS.index("neutral")
ROUNDS = 200
"""Gradient steps of a fit: the problem is convex and small, and the loss stands still after some fifty."""
MISTAKE = 1e-9
"""Gains under this are rounding."""


@dataclass(frozen=True)
class Takes:
    """Frames of one person, one row each.

    Attributes:
        probs: (n, 7) float32, the model's calibrated probabilities without a profile.
        embedding: (n, e) float32.
        labels: (n,) integers, the expression that was asked for as an index into `LABELS`.
        takes: (n,) numbers or text, which take a frame belongs to; all frames of a take have one label and one light.
        lights: (n,) text, the light of the take.
    """

    probs: np.ndarray
    embedding: np.ndarray
    labels: np.ndarray
    takes: np.ndarray
    lights: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: np.ndarray) -> "Takes":
        """The rows that a boolean mask (n,) picks."""
        return Takes(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Scores:
    """Of probabilities against what was asked for; every take counts once. Shares are 0 to 1.

    Attributes:
        accuracy: share of right answers.
        macro_f1: mean F1 of the expressions that were asked for.
        log_loss: mean, in nats.
        ece: expected calibration error over 15 bins.
        confusion: (7, 7) takes by what was asked for (rows) and answered (columns), fractions where a take's frames differ.
    """

    accuracy: float
    macro_f1: float
    log_loss: float
    ece: float
    confusion: np.ndarray


@dataclass(frozen=True)
class Proof:
    """One step, on held-out takes.

    Attributes:
        step: of `realtime.expression.profile.STEPS`.
        held_out: "take" or "light", what was left out of a fit to be judged by it.
        before, after: without the profile and with it.
        gain: mean fall of the log loss of a take, in nats.
        error: its standard error over the takes.
        refused: why the step must not be installed, or None.
    """

    step: str
    held_out: str
    before: Scores
    after: Scores
    gain: float
    error: float
    refused: str | None


@dataclass(frozen=True)
class Fit:
    """A profile or None, one line that says why, and the proofs of all steps that were tried, the last one's at the end."""

    profile: Profile | None
    why: str
    proofs: tuple[Proof, ...]


Step = Callable[[Takes], tuple[np.ndarray, np.ndarray | None]]


def fit(name: str, model: str, takes: Takes, settings: FitSettings, resting: np.ndarray | None = None) -> Fit:
    """The profile of the first step that helps.

    Args:
        name: whose takes these are.
        model: sha256 of the model that read them.
        takes: at least three expressions with a take each, or resting faces alone.
        settings: how strongly the takes may move the model.
        resting: (7,) mean log-probabilities of everybody's resting face; None: the model does not know it, and the first step is left out.

    Raises:
        Trouble: there are too few takes.
    """
    expressions = set(takes.labels.tolist())
    steps: dict[str, Step] = {}
    if resting is not None and (takes.labels == NEUTRAL).sum() >= settings.least_frames:
        steps["resting"] = lambda some: (rested(some, settings, resting), None)
    if expressions == {NEUTRAL} and steps:
        return _rest_alone(name, model, takes, settings, steps["resting"])
    if len(expressions) < settings.least_expressions:
        shown = ", ".join(LABELS[label] for label in sorted(expressions)) or "none"
        raise Trouble(
            f"too few takes for a profile ({shown}): it needs {settings.least_expressions} expressions, or {settings.least_frames} frames "
            "of resting face with a model that knows everybody's; show more with `run.py calibrate`"
        )
    steps["offsets"] = lambda some: (offsets(some, settings), None)
    steps["head"] = lambda some: head(some, settings)
    proofs: list[Proof] = []
    for step, made in steps.items():
        tried = [prove(step, takes, made, groups, held_out) for held_out, groups in _ways(takes)]
        proofs += tried
        if all(proof.refused is None for proof in tried):
            profile = _profile(name, model, step, made(takes), takes, settings, tried)
            worst = min(tried, key=lambda proof: proof.gain)
            why = f"{step} helps: log loss {worst.before.log_loss:.3f} -> {worst.after.log_loss:.3f} on held-out takes"
            if worst.after.accuracy < settings.unclear:
                why += (
                    f"; even so only {worst.after.accuracy:.0%} of them are read as what was asked for: show them more clearly, or practise"
                )
            return Fit(profile, why, tuple(proofs))
    reasons = "; ".join(dict.fromkeys(f"{proof.step} {proof.refused}" for proof in proofs if proof.refused is not None))
    return Fit(None, f"no profile installed, the base model stays: {reasons}", tuple(proofs))


def prove(step: str, takes: Takes, made: Step, groups: np.ndarray, held_out: str) -> Proof:
    """Judges a step: every group (n,) of takes is read with a profile fitted to the other groups."""
    after = np.empty_like(takes.probs)
    for group in np.unique(groups):
        out = groups == group
        after[out] = corrected(made(takes.where(~out)), takes.where(out))
    before, late = scored(takes.probs, takes), scored(after, takes)
    # Where an expression's only take is held out, its fit knows nothing of it; the profile that would be installed does.
    own = scored(corrected(made(takes), takes), takes)
    gains = per_take(_log(after)[np.arange(len(takes)), takes.labels] - _log(takes.probs)[np.arange(len(takes)), takes.labels], takes)
    gain = float(gains.mean())
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else np.inf
    return Proof(step, held_out, before, late, gain, error, _refusal(before, late, own, gain, error))


def _refusal(before: Scores, after: Scores, own: Scores, gain: float, error: float) -> str | None:
    """Why a step must not be installed; `own` are the scores on the takes that it was fitted to."""
    asked = np.maximum(before.confusion.sum(1), MISTAKE)
    was, held, fitted = (scores.confusion.diagonal() / asked for scores in (before, after, own))
    broken = [LABELS[i] for i in range(len(LABELS)) if was[i] >= 0.5 > min(held[i], fitted[i])]
    if broken:
        return f"breaks {', '.join(broken)}, which was right"
    if after.accuracy < before.accuracy - MISTAKE:
        return f"lowers the accuracy from {before.accuracy:.0%} to {after.accuracy:.0%}"
    if gain <= error or gain <= MISTAKE:
        return f"gains {gain:.3f} nats, not more than its standard error {error:.3f}"
    return None


def _ways(takes: Takes) -> list[tuple[str, np.ndarray]]:
    """What is held out: each take; and each light, where every other light still shows three expressions or more."""
    ways = [("take", takes.takes)]
    lights = np.unique(takes.lights)
    if len(lights) > 1 and all(len(set(takes.labels[takes.lights != light])) >= 3 for light in lights):
        ways.append(("light", takes.lights))
    return ways


def _rest_alone(name: str, model: str, takes: Takes, settings: FitSettings, made: Step) -> Fit:
    """Resting faces say nothing of the other six; nothing can be held out of one take, so a face that is read rightly is left alone."""
    before, after = scored(takes.probs, takes), scored(corrected(made(takes), takes), takes)
    gain = before.log_loss - after.log_loss
    if before.accuracy >= 0.9 or gain <= MISTAKE:
        return Fit(None, f"no profile installed: the resting face is read as neutral in {before.accuracy:.0%} of the frames already", ())
    proof = Proof("resting", "nothing", before, after, gain, np.inf, None)
    why = f"resting helps: read as neutral in {after.accuracy:.0%} of the frames ({before.accuracy:.0%}); the same frames, nothing held out"
    return Fit(_profile(name, model, "resting", made(takes), takes, settings, [proof]), why, (proof,))


def _profile(
    name: str, model: str, step: str, made: tuple[np.ndarray, np.ndarray | None], takes: Takes, settings: FitSettings, proofs: list[Proof]
) -> Profile:
    notes = {
        "takes": len(np.unique(takes.takes)),
        "frames": len(takes),
        "settings": asdict(settings),
        "versions": {"numpy": np.__version__},
        "proof": [
            {
                "held_out": proof.held_out,
                "accuracy": [round(proof.before.accuracy, 4), round(proof.after.accuracy, 4)],
                "log_loss": [round(proof.before.log_loss, 4), round(proof.after.log_loss, 4)],
            }
            for proof in proofs
        ],
    }
    return Profile(name, model, step, made[0].astype(np.float32), None if made[1] is None else made[1].astype(np.float32), notes)


def corrected(made: tuple[np.ndarray, np.ndarray | None], takes: Takes) -> np.ndarray:
    """Probabilities (n, 7) of takes with offsets (7,) and weights (e, 7) or None."""
    return personal(Profile("", "", "", *made), takes.probs, takes.embedding)


def rested(takes: Takes, settings: FitSettings, resting: np.ndarray) -> np.ndarray:
    """Offsets (7,), none above 0, with which neutral leads a person's resting face by a share of its lead in everybody's, (7,) mean
    log-probabilities; 0 without a resting frame.

    A shift of the embedding, read by a linear head, is a shift of the log-probabilities: the head itself is not needed. Only what is in
    neutral's way is lowered, and only as far as needed: the rest of the difference is this one take's more often than the person's.
    """
    mine = _log(takes.probs[takes.labels == NEUTRAL])
    if not len(mine):
        return np.zeros(len(LABELS))
    # The median, as one blink or one smile among the frames is no resting face.
    lead = np.median(mine[:, [NEUTRAL]] - mine, 0)
    return np.clip(lead - settings.rest_lead * (resting[NEUTRAL] - resting), -settings.rest_most, 0)


def offsets(takes: Takes, settings: FitSettings) -> np.ndarray:
    """Seven offsets (7,) of the highest posterior probability under a Gaussian prior around 0."""
    logs, _, labels = _means(takes)
    return _minimum(logs, np.ones((len(labels), 1)), labels, np.array([1 / settings.offset_sigma**2]))[0]


def head(takes: Takes, settings: FitSettings) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (7,) and weights (e, 7) of the highest posterior probability under a Gaussian prior around the model's own head."""
    logs, embedding, labels = _means(takes)
    middle = embedding.mean(0)
    scale = max(float(np.sqrt(((embedding - middle) ** 2).sum(1).mean())), MISTAKE)
    features = np.c_[np.ones(len(labels)), (embedding - middle) / scale]
    pulls = np.full(features.shape[1], settings.pull)
    pulls[0] = 1 / settings.offset_sigma**2
    weights = _minimum(logs, features, labels, pulls)
    return weights[0] - middle @ weights[1:] / scale, weights[1:] / scale


def _minimum(logs: np.ndarray, features: np.ndarray, labels: np.ndarray, pulls: np.ndarray) -> np.ndarray:
    """Weights (k, 7) of features (n, k) with the least cross-entropy and squares, by Nesterov's gradient steps.

    An expression that was never shown takes no part: takes of the others would push it away, though they say nothing against it.
    """
    shown = np.unique(labels)
    base, wanted = logs[:, shown], (labels[:, None] == shown).astype(float)
    pulls = pulls[:, None]
    step = 1 / (0.5 * np.linalg.norm(features, 2) ** 2 + pulls.max())
    # Of the momentum: (1 - r) / (1 + r), where r is the root of the condition number's inverse.
    root = np.sqrt(step * pulls.min())
    weights = ahead = np.zeros((features.shape[1], len(shown)))
    for _ in range(ROUNDS):
        scores = base + features @ ahead
        powers = np.exp(scores - scores.max(1, keepdims=True))
        slope = features.T @ (powers / powers.sum(1, keepdims=True) - wanted) + pulls * ahead
        new = ahead - step * slope
        ahead = new + (1 - root) / (1 + root) * (new - weights)
        weights = new
    every = np.zeros((features.shape[1], len(LABELS)))
    every[:, shown] = weights
    return every


def _means(takes: Takes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probabilities (m, 7), embeddings (m, e) and labels (m,) of m takes."""
    names, first = np.unique(takes.takes, return_index=True)
    rows = [takes.takes == name for name in names]
    logs = _log(takes.probs)
    embeddings = takes.embedding.astype(float)
    return np.stack([logs[row].mean(0) for row in rows]), np.stack([embeddings[row].mean(0) for row in rows]), takes.labels[first]


def _log(probs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probs, np.finfo(np.float32).tiny), dtype=float)


def per_take(values: np.ndarray, takes: Takes) -> np.ndarray:
    """Means (m,) of values (n,) over the frames of each take."""
    _, which = np.unique(takes.takes, return_inverse=True)
    return np.bincount(which, values) / np.bincount(which)


def scored(probs: np.ndarray, takes: Takes) -> Scores:
    """Scores of probabilities (n, 7) against what was asked for."""
    _, which = np.unique(takes.takes, return_inverse=True)
    weights = 1 / np.bincount(which)[which]
    total = weights.sum()
    answers, sure = probs.argmax(1), probs.max(1)
    counts = np.zeros((len(LABELS), len(LABELS)))
    np.add.at(counts, (takes.labels, answers), weights)
    asked = counts.sum(1)
    f1 = 2 * counts.diagonal() / np.maximum(asked + counts.sum(0), MISTAKE)
    bins = np.minimum((sure * 15).astype(int), 14)
    gaps = np.bincount(bins, weights * ((answers == takes.labels) - sure), minlength=15)
    loss = -_log(probs)[np.arange(len(takes)), takes.labels]
    return Scores(
        accuracy=float(counts.trace() / total),
        macro_f1=float(f1[asked > 0].mean()),
        log_loss=float((weights * loss).sum() / total),
        ece=float(np.abs(gaps).sum() / total),
        confusion=counts,
    )
