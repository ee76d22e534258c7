"""How the scripts of this folder end when something is wrong that their user can do something about: in one line."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path

from models.datasets import DatasetError
from realtime.base.errors import Trouble


def one_line(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with expected trouble told as "models.NAME: what was wrong" and exit code 1, without a traceback."""

    @functools.wraps(command)
    def told(*args: object, **options: object) -> None:
        try:
            command(*args, **options)
        except (Trouble, DatasetError, OSError) as error:
            raise SystemExit(f"models.{Path(inspect.getfile(command)).stem}: {error}") from None

    return told
