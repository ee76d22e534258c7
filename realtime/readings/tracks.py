"""Which tracks are likely one person: a face that is lost and found again has a new number, but often the old place and size."""

from typing import NamedTuple

import numpy as np

from realtime.readings.file import Person, Readings

AWAY_S = 10.0
"""Longest absence. Within ten seconds a seat rarely gets another person; a cut in a film can still deceive."""
MOST_STEP = 0.75
"""Furthest way between the last place and the new one, in sides of the face."""
MOST_RATIO = 1.4
"""Of the two sizes. A head that turns away changes its box by up to a third."""
FEW = 5
"""Frames at each end of a track whose boxes are averaged: a single box trembles."""
MOST_OPEN = 200
"""Groups that are compared with a new track, the latest ones: a damaged file may have thousands at once."""


class Place(NamedTuple):
    """Where a face is: its middle `x`, `y` and the longer side of its box, in pixels."""

    x: float
    y: float
    side: float


class _Group(NamedTuple):
    members: list[int]
    row: int
    t: float
    place: Place


def likely_same(readings: Readings) -> list[list[int]]:
    """Indices of people, grouped: each group is likely one person, in the order of time. Tracks of a group are never there at once.

    Only time, place and size are compared, no picture of a face, so that nothing is kept by which anybody could be known again.
    """
    groups: list[_Group] = []
    done: list[_Group] = []
    for index in sorted(range(len(readings.people)), key=lambda i: int(readings.people[i].rows[0])):
        person = readings.people[index]
        first, start = int(person.rows[0]), float(readings.t[person.rows[0]])
        place = _place(person, slice(None, FEW))
        near = [(_step(group.place, place), i) for i, group in enumerate(groups) if group.row < first and start - group.t <= AWAY_S]
        step, at = min(near, default=(np.inf, -1))
        members = [*groups.pop(at).members, index] if step <= MOST_STEP else [index]
        groups.append(_Group(members, int(person.rows[-1]), float(readings.t[person.rows[-1]]), _place(person, slice(-FEW, None))))
        if len(groups) > MOST_OPEN:
            done.append(groups.pop(0))
    return sorted((group.members for group in [*done, *groups]), key=lambda members: members[0])


def _place(person: Person, part: slice) -> Place:
    x0, y0, x1, y1 = person.boxes[part].mean(axis=0, dtype=np.float64).tolist()
    return Place((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0, 1.0))


def _step(before: Place, after: Place) -> float:
    """The way from one place to another in sides of the smaller face; infinite where the sizes differ too much."""
    small, large = sorted((before.side, after.side))
    return float(np.hypot(after.x - before.x, after.y - before.y)) / small if large <= MOST_RATIO * small else np.inf
