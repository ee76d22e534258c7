"""What the face mesh says of brows and lips, and by these signs, which faces each expression is measured on.

In many angry faces of FER2013 no brow is lowered, and most with lowered brows show their teeth. So only those faces are chosen that have
the signs of an expression, each kind by itself: brows raised or lowered, corners of the mouth lowered, lips pressed or apart (action units
1, 4, 15, 24 and 25 of Ekman and Friesen 1978).
"""

from dataclasses import dataclass

import numpy as np

from models.face_mesh import LEFT_EYE, LOWER_LIP, RIGHT_EYE, UPPER_LIP

BROWS = ((65, 133), (295, 362))
"""The lower edge of each brow, and the inner corner of the eye below it."""

CORNERS, LIPS = (61, 291), (0, 17)
"""The corners of the mouth; the upper edge of the upper lip and the lower edge of the lower lip."""

ANY = (0.0, 1.0)


@dataclass(frozen=True)
class Signs:
    """Signs of n faces, each (n,), in distances of the eyes.

    Attributes:
        apart: how far apart the lips are.
        brows: how high the brows are above the eyes.
        corners: how far the corners of the mouth lie below its middle.
        lips: how high the mouth is, both lips with what is between.
    """

    apart: np.ndarray
    brows: np.ndarray
    corners: np.ndarray
    lips: np.ndarray


def signs_of(points: np.ndarray) -> Signs:
    """The signs of faces with points (n, 468, 2)."""
    eyes = np.linalg.norm(points[:, LEFT_EYE] - points[:, RIGHT_EYE], axis=1)
    y = points[:, :, 1]
    apart, lips = (np.linalg.norm(points[:, above] - points[:, below], axis=1) for above, below in ((UPPER_LIP, LOWER_LIP), LIPS))
    brows = np.mean([y[:, eye] - y[:, brow] for brow, eye in BROWS], 0)
    corners = y[:, CORNERS].mean(1) - y[:, (UPPER_LIP, LOWER_LIP)].mean(1)
    return Signs(apart / eyes, brows / eyes, corners / eyes, lips / eyes)


@dataclass(frozen=True)
class Kind:
    """Faces of one expression that have the same signs.

    Attributes:
        expression: its name.
        apart: how far apart the lips are, from and up to, in distances of the eyes.
        scale: what a strength of 1 is, in parts of what is measured: smiles of FER2013 are broad, its sad faces faint. Chosen by eye.
        share: how often a face of this kind is drawn.
        brows, corners, lips: the other signs, from and up to, as the share of plainly neutral faces in which a sign is smaller.
    """

    expression: str
    apart: tuple[float, float]
    scale: float
    share: float
    brows: tuple[float, float] = ANY
    corners: tuple[float, float] = ANY
    lips: tuple[float, float] = ANY

    def has(self, faces: Signs, neutral: Signs) -> np.ndarray:
        """(n,) bool: which of n faces have the signs, beside those of plainly neutral faces."""
        found = (self.apart[0] <= faces.apart) & (faces.apart < self.apart[1])
        for name in ("brows", "corners", "lips"):
            (low, high), share = getattr(self, name), shares_below(getattr(faces, name), getattr(neutral, name))
            found &= (low <= share) & (share <= high)
        return found


def shares_below(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """(n,): the share of numbers (k,) that are smaller than each value (n,)."""
    return np.searchsorted(np.sort(among), values) / len(among)


KINDS = {
    "anger, lips closed": Kind("anger", (0, 0.05), 4.5, 0.17, brows=(0, 0.25), lips=(0, 0.5)),
    "anger, teeth": Kind("anger", (0.05, 0.3), 1.6, 0.06, brows=(0, 0.25)),
    "sadness, brows raised": Kind("sadness", (0, 0.05), 4.5, 0.12, brows=(0.6, 1)),
    "sadness, corners lowered": Kind("sadness", (0, 0.05), 3.5, 0.12, corners=(0.7, 1)),
    "fear, lips closed": Kind("fear", (0, 0.05), 2.0, 0.08, brows=(0.6, 1)),
    "fear, lips apart": Kind("fear", (0.05, 0.3), 1.6, 0.08, brows=(0.6, 1)),
    "disgust": Kind("disgust", (0, 0.3), 2.0, 0.08, brows=(0, 0.5)),
    "happiness": Kind("happiness", (0, 0.12), 0.7, 0.12),
    "surprise": Kind("surprise", (0, 0.3), 1.4, 0.05),
}
"""The lips are never far apart: little is known of what is within. Limits and shares were chosen by looking at the faces that they make."""
