"""What was shown over the last seconds, for the strip at the edge of the picture."""

from collections import deque
from dataclasses import dataclass

from realtime.values import Reading

SPAN_S = 10.0
"""How far the strip reaches back."""
ROWS = 4
"""Faces in it; those of more would be hairlines."""
GAP_S = 0.5
"""A face that was away for longer leaves a gap."""


@dataclass(frozen=True)
class Span:
    """A stretch in which one label was shown: from `start` to `end` seconds ago, start > end; None: it was unsure."""

    label: str | None
    start: float
    end: float


class LabelHistory:
    """Remembers the shown labels of each face."""

    def __init__(self) -> None:
        self._spans: dict[int, deque[tuple[str | None, float, float]]] = {}

    def update(self, t: float, readings: list[Reading]) -> tuple[tuple[Span, ...], ...]:
        """Takes what is shown at `t`, in seconds; gives a row a face that is there, in the order of their ids, oldest spans first."""
        for reading in readings:
            spans, label = self._spans.setdefault(reading.face.id, deque()), None if reading.unsure else reading.label
            if spans and spans[-1][0] == label and t - spans[-1][2] <= GAP_S:
                spans[-1] = (label, spans[-1][1], t)
            else:
                # A label follows the one before without a seam.
                start = spans[-1][2] if spans and t - spans[-1][2] <= GAP_S else t
                spans.append((label, start, t))
        for id, spans in list(self._spans.items()):
            while spans and t - spans[0][2] > SPAN_S:
                spans.popleft()
            if not spans:
                del self._spans[id]
        there = sorted(reading.face.id for reading in readings)[:ROWS]
        return tuple(tuple(Span(label, min(t - start, SPAN_S), t - end) for label, start, end in self._spans[id]) for id in there)
