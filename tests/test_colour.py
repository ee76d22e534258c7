from fractions import Fraction

import av
import numpy as np
import pytest

from realtime.config import RecorderSettings
from realtime.recording.video import VideoWriter
from realtime.sources.colour import BT601, BT709, BgrConverter, conversion_threads, usual_matrix

RED_709, RED_601, RED_FULL_601 = (63, 102, 240), (81, 90, 240), (76, 85, 255)
"""Y, Cb and Cr of pure red: by BT.709 and BT.601 in the limited range, and by BT.601 in the full range (ITU-R BT.709, BT.601, JFIF)."""
UNTAGGED, LIMITED, FULL = 0, 1, 2


def picture(yuv, size_wh, matrix=2, colour_range=UNTAGGED, form="yuv420p", transfer=2):
    """A picture of one colour, tagged with FFmpeg's numbers (2 and 0: not tagged)."""
    width, height = size_wh
    planes = [np.full(height * width, yuv[0]), np.full(height * width // 4, yuv[1]), np.full(height * width // 4, yuv[2])]
    kind = np.uint16 if form.endswith("10le") else np.uint8
    frame = av.VideoFrame.from_ndarray(np.concatenate(planes).astype(kind).reshape(height * 3 // 2, width), format=form)
    frame.colorspace, frame.color_range, frame.color_trc = matrix, colour_range, transfer
    return frame


def colour(frame) -> list[int]:
    image = BgrConverter().convert(frame, (frame.width, frame.height))
    assert image.shape == (frame.height, frame.width, 3)
    return image[4, 4].tolist()


SD, HD = (640, 480), (1280, 720)


@pytest.mark.parametrize(
    "frame",
    [
        picture(RED_709, HD),
        picture(RED_601, SD),
        picture(RED_709, HD, 1, LIMITED),
        picture(RED_709, SD, 1, LIMITED),
        picture(RED_601, HD, 5, LIMITED),
        picture(RED_601, HD, 6, LIMITED),
        picture(RED_601, SD, 5),
        picture(RED_FULL_601, SD, 5, FULL),
        picture(RED_FULL_601, SD, 2, UNTAGGED, "yuvj420p"),
        picture(tuple(4 * v for v in RED_709), HD, 1, LIMITED, "yuv420p10le"),
    ],
    ids=["HD", "SD", "HD 709", "SD 709", "HD 601", "HD 170M", "SD without range", "full", "JPEG", "10 bit"],
)
def test_red_is_red(frame):
    assert colour(frame) == pytest.approx([0, 0, 255], abs=4)


def test_white_and_black_keep_their_ends():
    assert colour(picture((235, 128, 128), SD)) == [255, 255, 255]
    assert colour(picture((16, 128, 128), HD)) == [0, 0, 0]
    assert colour(picture((235, 128, 128), SD, colour_range=FULL)) == pytest.approx([235] * 3, abs=1)


@pytest.mark.parametrize("form", ["rgb24", "bgr24", "gray"])
def test_pictures_that_are_not_yuv_keep_their_values(form):
    image = np.full((48, 64) if form == "gray" else (48, 64, 3), 200, np.uint8)
    assert colour(av.VideoFrame.from_ndarray(image, format=form)) == [200, 200, 200]


@pytest.mark.parametrize(("transfer", "signal"), [(18, 0.75), (16, 0.58)], ids=["HLG", "PQ"])
def test_hdr_is_shown_on_ordinary_screens(transfer, signal):
    """White paper has 203 candelas per square metre (ITU-R BT.2408): 75 % of HLG's signal and 58 % of PQ's. Untouched it would be gray."""
    converter = BgrConverter()

    def gray(share: float, converter: BgrConverter) -> int:
        frame = picture((round(64 + share * 876), 512, 512), (64, 48), 9, LIMITED, "yuv420p10le", transfer)
        frame.color_primaries = 9
        return int(converter.convert(frame, (64, 48)).mean())

    assert gray(signal, converter) > 255 * signal + 15
    assert gray(0.0, converter) < 5
    # In live streams the tables, which take seconds, are not made.
    assert gray(signal, BgrConverter(maps_hdr=False)) == pytest.approx(255 * signal, abs=2)


def test_the_usual_matrix_changes_above_576_rows():
    assert [usual_matrix(size) for size in ((720, 576), (640, 480), (1280, 720), (1280, 544), (720, 1280))] == [
        BT601,
        BT601,
        BT709,
        BT709,
        BT709,
    ]


@pytest.mark.parametrize(("size_wh", "red", "matrix"), [(SD, RED_601, 6), (HD, RED_709, 1)], ids=["SD", "HD"])
def test_a_recording_says_how_its_colours_are_meant_and_keeps_them(tmp_path, size_wh, red, matrix):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    image[:, :, 2] = 255
    writer = VideoWriter(tmp_path / "film.mp4", RecorderSettings())
    writer.write(image, 0.0)
    writer.write(image, 0.04)
    writer.close()
    with av.open(str(tmp_path / "film.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (matrix, LIMITED, 1, 1)
    assert [np.frombuffer(plane, np.uint8)[0] for plane in frame.planes] == pytest.approx(red, abs=2)
    assert frame.time_base == Fraction(1, 90_000)


def test_only_large_pictures_are_converted_by_several_threads():
    assert conversion_threads((640, 480)) == 1
    assert conversion_threads((1280, 720)) == 1
    # As many as libswscale wants.
    assert conversion_threads((1920, 1080)) == 0
