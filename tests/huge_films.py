"""Small films whose headers claim huge pictures, and one whose picture is.

    python tests/huge_films.py FILM.ts SIDE

writes a transport stream with one square picture of H.264, in a process of its own: where a stream was read, FFmpeg takes no more memory
than streams may.
"""

import re
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

SIZE_WH = (96, 64)
SIDE, MOST_14_BITS = 30_000, 16_383


def pictures_of(codec: str, form: str) -> list[bytes]:
    """Packets of five small pictures."""
    context = av.CodecContext.create(codec, "w")
    (context.width, context.height), context.pix_fmt = SIZE_WH, form
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    packets = []
    for i in range(5):
        picture = av.VideoFrame.from_ndarray(np.full((SIZE_WH[1], SIZE_WH[0], 3), 40 * i, np.uint8), format="bgr24").reformat(format=form)
        picture.pts, picture.time_base = i, Fraction(1, 25)
        packets += [bytes(packet) for packet in context.encode(picture)]
    return packets + [bytes(packet) for packet in context.encode(None)]


def flat_jpeg(side: int) -> bytes:
    return cv2.imencode(".jpg", np.full((side, side), 90, np.uint8))[1].tobytes()


def put_in(path: Path, codec: str, form: str, packets: Sequence[bytes]) -> Path:
    """A film of these packets; the container's own header says `SIZE_WH`."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=25)
        (stream.width, stream.height), stream.pix_fmt = SIZE_WH, form
        for i, content in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, Fraction(1, 25)
            packet.is_keyframe = True
            film.mux(packet)
    return path


def jpeg(content: bytes) -> bytes:
    return re.sub(rb"(?s)(\xff\xc0\x00\x11\x08).{4}", rb"\1" + SIDE.to_bytes(2) * 2, content)


def vp8(content: bytes) -> bytes:
    small = b"".join(side.to_bytes(2, "little") for side in SIZE_WH)
    return content.replace(b"\x9d\x01\x2a" + small, b"\x9d\x01\x2a" + MOST_14_BITS.to_bytes(2, "little") * 2)


def mpeg2(content: bytes) -> bytes:
    at = content.find(b"\0\0\x01\xb3")
    if at >= 0:
        content = content[: at + 4] + b"\xff\xff\xff" + content[at + 7 :]
        at = content.index(b"\0\0\x01\xb5")
        # Bits 15 to 18 of the extension are the highest two of width and of height (ISO/IEC 13818-2).
        bits = int.from_bytes(content[at + 4 : at + 8]) | 0b1111 << 13
        content = content[: at + 4] + bits.to_bytes(4) + content[at + 8 :]
    return content


def gif(content: bytes) -> bytes:
    return content[:6] + (16_000).to_bytes(2, "little") * 2 + content[10:]


HUGE: dict[str, tuple[str, str, Callable[[bytes], bytes]]] = {
    "a.mpg": ("mpeg2video", "yuv420p", mpeg2),
    "b.mxf": ("mpeg2video", "yuv420p", mpeg2),
    "c.avi": ("mjpeg", "yuvj420p", jpeg),
    "d.mov": ("mjpeg", "yuvj420p", jpeg),
    "e.webm": ("libvpx", "yuv420p", vp8),
    "f.ts": ("mpeg2video", "yuv420p", mpeg2),
}
"""Codec, format and change of the packets by the film's name."""


def huge_films(folder: Path) -> list[Path]:
    """A film for each container; in the GIF the file's own header lies."""
    films = [
        put_in(folder / name, codec, form, list(map(change, pictures_of(codec, form)))) for name, (codec, form, change) in HUGE.items()
    ]
    small = put_in(folder / "small.gif", "gif", "rgb8", pictures_of("gif", "rgb8"))
    (folder / "g.gif").write_bytes(gif(small.read_bytes()))
    return [*films, folder / "g.gif"]


def write_huge_stream(path: Path, side: int) -> None:
    """Takes half a gigabyte of memory for a side of 10,000 px."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1", "x264-params": "rc-lookahead=0"})
        (stream.width, stream.height), stream.pix_fmt = (side, side), "yuv420p"
        picture = av.VideoFrame(side, side, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        film.mux([*stream.encode(picture), *stream.encode(None)])


if __name__ == "__main__":
    write_huge_stream(Path(sys.argv[1]), int(sys.argv[2]))
