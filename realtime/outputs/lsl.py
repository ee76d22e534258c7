"""Readings as streams of the Lab Streaming Layer, for studies: LabRecorder, OpenViBE, MATLAB and the like."""

import math
import time
from types import ModuleType
from typing import Any

from realtime.base.silence import quiet
from realtime.base.timing import Clock
from realtime.outputs.moments import Moment
from realtime.values import LABELS, Reading

CHANNELS = (*LABELS, "label", "confidence", "sure", "id")
"""The channels of each stream, all float32: the seven probabilities, the label's number in `LABELS` (from 0), and so on."""
BUFFER_S = 60
"""For so many seconds samples are kept for a reader that does not read."""


class LslLink:
    """One stream for each place (`realtime.outputs.moments.Places`), each with a sample a frame; without a face all its values are NaN.

    The stream of place 1 exists from the first frame on, that of another place from its first face on. Then they stay until the end.
    A sample has the time of its frame on LSL's clock: the two clocks are compared once, so that times never jump.
    """

    name = "LSL"

    def __init__(self, host: str, library: ModuleType, clock: Clock = time.monotonic):
        """
        Args:
            host: the name of this machine, for the streams' ids.
            library: `pylsl`.
            clock: that of the frames' times.
        """
        self._host, self._library, self._clock = host, library, clock
        self._offset: float | None = None
        self._outlets: list[Any] = []

    def send(self, item: Moment) -> None:
        if self._offset is None:
            self._offset = self._compare_clocks()
        faces = dict(zip(item.places, item.readings, strict=True))
        try:
            while len(self._outlets) < max(1, *item.places, 1):
                # liblsl writes what it does to the terminal.
                with quiet():
                    self._outlets.append(self._library.StreamOutlet(self._info(len(self._outlets) + 1), max_buffered=BUFFER_S))
            for place, outlet in enumerate(self._outlets, 1):
                outlet.push_sample(sample_of(faces.get(place)), item.clock_t + self._offset)
        except RuntimeError as error:
            # As on a machine without any network.
            raise OSError(str(error)) from error

    def idle(self) -> None:
        pass

    def close(self) -> None:
        self._outlets.clear()

    def _compare_clocks(self) -> float:
        """LSL's clock less that of the frames, in seconds."""
        before = self._clock()
        there = self._library.local_clock()
        return there - (before + self._clock()) / 2

    def _info(self, place: int) -> Any:
        library = self._library
        info = library.StreamInfo(
            "expressions" if place == 1 else f"expressions {place}",
            "Expressions",
            len(CHANNELS),
            library.IRREGULAR_RATE,
            library.cf_float32,
            f"expressions_{self._host}_{place}",
        )
        channels = info.desc().append_child("channels")
        for channel in CHANNELS:
            channels.append_child("channel").append_child_value("label", channel)
        info.desc().append_child_value("labels", " ".join(LABELS))
        return info


def sample_of(reading: Reading | None) -> list[float]:
    """The values of `CHANNELS`; NaN for all of them without a face."""
    if reading is None:
        return [math.nan] * len(CHANNELS)
    rest = (LABELS.index(reading.label), reading.confidence, reading.unsure is None, reading.face.id)
    return [*map(float, reading.probs), *map(float, rest)]
