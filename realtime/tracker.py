"""Who is who over time: gives the boxes of each frame ids that stay with the faces."""

from dataclasses import dataclass

from realtime.config import TrackerSettings
from realtime.geometry import apart
from realtime.values import Box


@dataclass(frozen=True)
class Track:
    """A face over time: its id, where it was last, and when (in seconds of `frame.t`) the detector last saw it there."""

    id: int
    box: Box
    seen_t: float


class Tracker:
    """Gives each box to the nearest known face.

    The life of an id: it begins with a box that no known face is near; while the detector misses it, it stands still for
    `hold_s`; then it is gone from sight, and until `forget_s` a box near that place brings the same id back. Ids count from 1
    and are never used twice.
    """

    def __init__(self, settings: TrackerSettings):
        self.settings = settings
        self._tracks: list[Track] = []
        self._next_id = 1

    def update(self, boxes: list[Box], t: float) -> list[Track]:
        """The faces to show at time `t`, in the order of their ids. A clock that went back ends all tracks."""
        known = [track for track in self._tracks if 0 <= t - track.seen_t <= self.settings.forget_s]
        pairs = sorted(
            ((apart(track.box, box), i, j) for i, track in enumerate(known) for j, box in enumerate(boxes)),
            key=lambda pair: pair[0],
        )
        owner: dict[int, int] = {}
        for distance, i, j in pairs:
            if distance <= self.settings.reach and j not in owner and i not in owner.values():
                owner[j] = i
        tracks = [track for i, track in enumerate(known) if i not in owner.values()]
        for j, box in enumerate(boxes):
            if j in owner:
                tracks.append(Track(known[owner[j]].id, box, t))
            else:
                tracks.append(Track(self._next_id, box, t))
                self._next_id += 1
        self._tracks = sorted(tracks, key=lambda track: track.id)
        return [track for track in self._tracks if t - track.seen_t <= self.settings.hold_s]
