"""Real-time recognition of facial expressions: what happens to a frame, in order.

    source -> Frame -> tracker -> align -> classifier -> profile -> quality -> smoothing -> Reading -> draw -> sinks

Conventions, the same in every file:

- Images are (h, w, 3) BGR uint8; gray pictures (h, w) uint8; chips (64, 64) gray uint8.
- Boxes are (x0, y0, x1, y1) in pixels of the full frame, x to the right, y down.
- Probabilities are (7,) float32 that sum to 1, in the order of `realtime.values.LABELS`.
- `frame.t` says when the picture was taken: seconds on a monotonic clock; for a file, its presentation time. All time logic uses
  `frame.t`; only sources, timing and the benchmark ask a clock. Time constants are in seconds, because rates differ and wander.
- "Calibration" means the person; the samples that set int8 ranges are the "representative set".
- What is shown is an expression, never a feeling.
"""

from realtime.api import open_pipeline
from realtime.base.version import __version__

__all__ = ["__version__", "open_pipeline"]
