import os
import random
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from source_fakes import frames_of

from realtime.base.errors import Trouble
from realtime.sources import photos
from realtime.sources.photos import Photo, decode_picture
from realtime.sources.picture_header import first_picture, picture_size

PICTURE = np.full((33, 70, 3), 90, np.uint8)


def encoded(suffix: str, picture: np.ndarray = PICTURE) -> bytes:
    done, content = cv2.imencode(suffix, picture)
    assert done
    return content.tobytes()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_photos_of_unusual_sizes_and_formats(tmp_path, suffix):
    for name, picture in {
        "odd": np.full((33, 7, 3), 90, np.uint8),
        "gray": np.full((20, 30), 90, np.uint8),
        "one": np.full((1, 1, 3), 90, np.uint8),
        **({"alpha": np.full((9, 9, 4), 90, np.uint8), "deep": np.full((9, 9), 90 * 257, np.uint16)} if suffix == ".png" else {}),
    }.items():
        path = tmp_path / (name + suffix)
        assert cv2.imwrite(str(path), picture)
        [frame] = frames_of(Photo(path))
        assert frame.image.shape == (*picture.shape[:2], 3)
        assert frame.image.dtype == np.uint8
        assert abs(float(frame.image.mean()) - 90) < 3


def test_a_photo_is_turned_upright_by_its_exif(tmp_path):
    _, content = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))
    # Orientation 6: the top of the picture is at the right.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path = tmp_path / "turned.jpg"
    path.write_bytes(content.tobytes()[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content.tobytes()[2:])
    assert frames_of(Photo(path))[0].image.shape == (40, 20, 3)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_damaged_photo_raises_trouble(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(Trouble, match="is not a picture"):
        frames_of(Photo(path))


def test_a_missing_photo_raises_trouble(tmp_path):
    with pytest.raises(Trouble, match="no such file"):
        frames_of(Photo(tmp_path / "nothing.png"))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".webp", ".tif", ".bmp", ".ppm", ".pgm", ".pbm", ".avif"])
def test_the_size_is_known_before_a_picture_is_decoded(suffix):
    picture = PICTURE if suffix not in (".pgm", ".pbm") else PICTURE[:, :, 0]
    assert picture_size(encoded(suffix, picture)) == (70, 33)
    assert decode_picture(encoded(suffix, picture), "a", 70 * 33).shape == (33, 70, 3)
    with pytest.raises(Trouble, match="a is too large a picture, 70x33 px"):
        decode_picture(encoded(suffix, picture), "a", 70 * 33 - 1)


def test_the_size_of_other_headers_of_these_formats():
    assert picture_size(encoded(".jpg").replace(b"\xff\xd8", b"\xff\xd8\xff\xff\xff\xe1\0\4ab", 1)) == (70, 33)
    alpha = cv2.imencode(".webp", np.dstack([PICTURE, PICTURE[:, :, 0]]), [cv2.IMWRITE_WEBP_QUALITY, 50])[1].tobytes()
    lossless = cv2.imencode(".webp", PICTURE, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert (alpha[12:16], lossless[12:16]) == (b"VP8X", b"VP8L")
    assert picture_size(alpha) == picture_size(lossless) == (70, 33)
    assert picture_size(b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 70, 33, 1, 24)) == (70, 33)
    big_tiff = b"MM\0\x2b\0\x08\0\0" + struct.pack(">QQ", 16, 2) + struct.pack(">HHQQHHQHHHH", 256, 3, 1, 70 << 48, 257, 3, 1, 33, 0, 0, 0)
    assert picture_size(big_tiff) == (70, 33)
    assert picture_size(b"P6\n# a comment\n70 #\n33\n255\n") == (70, 33)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".webp", ".tif", ".bmp", ".ppm", ".avif"])
def test_no_damaged_picture_ends_in_a_traceback(suffix):
    chance, whole = random.Random(5), encoded(suffix)
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 4])):
            content[chance.randrange(len(content) if chance.random() < 0.5 else min(60, len(content)))] = chance.randrange(256)
        try:
            decode_picture(bytes(content[: chance.choice([None, None, chance.randrange(len(content))])]), "a", 10_000)
        except Trouble as trouble:
            assert "\n" not in str(trouble)


def test_a_kilobyte_that_stands_for_gigabytes_is_not_decoded(tmp_path):
    head = struct.pack("<2sIHHI", b"BM", 2000, 0, 0, 1078) + struct.pack("<IiiHHIIiiII", 40, 30_000, -30_000, 1, 8, 1, 100, 0, 0, 256, 0)
    jpeg = bytearray(encoded(".jpg"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    for name, content, size in (("a.bmp", head + bytes(1026), "30000x30000"), ("a.jpg", bytes(jpeg), "65500x65500")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Trouble, match=f"too large a picture, {size} px; 110 megapixels are the most"):
            frames_of(Photo(tmp_path / name))


def test_compressed_texts_of_a_png_are_not_inflated():
    whole = encoded(".png")
    text = b"key\0\0" + zlib.compress(b"a" * 10_000_000)
    bomb = whole[:33] + png_chunk(b"zTXt", text) + png_chunk(b"iCCP", text) + png_chunk(b"acTL", bytes(8)) + whole[33:]
    assert first_picture(bomb) == whole
    assert (decode_picture(bomb, "a", 10_000) == PICTURE).all()


def test_a_chunk_of_a_png_that_claims_gigabytes_does_not_reach_the_decoder():
    whole = encoded(".png")
    at = whole.index(b"IDAT") - 4
    claims = whole[:at] + b"\xff\0\0\0" + whole[at + 4 :]
    assert first_picture(claims) == whole[:at]
    with pytest.raises(Trouble, match="is damaged"):
        decode_picture(claims, "a", 10_000)


def test_only_the_first_picture_of_an_animated_gif_is_decoded():
    animation = cv2.Animation()
    animation.frames = [np.full((33, 70, 3), shade, np.uint8) for shade in (30, 120, 210)]
    animation.durations = [100] * 3
    content = cv2.imencodeanimation(".gif", animation)[1].tobytes()
    first = first_picture(content)
    assert len(first) < len(content)
    assert decode_picture(content, "a", 10_000).mean() == pytest.approx(30, abs=3)
    assert len(cv2.imdecodeanimation(np.frombuffer(first, np.uint8))[1].frames) == 1


@pytest.mark.timeout(10)
def test_what_is_no_regular_file_or_too_large_is_not_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(Trouble, match="it is no regular file"):
            frames_of(Photo(path))
    monkeypatch.setattr(photos, "MOST_BYTES", 100)
    (tmp_path / "a.bmp").write_bytes(encoded(".bmp"))
    with pytest.raises(Trouble, match="more than 100 bytes"):
        frames_of(Photo(tmp_path / "a.bmp"))
