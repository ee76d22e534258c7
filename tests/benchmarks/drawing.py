"""How long the window's drawing takes, without the copy of the picture: medians over many frames, in milliseconds of processor time.

python tests/benchmarks/drawing.py
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes import a_reading  # noqa: E402

from realtime.base.geometry import scale_box  # noqa: E402
from realtime.drawing.bar import Bar, place_buttons  # noqa: E402
from realtime.drawing.draw import draw, unit_of  # noqa: E402
from realtime.drawing.history import LabelHistory  # noqa: E402
from realtime.drawing.hud import Hud  # noqa: E402
from realtime.drawing.layout import area_of  # noqa: E402
from realtime.values import LABELS, Box, Reading  # noqa: E402

FRAMES = 300


def faces(count: int, factor: float, shift: float) -> list[Reading]:
    """Faces side by side that move and change a little, as faces do."""
    side = 180 if count < 3 else 70
    readings = []
    for i in range(count):
        box = scale_box(Box(40 + i * (side + 40) + shift, 180, 40 + i * (side + 40) + side + 1.5 * shift, 180 + side), factor)
        reading = a_reading(LABELS[i % 7], box)
        readings.append(replace(reading, face=replace(reading.face, id=i + 1), confidence=0.6 + shift / 30))
    return readings


def main() -> None:
    cv2.setNumThreads(1)
    for width, height in ((640, 480), (1920, 1080)):
        image = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
        for count, with_bar in ((1, False), (1, True), (2, False), (2, True), (5, False), (5, True)):
            history, times = LabelHistory(), []
            areas = [area_of(reading.face.box) for reading in faces(count, height / 480, 0)]
            bar = Bar(place_buttons((width, height), unit_of(image), areas), frozenset(["record"]), "mirror") if with_bar else None
            for i in range(FRAMES):
                readings = faces(count, height / 480, i % 10)
                hud = Hud(25 + i % 5, 20 + i % 17, strip=history.update(i / 30, readings), bar=bar)
                picture = image.copy()
                start = time.thread_time()
                draw(picture, readings, hud)
                times.append((time.thread_time() - start) * 1000)
            name = f"{width}x{height}, {count} faces{', the bar' if with_bar else ''}"
            print(f"{name}: median {np.median(times):.2f} ms, 95 % below {np.quantile(times, 0.95):.2f} ms")


if __name__ == "__main__":
    main()
