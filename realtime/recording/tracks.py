"""Tracks of sound in a file that is being written: copied packet by packet, or converted to AAC."""

import io
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from realtime.base.silence import quiet
from realtime.recording.aac import AacTrack

if TYPE_CHECKING:
    from av import Packet
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.stream import AudioStream
    from av.bitstream import BitStreamFilterContext
    from av.container import OutputContainer

COPIED = ("aac", "flac", "mp3", "opus")
"""Codecs that browsers play in MP4; sound of these is copied."""
SLACK_S = 0.04
"""Seconds by which a film's sound may be off its pictures before silence or a cut sets it right: half of what viewers notice
(ITU-R BT.1359)."""
SAME_S = 0.001
"""Seconds up to which two distances between the film's clock and the recording's are one."""
SYNC_WORD = 0xFFF
"""The first 12 bits of a packet of AAC with a header of its own (ADTS), as in MPEG-TS. MP4 has one header for the whole track."""
UNUSABLE = (ValueError, OSError, TypeError, AttributeError, AssertionError)
"""What PyAV raises besides its own errors for sound that it does not know what to do with."""

Placed = tuple["Packet", float]
"""A packet, and when it begins, in seconds since the start of the recording."""


class Track(Protocol):
    """Sound in a file that is being written.

    Attributes:
        overlap_s: seconds of sound that were left out because their times lie before the end of what is written.
    """

    @property
    def overlap_s(self) -> float: ...

    def begin(self) -> list["Packet"]:
        """The packets that come before all others."""

    def add(self, packet: "Packet", t: float) -> list["Packet"]:
        """What is to be written of a packet that begins `t` seconds after the start; raises what PyAV raises for one that is damaged."""

    def rest(self) -> list["Packet"]:
        """The last packets."""


def codec_name(source: "AudioStream") -> str:
    """FFmpeg's name of a track's codec; "an unknown codec" where it has none."""
    context = source.codec_context
    return context.codec.canonical_name if context is not None else "an unknown codec"


class CopiedTrack:
    """Sound that stays as it is, bit for bit. Damaged packets are found by decoding; they would end the sound in some players."""

    def __init__(self, source: "AudioStream", container: "OutputContainer", first: "Packet"):
        """Adds the track to an open container; `first` is the first packet. Raises what PyAV raises."""
        self._stream = container.add_stream_from_template(source)
        self.overlap_s = 0.0
        # Matroska has no times before the beginning: it would put all pictures later. MP4 has edit lists.
        self._last: int | None = -1 if container.format.name == "matroska" else None
        self._headers: BitStreamFilterContext | None = None
        self._decoder: AudioCodecContext = source.codec_context
        if codec_name(source) == "aac" and has_own_header(bytes(first)):
            self._stream.codec_context.extradata = _common_header(source, first)
            self._headers = _without_headers(source)
            self._decoder = _decoder_with("aac", self._stream.codec_context.extradata)

    def begin(self) -> list["Packet"]:
        return []

    def add(self, packet: "Packet", t: float) -> list["Packet"]:
        tick = packet.time_base or Fraction(1, 1000)
        # A filter takes the content away from the packet that it is given.
        packets = [packet] if self._headers is None else self._headers.filter(packet)
        for one in packets:
            self._check(one)
            one.time_base, one.pts = tick, round(t / tick)
            one.dts, one.stream = one.pts, self._stream
        # Where clips were glued together the end of one may overlap the next one's beginning.
        fit = [one for one in packets if self._last is None or (one.pts or 0) > self._last]
        self.overlap_s += sum(float((one.duration or 0) * tick) for one in packets if one not in fit and t >= 0)
        self._last = fit[-1].pts if fit else self._last
        return fit

    def _check(self, packet: "Packet") -> None:
        """Raises what PyAV raises for a packet that cannot be decoded; the next one is decoded as after a gap."""
        import av

        try:
            self._decoder.decode(packet)
        except av.error.FFmpegError:
            self._decoder.flush_buffers()
            raise

    def rest(self) -> list["Packet"]:
        return []


def has_own_header(content: bytes) -> bool:
    """Whether a packet of AAC begins with a header of its own."""
    return len(content) > 7 and int.from_bytes(content[:2]) >> 4 == SYNC_WORD


def _without_headers(source: "AudioStream") -> "BitStreamFilterContext":
    from av.bitstream import BitStreamFilterContext

    return BitStreamFilterContext("aac_adtstoasc", source)


def _common_header(source: "AudioStream", first: "Packet") -> bytes:
    """The header for a whole track out of that of its first packet, which stays as it is."""
    import av

    return bytes(_without_headers(source).filter(av.Packet(bytes(first)))[0].get_sidedata("new_extradata"))


def _decoder_with(codec: str, header: bytes | None) -> "AudioCodecContext":
    from av.audio.codeccontext import AudioCodecContext

    decoder = AudioCodecContext.create(codec, "r")
    assert isinstance(decoder, AudioCodecContext), codec
    decoder.extradata = header
    return decoder


class ConvertedTrack:
    """Sound that is decoded, and encoded as AAC."""

    def __init__(self, source: "AudioStream", container: "OutputContainer"):
        """Adds the track to an open container; raises what PyAV raises."""
        channels = source.codec_context.channels
        self._source = source
        self._aac = AacTrack(container, source.codec_context.sample_rate, {1: "mono", 6: "5.1"}.get(channels, "stereo"), SLACK_S)
        self._shift_s: float | None = None
        self._end_s = 0.0

    @property
    def overlap_s(self) -> float:
        return self._aac.overlap_s

    def begin(self) -> list["Packet"]:
        return self._aac.begin()

    def add(self, packet: "Packet", t: float) -> list["Packet"]:
        packets: list[Packet] = []
        packet.pts = packet.dts if packet.pts is None else packet.pts
        if packet.pts is None:
            self._end_s = t
        else:
            shift_s = t - float(packet.pts * (packet.time_base or Fraction(1, 1000)))
            if self._shift_s is not None and abs(shift_s - self._shift_s) > SAME_S:
                # Another clip begins. Decoders give sound late: what is left belongs to the clip before.
                packets += self._decode(None)
                self._source.codec_context.flush_buffers()
            self._shift_s = shift_s
        return packets + self._decode(packet)

    def _decode(self, packet: "Packet | None") -> list["Packet"]:
        """The packets of what a packet holds, or of what the decoder still has."""
        packets: list[Packet] = []
        for frame in self._source.codec_context.decode(packet):
            start_s = frame.time + self._shift_s if frame.time is not None and self._shift_s is not None else self._end_s
            self._end_s = start_s + frame.samples / frame.sample_rate
            packets += self._aac.add(frame, start_s)
        return packets

    def rest(self) -> list["Packet"]:
        import av

        try:
            packets = self._decode(None)
        except (av.error.FFmpegError, *UNUSABLE):
            packets = []
        return packets + self._aac.rest()


def can_be_copied(source: "AudioStream", form: str, first: Sequence[Placed]) -> bool:
    """Whether a file of FFmpeg's format `form` can hold this track as it is, tried with its first packets, which are used up."""
    import av

    if codec_name(source) not in COPIED:
        return False
    if codec_name(source) == "mp3" and not is_layer_3(bytes(first[0][0])):
        return False
    written = 0
    try:
        with quiet(), av.open(io.BytesIO(), "w", format=form) as trial:
            track = CopiedTrack(source, trial, first[0][0])
            for packet, t in first:
                packets: list[Packet] = []
                # Single packets may be damaged.
                with suppress(av.error.FFmpegError):
                    packets = track.add(packet, t)
                trial.mux(packets)
                written += len(packets)
    except (av.error.FFmpegError, *UNUSABLE):
        return False
    return written > len(first) / 2


def is_layer_3(content: bytes) -> bool:
    """Whether a frame of MPEG audio is MP3: MP4 has one name for all three layers, of which browsers play this one (ISO/IEC 11172-3)."""
    return len(content) > 1 and content[1] >> 1 & 3 == 1


def can_be_converted(source: "AudioStream", first: Sequence[Placed]) -> bool:
    """Whether any of a track's first packets can be decoded."""
    import av

    if source.codec_context is None:
        return False
    for packet, _ in first:
        try:
            if any(frame.samples for frame in source.codec_context.decode(packet)):
                return source.codec_context.sample_rate > 0
        except (av.error.FFmpegError, *UNUSABLE):
            continue
    return False
