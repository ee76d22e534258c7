"""The format of the readings file: its schema, its first line, and how one face is written."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from realtime.base.machine import describe_machine, package_versions
from realtime.base.version import __version__
from realtime.config import Settings
from realtime.faces.pose import head_pose
from realtime.values import LABELS, Reading

if TYPE_CHECKING:
    from realtime.pipeline import Pipeline
    from realtime.sources.cameras import Delivery

VIDEOS = (".mp4", ".mov", ".mkv")
"""How the names of recorded videos may end, in the order in which one is looked for beside the readings."""
SCHEMA = "readings/1"
"""The first entry of every readings file. A reader refuses any other; new entries in the header or of a face do not change it."""


def face_values(reading: Reading) -> dict[str, Any]:
    """One face as files have it. Numbers are rounded: box and eyes to 0.1 px, angles to 0.1 degrees, probabilities to 0.0001."""
    box, pose = reading.face.box, head_pose(reading.face.points)
    return {
        "id": reading.face.id,
        "box": [round(v, 1) for v in (box.x0, box.y0, box.x1, box.y1)],
        "probs": [round(float(p), 4) for p in reading.probs],
        "label": reading.label,
        "confidence": round(reading.confidence, 4),
        "unsure": reading.unsure,
        **{name: round(value, 1) for name, value in pose._asdict().items()},
    }


def source_text(name: str) -> str:
    """The name of a source as text that any JSON holds: a byte of a file's name that is no letter becomes \\xe9."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def readings_header(source_name: str, pipeline: "Pipeline", settings: Settings, delivery: "Delivery | None" = None) -> dict[str, Any]:
    """The part of a readings file's first line that says where the numbers come from; `delivery` is the format that a camera delivers."""
    classifier, profile = pipeline.classifier, pipeline.profiles.profile
    return {
        "program": {"version": __version__},
        "source": source_text(source_name),
        **({"camera": {"asked": str(delivery.request), "got": str(delivery.answer)}} if delivery else {}),
        "model": {"name": classifier.path.name, "sha256": classifier.sha256},
        "profile": profile and {"name": profile.name, "step": profile.step},
        "labels": list(LABELS),
        "machine": describe_machine(),
        "versions": package_versions(),
        "settings": {"min_face": settings.finder.min_face, "quality": asdict(settings.quality), "smoothing": asdict(settings.smoothing)},
    }
