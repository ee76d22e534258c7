"""A microphone, and its sound in a recording."""

import os
import sys
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.base.errors import Trouble, reason
from realtime.base.silence import quiet, silence_ffmpeg
from realtime.base.timing import Clock
from realtime.recording.aac import AacTrack

if TYPE_CHECKING:
    from av import AudioFrame, Packet
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
OFF_S = 0.1
"""Seconds by which a microphone's sample count may fall behind the camera's clock before it is set to it: a smaller offset between lips and
words is not noticed."""


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
        self._waiting: list[Packet] = []

    def begin(self, container: "OutputContainer", t: float) -> None:
        """See `realtime.recording.video.Sound`."""
        self._t = t
        self._track = AacTrack(container, self.microphone.rate, "mono", OFF_S)
        # The file has no index before its sound has a packet, and a microphone's first one may be late or never come.
        self._waiting = self._track.begin()

    def until(self, elapsed_s: float) -> list["Packet"]:
        """See `realtime.recording.video.Sound`."""
        packets, self._waiting = self._waiting, []
        for t, frame in self.microphone.frames():
            if t >= self._t:
                packets += self._track.add(frame, t - self._t)
        return packets

    def rest(self, elapsed_s: float, cut: bool) -> list["Packet"]:
        """See `realtime.recording.video.Sound`."""
        return self.until(elapsed_s) + self._track.rest()

    def close(self) -> None:
        """The microphone stays open for the next recording."""
