"""The source for video files, and the opening of files and streams with FFmpeg."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import for_ffmpeg
from realtime.base.silence import silence_ffmpeg
from realtime.values import Frame

if TYPE_CHECKING:
    from av.container import InputContainer

DEMO = Path(__file__).parent / "demo" / "demo.mp4"


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Turns errors of FFmpeg into a `Trouble` of one line, which calls the file or stream `what`."""
    import av

    try:
        yield
    except FileNotFoundError as error:
        raise Trouble(f"{what}: there is no such file; check the path") from error
    except (IsADirectoryError, PermissionError) as error:
        raise Trouble(f"{what} cannot be opened ({reason(error)}); name a video file that you may read") from error
    except (av.error.InvalidDataError, av.error.EOFError, UnicodeDecodeError) as error:
        raise Trouble(f"{what} is not a video, or is damaged: FFmpeg finds no picture in it; try playing it in a video player") from error
    except (av.error.FFmpegError, OSError) as error:
        raise Trouble(f"{what} cannot be read ({reason(error)}); check the path or address") from error


def open_film(address: str, what: str, **options: Any) -> "InputContainer":
    """Opens a file or address that holds video. Error messages call it `what`; `options` are those of `av.open`.

    Raises:
        Trouble: it cannot be opened, or holds no video.
    """
    import av

    silence_ffmpeg()
    with translate_errors(what):
        container = av.open(address, **options)
    if not container.streams.video:
        kinds = ", ".join(stream.type for stream in container.streams)
        container.close()
        raise Trouble(f"{what} holds no video, only {kinds or 'nothing'}; name a source with pictures")
    return container


class VideoFile:
    """A video file: every frame, turned upright, at its presentation time in seconds."""

    mirror = False
    delivery = None

    def __init__(self, path: Path):
        self.path = Path(path)
        self.name = self.path.name
        self.expected: int | None = None

    def __enter__(self) -> Self:
        if self.path.is_dir():
            raise Trouble(f"{self.path} is a folder; name a video file")
        self._container = open_film(for_ffmpeg(self.path), str(self.path))
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.expected = self._count()
        return self

    def _count(self) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        if self._container.duration and self._stream.average_rate:
            return round(self._container.duration / 1e6 * self._stream.average_rate)
        return None

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        import av

        interval = 1 / float(self._stream.average_rate or 30)
        index, t = 0, -interval
        try:
            for picture in self._container.decode(self._stream):
                # Where a file has no times, or times that go back, a frame comes one interval after the last one.
                t = picture.time if picture.time is not None and (index == 0 or picture.time > t) else t + interval
                image: np.ndarray = picture.to_ndarray(format="bgr24")
                if picture.rotation:
                    image = np.ascontiguousarray(np.rot90(image, round(picture.rotation / 90)))
                yield Frame(image, t, index)
                index += 1
        except av.error.FFmpegError as error:
            raise Trouble(
                f"{self.path} is damaged: it breaks off after {index} frames ({reason(error)}); what came before is kept"
            ) from error
        if index == 0:
            raise Trouble(
                f"{self.path} is not a video, or is damaged: not one frame of it can be decoded; try playing it in a video player"
            )
