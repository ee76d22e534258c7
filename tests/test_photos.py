import cv2
import numpy as np
import pytest
from source_fakes import frames_of

from realtime.base.errors import Trouble
from realtime.sources.photos import Photo


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
