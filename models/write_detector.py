"""Writes dlib's frontal face detector as two files: as it is, and so that it looks at one size of a picture.

    python -m models.write_detector

For the second `realtime.faces.detector` makes the smaller sizes, in larger steps than dlib.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import dlib
import typer

from models.cli import one_line
from realtime.base.errors import Trouble
from realtime.base.files import replace_file
from realtime.config import DETECTOR, MODELS, ONE_SIZE_DETECTOR

LIMITS = bytes((2, 0xE8, 3, 1, 64, 1, 64))
"""In dlib's file: 1000 sizes at most, none less than 64 px wide or high. Before each number stands how many bytes it has."""

ONE_SIZE = bytes((1, 1, 1, 64, 1, 64))
"""The same with one size."""


def for_one_size(detector: bytes) -> bytes:
    """dlib's file of the detector, changed so that it looks at one size.

    Raises:
        Trouble: the limits are not where they were in dlib 20.
    """
    if detector.count(LIMITS, 0, 40) != 1:
        raise Trouble("dlib writes its detector in an unknown way: use dlib-bin 20")
    return detector.replace(LIMITS, ONE_SIZE, 1)


def own_detector() -> bytes:
    """The file of the frontal face detector that dlib carries inside, as dlib saves it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "own.svm"
        dlib.get_frontal_face_detector().save(str(path))
        return path.read_bytes()


@one_line
def main(folder: Annotated[Path, typer.Option(help="Where the files go.")] = MODELS) -> None:
    """Writes the files."""
    own = own_detector()
    for path, content in ((folder / DETECTOR.name, own), (folder / ONE_SIZE_DETECTOR.name, for_one_size(own))):
        replace_file(path, content)
        print(f"wrote {path}")


if __name__ == "__main__":
    typer.run(main)
