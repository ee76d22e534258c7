"""Which model and which profile a command uses."""

from collections.abc import Callable
from pathlib import Path

from realtime.base.errors import Trouble
from realtime.config import EFFORTS, SHIPPED, SMALL_EFFORTS, ClassifierSettings, Effort


def choose_model(model: Path | None, board: str | None, tell: Callable[[str], None]) -> tuple[Path, tuple[Effort, ...]]:
    """The model, and how much is spent on a frame: less on a small board, unless the user names a model."""
    if model is not None or board is None:
        return model or ClassifierSettings.model, EFFORTS
    tell(f"{board}: the nano model and fewer searches, as suits a small board; --model emotion overrides both")
    return SHIPPED["nano"], SMALL_EFFORTS


def choose_profile(name: str | None, model: Path, tell: Callable[[str], None]) -> Path | None:
    """The file of a person's profile for a model. None without a name; also where the profile cannot be used, which is told."""
    from realtime.expression.people import PEOPLE, find, usable

    if name is None:
        return None
    path = find(PEOPLE, name, model)
    try:
        return usable(path, model)
    except Trouble as trouble:
        tell(f"{trouble}; the base model reads meanwhile")
        return None
