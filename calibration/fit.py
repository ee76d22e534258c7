"""Takes of one person -> a profile and the proof that it helps on held-out takes, or the reason why there is none.

Three steps are tried, each with more parameters than the one before: the resting face, seven offsets, a linear head with a prior around
the model's own. The first that helps becomes the profile. Every take counts once, however many frames it has.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from realtime.base.errors import Trouble
from realtime.base.version import __version__
from realtime.config import FitSettings
from realtime.expression.profile import Profile, personal
from realtime.values import LABELS

NEUTRAL = LABELS.index("neutral")
ROUNDS = 200
"""Gradient steps of a fit. The problem is convex and small: after some fifty the loss does not fall any more."""
TINY = 1e-9
"""Smaller differences are rounding; also keeps divisors above 0."""


class TooFewTakes(Trouble):
    """There are too few takes for a profile: the person has left most of them out."""


@dataclass(frozen=True)
class Takes:
    """Frames of one person, one row each.

    Attributes:
        probs: (n, 7) float32, the model's calibrated probabilities without a profile.
        embedding: (n, e) float32.
        labels: (n,) integers, the expression that was asked for as an index into `LABELS`.
        takes: (n,) numbers or text, the take of each frame; all frames of a take have one label and one light.
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
        """The rows for which a boolean mask (n,) is true."""
        return Takes(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Scores:
    """How well probabilities agree with the expressions that were asked for; every take counts once. Shares are 0 to 1.

    Attributes:
        accuracy: share of right answers.
        macro_f1: mean F1 of the expressions that were asked for.
        log_loss: mean, in nats.
        ece: expected calibration error over 15 bins (Guo et al. 2017).
        confusion: (7, 7) number of takes by what was asked for (rows) and answered (columns); a take whose frames differ counts in parts.
    """

    accuracy: float
    macro_f1: float
    log_loss: float
    ece: float
    confusion: np.ndarray


@dataclass(frozen=True)
class Proof:
    """The test of one step on held-out takes.

    Attributes:
        step: of `realtime.expression.profile.STEPS`.
        held_out: what each fold holds out: "take" or "light"; "nothing": the test uses the frames of the fit.
        before, after: scores without the profile and with it.
        gain: mean fall of a take's log loss, in nats.
        error: standard error of the gain over the takes.
        refusal: why the step must not be installed, or None.
    """

    step: str
    held_out: str
    before: Scores
    after: Scores
    gain: float
    error: float
    refusal: str | None


@dataclass(frozen=True)
class Fit:
    """The result of all steps.

    Attributes:
        profile: what is to be installed, or None.
        why: one line that says why.
        proofs: of all steps that were tried, the last one's at the end; one at least.
        is_good_already: whether there is no profile because a resting face alone is read rightly without.
    """

    profile: Profile | None
    why: str
    proofs: tuple[Proof, ...]
    is_good_already: bool = False


Correction = tuple[np.ndarray, np.ndarray | None]
"""Offsets (7,) and weights (e, 7) of a profile; None: the offsets alone."""
Step = Callable[[Takes], Correction]
"""Fits a correction to takes."""


def fit(name: str, model: str, takes: Takes, settings: FitSettings, resting: np.ndarray | None = None) -> Fit:
    """The profile of the first step that helps.

    Args:
        name: whose takes these are.
        model: sha256 of the model that read them.
        takes: at least three expressions with a take each, or resting faces alone.
        settings: how far the takes may change the model's answers.
        resting: (7,) mean log-probabilities of everybody's resting face; None: unknown for this model, the first step is left out.

    Raises:
        TooFewTakes: of fewer expressions than `settings.least_expressions`, and not of a resting face alone.
    """
    expressions = set(takes.labels.tolist())
    steps: dict[str, Step] = {}
    if resting is not None and (takes.labels == NEUTRAL).sum() >= settings.least_frames:
        steps["resting"] = lambda some: (fit_resting(some, settings, resting), None)
    if expressions == {NEUTRAL} and steps:
        return _fit_rest_alone(name, model, takes, settings, steps["resting"])
    if len(expressions) < settings.least_expressions:
        names = ", ".join(LABELS[label] for label in sorted(expressions)) or "none"
        raise TooFewTakes(
            f"too few takes for a profile ({names}): it needs {settings.least_expressions} expressions, or {settings.least_frames} frames "
            "of resting face with a model that knows everybody's; show more with `run.py calibrate`"
        )
    steps["offsets"] = lambda some: (fit_offsets(some, settings), None)
    steps["head"] = lambda some: fit_head(some, settings)
    proofs: list[Proof] = []
    for step, fit_step in steps.items():
        step_proofs = [prove(step, takes, fit_step, folds, held_out) for held_out, folds in _list_folds(takes)]
        proofs += step_proofs
        if all(proof.refusal is None for proof in step_proofs):
            profile = _make_profile(name, model, step, fit_step(takes), takes, settings, step_proofs)
            worst = min(step_proofs, key=lambda proof: proof.gain)
            why = f"{step} helps: log loss {worst.before.log_loss:.3f} -> {worst.after.log_loss:.3f} on held-out takes"
            if worst.after.accuracy < settings.unclear:
                why += (
                    f"; even so only {worst.after.accuracy:.0%} of them are read as what was asked for: show them more clearly, or practise"
                )
            return Fit(profile, why, tuple(proofs))
    reasons = "; ".join(dict.fromkeys(f"{proof.step} {proof.refusal}" for proof in proofs if proof.refusal is not None))
    return Fit(None, f"no profile installed, the base model stays: {reasons}", tuple(proofs))


def prove(step: str, takes: Takes, fit_step: Step, folds: np.ndarray, held_out: str) -> Proof:
    """Tests a step by cross-validation: the takes of every fold (n,) are read with a correction fitted to the other folds."""
    after = np.empty_like(takes.probs)
    for fold in np.unique(folds):
        inside = folds == fold
        after[inside] = apply_correction(fit_step(takes.where(~inside)), takes.where(inside))
    before_scores, after_scores = score(takes.probs, takes), score(after, takes)
    # If an expression has one take, the fold that holds it out learns nothing of it; the profile that would be installed does.
    fitted_scores = score(apply_correction(fit_step(takes), takes), takes)
    truth = np.arange(len(takes)), takes.labels
    gains = average_per_take(_log(after)[truth] - _log(takes.probs)[truth], takes)
    gain = float(gains.mean())
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else np.inf
    refusal = _refuse(before_scores, after_scores, fitted_scores, gain, error)
    return Proof(step, held_out, before_scores, after_scores, gain, error, refusal)


def _refuse(before: Scores, after: Scores, fitted: Scores, gain: float, error: float) -> str | None:
    """Why a step must not be installed, or None; `fitted` are the scores on the takes that it was fitted to."""
    counts = np.maximum(before.confusion.sum(1), TINY)
    recall_before, recall_after, recall_fitted = (scores.confusion.diagonal() / counts for scores in (before, after, fitted))
    broken = [LABELS[i] for i in range(len(LABELS)) if recall_before[i] >= 0.5 > min(recall_after[i], recall_fitted[i])]
    if broken:
        return f"breaks {', '.join(broken)}, which was right"
    if after.accuracy < before.accuracy - TINY:
        return f"lowers the accuracy from {before.accuracy:.0%} to {after.accuracy:.0%}"
    if gain <= error or gain <= TINY:
        return f"gains {gain:.3f} nats, not more than its standard error {error:.3f}"
    return None


def _list_folds(takes: Takes) -> list[tuple[str, np.ndarray]]:
    """What is held out, and the fold (n,) of each frame: every take; and every light, if without it three expressions are left."""
    folds = [("take", takes.takes)]
    lights = np.unique(takes.lights)
    if len(lights) > 1 and all(len(set(takes.labels[takes.lights != light])) >= 3 for light in lights):
        folds.append(("light", takes.lights))
    return folds


def _fit_rest_alone(name: str, model: str, takes: Takes, settings: FitSettings, fit_step: Step) -> Fit:
    """A profile of resting faces alone, if more of their frames are read as neutral with it.

    Nothing can be held out of one take, so a face that is read rightly gets no profile.
    """
    correction = fit_step(takes)
    before, after = score(takes.probs, takes), score(apply_correction(correction, takes), takes)
    good = before.accuracy >= 0.9
    refusal = None
    if good:
        refusal = f"the resting face is read as neutral in {before.accuracy:.0%} of the frames already"
    elif after.accuracy <= before.accuracy + TINY:
        refusal = f"the resting face is read as neutral in {before.accuracy:.0%} of the frames, and with a profile in no more"
    proof = Proof("resting", "nothing", before, after, before.log_loss - after.log_loss, np.inf, refusal)
    if refusal is not None:
        return Fit(None, f"no profile installed: {refusal}", (proof,), good)
    why = f"resting helps: read as neutral in {after.accuracy:.0%} of the frames ({before.accuracy:.0%}); the same frames, nothing held out"
    return Fit(_make_profile(name, model, "resting", correction, takes, settings, [proof]), why, (proof,))


def _make_profile(
    name: str, model: str, step: str, correction: Correction, takes: Takes, settings: FitSettings, proofs: list[Proof]
) -> Profile:
    notes = {
        "takes": len(np.unique(takes.takes)),
        "frames": len(takes),
        "settings": asdict(settings),
        "versions": {"program": __version__, "numpy": np.__version__},
        "proof": [
            {
                "held_out": proof.held_out,
                "accuracy": [round(proof.before.accuracy, 4), round(proof.after.accuracy, 4)],
                "log_loss": [round(proof.before.log_loss, 4), round(proof.after.log_loss, 4)],
            }
            for proof in proofs
        ],
    }
    offsets, weights = correction
    return Profile(name, model, step, offsets.astype(np.float32), None if weights is None else weights.astype(np.float32), notes)


def apply_correction(correction: Correction, takes: Takes) -> np.ndarray:
    """Corrected probabilities (n, 7) of takes."""
    return personal(Profile("", "", "", *correction), takes.probs, takes.embedding)


def fit_resting(takes: Takes, settings: FitSettings, resting: np.ndarray) -> np.ndarray:
    """Offsets (7,) after which neutral leads in a person's resting face by a share of its lead in everybody's.

    A shift of the embedding, read by a linear head, is a shift of the log-probabilities: the head itself is not needed. Only expressions
    whose distance to neutral is too small are lowered, and only as far as needed: more often than not, the rest of the difference belongs
    to the take, not to the person.

    Args:
        resting: (7,) mean log-probabilities of everybody's resting face.

    Returns:
        Numbers from `-settings.rest_most` to 0; all 0 without a resting frame.
    """
    logs = _log(takes.probs[takes.labels == NEUTRAL])
    if not len(logs):
        return np.zeros(len(LABELS))
    # The median ignores a blink or a smile among the frames.
    lead = np.median(logs[:, [NEUTRAL]] - logs, 0)
    return np.clip(lead - settings.rest_lead * (resting[NEUTRAL] - resting), -settings.rest_most, 0)


def fit_offsets(takes: Takes, settings: FitSettings) -> np.ndarray:
    """Offsets (7,) of the highest posterior probability, under a Gaussian prior around 0."""
    logs, _, labels = _average_takes(takes)
    return _minimise(logs, np.ones((len(labels), 1)), labels, np.array([1 / settings.offset_sigma**2]))[0]


def fit_head(takes: Takes, settings: FitSettings) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (7,) and weights (e, 7) of the highest posterior probability, under a Gaussian prior around the model's own head."""
    logs, embedding, labels = _average_takes(takes)
    mean = embedding.mean(0)
    scale = max(float(np.sqrt(((embedding - mean) ** 2).sum(1).mean())), TINY)
    features = np.c_[np.ones(len(labels)), (embedding - mean) / scale]
    precisions = np.full(features.shape[1], settings.pull)
    precisions[0] = 1 / settings.offset_sigma**2
    weights = _minimise(logs, features, labels, precisions)
    return weights[0] - mean @ weights[1:] / scale, weights[1:] / scale


def _minimise(logs: np.ndarray, features: np.ndarray, labels: np.ndarray, precisions: np.ndarray) -> np.ndarray:
    """The correction of the least cross-entropy plus penalty, by Nesterov's accelerated gradient steps (2004, constant scheme).

    Expressions without a take are left out and get no weights: the takes of the others would lower them without any evidence.

    Args:
        logs: (n, 7), what the correction is added to.
        features: (n, k).
        labels: (n,).
        precisions: (k,) of the Gaussian prior of the features' weights.

    Returns:
        (k, 7) weights of the features.
    """
    present = np.unique(labels)
    base, truth = logs[:, present], (labels[:, None] == present).astype(float)
    precisions = precisions[:, None]
    step = 1 / (0.5 * np.linalg.norm(features, 2) ** 2 + precisions.max())
    # The momentum is (1 - root) / (1 + root); root is that of the inverse condition number.
    root = np.sqrt(step * precisions.min())
    weights = ahead = np.zeros((features.shape[1], len(present)))
    for _ in range(ROUNDS):
        scores = base + features @ ahead
        powers = np.exp(scores - scores.max(1, keepdims=True))
        slope = features.T @ (powers / powers.sum(1, keepdims=True) - truth) + precisions * ahead
        new = ahead - step * slope
        ahead = new + (1 - root) / (1 + root) * (new - weights)
        weights = new
    all_weights = np.zeros((features.shape[1], len(LABELS)))
    all_weights[:, present] = weights
    return all_weights


def _average_takes(takes: Takes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean log-probabilities (m, 7), mean embeddings (m, e) and labels (m,) of m takes."""
    names, first = np.unique(takes.takes, return_index=True)
    rows = [takes.takes == name for name in names]
    logs = _log(takes.probs)
    embeddings = takes.embedding.astype(float)
    return np.stack([logs[row].mean(0) for row in rows]), np.stack([embeddings[row].mean(0) for row in rows]), takes.labels[first]


def _log(probs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probs, np.finfo(np.float32).tiny), dtype=float)


def average_per_take(values: np.ndarray, takes: Takes) -> np.ndarray:
    """Means (m,) of values (n,) over the frames of each take."""
    _, which = np.unique(takes.takes, return_inverse=True)
    return np.bincount(which, values) / np.bincount(which)


def score(probs: np.ndarray, takes: Takes) -> Scores:
    """Scores of probabilities (n, 7) of the frames of takes."""
    _, which = np.unique(takes.takes, return_inverse=True)
    weights = 1 / np.bincount(which)[which]
    total = weights.sum()
    answers, confidence = probs.argmax(1), probs.max(1)
    confusion = np.zeros((len(LABELS), len(LABELS)))
    np.add.at(confusion, (takes.labels, answers), weights)
    counts = confusion.sum(1)
    f1 = 2 * confusion.diagonal() / np.maximum(counts + confusion.sum(0), TINY)
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = np.bincount(bins, weights * ((answers == takes.labels) - confidence), minlength=15)
    loss = -_log(probs)[np.arange(len(takes)), takes.labels]
    return Scores(
        accuracy=float(confusion.trace() / total),
        macro_f1=float(f1[counts > 0].mean()),
        log_loss=float((weights * loss).sum() / total),
        ece=float(np.abs(gaps).sum() / total),
        confusion=confusion,
    )
