"""What outputs are fed with: one frame's readings, each face at its place."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from realtime.readings.format import face_values
from realtime.values import LABELS, Frame, Reading


@dataclass(frozen=True)
class Moment:
    """The readings of one frame.

    Attributes:
        t: seconds since the first frame of the session: the `t` of a readings file that is recorded from the start.
        clock_t: the frame's time in seconds on the clock of the source.
        readings: one for each face.
        places: for each of them its place, from 1: see `Places`.
        image: the frame's picture, (h, w, 3) BGR uint8; None where only the numbers are asked for.
    """

    t: float
    clock_t: float
    readings: tuple[Reading, ...]
    places: tuple[int, ...]
    image: np.ndarray | None = None

    @property
    def main(self) -> Reading | None:
        """The reading of the face that has been there longest; None without a face."""
        return min(self.readings, key=lambda reading: reading.face.id, default=None)

    def numbers(self) -> "Moment":
        """The moment without its picture, so that a queue of many takes little memory."""
        return replace(self, image=None)


class Places:
    """Gives each face a place, from 1: the lowest free one, for as long as the face is there.

    Ids of faces grow for ever, and a person who comes back has a new one. Other programs want few names that stay: alone before the
    camera, one always has place 1.
    """

    def __init__(self) -> None:
        self._places: dict[int, int] = {}

    def update(self, readings: list[Reading]) -> tuple[int, ...]:
        """The places of the faces of the next frame."""
        ids = [reading.face.id for reading in readings]
        self._places = {face: place for face, place in self._places.items() if face in ids}
        for face in ids:
            if face not in self._places:
                taken = set(self._places.values())
                self._places[face] = next(place for place in range(1, len(taken) + 2) if place not in taken)
        return tuple(self._places[face] for face in ids)


class Moments:
    """Makes the moments of a session out of its frames."""

    def __init__(self) -> None:
        self._first_t: float | None = None
        self._places = Places()

    def update(self, frame: Frame, readings: list[Reading]) -> Moment:
        """The moment of the next frame."""
        self._first_t = frame.t if self._first_t is None else self._first_t
        return Moment(frame.t - self._first_t, frame.t, tuple(readings), self._places.update(readings), frame.image)


def named_values(reading: Reading) -> dict[str, Any]:
    """One face as JSON for other programs: as in the readings file, but each probability has the name of its expression."""
    values = face_values(reading)
    return values | {"probs": dict(zip(LABELS, values["probs"], strict=True))}
