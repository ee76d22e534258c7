"""Covers a part of a face in a picture, as people do: for training."""

import cv2
import numpy as np

from models.face_mesh import CHIN, FOREHEAD, LEFT_EYE, RIGHT_EYE, UPPER_LIP
from models.turning import Head


def covered(gray: np.ndarray, head: Head, draw: np.random.Generator) -> np.ndarray:
    """The picture with dark glasses, a cap down to the brows, or something before the mouth."""
    gray, mesh = gray.copy(), head.mesh[:, :2]
    eyes = mesh[[LEFT_EYE, RIGHT_EYE]]
    across = eyes[1] - eyes[0]
    apart = float(np.linalg.norm(across))
    degrees = float(np.degrees(np.arctan2(across[1], across[0])))
    tone = int(draw.uniform(0, 90) if draw.random() < 0.8 else draw.uniform(90, 230))
    what = draw.choice(["glasses", "cap", "mouth"], p=[0.5, 0.25, 0.25])
    if what == "glasses":
        for eye, towards in ((eyes[0], across), (eyes[1], -across)):
            lens = apart * draw.uniform(0.22, 0.32), apart * draw.uniform(0.14, 0.24)
            _ellipse(gray, eye + towards * draw.uniform(0.15, 0.22), lens, degrees, tone)
        cv2.line(gray, _pixel(eyes[0]), _pixel(eyes[1]), tone, max(1, int(apart * 0.05)), cv2.LINE_AA)
    elif what == "cap":
        up = mesh[FOREHEAD] - mesh[CHIN]
        up = up / np.linalg.norm(up) * apart
        side = np.array([-up[1], up[0]])
        low = mesh[[70, 300]].mean(0) + up * draw.uniform(0.05, 0.45)
        rim = np.array([low - 1.1 * side, low + 1.1 * side, low + 0.9 * side + 1.3 * up, low - 0.9 * side + 1.3 * up])
        cv2.fillConvexPoly(gray, rim.astype(np.int32), tone, cv2.LINE_AA)
    else:
        size = apart * draw.uniform(0.3, 0.6), apart * draw.uniform(0.2, 0.4)
        place = mesh[UPPER_LIP] + draw.normal(0, 0.15, 2) * apart
        _ellipse(gray, place, size, draw.uniform(0, 180), int(draw.uniform(40, 220)))
    return cv2.GaussianBlur(gray, (0, 0), max(0.3, apart * 0.01))


def _pixel(place: np.ndarray) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))


def _ellipse(gray: np.ndarray, middle: np.ndarray, axes: tuple[float, float], degrees: float, tone: int) -> None:
    cv2.ellipse(gray, _pixel(middle), (round(axes[0]), round(axes[1])), degrees, 0, 360, tone, -1, cv2.LINE_AA)
