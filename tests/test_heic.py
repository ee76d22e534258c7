"""HEIC files: written here, as cameras do, out of pictures that FFmpeg encodes."""

import random
import struct
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from source_fakes import frames_of

from realtime.base.errors import Trouble
from realtime.sources.heic import read_heic
from realtime.sources.photos import Photo, decode_picture

MOST = 1_000_000
TILE = 64
PARAMETER_SETS = (32, 33, 34)
"""Kinds of units in H.265 that the header holds."""


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + content)


@cache
def encoded(colour: bytes, width: int, height: int, corner: bool) -> tuple[bytes, bytes]:
    """The header (box hvcC) and the content of a picture in H.265, of one colour (BGR), with a white upper left corner if asked."""
    picture = np.full((height, width, 3), np.frombuffer(colour, np.uint8))
    if corner:
        picture[: height // 2, : width // 2] = 255
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", Fraction(1, 25)
    encoder.options = {"x265-params": "log-level=none:info=0", "crf": "4"}
    frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
    stream = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    units = [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1") if unit.rstrip(b"\0")]
    kinds = [unit[0] >> 1 & 63 for unit in units]
    # ISO/IEC 14496-15, 8.3.3.1: profile and level, which FFmpeg does not ask for, then lengths of 4 bytes, then the parameter sets.
    sets = b"".join(
        struct.pack(">BHH", kind, 1, len(unit)) + unit for kind, unit in zip(kinds, units, strict=True) if kind in PARAMETER_SETS
    )
    header = b"\1" + bytes(20) + b"\3" + bytes([len(PARAMETER_SETS)]) + sets
    content = b"".join(len(unit).to_bytes(4) + unit for kind, unit in zip(kinds, units, strict=True) if kind not in PARAMETER_SETS)
    return box(b"hvcC", header), content


def heic(tiles: list[tuple[bytes, bytes]], tile_wh=(TILE, TILE), grid=None, shape: bytes = b"", shapes: int = 0) -> bytes:
    """A file of one picture or, with `grid` (columns, rows, width, height), of a grid; `shape` has `shapes` boxes that turn or cut it."""
    whole_wh = grid[2:] if grid else tile_wh
    properties = tiles[0][0] + full(b"ispe", struct.pack(">II", *tile_wh)) + full(b"ispe", struct.pack(">II", *whole_wh)) + shape
    turns = bytes(range(4, 4 + shapes))
    own = [(number, b"\1\2" if grid else b"\1\2" + turns) for number in range(1, len(tiles) + 1)]
    contents, references = [content for _, content in tiles], b""
    kinds = [(number, b"hvc1") for number, _ in own]
    if grid:
        columns, rows, width, height = grid
        number = len(tiles) + 1
        contents.append(struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height))
        kinds.append((number, b"grid"))
        own.append((number, b"\3" + turns))
        parts = struct.pack(f">HH{len(tiles)}H", number, len(tiles), *range(1, len(tiles) + 1))
        references = full(b"iref", box(b"dimg", parts))
    infos = b"".join(full(b"infe", struct.pack(">HH4s", number, 0, kind) + b"\0", 2) for number, kind in kinds)
    uses = b"".join(struct.pack(">HB", number, len(indices)) + indices for number, indices in own)
    head = full(b"hdlr", bytes(4) + b"pict" + bytes(13)) + full(b"pitm", struct.pack(">H", kinds[-1][0]))
    head += full(b"iinf", struct.pack(">H", len(kinds)) + infos) + references
    head += box(b"iprp", box(b"ipco", properties) + full(b"ipma", struct.pack(">I", len(own)) + uses))
    start = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    at = len(start) + 12 + len(head) + 16 + 14 * len(kinds) + 8
    places = b""
    for (number, _), content in zip(kinds, contents, strict=True):
        places += struct.pack(">HHHII", number, 0, 1, at, len(content))
        at += len(content)
    head += full(b"iloc", b"\x44\0" + struct.pack(">H", len(kinds)) + places)
    return start + full(b"meta", head) + box(b"mdat", b"".join(contents))


RED, GREEN, BLUE, GRAY = b"\0\0\xc8", b"\0\xc8\0", b"\xc8\0\0", b"\x80\x80\x80"


def colour_at(picture: np.ndarray, x: int, y: int) -> str:
    return {0: "blue", 1: "green", 2: "red"}[int(picture[y, x].argmax())] if picture[y, x].min() < 100 else "white"


def one(shape: bytes = b"", shapes: int = 0, wh: tuple[int, int] = (TILE, 96)) -> bytes:
    return heic([encoded(RED, *wh, corner=True)], wh, shape=shape, shapes=shapes)


def corners(picture: np.ndarray) -> list[str]:
    """Of the four corners, row by row."""
    return [colour_at(picture, x, y) for y in (4, -5) for x in (4, -5)]


TURNS = {
    "as it is": (b"", ["white", "red", "red", "red"]),
    "a quarter anticlockwise": (box(b"irot", b"\1"), ["red", "red", "white", "red"]),
    "half": (box(b"irot", b"\2"), ["red", "red", "red", "white"]),
    "a quarter clockwise": (box(b"irot", b"\3"), ["red", "white", "red", "red"]),
    "top and bottom": (box(b"imir", b"\0"), ["red", "red", "white", "red"]),
    "left and right": (box(b"imir", b"\1"), ["red", "white", "red", "red"]),
}


@pytest.mark.parametrize(("shape", "expected"), TURNS.values(), ids=TURNS)
def test_a_photo_is_turned_and_mirrored_as_the_file_says(shape, expected):
    picture = decode_picture(one(shape, bool(shape)), "a", MOST)
    quarter = b"irot" in shape and shape[-1] & 1
    assert picture.shape == ((TILE, 96, 3) if quarter else (96, TILE, 3))
    assert corners(picture) == expected


def test_turns_apply_in_the_order_of_the_file():
    turn, mirror = box(b"irot", b"\1"), box(b"imir", b"\1")
    assert corners(decode_picture(one(turn + mirror, 2), "a", MOST)) == ["red", "red", "red", "white"]
    assert corners(decode_picture(one(mirror + turn, 2), "a", MOST)) == ["white", "red", "red", "red"]


def test_a_photo_is_cut_to_its_clean_aperture():
    clap = box(b"clap", struct.pack(">IIIIiIiI", 40, 1, 60, 1, -12, 1, -18, 1))
    picture = decode_picture(one(clap, 1), "a", MOST)
    assert picture.shape == (60, 40, 3) and corners(picture) == ["white", "red", "red", "red"]


def grid_file(width: int = 100, height: int = 120, tiles: int = 4) -> bytes:
    colours = (RED, GREEN, BLUE, RED)
    return heic([encoded(colour, TILE, TILE, corner=False) for colour in colours[:tiles]], grid=(2, 2, width, height))


def test_the_tiles_of_a_grid_lie_row_by_row_and_the_last_are_cut(tmp_path):
    picture = decode_picture(grid_file(), "a", MOST)
    assert picture.shape == (120, 100, 3) and corners(picture) == ["red", "green", "blue", "red"]
    assert [colour_at(picture, x, 10) for x in (TILE - 2, TILE + 1)] == ["red", "green"]
    assert np.abs(picture[10, 10].astype(int) - [0, 0, 200]).max() < 8
    (tmp_path / "a.heic").write_bytes(grid_file())
    assert frames_of(Photo(tmp_path / "a.heic"))[0].image.shape == (120, 100, 3)
    assert decode_picture(grid_file(), "a", MOST, gray=True).shape == (120, 100)


@pytest.mark.parametrize("damage", [{"tiles": 3}, {"width": 200}, {"height": 60}], ids=["few tiles", "gaps", "too many"])
def test_a_damaged_grid_is_told(damage):
    with pytest.raises(Trouble, match="a is a damaged picture"):
        decode_picture(grid_file(**damage), "a", MOST)


def test_a_large_picture_is_not_decoded():
    with pytest.raises(Trouble, match="a is too large a picture, 60000x60000 px"):
        decode_picture(grid_file(60_000, 60_000), "a", MOST)
    with pytest.raises(Trouble, match="damaged"):
        # The tile is larger than its file says.
        decode_picture(heic([encoded(RED, 256, 256, corner=False)], (16, 16)), "a", 10_000)


def test_no_damaged_file_ends_in_a_traceback():
    chance = random.Random(7)
    for whole in (one(box(b"irot", b"\1"), 1), grid_file()):
        head = whole.index(b"mdat")
        for _ in range(150):
            content = bytearray(whole)
            for _ in range(chance.choice([1, 4])):
                content[chance.randrange(head if chance.random() < 0.8 else len(content))] = chance.randrange(256)
            try:
                decode_picture(bytes(content[: chance.choice([None, None, chance.randrange(len(content))])]), "a", MOST)
            except Trouble as trouble:
                assert "\n" not in str(trouble)


def test_other_files_are_none():
    for content in (b"", b"\0\0\0\x18ftyp", one().replace(b"hvc1", b"av01"), b"\xff\xd8" + bytes(50)):
        assert read_heic(content) is None
