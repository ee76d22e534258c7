"""Your own loop over the frames: prints a line when a face's expression changes, and at the end how long each expression was shown.

python -m examples.own_loop            the first camera
python -m examples.own_loop film.mp4
"""

import sys
from collections import defaultdict

from expressions import open_pipeline


def main(source: str) -> None:
    labels: dict[int, str] = {}
    seconds: defaultdict[str, float] = defaultdict(float)
    before = None
    with open_pipeline(source) as faces:
        try:
            for frame, readings in faces:
                for reading in readings:
                    label = "unsure" if reading.unsure else reading.label
                    if labels.get(reading.face.id) != label:
                        print(f"{frame.t:8.2f} s  face {reading.face.id}: {label} ({reading.confidence:.0%})")
                        labels[reading.face.id] = label
                    seconds[label] += 0 if before is None else frame.t - before
                before = frame.t
        except KeyboardInterrupt:
            pass
    for label, time in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{label:10} {time:6.1f} s")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "0")
