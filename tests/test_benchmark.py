import json
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import BoxPoints, FakeClock, ScriptedClassifier, ScriptedDetector

from realtime.benchmark import STAGES, machine, measure, peak_memory_mb, report, table_rows
from realtime.config import Settings
from realtime.errors import Trouble
from realtime.pipeline import Pipeline
from realtime.smoothing import Smoother
from realtime.timing import StageTimer
from realtime.tracker import Tracker
from realtime.values import Box, Frame


class SlowDetector(ScriptedDetector):
    """Takes `seconds` of the fake clock for each frame."""

    def __init__(self, clock: FakeClock, seconds: float):
        super().__init__([[Box(5, 5, 35, 35)]])
        self.clock, self.seconds = clock, seconds

    def find(self, gray):
        self.clock.sleep(self.seconds)
        return super().find(gray)


def made(clock: FakeClock, seconds: float) -> Pipeline:
    settings = Settings()
    classifier = ScriptedClassifier(["neutral"])
    classifier.path, classifier.sha256, classifier.runtime = SimpleNamespace(name="m.tflite"), "00", "fake"
    parts = SlowDetector(clock, seconds), Tracker(settings.tracker), BoxPoints(), classifier
    return Pipeline(*parts, Smoother(settings.smoothing, 1.0, np.full(7, 1 / 7)), settings.label, StageTimer(clock))


def frames(clock: FakeClock, n: int, capture_s: float):
    for i in range(n):
        clock.sleep(capture_s)
        yield Frame(np.zeros((48, 64, 3), np.uint8), i / 30, i)


def test_stages_frames_and_latency_are_what_the_clock_says():
    clock = FakeClock()
    pipeline = made(clock, 0.020)
    measured = measure(frames(clock, 1000, 0.005), pipeline, clock, seconds=2.0, warmup_s=0.5)
    stages = measured["stages"]
    assert measured["fps"] == pytest.approx(40, abs=0.1)
    assert measured["frames"] == stages["detect"]["n"] == pytest.approx(80, abs=1)
    assert stages["capture"]["median_ms"] == pytest.approx(5)
    assert stages["detect"]["median_ms"] == stages["latency"]["p95_ms"] == pytest.approx(20)
    assert stages["frame"]["median_ms"] == pytest.approx(25)
    assert measured["faces_per_frame"] == 1.0
    assert measured["size"] == (64, 48)


def test_the_warm_up_is_not_counted():
    clock = FakeClock()
    pipeline = made(clock, 0.5)

    def settling():
        for frame in frames(clock, 300, 0.001):
            if frame.index == 2:
                pipeline.detector.seconds = 0.01
            yield frame

    assert measure(settling(), pipeline, clock, seconds=1.0, warmup_s=1.0)["stages"]["detect"]["p95_ms"] == pytest.approx(10)


def test_a_clip_that_is_over_too_soon():
    clock = FakeClock()
    with pytest.raises(Trouble, match="ended within the warm-up"):
        measure(frames(clock, 3, 0.01), made(clock, 0.01), clock, seconds=1.0, warmup_s=5.0)


def test_the_report_can_be_compared_elsewhere():
    clock = FakeClock()
    pipeline = made(clock, 0.01)
    full = report(measure(frames(clock, 200, 0.01), pipeline, clock, 1.0, 0.1), pipeline, Settings(), "demo.mp4")
    read = json.loads(json.dumps(full))
    assert set(read["stages"]) == set(STAGES)
    assert read["machine"]["cores"] >= 1
    assert "numpy" in read["versions"]
    assert read["settings"]["classifier"]["model"] == "emotion.tflite"
    assert [row[0] for row in table_rows(full)] == list(STAGES)


def test_memory_and_machine_are_told():
    assert peak_memory_mb() > 20
    assert machine()["architecture"]
