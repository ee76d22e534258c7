"""Opens films and streams with FFmpeg, and lets none of them reach other files or addresses than its own."""

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from realtime.base.addresses import scheme_of
from realtime.base.errors import Trouble, reason
from realtime.base.files import open_regular
from realtime.base.silence import silence_ffmpeg
from realtime.sources.picture_clock import BROADCAST_JUMP_S, JUMP_S
from realtime.sources.shape import MOST_FILM_PIXELS, MOST_PIXELS, refuse_large

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

PLAYLIST_HEAD = 4096
"""Bytes at the beginning of a file in which a playlist shows itself. FFmpeg looks at no more when it begins to guess a format."""
WEB = "http,https,httpproxy,tcp,tls,crypto"
"""FFmpeg's protocols below an address of the web; "crypto" is the encryption of HLS."""
OTHER_NETWORK = "udp,udplite,rtp,srtp,rtmp,rtmpt,rtmps,rtmpe,rtmpte,ffrtmphttp,ffrtmpcrypt,srt"
"""FFmpeg's protocols below RTSP, RTMP and other addresses that are not of the web."""

SIZE_LIMIT = {"max_pixels": str(MOST_PIXELS)}
"""Options of opening, which decodes some pictures. FFmpeg may not know the size of those that it leaves out: so larger ones than a film may
have are let in, to be named."""


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
    except (av.error.InvalidDataError, av.error.EOFError, av.error.PatchWelcomeError, UnicodeDecodeError) as error:
        raise Trouble(f"{what} is not a video, or is damaged: FFmpeg finds no picture in it; try playing it in a video player") from error
    except (av.error.FFmpegError, OSError) as error:
        raise Trouble(f"{what} cannot be read ({reason(error)}); check the path or address") from error


def open_local(path: Path) -> "InputContainer":
    """Opens a regular file, whatever its name looks like. Playlists reach only files in their own folder.

    Raises what PyAV raises, or Trouble: it is no regular file.
    """
    import av

    silence_ffmpeg()
    if path.is_dir():
        raise Trouble(f"{path} is a folder; name a video file")
    # The opening of a pipe without a writer would wait for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise Trouble(f"{path} is a pipe or a device, no regular file; name a video file (`--source -` reads a pipe)")
    with open_regular(path) as file:
        head = file.read(PLAYLIST_HEAD)
    is_playlist = head.startswith(b"#EXTM3U") or b"<MPD" in head
    # A plain path may look like an address ("12:30 talk.mp4") or like the names of many pictures ("a%d.png").
    options = {"protocol_whitelist": "file", "pattern_type": "none"} | SIZE_LIMIT
    io_open = _opener_within(path.parent) if is_playlist else None
    # Titles are in any encoding.
    return av.open(f"file:{path}", options=options, io_open=io_open, metadata_errors="replace")


def _opener_within(folder: Path) -> Callable[[str, int, dict[str, str]], BinaryIO]:
    """A function with which PyAV opens the files that a playlist names, if they lie in `folder`; subfolders belong to it."""
    root = folder.resolve()

    def open_file(url: str, _flags: int, _options: dict[str, str]) -> BinaryIO:
        path = Path(url.removeprefix("file:")).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise PermissionError(f"{path} is no file in the playlist's folder")
        return path.open("rb")

    return open_file


def protocols_of(address: str) -> str:
    """FFmpeg's list of the protocols that an address may use: never files of this machine, and below the web only the web."""
    scheme = scheme_of(address)
    return WEB if scheme in ("http", "https") else f"{scheme},{WEB},{OTHER_NETWORK}"


def open_film(what: str, opened: Callable[[], "InputContainer"]) -> "tuple[InputContainer, VideoStream]":
    """The container that `opened()` returns, and its pictures. Error messages call it `what`.

    Raises:
        Trouble: it cannot be opened, or holds no video.
    """
    silence_ffmpeg()
    with translate_errors(what):
        container = opened()
    try:
        return container, film_stream(container, what)
    except Trouble:
        container.close()
        raise


def film_stream(container: "InputContainer", what: str) -> "VideoStream":
    """The stream that is the film: the default one, else the first, of those that are neither a cover picture nor thumbnails.

    Raises:
        Trouble: there is none, FFmpeg has no decoder for it, or its pictures are too large.
    """
    from av.stream import Disposition

    stills = Disposition.attached_pic | Disposition.timed_thumbnails
    films = [stream for stream in container.streams.video if not stream.disposition & stills]
    if not films:
        kinds: list[str] = [stream.type for stream in container.streams if stream.type != "video"]
        kinds += ["a cover picture"] if container.streams.video else []
        raise Trouble(f"{what} holds no video{', only ' * bool(kinds)}{', '.join(kinds)}; name a source with pictures")
    decodable: list[Any] = [stream for stream in films if stream.codec_context is not None]
    if not decodable:
        raise Trouble(f"{what} holds video of a kind that FFmpeg cannot decode; convert it to H.264 first")
    film: VideoStream = next((stream for stream in decodable if stream.disposition & Disposition.default), decodable[0])
    limit_size(film, what)
    return film


def limit_size(stream: "VideoStream", what: str) -> None:
    """Lets the decoder of a stream that was just opened refuse pictures that are too large.

    Raises:
        Trouble: they are by the header; the message calls them `what`.
    """
    context = stream.codec_context
    if context is not None:
        refuse_large(what, (context.width, context.height), MOST_FILM_PIXELS)
        context.options = {**context.options, "max_pixels": str(MOST_FILM_PIXELS)}


def has_broadcast_clock(container: "InputContainer") -> bool:
    """Whether FFmpeg's format has no length of its own and a clock that may jump: MPEG streams, and pictures one after the other."""
    from av.format import Flags

    flags: Any = container.format.flags
    return bool(flags & (Flags.ts_discont.value | Flags.no_timestamps.value))


def is_closed(container: "InputContainer") -> bool:
    """Whether a container was closed. PyAV has no word for it, but asserts that it is open."""
    try:
        return container.size is None
    except AssertionError:
        return True


def has_no_times(container: "InputContainer") -> bool:
    """Whether the pictures have no times of their own: they come one after the other, as MJPEG and raw pictures do."""
    from av.format import Flags

    flags: Any = container.format.flags
    return bool(flags & Flags.no_timestamps.value) or container.format.name.endswith(("_pipe", "image2pipe"))


def longest_step_s(container: "InputContainer") -> float:
    """The longest step between two pictures of a film that is believed, in seconds."""
    return BROADCAST_JUMP_S if has_broadcast_clock(container) else JUMP_S
