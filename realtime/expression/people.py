"""Who has a profile, and the stage of the pipeline that applies one. All files of a person lie in one folder."""

import unicodedata
from pathlib import Path
from typing import Protocol

from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular
from realtime.base.json_values import parse_json
from realtime.base.messages import Message, message
from realtime.expression.classifier import MOST_CARD_BYTES, Opinion
from realtime.expression.profile import Profile, load, personal

PEOPLE = Path("people")
"""Where people's profiles and takes lie, beside the recordings."""
NAME_MOST = 60
"""Letters of a name; some file systems allow 255 bytes."""
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO}\N{SUPERSCRIPT THREE}"),
}
"""What Windows takes for a device, with any ending: a folder of that name cannot be made there."""
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Sinhala and Persian names are spelled with them."""


class Model(Protocol):
    """The model that profiles are made for; an `EmotionClassifier` is one."""

    path: Path
    sha256: str
    embedding: int


def checked(name: str) -> str:
    """A person's name, which is a folder's as well. One name has one spelling: letters and their marks are composed (Unicode's NFC).

    Raises:
        Trouble: it is empty, too long, could lead elsewhere, or is none on Windows.
    """
    composed = unicodedata.normalize("NFC", name)
    shape_is_right = (
        composed.strip() == composed and 0 < len(composed) <= NAME_MOST and not composed.startswith(".") and not composed.endswith(".")
    )
    is_device = composed.split(".")[0].strip().casefold() in DEVICES
    if not shape_is_right or is_device or not _is_spelled(composed):
        raise Trouble(
            f"{name!r:.80} cannot be a person's name here: use up to {NAME_MOST} letters, digits, spaces, or - _ . ', no dot or space "
            "at the end, and no device's name such as con"
        )
    return composed


def _is_spelled(name: str) -> bool:
    """Whether all is letters, digits and what may stand between them. Vowel signs and other marks (Mn, Mc) belong to the letter before."""
    before = ""
    for c in name:
        follows = unicodedata.category(c) in ("Mn", "Mc") or c in JOINERS
        if not (c.isalnum() or c in " -_.'" or (follows and (before.isalnum() or unicodedata.category(before or " ") in ("Mn", "Mc")))):
            return False
        before = c
    return not name.endswith(tuple(JOINERS))


def profile_path(root: Path, name: str, model: Path) -> Path:
    """Where a person's profile for the model file of that name lies."""
    return root / checked(name) / f"{model.stem}.json"


def with_profile(root: Path, model: Path) -> list[str]:
    """People who have a profile for a model file of that name, sorted."""
    return sorted(path.parent.name for path in root.glob(f"*/{model.stem}.json"))


def find(root: Path, name: str, model: Path) -> Path:
    """A person's profile for a model.

    Raises:
        Trouble: there is none.
    """
    path = profile_path(root, name, model)
    if not path.is_file():
        others = ", ".join(with_profile(root, model)) or "nobody yet"
        raise Trouble(f"no profile of {name} for {model.stem} (there is one of: {others}): make it with `run.py calibrate --name {name}`")
    return path


def usable(path: Path, model: Path) -> Path:
    """The profile's path, where the file can be used with the model.

    Raises:
        Trouble: it is damaged, of another version or made for another model.
    """
    beside = model.with_suffix(".json")
    try:
        card = parse_json(read_regular(beside, MOST_CARD_BYTES))
        sha256, embedding = str(card["sha256"]), int(card["embedding"])
    except OSError as error:
        raise Trouble(f"cannot read {beside} ({reason(error)}): restore it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Trouble(f"cannot read {beside} ({error!r:.120}): restore it") from error
    load(path, sha256, embedding)
    return path


class ProfileSwitch:
    """The stage after the classifier: corrects its probabilities for one person. May be switched at any time, from any thread.

    Attributes:
        profile: the profile that is applied now; None for nobody's.
    """

    def __init__(self, model: Model, root: Path = PEOPLE, profile: Profile | None = None):
        """`root` is the folder of all people; `profile` is applied from the start."""
        self.model, self.root, self.profile = model, root, profile
        self._chosen = profile

    def apply(self, opinion: Opinion) -> Opinion:
        """The model's answers for n faces with the probabilities corrected.

        Nothing else changes: whether a face can be read does not depend on whose face it is.
        """
        profile = self.profile
        if profile is None:
            return opinion
        return opinion._replace(probs=personal(profile, opinion.probs, opinion.embedding))

    @property
    def name(self) -> str | None:
        """Whose profile is applied now."""
        profile = self.profile
        return profile.name if profile else None

    def names(self) -> list[str]:
        """People whose profile can be chosen."""
        return with_profile(self.root, self.model.path)

    def choose(self, name: str | None) -> Message:
        """Applies a person's profile, or none for None. If that fails, nothing changes and the message says why."""
        if name is None:
            self.profile = None
            return message("profile_off")
        try:
            path = find(self.root, name, self.model.path)
            self.profile = self._chosen = load(path, self.model.sha256, self.model.embedding)
        except Trouble as trouble:
            return message("text", text=trouble)
        return message("profile_on", name=name)

    def toggle(self) -> Message:
        """Switches the profile that was chosen last on or off; if none was chosen and there is only one, that one."""
        if self.profile is not None:
            return self.choose(None)
        if self._chosen is not None:
            self.profile = self._chosen
            return message("profile_on", name=self._chosen.name)
        names = self.names()
        if len(names) == 1:
            return self.choose(names[0])
        return message("profile_choice", names=", ".join(names)) if names else message("profile_missing")
