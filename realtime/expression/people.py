"""Who has a profile, and whose is applied. All that is kept of a person lies in one folder, so that it can be erased as one."""

import json
from pathlib import Path
from typing import Protocol

from realtime.base.errors import Trouble, reason
from realtime.expression.profile import Profile, load

PEOPLE = Path("people")
"""Where people's profiles and takes lie, beside the recordings."""
NAME_MOST = 60
"""Letters of a name; some file systems allow 255 bytes."""


class Reader(Protocol):
    """What a profile is applied to; an `EmotionClassifier` is one."""

    path: Path
    sha256: str
    embedding: int
    profile: Profile | None


def checked(name: str) -> str:
    """A person's name, which is a folder's as well.

    Raises:
        Trouble: it is empty, too long or could lead elsewhere.
    """
    if not name.strip() or len(name) > NAME_MOST or name.startswith(".") or any(not (c.isalnum() or c in " -_.'") for c in name):
        raise Trouble(f"{name!r} cannot be a person's name here: use up to {NAME_MOST} letters, digits, spaces, or - _ . '")
    return name


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
        known = ", ".join(with_profile(root, model)) or "nobody yet"
        raise Trouble(f"no profile of {name} for {model.stem} (there is one of: {known}): make it with `run.py calibrate --name {name}`")
    return path


def usable(path: Path, model: Path) -> Path:
    """The profile's path, where the file can be used with the model.

    Raises:
        Trouble: it is damaged, of another version or made for another model.
    """
    beside = model.with_suffix(".json")
    try:
        card = json.loads(beside.read_bytes())
        sha256, embedding = str(card["sha256"]), int(card["embedding"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Trouble(f"cannot read {beside} ({reason(error) if isinstance(error, OSError) else repr(error)}): restore it") from error
    load(path, sha256, embedding)
    return path


class ProfileSwitch:
    """Whose profile a classifier applies; may be turned while frames flow, from any thread."""

    def __init__(self, classifier: Reader, root: Path = PEOPLE):
        self.classifier, self.root = classifier, root
        self._chosen = classifier.profile

    @property
    def name(self) -> str | None:
        """Whose profile is applied now."""
        profile = self.classifier.profile
        return profile.name if profile else None

    def names(self) -> list[str]:
        """Who could be chosen."""
        return with_profile(self.root, self.classifier.path)

    def choose(self, name: str | None) -> str:
        """Applies a person's profile, or none, and says so in a few words; where that fails all stays as it was, and the words say why."""
        if name is None:
            self.classifier.profile = None
            return "no profile"
        try:
            path = find(self.root, name, self.classifier.path)
            self.classifier.profile = self._chosen = load(path, self.classifier.sha256, self.classifier.embedding)
        except Trouble as trouble:
            return str(trouble)
        return f"profile {name}"

    def toggle(self) -> str:
        """Applies the profile that was chosen last, or none; without one, the only one that there is."""
        if self.classifier.profile is not None:
            return self.choose(None)
        if self._chosen is not None:
            self.classifier.profile = self._chosen
            return f"profile {self._chosen.name}"
        names = self.names()
        if len(names) == 1:
            return self.choose(names[0])
        return f"choose one with --profile: {', '.join(names)}" if names else "no profile yet: run.py calibrate makes one"
