"""Compares faces tracked by their points with faces detected anew in every frame.

    python tests/benchmarks/agreement.py [FILM ...]         default: the demo clip

For faces that both find: how often the classifier gives the same label to both chips, and the distance between the points.
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from realtime.base.geometry import box_around, box_distance
from realtime.config import Settings
from realtime.faces.align import align
from realtime.pipeline import build_pipeline
from realtime.sources.films import DEMO, VideoFile


def compare(film: Path) -> tuple[int, float, float, float]:
    """Number of faces that both find, share with the same label, median and 95th percentile of the points' distance in eye distances."""
    pipeline = build_pipeline(Settings(), time.perf_counter)
    detector, predictor, classifier = pipeline.finder.search, pipeline.tracker.predictor, pipeline.classifier
    same, distances = [], []
    with VideoFile(film) as frames:
        for frame in frames:
            gray = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
            # As the tracker does for a new face: first in the detector's box, then in the box around the points.
            first = [predictor.points(gray, box) for box in detector.find(gray, 320)]
            detected = [predictor.points(gray, box_around(points)) for points in first]
            for reading in pipeline.read(frame):
                followed = reading.face.points
                near = [points for points in detected if box_distance(box_around(points), box_around(followed)) < 0.3]
                if near:
                    labels = classifier.probabilities(np.stack([align(gray, followed), align(gray, near[0])])).argmax(1)
                    same.append(labels[0] == labels[1])
                    eyes = np.linalg.norm(followed[:2].mean(0) - followed[2:4].mean(0))
                    distances.append(np.linalg.norm(followed - near[0], axis=1).mean() / eyes)
    return len(same), float(np.mean(same)), float(np.median(distances)), float(np.quantile(distances, 0.95))


def main(films: list[Path]) -> None:
    for film in films or [DEMO]:
        n, same, median, p95 = compare(film)
        print(f"{film.name}: same label in {same:.1%} of {n}, points apart {median:.1%} of the eye distance (95th percentile {p95:.1%})")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
