"""Writes a video file: H.264 in MP4, MOV or MKV, every frame at its own time, and sound beside it."""

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from realtime.base.errors import Trouble, disk_remedy, reason
from realtime.base.messages import counted
from realtime.base.silence import quiet, silence_ffmpeg
from realtime.config import RecorderSettings
from realtime.readings.format import VIDEOS
from realtime.recording.journal import Journal
from realtime.sources.colour import FULL, LIMITED, PLAIN, TAGS, conversion_threads, usual_matrix

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import OutputContainer
    from av.video.stream import VideoStream

FORMATS = dict(zip(VIDEOS, ("mp4", "mov", "matroska"), strict=True))
"""FFmpeg's format by the ending of a video's name."""
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
    """The sound of a video; `realtime.recording.sound` has that of a film, `realtime.recording.microphone` that of a microphone."""

    def begin(self, container: "OutputContainer", t: float) -> None:
        """Adds a stream of sound to a file that begins at time `t` of the source's clock."""

    def until(self, elapsed_s: float) -> list["Packet"]:
        """The next packets, up to those that begin at `elapsed_s`. The first call returns at least one if there is sound."""

    def rest(self, elapsed_s: float, cut: bool) -> list["Packet"]:
        """The last packets of a file whose last frame ends at `elapsed_s`; `cut` says that the recording ended early there."""

    def close(self) -> None: ...


class VideoWriter:
    """An H.264 file (MP4, MOV or MKV) that browsers play (yuv420p). It is opened with its first frame, when the size is known.

    Each frame has its own time. While it grows, an MP4 or MOV is fragmented, so that it plays after a crash, from its second frame on;
    closing turns it into an ordinary one. An MKV plays from its first `fragment_s` on. Sound that fails ends early and is told; the
    pictures go on.
    """

    def __init__(
        self,
        path: Path,
        settings: RecorderSettings,
        encoder: str = SOFTWARE,
        sound: Sound | None = None,
        tell: Callable[[str], None] = lambda line: None,
        replace: bool = True,
    ):
        """`tell` gets a line when the sound fails. `replace` says whether a file of that name may exist."""
        self.path, self.settings, self.encoder, self.sound, self.tell = Path(path), settings, encoder, sound, tell
        self.replace = replace
        self.frames = self.size = 0
        self.ticks = ticks_of(self.path)
        self._file: _OpenFile | None = None
        self._last, self._frame_s, self._head_size = -1, 0.0, 0
        self._sound_end: int | None = None

    def write(self, image: np.ndarray, t: float, source_t: float = 0.0, duration: float | None = None) -> None:
        """Adds a picture (h, w, 3) BGR uint8, all of one size, at `t` seconds after the start.

        A time that is not later than the one before is moved to a tick after it. `source_t` is the time of the start on the source's
        clock, which the sound shares. `duration` is how many seconds the picture is shown if no other follows; None: as long as the
        step before it.

        Raises:
            Trouble: the file cannot be written.
        """
        import av
        from av.video.frame import PictureType

        try:
            file = self._file = self._file or self._open(image, source_t)
            before_s = max(self._last, 0) / self.ticks
            picture = file.converter.convert(image)
            picture.pts = self._last = max(round(t * self.ticks), self._last + 1)
            picture.time_base = Fraction(1, self.ticks)
            self._frame_s = self._last / self.ticks - before_s if duration is None else duration
            if self.frames and file.journal.size == self._head_size:
                # Without its index the file cannot be read. The second frame ends the first fragment, which brings the index with it; where
                # the sound has given nothing yet, the next frame tries again.
                picture.pict_type = PictureType.I
            self._mux(file, file.stream.encode(picture))
            self._add_sound(file, lambda sound: sound.until(t))
            self._commit(file)
            if not self.frames:
                self._head_size = file.journal.size
            self.frames += 1
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._drop()
            raise self._trouble(error) from error

    def _open(self, image: np.ndarray, source_t: float) -> "_OpenFile":
        import av

        silence_ffmpeg()
        journal = Journal(self.path, self.replace)
        form = format_of(self.path)
        options = _options(form, self.settings)
        try:
            while True:
                container = av.open(journal, "w", format=form, options=options)
                stream = add_video(container, self.encoder, (image.shape[1], image.shape[0]), self.settings)
                if self.sound is None:
                    break
                try:
                    self.sound.begin(container, source_t)
                    break
                except Exception as error:
                    # A second time without it: the file may have a stream already that would get no packet.
                    self._end_sound(error)
        except (av.error.FFmpegError, OSError, ValueError):
            journal.close()
            raise
        return _OpenFile(container, stream, journal, StreamConverter(stream))

    def _mux(self, file: "_OpenFile", packets: "list[Packet]") -> None:
        """Hands pictures to the muxer; raises what PyAV raises.

        FFmpeg may write a packet of sound that was queued before, and report its error here. The picture stays in the queue then.
        """
        import av

        for packet in packets:
            # Counts in the last picture only: the others last until the next.
            packet.duration = round(self._frame_s * self.ticks) or packet.duration
            try:
                file.container.mux_one(packet)
            except av.error.FFmpegError as error:
                is_queued_sound = self._sound_end is not None and self._last - self._sound_end < self.ticks
                if self.sound is None and not is_queued_sound:
                    raise
                self._end_sound(error)

    def _add_sound(self, file: "_OpenFile", packets: "Callable[[Sound], list[Packet]]") -> None:
        """Hands the next sound to the muxer. Whatever fails there ends the sound, never the pictures: hence every kind of error."""
        if self.sound is None:
            return
        try:
            file.container.mux(packets(self.sound))
        except Exception as error:
            self._end_sound(error)

    def _end_sound(self, error: Exception) -> None:
        """Goes on without sound, and says so."""
        if self.sound is None:
            return
        self.tell(
            f"{self.path}: the sound breaks off at {max(self._last, 0) / self.ticks:.1f} s ({reason(error)}); the pictures go on without it"
        )
        sound, self.sound, self._sound_end = self.sound, None, self._last
        with suppress(Exception):
            sound.close()

    def _commit(self, file: "_OpenFile") -> None:
        file.journal.commit()
        self.size = file.journal.size

    def close(self, cut: bool = False) -> None:
        """Finishes the file. Without a frame there is none. `cut` says that more frames were to come; then the sound ends here too.

        Raises:
            Trouble: the end of the file cannot be written; all before it plays.
        """
        import av

        file = self._file
        if file is None:
            return
        try:
            self._mux(file, file.stream.encode(None))
            self._add_sound(file, lambda sound: sound.rest(self._last / self.ticks + self._frame_s, cut))
            file.container.close()
            self._commit(file)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._trouble(error) from error
        finally:
            self._drop()

    def _drop(self) -> None:
        """Closes the file as it is on disk, and lets go of the encoder with its threads: what the muxer writes now is not committed."""
        import av

        file, self._file = self._file, None
        sound, self.sound = self.sound, None
        if file is not None:
            with suppress(av.error.FFmpegError, OSError, ValueError):
                file.container.close()
            file.journal.close()
        if sound is not None:
            sound.close()

    def _trouble(self, error: Exception) -> Trouble:
        import av

        # FFmpeg writes into memory: its errors are the encoder's or the muxer's. Those of the disk are the journal's.
        if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError):
            remedy = disk_remedy(error)
        else:
            remedy = f"it is not the disk: {self.encoder} failed; record with another --size, or report this"
        return Trouble(f"cannot write {self.path} ({reason(error)}) after {counted(self.frames, 'frame')}: {remedy}")


def format_of(path: Path) -> str:
    """FFmpeg's name of the format of a video called `path`."""
    return FORMATS[path.suffix.lower()]


def ticks_of(path: Path) -> int:
    """Time stamps per second of a recording called `path`: Matroska has milliseconds."""
    return 1000 if FORMATS.get(path.suffix.lower()) == "matroska" else TICKS


def _options(form: str, settings: RecorderSettings) -> dict[str, str]:
    """What the muxer of a format needs to write a file that plays while it grows."""
    # Pictures do not wait longer for sound that does not come.
    common = {"flush_packets": "1", "max_interleave_delta": str(round(INTERLEAVE_S * 1e6))}
    if form == "matroska":
        return {**common, "cluster_time_limit": str(round(settings.fragment_s * 1e3))}
    return {
        **common,
        # The index is written with the first fragment, not before: it then has edit lists, which keep sound in place that begins
        # before or after the pictures. A key frame ends a fragment, so that `write` can end the first one early.
        "movflags": "+hybrid_fragmented+delay_moov+frag_keyframe",
        "use_editlist": "1",
        "frag_duration": str(round(settings.fragment_s * 1e6)),
    }


class _OpenFile(NamedTuple):
    """A video while it is written."""

    container: "OutputContainer"
    stream: "VideoStream"
    journal: Journal
    converter: "StreamConverter"


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
    stream.codec_context.color_range = LIMITED
    stream.codec_context.colorspace = TAGS[usual_matrix(size_wh)]
    # Cameras and screens have these primaries; those of films are not converted.
    stream.codec_context.color_primaries = stream.codec_context.color_trc = PLAIN
    # Without B-frames packets leave in the order of their times, and the first one starts at 0.
    if encoder == SOFTWARE:
        # zerolatency: without look-ahead a frame is in its fragment at once, and a crash does not lose it.
        stream.options = {"crf": str(settings.crf), "preset": settings.preset, "tune": "zerolatency", "bf": "0"}
    else:
        stream.options = {"bf": "0"}
        stream.bit_rate = round(settings.bits_per_pixel * 30 * stream.width * stream.height)
    return stream


class StreamConverter:
    """Converts BGR pictures to frames of one stream. One for all its pictures, because it keeps FFmpeg's tables of the conversion."""

    def __init__(self, stream: "VideoStream"):
        from av.video.reformatter import VideoReformatter

        self.stream = stream
        self._reformatter = VideoReformatter()

    def convert(self, image: np.ndarray) -> "VideoFrame":
        """(h, w, 3) BGR uint8 as a frame of the stream's size, format and colours.

        An odd column or row is cut off, a single one stretched.
        """
        import av

        size_wh = self.stream.width, self.stream.height
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[: size_wh[1], : size_wh[0]]), format="bgr24")
        return self._reformatter.reformat(
            picture,
            *size_wh,
            format=self.stream.pix_fmt,
            dst_colorspace=usual_matrix(size_wh),
            src_color_range=FULL,
            dst_color_range=LIMITED,
            threads=conversion_threads(size_wh),
        )


def best_encoder(size_wh: tuple[int, int], settings: RecorderSettings) -> str:
    """The first of this machine's hardware encoders that passes the self-test with pictures of this size, else libx264."""
    return next((name for name in HARDWARE.get(sys.platform, ()) if works(name, size_wh, settings)), SOFTWARE)


def works(encoder: str, size_wh: tuple[int, int], settings: RecorderSettings) -> bool:
    """Whether six pictures that this encoder encodes can be decoded again: all of them, at their uneven times, hardly changed."""
    import av

    times = [0, 3000, 6000, 12000, 13000, 18000]
    content = io.BytesIO()
    try:
        with quiet():
            with av.open(content, "w", format="mp4") as container:
                stream = add_video(container, encoder, size_wh, settings)
                # Most machines lack most encoders: those fail here, before large pictures are made.
                stream.codec_context.open()
                pictures, converter = _test_pictures(size_wh), StreamConverter(stream)
                for i, ticks in enumerate(times):
                    picture = converter.convert(pictures(i))
                    picture.pts, picture.time_base = ticks, Fraction(1, TICKS)
                    container.mux(stream.encode(picture))
                container.mux(stream.encode(None))
            content.seek(0)
            with av.open(content, "r") as container:
                decoded = [
                    abs(frame.time - ticks / TICKS) < 1e-3 and cv2.absdiff(frame.to_ndarray(format="bgr24"), pictures(i)).mean() < ALIKE
                    for i, (ticks, frame) in enumerate(zip(times, container.decode(video=0), strict=True))
                ]
    except (av.error.FFmpegError, OSError, ValueError, MemoryError):
        return False
    return all(decoded)


def _test_pictures(size_wh: tuple[int, int]) -> Callable[[int], np.ndarray]:
    """A function that makes picture i of six: (h, w, 3) uint8, a gradient in each colour and a bar that moves, easy for any encoder."""
    width, height = (max(2, side // 2 * 2) for side in size_wh)
    slopes = np.empty((height, width, 3), np.uint8)
    across, down = np.linspace(30, 220, width, dtype=np.float32), np.linspace(30, 220, height, dtype=np.float32)[:, None]
    slopes[:, :, 0], slopes[:, :, 1], slopes[:, :, 2] = across, down, (across + down) / 2

    def picture(i: int) -> np.ndarray:
        image = slopes.copy()
        image[:, i * width // 8 : (i + 1) * width // 8] = 128
        return image

    return picture
