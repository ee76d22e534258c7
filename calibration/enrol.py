"""From frames of a session to takes on the disk, and from a person's takes to a profile, or to the reason why there is none."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from calibration.collection import Kept, SessionFolder, Shot, Take, crop_around, load_takes
from calibration.fit import Fit, Takes, fit
from calibration.plan import FRONT, SIDE, Prompt
from calibration.proof import as_picture
from calibration.room import Onlooker
from calibration.session import Seen, mean_measures
from realtime.base.errors import Trouble, reason
from realtime.config import CaptureSettings, FitSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.people import profile_path
from realtime.expression.profile import save
from realtime.values import LABELS


def taken(prompt: Prompt, frames: Sequence[Seen], camera: str, settings: CaptureSettings) -> Take:
    """A take for the disk, of the frames in which a camera saw a face; at least one."""
    measures = mean_measures([one.measures for one in frames if one.measures is not None])
    seen = [(one, one.chip, one.face) for one in frames if one.chip is not None and one.face is not None]
    shots = tuple(Shot(chip, *crop_around(one.image, face), one.t) for one, chip, face in seen)
    # The nose moves towards the side to which the head turns; the person's left is on the right of the picture.
    side = "left" if measures["turn"] > 0 else "right"
    return Take(prompt.expression, side if abs(measures["turn"]) >= settings.side else FRONT, prompt.light, camera, measures, shots)


class Keeper:
    """Writes what a session keeps: the take that the person looked at, and what further cameras saw meanwhile."""

    def __init__(
        self,
        folder: SessionFolder,
        camera: Callable[[], str],
        plan: Sequence[Prompt],
        settings: CaptureSettings,
        beside: Sequence[Onlooker] = (),
    ):
        """`camera()` is what the session looks through, `beside` are the others of a room."""
        self.folder, self.camera, self.settings, self.beside = folder, camera, settings, beside
        self._numbers: dict[Prompt, list[int]] = {}
        self.done: list[tuple[Prompt, dict[str, float]]] = []
        """What the folder holds already, as a `Session` wants it."""
        by_what = {(prompt.expression, prompt.pose, prompt.light): prompt for prompt in plan}
        prompt = None
        for take in folder.takes:
            # The takes of further cameras follow that of the first, and may show the face from another side.
            prompt = by_what.get((take.expression, FRONT if take.pose == FRONT else SIDE, take.light), prompt)
            if prompt is None:
                continue
            if prompt not in self._numbers:
                self.done.append((prompt, take.quality))
            self._numbers.setdefault(prompt, []).append(take.number)

    def keep(self, prompt: Prompt, frames: Sequence[Seen]) -> None:
        """Writes a take, on the disk when this returns."""
        numbers = [self.folder.add(taken(prompt, frames, self.camera(), self.settings)).number]
        for other in self.beside:
            seen = other.between(frames[0].t, frames[-1].t)
            if seen:
                numbers.append(self.folder.add(taken(prompt, seen, other.name, self.settings)).number)
        self._numbers[prompt] = numbers

    def drop(self, prompt: Prompt) -> None:
        """Erases the take of a prompt, which is taken anew."""
        for number in self._numbers.pop(prompt, []):
            self.folder.redo(number)


def moments(takes: Sequence[Kept]) -> list[int]:
    """Which moment each take is of, as numbers: what several cameras of a room saw at once is one, and must be held out as one."""
    numbers: list[int] = []
    cameras: set[str] = set()
    before = None
    for take in takes:
        what = (take.session, take.expression, take.light)
        if what != before or take.camera in cameras:
            cameras, before = set(), what
            numbers.append(numbers[-1] + 1 if numbers else 0)
        else:
            numbers.append(numbers[-1])
        cameras.add(take.camera)
    return numbers


def read_takes(root: Path, name: str, classifier: EmotionClassifier) -> Takes:
    """All takes of a person as the model reads them.

    Raises:
        Trouble: there are none, or their files are damaged.
    """
    takes = load_takes(root, name)
    if not takes:
        raise Trouble(f"there are no takes of {name}: make some with `run.py calibrate --name {name}`")
    opinions = [classifier.read(chips) for _, chips in takes]
    many = [len(chips) for _, chips in takes]
    return Takes(
        probs=np.concatenate([opinion.probs for opinion in opinions]),
        embedding=np.concatenate([opinion.embedding for opinion in opinions]),
        labels=np.repeat([LABELS.index(take.expression) for take, _ in takes], many),
        takes=np.repeat(moments([take for take, _ in takes]), many),
        # The light of one session is not that of another one.
        lights=np.repeat([f"{take.session.name} {take.light}" for take, _ in takes], many),
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
