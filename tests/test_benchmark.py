import json
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from fakes import BoxPoints, FakeClock, ScriptedClassifier, ScriptedDetector

from realtime.base.errors import Trouble
from realtime.base.governor import FixedEffort
from realtime.base.machine import describe_machine
from realtime.base.timing import StageTimer
from realtime.commands.benchmark import STAGES, Clocks, Crowd, measure, peak_memory_mb, portraits, rate_line, report, table_rows
from realtime.config import EFFORTS, DetectorSettings, Settings
from realtime.expression.people import ProfileSwitch
from realtime.expression.smoothing import Smoother
from realtime.faces.cuts import CutDetector
from realtime.faces.detector import Detector
from realtime.faces.finder import Finder
from realtime.faces.tracker import Tracker
from realtime.pipeline import Pipeline
from realtime.sources.films import DEMO, VideoFile
from realtime.values import Box, Frame

HERE = Box(5, 5, 35, 35)


class SlowDetector(ScriptedDetector):
    """Takes `seconds` of the fake clock for each search."""

    def __init__(self, clock: FakeClock, seconds: float):
        super().__init__([[HERE]])
        self.clock, self.seconds = clock, seconds

    def find(self, gray, short_side):
        self.clock.sleep(self.seconds)
        return super().find(gray, short_side)


def made(clock: FakeClock, seconds: float) -> Pipeline:
    settings, timer, detector = Settings(), StageTimer(clock), SlowDetector(clock, seconds)
    classifier = ScriptedClassifier(["neutral"])
    classifier.path, classifier.sha256, classifier.runtime = SimpleNamespace(name="m.tflite"), "00", "fake"
    return Pipeline(
        FixedEffort(replace(EFFORTS[0], near_s=0.0, far_s=float("inf"))),
        CutDetector(settings.cuts),
        Finder(detector, replace(settings.finder, min_face=1.0)),
        Tracker(settings.tracker, BoxPoints(), detector, timer),
        classifier,
        ProfileSwitch(classifier),
        Smoother(settings.smoothing, 1.0, np.full(7, 1 / 7)),
        settings.quality,
        timer,
    )


def clocks(clock: FakeClock) -> Clocks:
    """The processor works all the time and in two threads."""
    return Clocks(clock, lambda: 2 * clock.now)


def frames(clock: FakeClock, n: int, capture_s: float):
    for i in range(n):
        clock.sleep(capture_s)
        yield Frame(np.zeros((48, 64, 3), np.uint8), i / 30, i)


def test_stages_frames_and_latency_are_what_the_clock_says():
    clock = FakeClock()
    pipeline = made(clock, 0.020)
    measured = measure(frames(clock, 1000, 0.005), pipeline, clocks(clock), seconds=2.0, warmup_s=0.5, live=False)
    stages = measured["stages"]
    assert measured["fps"] == pytest.approx(40, abs=0.1)
    assert measured["frames"] == stages["find"]["n"] == pytest.approx(80, abs=1)
    assert stages["capture"]["median_ms"] == pytest.approx(5)
    assert stages["find"]["median_ms"] == measured["latency"]["p95_ms"] == pytest.approx(20)
    assert stages["frame"]["median_ms"] == pytest.approx(25)
    assert measured["faces_per_frame"] == 1.0
    assert measured["size"] == (64, 48)
    assert measured["cpu_percent"] == pytest.approx(200)
    assert measured["rates"]["capture"] == pytest.approx(200)
    assert measured["rates"]["processing"] == pytest.approx(50)


def test_the_warm_up_is_not_counted():
    clock = FakeClock()
    pipeline = made(clock, 0.5)

    def settling():
        for frame in frames(clock, 300, 0.001):
            if frame.index == 2:
                pipeline.finder.search.seconds = 0.01
            yield frame

    assert measure(settling(), pipeline, clocks(clock), seconds=1.0, warmup_s=1.0, live=False)["stages"]["find"]["p95_ms"] == pytest.approx(
        10
    )


def test_a_clip_that_is_over_too_soon():
    clock = FakeClock()
    with pytest.raises(Trouble, match="ended within the warm-up"):
        measure(frames(clock, 3, 0.01), made(clock, 0.01), clocks(clock), seconds=1.0, warmup_s=5.0, live=False)


def test_what_a_camera_delivers_too_fast_is_counted_and_ages():
    """Every other frame is dropped; each is drawn 20 ms after it was taken."""
    clock = FakeClock()

    def delivered():
        for i in range(300):
            clock.now = i * 0.05
            yield Frame(np.zeros((48, 64, 3), np.uint8), clock.now, 2 * i)

    measured = measure(delivered(), made(clock, 0.02), clocks(clock), seconds=5.0, warmup_s=1.0, live=True)
    assert measured["dropped"] == measured["frames"] == pytest.approx(100, abs=1)
    assert measured["latency"]["p99_ms"] == pytest.approx(20)
    assert "capture" not in measured["rates"]


def test_the_report_can_be_compared_elsewhere():
    clock = FakeClock()
    pipeline = made(clock, 0.01)
    measured = measure(frames(clock, 200, 0.01), pipeline, clocks(clock), 1.0, 0.1, live=False)
    full = report(measured, pipeline, Settings(), "demo.mp4")
    read = json.loads(json.dumps(full))
    assert set(STAGES) < set(read["stages"])
    assert read["machine"]["cores"] >= 1
    assert "numpy" in read["versions"]
    assert read["settings"]["classifier"]["model"] == "emotion.tflite"
    assert {"find", "points", "classify", "display", "frame"} < {row[0] for row in table_rows(full)}
    assert rate_line(full).startswith("50 frames a second (capture 100, processing 100, ")


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("size_wh", [(320, 240), (640, 480), (1280, 720)])
def test_a_crowd_shows_as_many_faces_as_asked_and_all_are_found(real_detector, count, size_wh):
    cuttings = portraits(VideoFile(DEMO), real_detector, count)
    assert len(cuttings) == count
    [frame, later] = list(islice(Crowd(cuttings, size_wh, 30.0), 13))[::12]
    assert frame.image.shape == (size_wh[1], size_wh[0], 3)
    assert later.t == pytest.approx(0.4)
    for shown in (frame, later):
        assert len(real_detector.find(cv2.cvtColor(shown.image, cv2.COLOR_BGR2GRAY), 800)) == count


@pytest.fixture(scope="module")
def real_detector() -> Detector:
    return Detector(DetectorSettings())


def test_a_film_without_faces_makes_no_crowd():
    with pytest.raises(Trouble, match="shows no face"):
        portraits(VideoFile(DEMO), ScriptedDetector([[]]), 2)


def test_memory_and_machine_are_told():
    assert peak_memory_mb() > 20
    assert describe_machine()["architecture"]
