"""Points of a face with given signs, for tests of what is measured on faces."""

import numpy as np


def with_signs(points: np.ndarray, brows: float = 10, apart: float = 0, corners: float = 0, lips: float = 8) -> np.ndarray:
    """Points (468, 2) of a face that looks straight, with its eyes 40 pixels apart.

    Args:
        points: where the other points lie.
        brows: pixels from the inner corners of the eyes up to the brows.
        apart: pixels between the lips.
        corners: pixels from the middle of the mouth down to its corners.
        lips: pixels from the upper edge of the mouth to its lower one.
    """
    face, mouth = points.copy(), 46
    face[[33, 133, 362, 263]] = [[12, 24], [26, 24], [38, 24], [52, 24]]
    face[[65, 295]] = [[26, 24 - brows], [38, 24 - brows]]
    face[[13, 14]] = [[32, mouth - apart / 2], [32, mouth + apart / 2]]
    face[[0, 17]] = [[32, mouth - lips / 2], [32, mouth + lips / 2]]
    face[[61, 291]] = [[24, mouth + corners], [40, mouth + corners]]
    face[[1, 234, 454]] = [[32, 36], [8, 32], [56, 32]]
    return face
