"""Runs MediaPipe's face mesh on pictures; `pose.py` starts it, in MediaPipe's venv.

    python tests/benchmarks/pose_mesh.py PICTURES.npy MESH.npy

Reads (n, h, w) uint8, writes (n, 468, 3) float32: right, down, away from the camera, in px; NaN where no face is found.
"""

import sys

import mediapipe
import numpy as np

pictures = np.load(sys.argv[1])
mesh = np.full((len(pictures), 468, 3), np.nan, np.float32)
with mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.3) as finder:
    for i, gray in enumerate(pictures):
        found = finder.process(np.repeat(gray[..., None], 3, 2)).multi_face_landmarks
        if found:
            mesh[i] = np.array([(point.x, point.y, point.z) for point in found[0].landmark]) * gray.shape[1]
np.save(sys.argv[2], mesh)
