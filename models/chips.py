"""Turns the 48x48 crops of a table into the 64x64 chips that the model takes."""

import numpy as np

from models.face_table import FaceTable
from models.framing import framed_chip, placement_of, sampling_matrix
from realtime.faces.align import enlarge


def chips_of(faces: FaceTable) -> np.ndarray:
    """(n, 64, 64) uint8 chips of a table of faces. Crops that the camera's chain cut are framed already; the others are framed here."""
    return np.stack([enlarge(crop) if framed else framed_chip(crop) for crop, framed in zip(faces.pixels, faces.framed, strict=True)])


def framing_of(faces: FaceTable) -> np.ndarray:
    """(n, 2, 3) float32: how each crop is sampled to frame its face; the identity where the camera's chain framed it."""
    crops = zip(faces.pixels, faces.framed, strict=True)
    return np.stack([np.eye(2, 3, dtype=np.float32) if framed else sampling_matrix(placement_of(crop)) for crop, framed in crops])
