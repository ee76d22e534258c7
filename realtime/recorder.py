"""Writes a video file: H.264 in MP4, every frame at its own time."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from realtime.config import RecorderSettings
from realtime.errors import Trouble, reason

TICKS = 90_000
"""Time stamps a second: the clock of broadcast video, fine enough for any rate."""


class VideoWriter:
    """An H.264 file that browsers play (yuv420p). Opened with its first frame, when the size is known.

    The rate is whatever the frames' times say. While it grows the file is fragmented, so that what a crash leaves plays; closing
    makes it an ordinary one.
    """

    def __init__(self, path: Path, settings: RecorderSettings):
        self.path, self.settings = Path(path), settings
        self.frames = 0
        self._container = None

    def write(self, image: np.ndarray, t: float) -> None:
        """Adds (h, w, 3) BGR uint8, all of one size, shown `t` seconds after the start; a time that does not grow is moved on by a tick.

        Raises:
            Trouble: the file cannot be written.
        """
        import av

        try:
            if self._container is None:
                self._open(image)
            # H.264 in yuv420p has even sides: an odd column or row is cut off.
            even = image[: self._stream.height, : self._stream.width]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="bgr24")
            picture.pts = self._last = max(round(t * TICKS), self._last + 1)
            picture.time_base = Fraction(1, TICKS)
            self._container.mux(self._stream.encode(picture))
            self.frames += 1
        except (av.error.FFmpegError, OSError) as error:
            # After a failed write the muxer must get no further packet (it crashes); what is on disk plays up to its last fragment.
            container, self._container = self._container, None
            with suppress(av.error.FFmpegError, OSError):
                if container is not None:
                    container.close()
            raise self._trouble(error) from error

    def _open(self, image: np.ndarray) -> None:
        import av

        height, width = image.shape[:2]
        self._last = -1
        # A fragment every half second, and each at once on disk.
        options = {"movflags": "+hybrid_fragmented", "frag_duration": "500000", "flush_packets": "1"}
        self._container = av.open(str(self.path), "w", format="mp4", options=options)
        # The rate is only a hint to the rate control; time stamps decide.
        self._stream = self._container.add_stream("libx264", rate=30)
        self._stream.width, self._stream.height = max(2, width // 2 * 2), max(2, height // 2 * 2)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS)
        # Without B-frames packets leave in the order of their times, and the first one starts at 0.
        self._stream.options = {"crf": str(self.settings.crf), "preset": self.settings.preset, "bf": "0"}

    def close(self) -> None:
        """Finishes the file. Without a frame there is none.

        Raises:
            Trouble: the end of the file cannot be written.
        """
        import av

        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            try:
                container.mux(self._stream.encode(None))
            finally:
                container.close()
        except (av.error.FFmpegError, OSError) as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> Trouble:
        return Trouble(
            f"cannot write {self.path} ({reason(error)}) after {self.frames} frames: check the folder, your rights and the space left"
        )
