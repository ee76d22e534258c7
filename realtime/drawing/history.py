"""Remembers the labels of the last seconds, for the strip at the edge of the picture."""

from collections import deque
from dataclasses import dataclass

from realtime.values import Reading

SPAN_S = 10.0
"""Length of the strip in seconds."""
ROWS = 4
"""Most faces in the strip; rows of more faces would be too thin to see."""
GAP_S = 0.5
"""A face that was lost for longer than this, in seconds, leaves a gap in its row."""


@dataclass(frozen=True)
class Span:
    """A stretch of time with one label, from `start` to `end` seconds ago (start > end). A label of None: the reading was unsure."""

    label: str | None
    start: float
    end: float


class LabelHistory:
    """Remembers the shown labels of each face."""

    def __init__(self) -> None:
        self._spans: dict[int, deque[tuple[str | None, float, float]]] = {}

    def update(self, t: float, readings: list[Reading]) -> tuple[tuple[Span, ...], ...]:
        """Takes the readings of time `t` in seconds. Gives one row for each of these faces, by id, oldest spans first."""
        for reading in readings:
            spans, label = self._spans.setdefault(reading.face.id, deque()), None if reading.unsure else reading.label
            if spans and spans[-1][0] == label and t - spans[-1][2] <= GAP_S:
                spans[-1] = (label, spans[-1][1], t)
            else:
                # Without a seam to the label before.
                start = spans[-1][2] if spans and t - spans[-1][2] <= GAP_S else t
                spans.append((label, start, t))
        for id, spans in list(self._spans.items()):
            while spans and t - spans[0][2] > SPAN_S:
                spans.popleft()
            if not spans:
                del self._spans[id]
        there = sorted(reading.face.id for reading in readings)[:ROWS]
        return tuple(tuple(Span(label, min(t - start, SPAN_S), t - end) for label, start, end in self._spans[id]) for id in there)
