"""Shows a proof: scores and confusions before and after, as text and as a picture."""

import cv2
import numpy as np

from calibration.fit import Proof, Scores
from realtime.values import LABELS

CELL = 68
LEFT, TOP = 110, 110
INK, PAPER = (40, 40, 40), (255, 255, 255)


def as_text(proof: Proof) -> str:
    """A table of the scores and both confusions; rows are what was asked for, columns what was answered."""
    before, after = proof.before, proof.after
    test = f"held out by {proof.held_out}: gain {proof.gain:.3f} nats a take, standard error {proof.error:.3f}"
    lines = [
        f"{proof.step}, {test if np.isfinite(proof.error) else 'judged on the same frames, nothing held out'}",
        f"{'':12}{'before':>8}{'after':>8}",
        f"{'accuracy':12}{before.accuracy:8.1%}{after.accuracy:8.1%}",
        f"{'macro-F1':12}{before.macro_f1:8.3f}{after.macro_f1:8.3f}",
        f"{'log loss':12}{before.log_loss:8.3f}{after.log_loss:8.3f}",
        f"{'ECE':12}{before.ece:8.3f}{after.ece:8.3f}",
    ]
    for title, scores in (("before", before), ("after", after)):
        lines += ["", f"{title:12}" + "".join(f"{name:>10}" for name in LABELS)]
        rows = [(name, row) for name, row in zip(LABELS, scores.confusion, strict=True) if row.any()]
        lines += [f"{name:12}" + "".join(f"{count:10.1f}" if count else f"{'':10}" for count in row) for name, row in rows]
    return "\n".join(lines)


def as_picture(proof: Proof) -> np.ndarray:
    """Both confusions side by side, (h, w, 3) BGR uint8: dark cells hold many takes of their row."""
    return np.hstack([_draw_confusion(title, scores) for title, scores in (("before", proof.before), ("after", proof.after))])


def _draw_confusion(title: str, scores: Scores) -> np.ndarray:
    side = CELL * len(LABELS)
    picture = np.full((TOP + side + 20, LEFT + side + 20, 3), PAPER, np.uint8)
    _draw_text(picture, f"{title}: {scores.accuracy:.0%} right, log loss {scores.log_loss:.2f}", 10, 28, 0.6)
    _draw_text(picture, "rows: asked for, columns: answered, numbers: takes", 10, 52, 0.42)
    shares = scores.confusion / np.maximum(scores.confusion.sum(1, keepdims=True), 1e-9)
    for (row, column), count in np.ndenumerate(scores.confusion):
        x, y, share = LEFT + column * CELL, TOP + row * CELL, shares[row, column]
        # White to blue: people who are blind to red or green see the same steps.
        colour = tuple(int(255 - share * (255 - end)) for end in (178, 114, 0))
        cv2.rectangle(picture, (x, y), (x + CELL - 2, y + CELL - 2), colour, -1)
        cv2.rectangle(picture, (x, y), (x + CELL - 2, y + CELL - 2), (220, 220, 220), 1)
        if count:
            _draw_text(picture, f"{count:.1f}".removesuffix(".0"), x + CELL // 2 - 8, y + CELL // 2 + 6, 0.5, PAPER if share > 0.5 else INK)
    for i, name in enumerate(LABELS):
        _draw_text(picture, name, 10, TOP + i * CELL + CELL // 2 + 6, 0.45)
        _draw_text(picture, name, LEFT + i * CELL + 2, TOP - 10, 0.4)
    return picture


def _draw_text(picture: np.ndarray, text: str, x: int, y: int, size: float, colour: tuple[int, int, int] = INK) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
