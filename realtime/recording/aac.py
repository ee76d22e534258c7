"""A track of AAC sound in a file that is being written: samples go where their times say."""

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler, Packet
    from av.container import OutputContainer

RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
"""Sample rates of AAC (ISO/IEC 14496-3, table 1.18) that browsers play."""
USUAL_RATE = 48_000
"""Samples per second of sound whose own rate AAC does not have."""
BIT_RATE = 96_000
"""Bits per second and channel: AAC at this rate is hardly told from the original."""
SILENCE = 3 * 1024
"""Samples of silence before the beginning, where an edit list hides them: AAC gives its first packet after two of its frames, each of
1,024 samples."""
CHUNK = USUAL_RATE
"""Samples of silence that are encoded at a time, so that a long gap takes no memory."""


class AacTrack:
    """Encodes sound without a gap: silence fills what is missing, and what overlaps is left out.

    Attributes:
        overlap_s: seconds of sound that were left out because they overlap.
    """

    def __init__(self, container: "OutputContainer", rate: int, layout: str, slack_s: float):
        """Adds the track to an open container; raises what PyAV raises.

        Args:
            container: the file.
            rate: samples per second of the sound.
            layout: FFmpeg's name of its channels, such as "stereo".
            slack_s: seconds by which the time of a frame may differ from the end of the one before. Up to there the number of samples is
                the steadier clock; beyond, the sound is set to the frame's time.
        """
        self.rate, self.layout, self.slack_s = rate if rate in RATES else USUAL_RATE, layout, slack_s
        self._stream = container.add_stream("aac", rate=self.rate, layout=layout)
        self._channels = self._stream.codec_context.channels
        self._stream.bit_rate = BIT_RATE * self._channels
        # Matroska has no times before the beginning, and needs no sound for its index.
        self._ahead = 0 if container.format.name == "matroska" else SILENCE
        self._at, self._started = -self._ahead, False
        self.overlap_s = 0.0
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None

    def begin(self) -> list["Packet"]:
        """The first packets, before any sound: silence up to the beginning of the recording."""
        return self._silence(self._ahead)

    def add(self, frame: "AudioFrame", t: float) -> list["Packet"]:
        """The packets of decoded sound that begins `t` seconds after the start."""
        packets: list[Packet] = []
        for samples in self._resample(frame):
            gap = round(t * self.rate) - self._at
            if self._started and abs(gap) <= self.slack_s * self.rate:
                gap = 0
            self._started = True
            packets += self._silence(gap)
            packets += self._encode(samples[:, max(-gap, 0) :])
            # What lies before the first picture was never part of the recording.
            self.overlap_s += min(max(-gap, 0), samples.shape[1]) / self.rate if t >= 0 else 0.0
            t += samples.shape[1] / self.rate
        return packets

    def _resample(self, frame: "AudioFrame") -> list[np.ndarray]:
        """A frame in the track's rate and channels: arrays (channels, n) of float32."""
        import av

        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:
            # Sound may change its channels or its rate on the way, as broadcasts do.
            self._resampler, self._form = av.AudioResampler(format="fltp", layout=self.layout, rate=self.rate), form
        assert self._resampler is not None, "made with the first frame"
        frame.pts = None
        return [converted.to_ndarray() for converted in self._resampler.resample(frame)]

    def _silence(self, samples: int) -> list["Packet"]:
        packets: list[Packet] = []
        while samples > 0:
            packets += self._encode(np.zeros((self._channels, min(samples, CHUNK)), np.float32))
            samples -= CHUNK
        return packets

    def _encode(self, samples: np.ndarray) -> list["Packet"]:
        """The packets of the next samples (channels, n), which begin at `_at`."""
        import av

        if samples.shape[1] == 0:
            return []
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self._at, Fraction(1, self.rate)
        self._at += samples.shape[1]
        return self._stream.encode(frame)

    def rest(self) -> list["Packet"]:
        """The last packets."""
        return self._stream.encode(None)
