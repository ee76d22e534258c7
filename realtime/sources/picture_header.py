"""The size of a picture file, read from its header before anything is decoded: a kilobyte can stand for gigabytes of pixels."""

import re
import struct
from collections.abc import Callable

KINDS = "JPEG, PNG, GIF, WebP, TIFF, BMP, PNM, AVIF or HEIC"
"""The files that can be read. HEIC has its own module, `heic`."""
PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")
"""What the pixels and the way up need. Compressed texts and colour profiles are left out: they may be a thousand times the file's size."""
NO_FRAME = (0xC4, 0xC8, 0xCC)
"""JPEG's markers from 0xC0 to 0xCF that begin no frame (ITU T.81, table B.1)."""
PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
TIFF_NUMBERS = {3: "H", 4: "I", 16: "Q"}
"""struct's letters for TIFF's types of whole numbers."""
TIFF_SIDES = ((256, 322), (257, 323))
"""TIFF's tags: width of the picture and of a tile, height of the picture and of a tile."""


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in px that the decoder of a picture file will allocate; None for a file that is damaged or none of `KINDS`."""
    readers: tuple[tuple[bytes, int, Callable[[bytes], tuple[int, int] | None]], ...] = (
        (b"\xff\xd8", 0, _jpeg_size),
        (b"\x89PNG\r\n\x1a\n", 0, lambda png: struct.unpack_from(">II", png, 16) if png[12:16] == b"IHDR" else None),
        (b"GIF8", 0, _gif_size),
        (b"WEBP", 8, _webp_size),
        (b"II", 0, _tiff_size),
        (b"MM", 0, _tiff_size),
        (b"BM", 0, _bmp_size),
        (b"ftyp", 4, _avif_size),
        (b"P", 0, _pnm_size),
    )
    try:
        for mark, at, size in readers:
            if content[at : at + len(mark)] == mark:
                return size(content)
    except (struct.error, IndexError):
        pass
    return None


def first_picture(content: bytes) -> bytes:
    """The file without what its first picture does not need: a PNG's texts, profiles and animation, a GIF's later pictures."""
    if content.startswith(b"\x89PNG"):
        return _plain_png(content)
    if content.startswith(b"GIF8"):
        end = _end_of_gif_picture(content)
        return content if end is None else content[:end] + b";"
    return content


def _plain_png(content: bytes) -> bytes:
    parts, at = [content[:8]], 8
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4])
        if end > len(content):
            # OpenCV would take as much memory as the chunk claims to have.
            break
        if content[at + 4 : at + 8] in PNG_CHUNKS:
            parts.append(content[at:end])
        at = end
    return b"".join(parts)


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in NO_FRAME:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        # Markers without a length.
        at += 2 if marker == 0x01 or 0xD0 <= marker <= 0xD8 else 2 + int.from_bytes(content[at + 2 : at + 4])
    return None


def _gif_size(content: bytes) -> tuple[int, int] | None:
    """The larger of the screen and of the first picture."""
    width, height = struct.unpack_from("<HH", content, 6)
    at = _gif_picture(content)
    if at is None:
        return None
    x, y, w, h = struct.unpack_from("<HHHH", content, at + 1)
    return max(width, x + w), max(height, y + h)


def _gif_picture(content: bytes) -> int | None:
    """Where the first picture's descriptor is."""
    at = 13 + _gif_colours(content[10])
    while content[at] == 0x21:
        at = _after_gif_blocks(content, at + 2)
    return at if content[at] == 0x2C else None


def _end_of_gif_picture(content: bytes) -> int | None:
    try:
        at = _gif_picture(content)
        return None if at is None else _after_gif_blocks(content, at + 11 + _gif_colours(content[at + 9]))
    except IndexError:
        return None


def _gif_colours(flags: int) -> int:
    """Bytes of a table of colours, as a descriptor's flags give it."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_gif_blocks(content: bytes, at: int) -> int:
    while content[at]:
        at += 1 + content[at]
    return at + 1


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp_size(content: bytes) -> tuple[int, int] | None:
    core = int.from_bytes(content[14:18], "little") == 12
    width, height = struct.unpack_from("<HH" if core else "<ii", content, 18)
    return abs(width), abs(height)


def _tiff_size(content: bytes) -> tuple[int, int] | None:
    """The larger of the picture and of a tile, of the first directory."""
    order = "<" if content[:1] == b"I" else ">"
    (version,) = struct.unpack_from(order + "H", content, 2)
    if version not in (42, 43):
        return None
    # BigTIFF has longer offsets and counts.
    offset, count, entry, inside = ("I", "H", 12, 8) if version == 42 else ("Q", "Q", 20, 12)
    (at,) = struct.unpack_from(order + offset, content, 4 if version == 42 else 8)
    (entries,) = struct.unpack_from(order + count, content, at)
    first = at + struct.calcsize(order + count)
    sides: dict[int, int] = {}
    for place in range(first, min(first + entries * entry, len(content)), entry):
        tag, kind = struct.unpack_from(order + "HH", content, place)
        if kind in TIFF_NUMBERS and any(tag in tags for tags in TIFF_SIDES):
            (value,) = struct.unpack_from(order + TIFF_NUMBERS[kind], content, place + inside)
            sides[tag] = max(value, sides.get(tag, 0))
    if not {256, 257} <= sides.keys():
        return None
    width, height = (max(sides.get(tag, 0) for tag in tags) for tags in TIFF_SIDES)
    return width, height


def _avif_size(content: bytes) -> tuple[int, int] | None:
    """The largest size of the items: that of a grid is among them. Films (those with a `moov` box) are none of the pictures here."""
    if content[8:12] not in (b"avif", b"mif1", b"miaf") or b"moov" in content:
        return None
    # A box `ispe`: its length 20, its name, version and flags 0, width, height.
    sizes = [struct.unpack(">II", match[1]) for match in re.finditer(rb"\0\0\0\x14ispe\0{4}(.{8})", content, re.S)]
    return (max(w for w, _ in sizes), max(h for _, h in sizes)) if sizes else None


def _pnm_size(content: bytes) -> tuple[int, int] | None:
    found = PNM.match(content)
    return (int(found[1]), int(found[2])) if found else None
