"""Reads HEIC, the photos of iPhones: a file of items (ISO/IEC 23008-12), one of which is the picture, or a grid of tiles that make it up.

FFmpeg decodes the tiles. It does not say through PyAV how they lie, so the items are read here.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from realtime.base.silence import silence_ffmpeg
from realtime.sources.colour import FULL, LIMITED, BgrConverter

HEVC = b"hvc1"
"""The kind of an item that is a picture in H.265."""
MOST_TILES = 4096
"""Of a grid: a picture of 110 million pixels has 420 of the usual 512x512."""


class Box(NamedTuple):
    """A part of the file: its kind, and its content without the header."""

    kind: bytes
    content: bytes


class Damaged(ValueError):
    """The file does not hold what its header promises."""


@dataclass(frozen=True)
class HeicItem:
    """A picture or a grid in the file.

    Attributes:
        kind: four letters.
        content: what is stored of it; b"" if that is not in the file.
        properties: its properties, in the order in which they apply.
        parts: the numbers of the items that it is made of, row by row.
    """

    kind: bytes
    content: bytes = b""
    properties: tuple[Box, ...] = ()
    parts: tuple[int, ...] = ()

    def all_of(self, kind: bytes) -> list[bytes]:
        return [box.content for box in self.properties if box.kind == kind]

    def size_wh(self) -> tuple[int, int]:
        """Width and height in px as the file states them, before the picture is turned.

        Raises:
            Damaged: it does not.
        """
        if self.kind == b"grid":
            return grid_of(self)[1]
        sizes = self.all_of(b"ispe")
        if not sizes or len(sizes[0]) < 12:
            raise Damaged("a picture without a size")
        width, height = struct.unpack_from(">II", sizes[0], 4)
        return width, height


@dataclass(frozen=True)
class HeicFile:
    """The items of a file by their numbers, and the number of the one that is shown."""

    items: dict[int, HeicItem]
    primary: int

    @property
    def picture(self) -> HeicItem:
        return self.items[self.primary]

    @property
    def tiles(self) -> tuple[HeicItem, ...]:
        """The pictures to decode: one, or the tiles of a grid."""
        picture = self.picture
        return tuple(self.items[part] for part in picture.parts if part in self.items) if picture.kind == b"grid" else (picture,)


def read_heic(content: bytes) -> HeicFile | None:
    """The items of a HEIC file; None for any other file, an AVIF or a damaged one included."""
    if content[4:8] != b"ftyp":
        return None
    try:
        meta = next((box.content[4:] for box in boxes(content) if box.kind == b"meta"), b"")
        file = _Reader({box.kind: box.content for box in boxes(meta)}, content).file()
        return file if file.tiles and all(tile.kind == HEVC for tile in file.tiles) else None
    except (struct.error, IndexError, KeyError, Damaged):
        return None


def boxes(content: bytes) -> Iterator[Box]:
    """The boxes that lie one after the other."""
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, start)
            start += 8
        end = at + size if size else len(content)
        if end < start or end > len(content):
            return
        yield Box(kind, content[start:end])
        at = end


@dataclass(frozen=True)
class _Reader:
    """Reads the boxes of the box `meta`; `file_content` is the whole file, in which the items' contents lie."""

    meta: dict[bytes, bytes]
    file_content: bytes = field(repr=False)

    def file(self) -> HeicFile:
        kinds, contents, parts = self._kinds(), self._contents(), self._parts()
        properties = self._properties()
        items = {
            number: HeicItem(kind, contents.get(number, b""), properties.get(number, ()), parts.get(number, ()))
            for number, kind in kinds.items()
        }
        long = self.meta[b"pitm"][0] > 0
        (primary,) = struct.unpack_from(">I" if long else ">H", self.meta[b"pitm"], 4)
        return HeicFile(items, primary)

    def _kinds(self) -> dict[int, bytes]:
        content, kinds = self.meta[b"iinf"], {}
        for box in boxes(content[8 if content[0] else 6 :]):
            if box.kind == b"infe" and box.content[0] in (2, 3):
                number, _, kind = struct.unpack_from(">HH4s" if box.content[0] == 2 else ">IH4s", box.content, 4)
                kinds[number] = kind
        return kinds

    def _parts(self) -> dict[int, tuple[int, ...]]:
        content = self.meta.get(b"iref", bytes(4))
        letter, size = ("I", 4) if content[0] else ("H", 2)
        parts = {}
        for box in boxes(content[4:]):
            if box.kind == b"dimg":
                number, count = struct.unpack_from(f">{letter}H", box.content)
                parts[number] = struct.unpack_from(f">{min(count, MOST_TILES)}{letter}", box.content, size + 2)
        return parts

    def _properties(self) -> dict[int, tuple[Box, ...]]:
        inside = list(boxes(self.meta[b"iprp"]))
        every = [box for part in inside if part.kind == b"ipco" for box in boxes(part.content)]
        properties: dict[int, tuple[Box, ...]] = {}
        for content in (part.content for part in inside if part.kind == b"ipma"):
            (count,) = struct.unpack_from(">I", content, 4)
            at, long = 8, bool(content[3] & 1)
            for _ in range(count):
                (number,) = struct.unpack_from(">I" if content[0] else ">H", content, at)
                at += 4 if content[0] else 2
                many = content[at]
                # The highest bit says whether a reader must know the property.
                indices = [
                    index & (0x7FFF if long else 0x7F) for index in struct.unpack_from(f">{many}{'H' if long else 'B'}", content, at + 1)
                ]
                at += 1 + many * (2 if long else 1)
                properties[number] = tuple(every[index - 1] for index in indices if 0 < index <= len(every))
        return properties

    def _contents(self) -> dict[int, bytes]:
        """What is stored of each item; only where it lies in one piece, as cameras write it."""
        content = self.meta[b"iloc"]
        version, sizes = content[0], content[4:6]
        offset, length, base, index = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4, sizes[1] & 15 if version else 0
        wide = version == 2
        (count,) = struct.unpack_from(">I" if wide else ">H", content, 6)
        at, contents = (10 if wide else 8), {}
        for _ in range(count):
            (number,) = struct.unpack_from(">I" if wide else ">H", content, at)
            at += 4 if wide else 2
            method = content[at + 1] & 15 if version else 0
            at += 4 if version else 2
            start = int.from_bytes(content[at : at + base])
            (extents,) = struct.unpack_from(">H", content, at + base)
            at += base + 2
            for _ in range(extents):
                begin = start + int.from_bytes(content[at + index : at + index + offset])
                size = int.from_bytes(content[at + index + offset : at + index + offset + length])
                at += index + offset + length
                whole = self.file_content if method == 0 else self.meta.get(b"idat", b"") if method == 1 else b""
                if extents == 1:
                    contents[number] = whole[begin : begin + size]
        return contents


def grid_of(item: HeicItem) -> tuple[tuple[int, int], tuple[int, int]]:
    """Columns and rows of a grid, and width and height in px of the picture that it makes up.

    Raises:
        Damaged: it has too many tiles.
    """
    if len(item.content) < 8:
        raise Damaged("a grid without a size")
    _, flags, rows, columns = item.content[:4]
    width, height = struct.unpack_from(">II" if flags & 1 else ">HH", item.content, 4)
    if (rows + 1) * (columns + 1) > MOST_TILES:
        raise Damaged(f"{rows + 1}x{columns + 1} tiles")
    return (columns + 1, rows + 1), (width, height)


def decode_heic(file: HeicFile, most_pixels: int) -> np.ndarray:
    """The picture (h, w, 3) BGR uint8, upright.

    Args:
        most_pixels: a tile with more is not decoded. That the whole has not more, the caller sees to.

    Raises:
        Damaged: a tile cannot be decoded, or there are too few.
    """
    item = file.picture
    if item.kind != b"grid":
        return shaped(_decoded(item, most_pixels), item.properties)
    (columns, rows), (width, height) = grid_of(item)
    if len(file.tiles) < columns * rows:
        raise Damaged(f"{len(file.tiles)} of {columns * rows} tiles")
    whole: np.ndarray | None = None
    tile_wh = file.tiles[0].size_wh()
    for number, tile in enumerate(file.tiles[: columns * rows]):
        x, y = number % columns * tile_wh[0], number // columns * tile_wh[1]
        if x >= width or y >= height:
            raise Damaged("a tile beside the picture")
        picture = _decoded(tile, most_pixels)
        if picture.shape[1::-1] != tile_wh:
            raise Damaged("tiles of several sizes")
        whole = np.zeros((height, width, 3), np.uint8) if whole is None else whole
        part = whole[y : y + tile_wh[1], x : x + tile_wh[0]]
        part[:] = picture[: part.shape[0], : part.shape[1]]
    if whole is None or columns * tile_wh[0] < width or rows * tile_wh[1] < height:
        raise Damaged("a grid with gaps")
    return shaped(whole, item.properties)


def _decoded(item: HeicItem, most_pixels: int) -> np.ndarray:
    """One picture in H.265 as (h, w, 3) BGR uint8, as it is stored."""
    import av

    silence_ffmpeg()
    try:
        decoder = av.CodecContext.create("hevc", "r")
        decoder.thread_count = 1
        decoder.options = {"max_pixels": str(most_pixels)}
        decoder.extradata = next(iter(item.all_of(b"hvcC")), None)
        [frame] = [*decoder.decode(av.Packet(item.content)), *decoder.decode(None)]
        for colour in item.all_of(b"colr"):
            if colour[:4] == b"nclx":
                # What the file says of the colours stands above what the picture says.
                _, _, frame.colorspace, full = struct.unpack_from(">HHHB", colour, 4)
                frame.color_range = FULL if full & 0x80 else LIMITED
        return BgrConverter().convert(frame, (frame.width, frame.height))
    except (av.error.FFmpegError, ValueError, struct.error) as error:
        raise Damaged(str(error)) from error


def shaped(picture: np.ndarray, properties: Sequence[Box]) -> np.ndarray:
    """The picture (h, w, 3) cut, turned and mirrored as its properties say, in their order; contiguous."""
    for kind, content in properties:
        if kind == b"clap" and len(content) == 32:
            picture = _cut(picture, struct.unpack(">IIIIiIiI", content))
        elif kind == b"irot" and content:
            picture = np.rot90(picture, content[0] & 3)
        elif kind == b"imir" and content:
            # 0: top and bottom are exchanged; 1: left and right (ISO/IEC 23008-12:2022, 6.5.12).
            picture = picture[:, ::-1] if content[0] & 1 else picture[::-1]
    return np.ascontiguousarray(picture)


def _cut(picture: np.ndarray, fractions: Sequence[int]) -> np.ndarray:
    """The clean aperture: width, height, and the shift of its middle to the right and down, each a fraction (ISO/IEC 14496-12, 12.1.4)."""
    if not all(fractions[1::2]):
        return picture
    width, height, right, down = (above / below for above, below in zip(fractions[::2], fractions[1::2], strict=True))
    x, y = (picture.shape[1] - width) / 2 + right, (picture.shape[0] - height) / 2 + down
    part = picture[max(0, round(y)) : round(y + height), max(0, round(x)) : round(x + width)]
    return part if part.size else picture
