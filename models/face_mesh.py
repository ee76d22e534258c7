"""The face mesh of MediaPipe (Google, Apache-2.0): 468 points of a face. It only says where to move faces for training; it does not ship.

The file `mediapipe/modules/face_landmark/face_landmark.tflite` lies in the PyPI package `mediapipe` 0.10.21. The package need not be
installed: `pip download --no-deps mediapipe==0.10.21`, and unpack the wheel, which is a zip file.
"""

import hashlib
import math
from pathlib import Path

import cv2
import numpy as np

from realtime.base.errors import Trouble
from realtime.base.silence import quiet
from realtime.base.tflite import interpreter_class
from realtime.faces.align import similarity
from realtime.faces.tilt import joined, transform
from realtime.values import CHIP, CROP

SHA256 = "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
SIDE = 192
"""Pixels: the width and height of the picture that the network takes."""

SURROUNDINGS = 1.35
"""How many chips wide that picture is: the network expects a face with a margin."""

POINTS = 468
NOSE_TIP, LEFT_CHEEK, RIGHT_CHEEK = 1, 234, 454
"""Points of the mesh; left and right are those of the picture."""

LEFT_EYE, RIGHT_EYE, UPPER_LIP, LOWER_LIP = 33, 263, 13, 14
"""Outer corners of the eyes, and the middles of the lips' inner edges."""

FOREHEAD, CHIN = 10, 152
"""The highest and the lowest point."""


class FaceMesh:
    """The network on one thread.

    Raises:
        Trouble: the file is missing or another one.
    """

    def __init__(self, path: Path):
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
            raise Trouble(
                f"{path} is not the face mesh of mediapipe 0.10.21 (looked for a file with the sha256 {SHA256[:12]}...): "
                "run `pip download --no-deps mediapipe==0.10.21`, unpack the wheel and give its face_landmark.tflite"
            )
        with quiet():
            self._network = interpreter_class()[0](model_path=str(path), num_threads=1)
            self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._network.get_output_details()]
        scale = SIDE / (CHIP * SURROUNDINGS)
        margin = (SIDE - CHIP * scale) / 2
        self._placement = np.array([[scale, 0, margin], [0, scale, margin]])

    def points(self, chip: np.ndarray) -> tuple[np.ndarray, float]:
        """The points (468, 2) in pixels of a (64, 64) uint8 chip, and how sure the network is that it sees a face (a logit)."""
        points, score = self._seen(chip, self._placement, cv2.INTER_CUBIC)
        return points[:, :2], score

    def points_in(self, gray: np.ndarray, five: np.ndarray) -> tuple[np.ndarray, float]:
        """The same of a face with these five points (5, 2) in a picture (h, w) uint8, with depths: (468, 3) in pixels, and the logit."""
        to_chip = similarity(five) * (CHIP / CROP)
        return self._seen(gray, joined(to_chip, self._placement), cv2.INTER_AREA)

    def _seen(self, gray: np.ndarray, placement: np.ndarray, interpolation: int) -> tuple[np.ndarray, float]:
        """Points (468, 3) and logit of a picture that a (2, 3) similarity brings into the network's input."""
        large = cv2.warpAffine(gray, placement, (SIDE, SIDE), flags=interpolation, borderMode=cv2.BORDER_REPLICATE)
        self._network.set_tensor(self._input, np.repeat(large[None, :, :, None], 3, 3).astype(np.float32) / 255)
        self._network.invoke()
        points, score = (self._network.get_tensor(output) for output in self._outputs)
        points, back = points.reshape(-1, 3), cv2.invertAffineTransform(placement)
        depths = points[:, 2:] * math.hypot(back[0, 0], back[1, 0])
        return np.hstack([transform(points[:, :2], back), depths]), float(score.ravel()[0])
