"""Measures whether a face keeps its track while its head leans, turns, nods, is half covered, and goes.

    python tests/benchmarks/following.py PHOTO_OR_FOLDER ... [--most 40] [--model nano] [--mesh face_landmark.tflite]

Each photo of one face becomes short films of 30 frames a second, in which the face is moved by warping: it leans by 45 degrees to both
sides, turns by 60 degrees, nods by 30 degrees (both as if it were painted on a cylinder), is covered from below to its nose for a second,
and vanishes from one frame to the next. With `--mesh` it also turns by 60 degrees and nods by 30 as a head with a nose does
(`models/turning.py`). Of faces_wild beside its labels.csv only people are taken whom no model learned from; photos whose
face the detector does not find are left out.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from finding import photo_files

from models.face_mesh import FaceMesh
from models.turning import Head, turned_in_depth
from realtime.base.geometry import box_around, width
from realtime.config import ClassifierSettings, DetectorSettings, Settings, model_file
from realtime.faces.detector import Detector
from realtime.faces.landmarks import PointPredictor
from realtime.pipeline import build_pipeline, fresh
from realtime.values import Box, Frame

RATE = 30.0
WH = (640, 480)
FACE_PX = 140
"""Width of a face in the films."""
MIDDLE = np.array([WH[0] / 2, WH[1] / 2])

Motion = Callable[[np.ndarray, float], np.ndarray]
"""The picture (h, w, 3) with a face in its middle, as it looks at the time t of 0 to 4 s."""


def swing(t: float) -> float:
    """-1 to 1: to one side and back, then to the other."""
    return math.sin(2 * math.pi * t / 4)


def leaning(picture: np.ndarray, t: float) -> np.ndarray:
    turn = cv2.getRotationMatrix2D(tuple(MIDDLE), 45 * swing(t), 1.0)
    return cv2.warpAffine(picture, turn, WH, borderMode=cv2.BORDER_REPLICATE)


def rolled(picture: np.ndarray, degrees: float, axis: int) -> np.ndarray:
    """The picture with the head's part turned like a cylinder about the vertical (axis 0) or the horizontal (axis 1)."""
    radius = 0.8 * FACE_PX
    x, y = np.meshgrid(np.arange(WH[0], dtype=np.float32), np.arange(WH[1], dtype=np.float32))
    maps = [x, y]
    across = maps[axis] - MIDDLE[axis]
    angle = np.arcsin(np.clip(across / radius, -1, 1)) - math.radians(degrees)
    on_head = (np.abs(across) < radius) & (np.abs(angle) < math.pi / 2)
    maps[axis] = np.where(on_head, MIDDLE[axis] + radius * np.sin(angle), maps[axis]).astype(np.float32)
    return cv2.remap(picture, maps[0], maps[1], cv2.INTER_LINEAR)


def turning(picture: np.ndarray, t: float) -> np.ndarray:
    return rolled(picture, 60 * swing(t), 0)


def nodding(picture: np.ndarray, t: float) -> np.ndarray:
    return rolled(picture, 30 * swing(t), 1)


def half_covered(picture: np.ndarray, t: float) -> np.ndarray:
    """A brown rectangle rises to the nose, stays for a second, and sinks."""
    covered = picture.copy()
    share = min(1.0, max(0.0, min(t - 0.5, 3.5 - t)))
    top = round(MIDDLE[1] + 0.6 * FACE_PX - 0.5 * FACE_PX * share)
    left, right = round(MIDDLE[0] - 0.45 * FACE_PX), round(MIDDLE[0] + 0.45 * FACE_PX)
    covered[top : round(MIDDLE[1] + 0.6 * FACE_PX), left:right] = (60, 80, 120)
    return covered


def vanishing(picture: np.ndarray, t: float) -> np.ndarray:
    """From 2 s on the face's place shows what lies beside it."""
    if t < 2:
        return picture
    size = round(1.3 * FACE_PX)
    x, y = round(MIDDLE[0] - size / 2), round(MIDDLE[1] - size / 2)
    gone = picture.copy()
    gone[y : y + size, x : x + size] = picture[:size, :size]
    return gone


class InDepth:
    """Turns heads by their mesh. The films are gray."""

    def __init__(self, mesh: FaceMesh):
        self._mesh = mesh
        self._predictor = PointPredictor()

    def motions(self) -> dict[str, Motion]:
        """The two further motions by name."""
        return {
            "turns in depth": lambda picture, t: self._posed(picture, 60 * swing(t), 0),
            "nods in depth": lambda picture, t: self._posed(picture, 0, 30 * swing(t)),
        }

    def _posed(self, picture: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        five = self._predictor.points(gray, Box(*(MIDDLE - FACE_PX / 2), *(MIDDLE + FACE_PX / 2)))
        five = self._predictor.points(gray, box_around(five))
        mesh, _ = self._mesh.points_in(gray, five)
        return cv2.cvtColor(turned_in_depth(gray, Head(mesh, width(box_around(five))), yaw, pitch)[0], cv2.COLOR_GRAY2BGR)


MOTIONS: dict[str, Motion] = {"leans": leaning, "turns": turning, "nods": nodding, "half covered": half_covered, "vanishes": vanishing}


@dataclass(frozen=True)
class Outcome:
    """What became of a face.

    Attributes:
        ids: number of ids near it.
        lost_s: longest time without it, in s, after it was first found.
        after_s: time in s that it was shown after it vanished.
        elsewhere: readings far from it.
    """

    ids: int
    lost_s: float
    after_s: float
    elsewhere: int


def film(picture: np.ndarray, motion: Motion) -> Iterator[Frame]:
    for index in range(round(4 * RATE)):
        yield Frame(motion(picture, index / RATE), index / RATE, index)


def outcome(frames: Iterator[Frame], pipeline, vanishes: bool) -> Outcome:
    ids, lost, longest, after, elsewhere, seen = set(), 0.0, 0.0, 0.0, 0, False
    for frame in frames:
        boxes = [(reading.face.box, reading.face.id) for reading in pipeline.read(frame)]
        near = [id for box, id in boxes if is_in_middle(box)]
        elsewhere += len(boxes) - len(near)
        ids |= set(near)
        seen = seen or bool(near)
        if vanishes and frame.t >= 2:
            after = frame.t - 2 + 1 / RATE if near else after
        elif seen:
            lost = 0.0 if near else lost + 1 / RATE
            longest = max(longest, lost)
    return Outcome(len(ids), longest if seen else 4.0, after, elsewhere)


def is_in_middle(box: Box) -> bool:
    return math.hypot(*(np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2 - MIDDLE)) < FACE_PX


def scene(path: Path, detector: Detector) -> np.ndarray | None:
    """The photo with its face in the middle of the film's picture, `FACE_PX` wide; None if not exactly one face is found."""
    photo = cv2.imread(str(path))
    boxes = [] if photo is None else detector.find(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), 480)
    if len(boxes) != 1:
        return None
    [box] = boxes
    scale = FACE_PX / width(box)
    x, y = MIDDLE - scale * np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2
    return cv2.warpAffine(photo, np.array([[scale, 0, x], [0, scale, y]]), WH, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=40, help="photos of a folder at most")
    parser.add_argument("--model", default="emotion")
    parser.add_argument("--mesh", type=Path, help="the file face_landmark.tflite of mediapipe 0.10.21")
    args = parser.parse_args()
    motions = MOTIONS | (InDepth(FaceMesh(args.mesh)).motions() if args.mesh else {})
    detector = Detector(DetectorSettings())
    files = [file for place in args.places for file in (photo_files(place, args.most) if place.is_dir() else [place])]
    scenes = [picture for picture in (scene(file, detector) for file in files) if picture is not None]
    if not scenes:
        parser.error(f"in {len(files)} files no photo with exactly one face was found: give photos or a folder of photos")
    settings = Settings(classifier=ClassifierSettings(model=model_file(args.model)))
    pipeline = build_pipeline(settings, time.perf_counter)
    print(f"{args.model}, {len(scenes)} faces")
    for name, motion in motions.items():
        all_of = [outcome(film(picture, motion), fresh(pipeline, settings), motion is vanishing) for picture in scenes]
        kept = sum(one.ids == 1 and one.lost_s <= 0.3 for one in all_of)
        line = (
            f"{name}: one id and never lost for more than 0.3 s {kept} of {len(all_of)}; longest {max(one.lost_s for one in all_of):.2f} s"
        )
        if motion is vanishing:
            line += f"; ended within 0.5 s {sum(one.after_s <= 0.5 for one in all_of)}, latest {max(one.after_s for one in all_of):.2f} s"
        print(f"{line}; readings elsewhere {sum(one.elsewhere for one in all_of)}", flush=True)


if __name__ == "__main__":
    main()
