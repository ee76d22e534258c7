"""From the frames of a take to the session on the disk, and from a person's takes to a profile, or to the reason why there is none."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from calibration.fit import Fit, Takes, fit
from calibration.observation import Observation, average_measures
from calibration.plan import FRONT, SIDE, Prompt
from calibration.proof import as_picture, as_text
from calibration.rest import average_logs
from calibration.room import FurtherCamera
from calibration.session_folder import SessionFolder
from calibration.stored_sessions import read_person_takes
from calibration.takes import StoredTake, Take, TakePicture, cut_surroundings
from realtime.base.errors import Trouble, reason
from realtime.base.files import replace_file
from realtime.config import CaptureSettings, FitSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.people import profile_path
from realtime.expression.profile import save
from realtime.values import LABELS

LEFT, RIGHT = "left", "right"


def make_take(prompt: Prompt, pose: str, frames: Sequence[Observation], camera: str) -> Take:
    """The take of the frames in which a camera saw a face; one at least."""
    faces = [(frame, frame.face_crop, frame.face) for frame in frames if frame.face_crop is not None and frame.face is not None]
    pictures = tuple(TakePicture(crop, *cut_surroundings(frame.image, face), frame.t) for frame, crop, face in faces)
    return Take(prompt.expression, pose, prompt.light, camera, average_measures(frames), pictures)


def turned_to(turn: float) -> str:
    """To which of its own sides a head is turned: the nose moves towards that side, and the left side is on the right of the picture."""
    return LEFT if turn > 0 else RIGHT


def pose_of_prompt(prompt: Prompt, frames: Sequence[Observation]) -> str:
    """The pose of the take of a prompt: the one that was asked for, and required of every frame; of the side, which one."""
    return turned_to(average_measures(frames)["turn"]) if prompt.pose == SIDE else FRONT


def pose_of_view(frames: Sequence[Observation], settings: CaptureSettings) -> str:
    """The pose in which a further camera sees the face: no pose was asked for, so it is the measured one."""
    turn = average_measures(frames)["turn"]
    return turned_to(turn) if abs(turn) >= settings.side else FRONT


class TakeWriter:
    """Stores the takes of a capture: those of the camera that the person looks at, and the views of further cameras."""

    def __init__(
        self,
        folder: SessionFolder,
        camera: Callable[[], str],
        prompts: Sequence[Prompt],
        settings: CaptureSettings,
        further: Sequence[FurtherCamera] = (),
    ):
        """`camera()` is the source that the person looks at; `further` are the other cameras of a room."""
        self.folder, self.camera, self.settings, self.further = folder, camera, settings, further
        self._numbers: dict[Prompt, list[int]] = {}
        self.earlier: list[tuple[Prompt, dict[str, float]]] = []
        """The takes that the folder holds already, as a `CaptureSession` takes them."""
        by_content = {(prompt.expression, prompt.pose, prompt.light): prompt for prompt in prompts}
        by_moment: dict[int, Prompt] = {}
        for take in folder.takes:
            # The first take of a moment has its number. It is the one of the camera that the person looks at.
            if take.number == take.moment:
                prompt = by_content.get((take.expression, FRONT if take.pose == FRONT else SIDE, take.light))
                if prompt is not None:
                    by_moment[take.moment] = prompt
                    self.earlier.append((prompt, take.quality))
            if take.moment in by_moment:
                self._numbers.setdefault(by_moment[take.moment], []).append(take.number)

    def keep(self, prompt: Prompt, frames: Sequence[Observation]) -> None:
        """Stores a take; it is on the disk when this returns."""
        first = self.folder.add(make_take(prompt, pose_of_prompt(prompt, frames), frames, self.camera()))
        numbers = [first.number]
        for camera in self.further:
            views = camera.between(frames[0].t, frames[-1].t)
            if views:
                take = make_take(prompt, pose_of_view(views, self.settings), views, camera.name)
                numbers.append(self.folder.add(take, first.moment).number)
        self._numbers[prompt] = numbers

    def drop(self, prompt: Prompt) -> None:
        """Erases the take of a prompt, which is to be repeated."""
        # The first camera's goes last: whenever the program is killed, every view still belongs to a take.
        for number in reversed(self._numbers.pop(prompt, [])):
            self.folder.erase(number)


def number_moments(takes: Sequence[StoredTake]) -> list[int]:
    """Which moment each take is of, numbered over all sessions: what several cameras saw at once is held out as one."""
    numbers: dict[tuple[Path, int], int] = {}
    return [numbers.setdefault((take.session, take.moment), len(numbers)) for take in takes]


def read_for_fit(root: Path, name: str, classifier: EmotionClassifier) -> Takes:
    """All takes of a person with the model's answers to them.

    Raises:
        Trouble: there are none, or their files are damaged.
    """
    takes = read_person_takes(root, name)
    if not takes:
        raise Trouble(f"there are no takes of {name}: make some with `run.py calibrate --name {name}`")
    opinions = [classifier.read(take.chips()) for take in takes]
    counts = [len(opinion.probs) for opinion in opinions]
    return Takes(
        probs=np.concatenate([opinion.probs for opinion in opinions]),
        embedding=np.concatenate([opinion.embedding for opinion in opinions]),
        labels=np.repeat([LABELS.index(take.expression) for take in takes], counts),
        takes=np.repeat(number_moments(takes), counts),
        # Two sessions may use one name for different lights.
        lights=np.repeat([f"{take.session.name} {take.light}" for take in takes], counts),
    )


def read_rest(root: Path, name: str, classifier: EmotionClassifier) -> np.ndarray | None:
    """A person's resting face in their takes from the front: mean log-probabilities (7,), where every take counts once.

    None if there are no such takes.

    Raises:
        Trouble: their files are damaged.
    """
    takes = [take for take in read_person_takes(root, name) if (take.expression, take.pose) == ("neutral", FRONT)]
    logs = [average_logs(list(classifier.probabilities(take.chips()))) for take in takes]
    return np.mean(logs, axis=0) if logs else None


def enrol(root: Path, name: str, classifier: EmotionClassifier, settings: FitSettings) -> tuple[Fit, Path]:
    """Fits a profile to all takes of a person, and installs it if it helps.

    Returns:
        The fit, and its proof as a text file; a picture of it lies beside it.

    Raises:
        Trouble: there are too few takes, or a file cannot be written.
    """
    result = fit(name, classifier.sha256, read_for_fit(root, name, classifier), settings, classifier.resting)
    path = profile_path(root, name, classifier.path)
    if result.profile:
        save(result.profile, path)
    text, picture = (path.with_name(f"{path.stem}_proof{ending}") for ending in (".txt", ".png"))
    _, png = cv2.imencode(".png", as_picture(result.proofs[-1]))
    words = f"{path.stem}: {result.why}\n\n{as_text(result.proofs[-1])}\n"
    for file, content in ((text, words.encode()), (picture, png.tobytes())):
        try:
            replace_file(file, content, private=True)
        except OSError as error:
            raise Trouble(f"cannot write {file} ({reason(error)}): free the place; the profile itself is not concerned") from error
    return result, text
