"""From frames of a session to takes on the disk, and from a person's takes to a profile, or to the reason why there is none."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from calibration.collection import Shot, Take, crop_around, load_takes
from calibration.fit import Fit, Takes, fit
from calibration.people import profile_path
from calibration.plan import FRONT, Prompt
from calibration.profile import save
from calibration.proof import as_picture
from calibration.session import Seen, mean_measures
from realtime.classifier import EmotionClassifier
from realtime.config import FitSettings
from realtime.errors import Trouble, reason
from realtime.values import LABELS


def taken(prompt: Prompt, frames: Sequence[Seen], camera: str, pose: str | None = None) -> Take:
    """A take for the disk, of the frames in which a session saw a face; at least one."""
    measures = mean_measures([one.measures for one in frames])
    shots = tuple(Shot(one.chip, *crop_around(one.image, one.face), one.t) for one in frames)
    # The nose moves towards the side to which the head turns; the person's left is on the right of the picture.
    side = "left" if measures["turn"] > 0 else "right"
    return Take(prompt.expression, pose or (FRONT if prompt.pose == FRONT else side), prompt.light, camera, measures, shots)


def read_takes(root: Path, name: str, classifier: EmotionClassifier) -> Takes:
    """All takes of a person as the model reads them, without a profile.

    Raises:
        Trouble: there are none, or their files are damaged.
    """
    takes = load_takes(root, name)
    if not takes:
        raise Trouble(f"there are no takes of {name}: make some with `run.py calibrate --name {name}`")
    profile, classifier.profile = classifier.profile, None
    try:
        opinions = [classifier.read(take.chips) for take in takes]
    finally:
        classifier.profile = profile
    many = [len(take.chips) for take in takes]
    return Takes(
        probs=np.concatenate([opinion.probs for opinion in opinions]),
        embedding=np.concatenate([opinion.embedding for opinion in opinions]),
        labels=np.repeat([LABELS.index(take.expression) for take in takes], many),
        takes=np.repeat(np.arange(len(takes)), many),
        # The light of one session is not that of another one.
        lights=np.repeat([f"{take.session} {take.light}" for take in takes], many),
    )


def enrol(root: Path, name: str, classifier: EmotionClassifier, settings: FitSettings) -> tuple[Fit, Path | None]:
    """Fits a profile to all takes of a person, and installs it if it helps.

    Returns:
        The fit, and the picture of its proof, where there is one.

    Raises:
        Trouble: there are too few takes, or a file cannot be written.
    """
    made = fit(name, classifier.sha256, read_takes(root, name, classifier), settings, classifier.resting)
    path = profile_path(root, name, classifier.path)
    if made.profile:
        save(made.profile, path)
    if not made.proofs:
        return made, None
    picture = path.with_name(f"{path.stem}_proof.png")
    _, png = cv2.imencode(".png", as_picture(made.proofs[-1]))
    try:
        picture.write_bytes(png.tobytes())
        picture.chmod(0o600)
    except OSError as error:
        raise Trouble(f"cannot write {picture} ({reason(error)}): free the place; the profile itself is not concerned") from error
    return made, picture
