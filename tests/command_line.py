"""The command line in this process, for tests of what a command says: a process of its own takes a second only to import.

Exit codes, streams and signals of a real process are tested in `test_run.py`, `test_endings.py` and `test_names.py`.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

import run
from realtime.base.signals import ENDING

CHANGES_WHAT_IS_PRINTED = ("DISPLAY", "WAYLAND_DISPLAY", "FORCE_COLOR", "COLUMNS")


def call(*args: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs `run.py` with these arguments in `cwd` and with these environment variables; gives exit code and output.

    The output has what native libraries print, too. Without a display, unless `variables` names one.
    """
    handlers = {number: signal.getsignal(number) for number in ENDING}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, pytest.MonkeyPatch.context() as patch:
        for name in CHANGES_WHAT_IS_PRINTED:
            patch.delenv(name, raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        if cwd is not None:
            patch.chdir(cwd)
        patch.setattr(sys, "argv", ["run.py", *map(str, args)])
        # A thread that another test has left must not end this process.
        patch.setattr(run, "leave", sys.exit)
        try:
            with written_to(1, out), written_to(2, err), pytest.raises(SystemExit) as ended:
                run.main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return subprocess.CompletedProcess(sys.argv, ended.value.code, text_of(out), text_of(err))


@contextmanager
def written_to(number: int, file: BinaryIO) -> Iterator[None]:
    """Standard output (1) or standard error (2), Python's and the process's, goes into a file meanwhile."""
    name = {1: "stdout", 2: "stderr"}[number]
    before, kept = getattr(sys, name), os.dup(number)
    before.flush()
    os.dup2(file.fileno(), number)
    try:
        with open(number, "w", encoding="utf-8", closefd=False) as stream:
            setattr(sys, name, stream)
            yield
    finally:
        setattr(sys, name, before)
        os.dup2(kept, number)
        os.close(kept)


def text_of(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()
