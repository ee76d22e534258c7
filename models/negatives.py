"""Pictures that are not a readable face: what the reject output learns from.

Few labelled ones exist (150 faces of FER2013 have more than five not-face votes). So they are made: drawn textures and shapes, and
backgrounds beside the faces of larger photos. `models.augment` spoils faces for the same purpose.
"""

import csv
import math
from pathlib import Path

import cv2
import numpy as np

from models.datasets import load_fer2013
from models.face_table import VOTED, is_held_out
from models.pictures import read_gray
from realtime.config import DetectorSettings
from realtime.faces.align import sample, similarity
from realtime.faces.detector import Detector
from realtime.faces.landmarks import PointPredictor
from realtime.sources.films import VideoFile
from realtime.values import CROP


def noise(draw: np.random.Generator) -> np.ndarray:
    """(48, 48) noise whose power falls with a random power of frequency, like sand or like clouds; natural pictures lie near 1/f."""
    frequency = np.hypot(np.fft.fftfreq(CROP)[:, None], np.fft.rfftfreq(CROP)[None, :])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(draw.standard_normal((CROP, CROP))) / frequency ** draw.uniform(0, 2.2)
    picture = np.fft.irfft2(spectrum, (CROP, CROP))
    return (picture - picture.mean()) / (picture.std() + 1e-9) * draw.uniform(10, 70) + draw.uniform(60, 190)


def waves(draw: np.random.Generator) -> np.ndarray:
    """(48, 48) stripes or checks, like blinds, bricks or tiles."""
    y, x = np.mgrid[:CROP, :CROP] / CROP
    picture = np.zeros((CROP, CROP))
    for _ in range(draw.integers(1, 3)):
        turn, cycles = draw.uniform(0, math.pi), draw.uniform(1, 12)
        picture += np.sin(2 * math.pi * (cycles * (x * math.cos(turn) + y * math.sin(turn)) + draw.uniform()))
    picture = np.sign(picture) if draw.uniform() < 0.5 else picture
    return picture * draw.uniform(15, 80) + draw.uniform(60, 190)


def shapes(draw: np.random.Generator) -> np.ndarray:
    """(48, 48) overlapping ellipses, boxes and lines on a grey slope, like furniture, lamps or windows."""
    y, x = np.mgrid[:CROP, :CROP] / CROP
    picture = draw.uniform(20, 230) + draw.uniform(-100, 100) * x + draw.uniform(-100, 100) * y
    picture = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
    for _ in range(draw.integers(1, 9)):
        a, b = ((int(v) for v in draw.integers(-8, CROP + 8, 2)) for _ in range(2))
        grey, kind = int(draw.integers(0, 256)), draw.integers(0, 3)
        size = tuple(int(v) for v in draw.integers(2, 22, 2))
        if kind == 0:
            cv2.ellipse(picture, tuple(a), size, float(draw.uniform(0, 180)), 0, 360, grey, int(draw.choice([-1, 2])))
        elif kind == 1:
            corner = tuple(a)
            cv2.rectangle(picture, corner, (corner[0] + size[0], corner[1] + size[1]), grey, -1)
        else:
            cv2.line(picture, tuple(a), tuple(b), grey, int(draw.integers(1, 6)))
    return picture + draw.standard_normal((CROP, CROP)) * draw.uniform(0, 12)


def textures(n: int, draw: np.random.Generator) -> np.ndarray:
    """(n, 48, 48) uint8 drawn pictures, a third of each kind."""
    kinds = (noise, waves, shapes)
    return np.stack([kinds[i % 3](draw).clip(0, 255).astype(np.uint8) for i in range(n)])


def backgrounds(folder: Path, n: int, draw: np.random.Generator) -> np.ndarray:
    """(n, 48, 48) uint8 squares from the photos of faces_wild that show at most the rim of the face in the middle."""
    with (Path(folder) / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["image"] for row in rows if not is_held_out(row["person"])]
    squares: list[np.ndarray] = []
    while len(squares) < n:
        name = names[draw.integers(len(names))]
        gray = read_gray(Path(folder) / name)
        height, width = gray.shape
        side = int(min(height, width) * draw.uniform(0.15, 0.45))
        top, left = int(draw.integers(0, height - side)), int(draw.integers(0, width - side))
        # The face fills about the middle half of these photos.
        overlap = [max(0, min(at + side, 0.78 * length) - max(at, 0.22 * length)) for at, length in ((top, height), (left, width))]
        if overlap[0] * overlap[1] < 0.12 * side * side:
            squares.append(cv2.resize(gray[top : top + side, left : left + side], (CROP, CROP), interpolation=cv2.INTER_AREA))
    return np.stack(squares)


TEXTURES, BACKGROUNDS = 1000, 1800
"""Drawn pictures, and squares beside the faces of photos, in the scenery."""


def read_scenery(fer2013: Path, wild: Path) -> np.ndarray:
    """(n, 48, 48) uint8 pictures without a face: those that annotators of FER2013 called no face, drawn textures, and backgrounds."""
    faces = load_fer2013(fer2013, "train")
    without_face = faces.pixels[(faces.votes[:, VOTED.index("not_face")] > 5) & (faces.near_copy_in == "")]
    draw = np.random.default_rng(0)
    return np.concatenate([without_face, textures(TEXTURES, draw), backgrounds(wild, BACKGROUNDS, draw)])


UNSEEN = ("scrambled", "text", "two_halves", "ornament")
"""Kinds of pictures that training never makes: the reject output is scored on these."""


def unseen(faces: np.ndarray, draw: np.random.Generator, n: int = 300) -> dict[str, np.ndarray]:
    """(n, 48, 48) uint8 pictures of each kind in `UNSEEN`.

    A scrambled face has its sixteen squares in another order. Two halves are parts of two faces side by side, as in a box that lies
    between two people. Text and ornament are drawn.

    Args:
        faces: (m, 48, 48) uint8 real faces to spoil.
        draw: the source of random numbers.
        n: pictures of each kind.
    """

    def scrambled(face: np.ndarray) -> np.ndarray:
        squares = face.reshape(4, CROP // 4, 4, CROP // 4).transpose(0, 2, 1, 3).reshape(16, CROP // 4, CROP // 4)
        mixed = squares[draw.permutation(16)].reshape(4, 4, CROP // 4, CROP // 4)
        return mixed.transpose(0, 2, 1, 3).reshape(CROP, CROP)

    def text() -> np.ndarray:
        paper, ink = (int(v) for v in draw.choice([10, 60, 110, 160, 210, 250], 2, replace=False))
        page = np.full((CROP, CROP), paper, np.uint8)
        size = draw.uniform(0.25, 0.9)
        for line in np.arange(draw.uniform(0, 10), CROP + 20, 32 * size):
            letters = "".join(chr(int(c)) for c in draw.integers(65, 123, 12))
            cv2.putText(page, letters, (-5, int(line)), cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
        return page

    def two_halves(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.hstack([one[:, CROP // 2 :], other[:, : CROP // 2]])

    def ornament() -> np.ndarray:
        corner = noise(draw)[: CROP // 2, : CROP // 2]
        turned = (corner + corner.T) / 2
        half = np.hstack([turned, turned[:, ::-1]])
        return np.vstack([half, half[::-1]]).clip(0, 255).astype(np.uint8)

    one, other = (faces[draw.integers(len(faces), size=n)] for _ in range(2))
    return {
        "scrambled": np.stack([scrambled(face) for face in one]),
        "text": np.stack([text() for _ in range(n)]),
        "two_halves": np.stack([two_halves(a, b) for a, b in zip(one, other, strict=True)]),
        "ornament": np.stack([ornament() for _ in range(n)]),
    }


def false_alarms(film: Path, threshold: float = -0.9, every: int = 10) -> np.ndarray:
    """(n, 48, 48) uint8: what the detector, at a far too low threshold, takes for faces in a film or picture without any.

    Args:
        film: video or picture file; it must show no face.
        threshold: of the detector's score; the program itself uses 0.
        every: frames between two that are searched.
    """
    detector = Detector(DetectorSettings(enlarge=1.0, threshold=threshold))
    predictor = PointPredictor()
    crops = []
    with VideoFile(film) as source:
        for number, frame in enumerate(source):
            if number % every == 0:
                gray = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
                crops += [sample(gray, similarity(predictor.points(gray, box))) for box in detector.find(gray, 480)]
    return np.array(crops, np.uint8).reshape(-1, CROP, CROP)
