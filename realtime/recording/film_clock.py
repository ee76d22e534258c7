"""Puts the sound of a film on the clock of its pictures, also where the film's own clock begins anew."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from realtime.sources.containers import longest_step_s
from realtime.sources.picture_clock import begins_anew

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

FAR_S = 10.0
"""Seconds. Sound that jumps so far ahead of sound and pictures has a wrong time: files keep both within a few seconds."""
WAITING = 2000
"""Packets of sound that wait for the pictures of their clip at most, half a minute. Files keep both within a few seconds."""


@dataclass
class _Clip:
    """The clip that is read.

    Attributes:
        shift_s: what is taken off the film's times to get the recording's, in seconds.
        number: how many clips came before.
        end_s: where its last packet ends, on the film's clock; None before the first.
        stored_s: the time at which its last packet is to be decoded, on the film's clock; None before the first.
    """

    shift_s: float
    number: int = 0
    end_s: float | None = None
    stored_s: float | None = None


def place(film: "InputContainer", pictures: "VideoStream", sound: "AudioStream", start_s: float) -> Iterator[tuple["Packet", float]]:
    """The packets of a track of sound, each with its time in seconds since the first picture, which has the time `start_s` in the film.

    In a film that was glued together time may go back or jump ahead. There the pictures go on one interval after the last one, as
    `realtime.sources.films.VideoFile` gives them, and the sound of the new clip is moved by as much. Packets without a time follow the
    one before. Raises what PyAV raises.
    """
    picture_clip, sound_clip = _Clip(start_s), _Clip(start_s)
    interval_s, jump_s = float(1 / (pictures.average_rate or 30)), longest_step_s(film)
    waiting: deque[Packet] = deque()

    def may_go() -> bool:
        # Sound of a new clip waits for the pictures of that clip.
        is_behind = sound_clip.number < picture_clip.number or len(waiting) > WAITING
        return is_behind or not _begins_anew(waiting[0], sound_clip, picture_clip, jump_s)

    for packet in film.demux([pictures, sound]):
        if not packet.size:
            continue
        if packet.stream_index == pictures.index:
            _see(packet, picture_clip, interval_s, jump_s)
        else:
            waiting.append(packet)
        while waiting and may_go():
            yield _hear(waiting.popleft(), sound_clip, picture_clip, jump_s)
    while waiting:
        yield _hear(waiting.popleft(), sound_clip, picture_clip, jump_s)


def _time(packet: "Packet") -> float | None:
    """When a packet is shown or heard, in seconds on the film's clock; None where the film does not say."""
    return _seconds(packet, packet.pts if packet.pts is not None else packet.dts)


def _seconds(packet: "Packet", ticks: int | None) -> float | None:
    return None if ticks is None else float(ticks * (packet.time_base or Fraction(1, 1000)))


def _see(packet: "Packet", picture_clip: _Clip, interval_s: float, jump_s: float) -> None:
    """Follows the pictures. Their order in the file is that of decoding, which may differ from that of showing within a clip."""
    t = _time(packet)
    if t is None:
        return
    stored_s = _seconds(packet, packet.dts) if packet.dts is not None else t
    end_s, before_s = picture_clip.end_s, picture_clip.stored_s
    if end_s is not None and before_s is not None and stored_s is not None and begins_anew(stored_s - before_s, jump_s):
        picture_clip.shift_s += t - end_s
        picture_clip.number += 1
        end_s = None
    picture_clip.stored_s = stored_s
    picture_clip.end_s = t + interval_s if end_s is None else max(t + interval_s, end_s)


def _begins_anew(packet: "Packet", sound_clip: _Clip, picture_clip: _Clip, jump_s: float) -> bool:
    """Whether a packet of sound belongs to another clip than the one before it."""
    t = _time(packet)
    if t is None or sound_clip.end_s is None:
        return False
    step_s = t - sound_clip.end_s
    if sound_clip.number < picture_clip.number:
        # The step of the sound may be some seconds shorter than that of the pictures.
        return begins_anew(step_s, jump_s / 2)
    # Within a clip sound may be missing for long; then the pictures were there in the meantime.
    is_far = picture_clip.end_s is None or t - picture_clip.end_s > FAR_S
    return begins_anew(step_s, FAR_S if is_far else math.inf)


def _hear(packet: "Packet", sound_clip: _Clip, picture_clip: _Clip, jump_s: float) -> tuple["Packet", float]:
    """Follows the sound and returns the packet's time in the recording."""
    t = _time(packet)
    end_s = sound_clip.end_s if sound_clip.end_s is not None else sound_clip.shift_s
    if t is None:
        t = end_s
    elif _begins_anew(packet, sound_clip, picture_clip, jump_s):
        # The clip of the pictures that came last; without one the sound goes on where it was.
        sound_clip.shift_s = picture_clip.shift_s if sound_clip.number < picture_clip.number else sound_clip.shift_s + t - end_s
        sound_clip.number = picture_clip.number
    sound_clip.end_s = t + float((packet.duration or 0) * (packet.time_base or 0))
    return packet, t - sound_clip.shift_s
