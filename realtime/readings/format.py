"""The format of the readings file: its first line, and how one face is written."""

from dataclasses import asdict
from typing import Any

from realtime.base.machine import describe_machine, package_versions
from realtime.config import Settings
from realtime.pipeline import Pipeline
from realtime.sources.cameras import Delivery
from realtime.values import LABELS, Reading


def face_values(reading: Reading) -> dict[str, Any]:
    """One face as it stands in files: numbers, rounded to what they are worth."""
    box = reading.face.box
    return {
        "id": reading.face.id,
        "box": [round(v, 1) for v in (box.x0, box.y0, box.x1, box.y1)],
        "probs": [round(float(p), 4) for p in reading.probs],
        "label": reading.label,
        "confidence": round(reading.confidence, 4),
        "unsure": reading.unsure,
    }


def readings_header(source_name: str, pipeline: Pipeline, settings: Settings, delivery: Delivery | None = None) -> dict[str, Any]:
    """What the first line of a readings file says about where its numbers come from; `delivery` is what a camera gives."""
    classifier, profile = pipeline.classifier, pipeline.profiles.profile
    return {
        "source": source_name,
        **({"camera": {"asked": str(delivery.request), "got": str(delivery.answer)}} if delivery else {}),
        "model": {"name": classifier.path.name, "sha256": classifier.sha256},
        "profile": profile and {"name": profile.name, "step": profile.step},
        "labels": list(LABELS),
        "machine": describe_machine(),
        "versions": package_versions(),
        "settings": {"min_face": settings.finder.min_face, "quality": asdict(settings.quality), "smoothing": asdict(settings.smoothing)},
    }
