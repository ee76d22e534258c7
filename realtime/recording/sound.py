"""Sound for a recording: a film's own sound, copied without change, or a microphone's."""

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
from realtime.base.files import for_ffmpeg
from realtime.base.silence import quiet, silence_ffmpeg
from realtime.base.timing import Clock
from realtime.recording.video import INTERLEAVE_S

if TYPE_CHECKING:
    from av import AudioFrame, Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

ALSA = Path("/usr/share/alsa/alsa.conf")
"""Linux's configuration of ALSA. The ALSA inside PyAV's wheels looks for it in the folder where the wheel was built."""
MICROPHONES = {
    "linux": (("pulse", "default"), ("alsa", "default"), ("alsa", "plughw:0")),
    "darwin": (("avfoundation", ":0"),),
    "win32": (("dshow", None),),
}
"""FFmpeg's input formats for microphones by `sys.platform`, in the order in which they are tried, each with its default device (None: the
first that FFmpeg lists)."""
WAITING = 1000
"""Frames of sound that wait for a recording at most: 10 s and more from usual sound cards. It limits the memory that a faulty one takes."""
AHEAD_S = 2 * INTERLEAVE_S
"""Late sound is given so far in advance: FFmpeg passes packets on to the file once others queue behind them for `INTERLEAVE_S`."""
SILENCE = 3 * 1024
"""Samples of silence before the beginning of a microphone's sound, where an edit list hides them: AAC gives its first packet after two of
its frames, each of 1,024 samples."""
OFF_S = 0.1
"""Seconds by which a microphone's sample count may fall behind the camera's clock before it is set to it: a smaller offset between lips and
words is not noticed."""


class FilmSound:
    """The sound of a film, copied packet by packet, each at its own time relative to the pictures."""

    def __init__(self, path: Path, tell: Callable[[str], None], seconds: float | None = None, cut: Callable[[], bool] = lambda: False):
        """`tell` gets a line when the sound cannot be copied. `seconds` is how much of the film is recorded, None for all. `cut()` says at
        the end whether the pictures ended early, so that the sound must end there too."""
        self.path, self.tell, self.seconds, self.cut = Path(path), tell, seconds, cut
        self._film: InputContainer | None = None
        self._packets: Iterator[Packet] = iter(())
        self._next: Packet | None = None
        self._started = False

    def begin(self, container: "OutputContainer", t: float) -> None:
        """See `realtime.recording.video.Sound`."""
        import av

        try:
            self._film = av.open(for_ffmpeg(self.path))
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
            # Sound that begins after the pictures: its first packets are returned at once, because the file gets no index without them.
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
        """See `realtime.recording.video.Sound`; all packets where the film was recorded to its end."""
        return self.until(elapsed_s if cut or self.cut() else float("inf"))

    def _step(self) -> None:
        """Reads the next packet and puts it on the recording's clock."""
        import av

        try:
            # The demuxer ends with a packet without data. A packet without a time cannot be placed.
            self._next = next((packet for packet in self._packets if packet.size and packet.pts is not None), None)
        except (av.error.FFmpegError, OSError) as error:
            self._next = None
            self.tell(f"{self.path}: its sound is damaged and breaks off early ({reason(error)})")
        if self._next is not None:
            self._next.pts = (self._next.pts or 0) - self._shift
            self._next.dts = self._next.pts

    def close(self) -> None:
        """Closes the film."""
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
    """A microphone, read by a thread as long as it is open. Its newest sound waits until `frames` is called."""

    def __init__(self, device: str, clock: Clock, inputs: tuple[tuple[str, str | None], ...] | None = None):
        """`device` is "default" or FFmpeg's name of a microphone; `inputs` replaces this platform's entry of `MICROPHONES`."""
        self.device, self.clock = device, clock
        self.inputs = MICROPHONES.get(sys.platform, ()) if inputs is None else inputs
        self._container: InputContainer | None = None
        self._frames: deque[tuple[float, AudioFrame]] = deque(maxlen=WAITING)
        self._lock = threading.Lock()
        self._closing = False
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
        failures: dict[str, str] = {}
        for form, first in self.inputs:
            name = first if self.device == "default" else self.device
            try:
                with quiet():
                    self._container = av.open(_address(form, name), format=form)
                self.rate = self._container.streams.audio[0].rate
                break
            except (av.error.FFmpegError, OSError, ValueError, IndexError, StopIteration) as error:
                failures[f"{form} {name or 'default'}"] = reason(error)
        else:
            attempts = "; ".join(f"{what}: {why}" for what, why in failures.items()) or "none is known on this system"
            raise Trouble(f"no microphone can be opened ({attempts}): recording without sound")
        self._thread.start()

    def _run(self) -> None:
        import av

        if self._container is None:
            return
        try:
            for frame in self._container.decode(audio=0):
                if self._closing:
                    break
                with self._lock:
                    self._frames.append((self.clock() - frame.samples / frame.sample_rate, frame))
        except (av.error.FFmpegError, OSError) as error:
            self.error = reason(error)
        finally:
            self._container.close()

    def frames(self) -> list[tuple[float, "AudioFrame"]]:
        """The sound since the last call, each frame with the time at which it began, in seconds of `clock`."""
        with self._lock:
            frames = list(self._frames)
            self._frames.clear()
        return frames

    def close(self) -> None:
        """Ends the thread; does not wait longer than 2 s for a driver that hangs."""
        self._closing = True
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)


def _address(form: str, name: str | None) -> str:
    """FFmpeg's address of the device `name` of input format `form`, by default of the first with sound; raises what PyAV raises."""
    import av

    if name is None:
        name = next(device.name for device in av.enumerate_input_devices(form) if "audio" in device.media_types)
    return f"audio={name}" if form == "dshow" else name


class MicrophoneSound:
    """The sound of one recording from a microphone, as AAC on the clock of the pictures."""

    def __init__(self, microphone: Microphone):
        self.microphone = microphone
        self._at = 0.0
        self._started = False
        self._waiting: list[Packet] = []

    def begin(self, container: "OutputContainer", t: float) -> None:
        """See `realtime.recording.video.Sound`."""
        import av

        self._t = t
        rate = self.microphone.rate
        self._stream = container.add_stream("aac", rate=rate, layout="mono")
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
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
                # The count of samples is the steadier clock, until it has fallen behind.
                self._at = elapsed if elapsed - self._at > OFF_S else self._at
                frame.pts = None
                for converted in self._resampler.resample(frame):
                    packets += self._encode(converted)
        return packets

    def _silence(self, samples: int) -> list["Packet"]:
        """The packets of this many samples of silence."""
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
