"""How the commands of this folder end at expected trouble: with one line and exit code 1."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path

from realtime.base.errors import Trouble


def one_line(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with `Trouble` and OSError turned into the line "models.NAME: what was wrong" and exit code 1, without a traceback."""

    @functools.wraps(command)
    def run(*args: object, **options: object) -> None:
        try:
            command(*args, **options)
        except (Trouble, OSError) as error:
            raise SystemExit(f"models.{Path(inspect.getfile(command)).stem}: {error}") from None

    return run
