"""Sound for a recording: a film's own, copied as it is, or a microphone's."""

import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.silence import quiet, silence_ffmpeg
from realtime.base.timing import Clock
from realtime.recording.video import INTERLEAVE_S

if TYPE_CHECKING:
    from av import AudioFrame, Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

ALSA = Path("/usr/share/alsa/alsa.conf")
"""Where Linux keeps what ALSA needs to know of sound cards; the one inside PyAV's wheels looks for it where it was built."""
MICROPHONES = {
    "linux": (("pulse", "default"), ("alsa", "default"), ("alsa", "plughw:0")),
    "darwin": (("avfoundation", ":0"),),
    "win32": (("dshow", None),),
}
"""FFmpeg's inputs for microphones by `sys.platform`, each with its first device (None: the first that FFmpeg lists), in the order in which
they are tried."""
WAITING = 1000
"""Pieces of sound that wait for a recording at most: 10 s and more of what sound cards give. A broken one that floods costs no more."""
AHEAD_S = 2 * INTERLEAVE_S
"""Late sound is given so far in advance: FFmpeg passes packets on to the file once others queue behind them for `INTERLEAVE_S`."""
SILENCE = 3 * 1024
"""Samples of silence before the beginning of a microphone's sound, where an edit list hides them: AAC gives its first packet after two of
its frames, each of 1,024 samples."""
OFF_S = 0.1
"""So far a microphone's own clock may be from the camera's before it is set anew: what lips and words may be apart unnoticed."""


class FilmSound:
    """The sound of a film, packet by packet as it stands there, at its own time relative to the pictures."""

    def __init__(self, path: Path, tell: Callable[[str], None], seconds: float | None = None, cut: Callable[[], bool] = lambda: False):
        """`tell` gets a line when there is sound that cannot be taken along. `seconds` of film are wanted; `cut()` says at the end that
        the pictures broke off early, and so must the sound."""
        self.path, self.tell, self.seconds, self.cut = Path(path), tell, seconds, cut
        self._film: InputContainer | None = None
        self._packets: Iterator[Packet] = iter(())
        self._next: Packet | None = None
        self._started = False

    def begin(self, container: "OutputContainer", t: float) -> None:
        import av

        try:
            self._film = av.open(str(self.path))
        except (av.error.FFmpegError, OSError) as error:
            self.tell(f"{self.path} is recorded without sound: it cannot be opened a second time ({reason(error)})")
            return
        stream = next(iter(self._film.streams.audio), None)
        if stream is None:
            return
        why = unfit(stream)
        if why is not None:
            self.tell(f"{self.path} is recorded without sound: {why}; convert its sound to AAC first to keep it")
            return
        tick_s = stream.time_base or Fraction(1, 1000)
        self._shift, self._tick_s = round(t / tick_s), float(tick_s)
        self._packets = self._film.demux(stream)
        self._step()
        # A stream without a packet would hold back the index of the whole file.
        if self._next is not None and (self.seconds is None or self._next_s() <= self.seconds):
            self._stream = container.add_stream_from_template(stream)
        else:
            self._next = None

    def until(self, elapsed_s: float) -> list["Packet"]:
        """See `realtime.recording.video.Sound`."""
        if not self._started and self._next is not None and self._next_s() > 0:
            # Sound that begins after the pictures: its first packets are given at once, because the file has no index without them.
            elapsed_s = max(elapsed_s, self._next_s() + AHEAD_S)
        self._started = True
        elapsed_s = min(elapsed_s, self.seconds or elapsed_s)
        packets = []
        while self._next is not None and self._next_s() <= elapsed_s:
            self._next.stream = self._stream
            packets.append(self._next)
            self._step()
        return packets

    def _next_s(self) -> float:
        """When the next packet begins, in seconds since the beginning of the recording."""
        return ((self._next and self._next.pts) or 0) * self._tick_s

    def rest(self, elapsed_s: float, cut: bool) -> list["Packet"]:
        """See `realtime.recording.video.Sound`; of a film that was recorded to its end, all."""
        return self.until(elapsed_s if cut or self.cut() else float("inf"))

    def _step(self) -> None:
        """Reads the next packet and puts it on the recording's clock."""
        import av

        try:
            # A packet without data is the demuxer's way to say that there are no more; one without a time has no place.
            self._next = next((packet for packet in self._packets if packet.size and packet.pts is not None), None)
        except (av.error.FFmpegError, OSError) as error:
            self._next = None
            self.tell(f"{self.path}: its sound is damaged and breaks off early ({reason(error)})")
        if self._next is not None:
            self._next.pts = (self._next.pts or 0) - self._shift
            self._next.dts = self._next.pts

    def close(self) -> None:
        if self._film is not None:
            self._film.close()


def unfit(stream: "AudioStream") -> str | None:
    """Why a stream of sound cannot be copied into an MP4 file; None if it can."""
    import av

    try:
        with av.open(io.BytesIO(), "w", format="mp4") as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.error.FFmpegError, OSError, ValueError):
        return f"MP4 cannot hold {stream.codec_context.name}"
    return None


class Microphone:
    """A microphone, read in a thread as long as it is open; its newest sound waits for a recording.

    `frames()` gives what has come since, each with the time at which it began, in seconds of `clock`.
    """

    def __init__(self, device: str, clock: Clock, inputs: tuple[tuple[str, str | None], ...] | None = None):
        """`device` is "default" or FFmpeg's name of one; `inputs` are FFmpeg's formats that are tried, by default this platform's."""
        self.device, self.clock = device, clock
        self.inputs = MICROPHONES.get(sys.platform, ()) if inputs is None else inputs
        self._container: InputContainer | None = None
        self._frames: deque[tuple[float, AudioFrame]] = deque(maxlen=WAITING)
        self._lock = threading.Lock()
        self._ended = False
        self.error: str | None = None
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)

    def open(self) -> None:
        """Opens the first input that can be opened.

        Raises:
            Trouble: none can.
        """
        import av

        silence_ffmpeg()
        if ALSA.exists():
            os.environ.setdefault("ALSA_CONFIG_PATH", str(ALSA))
        tried: dict[str, str] = {}
        for form, first in self.inputs:
            name = first if self.device == "default" else self.device
            try:
                with quiet():
                    self._container = av.open(_address(form, name), format=form)
                self.rate = self._container.streams.audio[0].rate
                break
            except (av.error.FFmpegError, OSError, ValueError, IndexError, StopIteration) as error:
                tried[f"{form} {name or 'default'}"] = reason(error)
        else:
            told = "; ".join(f"{what}: {why}" for what, why in tried.items()) or "none is known on this system"
            raise Trouble(f"no microphone can be opened ({told}): recording without sound")
        self._thread.start()

    def _run(self) -> None:
        import av

        if self._container is None:
            return
        try:
            for frame in self._container.decode(audio=0):
                if self._ended:
                    break
                with self._lock:
                    self._frames.append((self.clock() - frame.samples / frame.sample_rate, frame))
        except (av.error.FFmpegError, OSError) as error:
            self.error = reason(error)
        finally:
            self._container.close()

    def frames(self) -> list[tuple[float, "AudioFrame"]]:
        """What has come since the last call."""
        with self._lock:
            taken = list(self._frames)
            self._frames.clear()
        return taken

    def close(self) -> None:
        """Ends the reading; a driver that hangs is left to its thread."""
        self._ended = True
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)


def _address(form: str, name: str | None) -> str:
    """What FFmpeg's input `form` calls the device `name`, by default the first that gives sound; raises what PyAV raises."""
    import av

    if name is None:
        name = next(device.name for device in av.enumerate_input_devices(form) if "audio" in device.media_types)
    return f"audio={name}" if form == "dshow" else name


class MicrophoneSound:
    """One recording's share of a microphone, as AAC on the clock of the pictures."""

    def __init__(self, microphone: Microphone):
        self.microphone = microphone
        self._at = 0.0
        self._started = False
        self._waiting: list[Packet] = []

    def begin(self, container: "OutputContainer", t: float) -> None:
        import av

        self._t = t
        rate = self.microphone.rate
        self._stream = container.add_stream("aac", rate=rate, layout="mono")
        self._even = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        # The file has no index before its sound has a packet, and a microphone's first one may be late or never come.
        self._at = -SILENCE / rate
        self._waiting = self._silence(SILENCE)

    def until(self, elapsed_s: float) -> list["Packet"]:
        """See `realtime.recording.video.Sound`."""
        packets, self._waiting = self._waiting, []
        for t, frame in self.microphone.frames():
            elapsed = t - self._t
            if elapsed >= 0:
                if not self._started:
                    packets += self._silence(round((elapsed - self._at) * frame.sample_rate))
                    self._started = True
                # The count of samples is the steadier clock, until it has drifted.
                self._at = elapsed if elapsed - self._at > OFF_S else self._at
                frame.pts = None
                for even in self._even.resample(frame):
                    packets += self._encode(even)
        return packets

    def _silence(self, samples: int) -> list["Packet"]:
        """The packets of so many samples of silence."""
        import av

        if samples <= 0:
            return []
        silence = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.float32), format="fltp", layout="mono")
        silence.sample_rate = self._stream.rate
        return self._encode(silence)

    def _encode(self, frame: "AudioFrame") -> list["Packet"]:
        """The packets of the next samples, which begin at `_at`."""
        frame.pts, frame.time_base = round(self._at * frame.sample_rate), Fraction(1, frame.sample_rate)
        self._at += frame.samples / frame.sample_rate
        return self._stream.encode(frame)

    def rest(self, elapsed_s: float, cut: bool) -> list["Packet"]:
        """See `realtime.recording.video.Sound`."""
        return self.until(elapsed_s) + self._stream.encode(None)

    def close(self) -> None:
        """The microphone stays open for the next recording."""
