"""A picture frame that reacts to smiles: when somebody smiles at it for a second, it shows the next photo of a folder.

python -m examples.picture_frame photos/
"""

import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from expressions import Reading, Trouble, open_pipeline
from realtime.base.output import tell
from realtime.sources.photos import Photo
from realtime.viewers.desktop import DesktopWindow
from realtime.viewers.inputs import ESCAPE, Key

SMILE_S = 1.0
PHOTOS = (".jpg", ".jpeg", ".png", ".webp")


class SmileSwitch:
    """`update` returns True once when somebody has smiled for a second, and again only after a time without any smile."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._reported = False

    def update(self, t: float, readings: list[Reading]) -> bool:
        if not any(reading.label == "happiness" and not reading.unsure for reading in readings):
            self._since, self._reported = None, False
            return False
        self._since = t if self._since is None else self._since
        if self._reported or t - self._since < SMILE_S:
            return False
        self._reported = True
        return True


def photos_in(folder: Path) -> list[Path]:
    """The photos of a folder, in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTOS)


def picture_of(path: Path) -> np.ndarray:
    """A photo, (h, w, 3) BGR uint8; black where the file holds none that can be read."""
    try:
        with Photo(path) as photo:
            return next(iter(photo)).image
    except Trouble:
        return np.zeros((480, 640, 3), np.uint8)


def main(folder: Path, source: str) -> None:
    photos = photos_in(folder)
    if not photos:
        sys.exit(f"{folder} holds no photo ({', '.join(PHOTOS)}): name another folder")
    number, switch, screen, picture = 0, SmileSwitch(), DesktopWindow("photo"), None
    with open_pipeline(source) as faces, closing(screen):
        for frame, readings in faces:
            if switch.update(frame.t, readings):
                number, picture = (number + 1) % len(photos), None
                tell(f"a smile: {photos[number].name}")
            if picture is None:
                picture = picture_of(photos[number])
                screen.show(picture)
            if screen.closed or any(item in (Key("q"), Key(ESCAPE)) for item in screen.wait()):
                return


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("name a folder of photos: python -m examples.picture_frame photos/ [SOURCE]")
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "0")
