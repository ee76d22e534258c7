"""Writes a video file: H.264 in MP4, every frame at its own time, and sound beside it."""

import io
import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.silence import quiet, silence_ffmpeg
from realtime.config import RecorderSettings
from realtime.recording.journal import Journal

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import OutputContainer
    from av.video.stream import VideoStream

TICKS = 90_000
"""Time stamps per second: the clock of broadcast video, fine enough for any frame rate."""
INTERLEAVE_S = 0.1
"""Seconds that pictures wait for sound of the same time before they are written without it."""
SOFTWARE = "libx264"
HARDWARE = {
    "darwin": ("h264_videotoolbox",),
    "win32": ("h264_nvenc", "h264_qsv", "h264_mf"),
    "linux": ("h264_nvenc", "h264_qsv", "h264_vaapi", "h264_v4l2m2m"),
}
"""Hardware encoders by `sys.platform`, in the order in which they are tried."""
ALIKE = 6.0
"""Grey levels by which a picture may differ on average after encoding and decoding. With libx264 it is 3, and at its worst quality 12."""


class Sound(Protocol):
    """The sound of a video; `realtime.recording.sound` has that of a film and that of a microphone."""

    def begin(self, container: "OutputContainer", t: float) -> None:
        """Adds a stream of sound to a file that begins at time `t` of the source's clock."""

    def until(self, elapsed_s: float) -> list["Packet"]:
        """The next packets, up to those that begin at `elapsed_s`. The first call returns at least one if there is sound."""

    def rest(self, elapsed_s: float, cut: bool) -> list["Packet"]:
        """The last packets of a file whose last frame ends at `elapsed_s`; `cut` says that the recording ended early there."""

    def close(self) -> None: ...


class VideoWriter:
    """An H.264 file that browsers play (yuv420p). It is opened with its first frame, when the size is known.

    Each frame has its own time. While it grows the file is fragmented, so that it plays after a crash, from its second frame on; closing
    turns it into an ordinary MP4.
    """

    def __init__(self, path: Path, settings: RecorderSettings, encoder: str = SOFTWARE, sound: Sound | None = None, replace: bool = True):
        """`replace` says whether a file of that name may exist."""
        self.replace = replace
        self.path, self.settings, self.encoder, self.sound = Path(path), settings, encoder, sound
        self.frames = 0
        self._container: OutputContainer | None = None
        self._journal: Journal | None = None
        self._stream: VideoStream
        self._last, self._frame_s, self._head_size = -1, 0.0, 0

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._journal.size if self._journal else 0

    def write(self, image: np.ndarray, t: float, source_t: float = 0.0) -> None:
        """Adds a picture (h, w, 3) BGR uint8, all of one size, at `t` seconds after the start.

        A time that is not later than the one before is moved to a tick after it. `source_t` is the time of the start on the source's
        clock, which the sound shares.

        Raises:
            Trouble: the file cannot be written.
        """
        import av
        from av.video.frame import PictureType

        try:
            container, journal = (
                self._open(image, source_t) if self._container is None or self._journal is None else (self._container, self._journal)
            )
            before_s = max(self._last, 0) / TICKS
            picture = as_picture(image, self._stream)
            picture.pts = self._last = max(round(t * TICKS), self._last + 1)
            picture.time_base = Fraction(1, TICKS)
            self._frame_s = self._last / TICKS - before_s
            if self.frames and journal.size == self._head_size:
                # Without its index the file cannot be read. The second frame ends the first fragment, which brings the index with it; where
                # the sound has given nothing yet, the next frame tries again.
                picture.pict_type = PictureType.I
            container.mux(self._stream.encode(picture))
            if self.sound is not None:
                container.mux(self.sound.until(t))
            journal.commit()
            if not self.frames:
                self._head_size = journal.size
            self.frames += 1
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._drop()
            raise self._trouble(error) from error

    def _open(self, image: np.ndarray, source_t: float) -> "tuple[OutputContainer, Journal]":
        import av

        silence_ffmpeg()
        journal = self._journal = Journal(self.path, self.replace)
        options = {
            # The index is written with the first fragment, not before: it then has edit lists, which keep sound in place that begins
            # before or after the pictures. A key frame ends a fragment, so that `write` can end the first one early.
            "movflags": "+hybrid_fragmented+delay_moov+frag_keyframe",
            "use_editlist": "1",
            "frag_duration": str(round(self.settings.fragment_s * 1e6)),
            "flush_packets": "1",
            # Pictures do not wait longer for sound that does not come.
            "max_interleave_delta": str(round(INTERLEAVE_S * 1e6)),
        }
        container = self._container = av.open(journal, "w", format="mp4", options=options)
        self._stream = add_video(container, self.encoder, (image.shape[1], image.shape[0]), self.settings)
        if self.sound is not None:
            self.sound.begin(container, source_t)
        return container, journal

    def close(self, cut: bool = False) -> None:
        """Finishes the file. Without a frame there is none. `cut` says that more frames were to come; then the sound ends here too.

        Raises:
            Trouble: the end of the file cannot be written; all before it plays.
        """
        import av

        if self._container is None or self._journal is None:
            return
        try:
            self._container.mux(self._stream.encode(None))
            if self.sound is not None:
                self._container.mux(self.sound.rest(self._last / TICKS + self._frame_s, cut))
            self._container.close()
            self._journal.commit()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._trouble(error) from error
        finally:
            self._drop()

    def _drop(self) -> None:
        """Closes the file as it is on disk: what the muxer writes from now on is not committed."""
        import av

        container, self._container = self._container, None
        with suppress(av.error.FFmpegError, OSError, ValueError):
            if container is not None:
                container.close()
        if self._journal is not None:
            self._journal.close()
        if self.sound is not None:
            self.sound.close()

    def _trouble(self, error: Exception) -> Trouble:
        return Trouble(
            f"cannot write {self.path} ({reason(error)}) after {self.frames} frames: check the folder, your rights and the space left"
        )


def add_video(container: "OutputContainer", encoder: str, size_wh: tuple[int, int], settings: RecorderSettings) -> "VideoStream":
    """A video stream for pictures of this size in an open container; raises what PyAV raises."""
    from av.video.stream import VideoStream

    # The rate is only a hint for the rate control; the time stamps count.
    stream = container.add_stream(encoder, rate=30)
    assert isinstance(stream, VideoStream), encoder
    # H.264 in yuv420p needs even sides.
    stream.width, stream.height = (max(2, side // 2 * 2) for side in size_wh)
    formats = [form.name for form in stream.codec.video_formats or ()]
    stream.pix_fmt = "yuv420p" if "yuv420p" in formats or not formats else "nv12"
    stream.codec_context.time_base = Fraction(1, TICKS)
    # Without B-frames packets leave in the order of their times, and the first one starts at 0.
    if encoder == SOFTWARE:
        # zerolatency: without look-ahead a frame is in its fragment at once, and a crash does not lose it.
        stream.options = {"crf": str(settings.crf), "preset": settings.preset, "tune": "zerolatency", "bf": "0"}
    else:
        stream.options = {"bf": "0"}
        stream.bit_rate = round(settings.bits_per_pixel * 30 * stream.width * stream.height)
    return stream


def as_picture(image: np.ndarray, stream: "VideoStream") -> "VideoFrame":
    """(h, w, 3) BGR uint8 as a frame of the stream's size: an odd column or row is cut off; PyAV stretches a single one to two."""
    import av

    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image[: stream.height, : stream.width]), format="bgr24")


def best_encoder(size_wh: tuple[int, int], settings: RecorderSettings) -> str:
    """The first of this machine's hardware encoders that passes the self-test with pictures of this size, else libx264."""
    return next((name for name in HARDWARE.get(sys.platform, ()) if works(name, size_wh, settings)), SOFTWARE)


def works(encoder: str, size_wh: tuple[int, int], settings: RecorderSettings) -> bool:
    """Whether six pictures that this encoder encodes can be decoded again: all of them, at their uneven times, hardly changed."""
    import av

    width, height = (max(2, side // 2 * 2) for side in size_wh)
    # A gradient in each colour and a bar that moves: easy pictures for any encoder.
    across, down = np.meshgrid(np.linspace(30, 220, width), np.linspace(30, 220, height))
    slopes = np.stack([across, down, (across + down) / 2], axis=2).astype(np.uint8)
    times = [0, 3000, 6000, 12000, 13000, 18000]
    pictures = []
    for i in range(len(times)):
        pictures.append(slopes.copy())
        pictures[i][:, i * width // 8 : (i + 1) * width // 8] = 128
    content = io.BytesIO()
    try:
        with quiet():
            with av.open(content, "w", format="mp4") as container:
                stream = add_video(container, encoder, size_wh, settings)
                for ticks, image in zip(times, pictures, strict=True):
                    picture = as_picture(image, stream)
                    picture.pts, picture.time_base = ticks, Fraction(1, TICKS)
                    container.mux(stream.encode(picture))
                container.mux(stream.encode(None))
            content.seek(0)
            with av.open(content, "r") as container:
                decoded = [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    except (av.error.FFmpegError, OSError, ValueError, MemoryError):
        return False
    return len(decoded) == len(times) and all(
        abs(t - ticks / TICKS) < 1e-3 and np.abs(image.astype(int) - picture).mean() < ALIKE
        for (t, image), ticks, picture in zip(decoded, times, pictures, strict=True)
    )
