"""Which faces are plainly not what was asked for, so that they are not taken without a question.

A profile is for faces that the model misreads. So what the model says is no reason to refuse a face, with one exception: a laugh or a gasp
that it is sure of, where something else was asked for.
"""

from collections.abc import Sequence

import numpy as np

from calibration.rest import measure_rises
from realtime.config import CaptureSettings
from realtime.values import LABELS

UNMISTAKABLE: dict[str, tuple[str, ...]] = {"happiness": (), "surprise": ("fear",)}
"""What the model knows well, and next to which it is not believed: fear raises the brows and opens the eyes as surprise does.

Measured on FER2013's public test and faces_wild: of 3,992 faces that are no laughs to their annotators, 2 had 0.9 of happiness with emotion
and 9 with nano; laughs had it in 75 to 86 of 100. Of 5,462 faces without surprise or fear, 7 and 3 had 0.9 of surprise. Neutral, sadness
and anger are not here: faces at rest are taken for them, and frowns for neutral, which is what a profile mends."""


def plainly_shown(target: str, probs: Sequence[np.ndarray], rest: np.ndarray | None, settings: CaptureSettings) -> str | None:
    """The expression that frames plainly show where another one, `target`, was asked for; None where there is no plain one.

    It is one of `UNMISTAKABLE`, its median over the frames is `settings.plain` at least, and where the own rest is known it has risen above
    it by `settings.risen`: somebody whose mouth curls up at rest is not laughing.

    Args:
        probs: of one frame or more, (7,) each.
        rest: mean log-probabilities (7,) of the same person's resting face, or None.
    """
    median = np.median(np.stack(probs), axis=0)
    for name, alike in UNMISTAKABLE.items():
        i = LABELS.index(name)
        if target == name or target in alike or median[i] < settings.plain:
            continue
        if rest is None or measure_rises(probs, rest)[i] >= settings.risen:
            return name
    return None
