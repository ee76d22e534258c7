import errno
import io
import json
import os
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import ROOT
from fakes import BoxPoints, FakeClock, ScriptedClassifier, ScriptedDetector

from realtime.base.errors import Trouble
from realtime.base.governor import FixedEffort
from realtime.base.machine import describe_machine
from realtime.base.output import TextConsole
from realtime.base.timing import StageTimer
from realtime.base.version import __version__
from realtime.commands.bench import MEANINGS, print_report
from realtime.commands.benchmark import (
    STAGES,
    Clocks,
    Crowd,
    build_report,
    compare_reports,
    cut_portraits,
    measure,
    peak_memory_mb,
    rate_line,
    read_report,
    table_rows,
    vectors,
)
from realtime.config import EFFORTS, ChangeSettings, DetectorSettings, Settings
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


def build(clock: FakeClock, seconds: float) -> Pipeline:
    settings, timer, detector = Settings(), StageTimer(clock), SlowDetector(clock, seconds)
    classifier = ScriptedClassifier(["neutral"])
    classifier.path, classifier.sha256, classifier.runtime = SimpleNamespace(name="m.tflite"), "00", "fake"
    return Pipeline(
        FixedEffort(replace(EFFORTS[0], near_s=0.0, far_s=float("inf"), tilted_s=float("inf"))),
        CutDetector(settings.cuts),
        Finder(detector, replace(settings.finder, min_face=1.0, changes=ChangeSettings(whole_every=1))),
        Tracker(settings.tracker, BoxPoints(), detector, timer),
        classifier,
        ProfileSwitch(classifier),
        Smoother(settings.smoothing, 1.0),
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
    pipeline = build(clock, 0.020)
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
    pipeline = build(clock, 0.5)

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
        measure(frames(clock, 3, 0.01), build(clock, 0.01), clocks(clock), seconds=1.0, warmup_s=5.0, live=False)


def test_what_a_camera_delivers_too_fast_is_counted_and_ages():
    """Every other frame is dropped; each is drawn 20 ms after it was taken."""
    clock = FakeClock()

    def delivered():
        for i in range(300):
            clock.now = i * 0.05
            yield Frame(np.zeros((48, 64, 3), np.uint8), clock.now, 2 * i)

    measured = measure(delivered(), build(clock, 0.02), clocks(clock), seconds=5.0, warmup_s=1.0, live=True)
    assert measured["dropped"] == measured["frames"] == pytest.approx(100, abs=1)
    assert measured["latency"]["p99_ms"] == pytest.approx(20)
    assert "capture" not in measured["rates"]


def test_the_report_says_what_ran_on_what():
    clock = FakeClock()
    pipeline = build(clock, 0.01)
    measured = measure(frames(clock, 200, 0.01), pipeline, clocks(clock), 1.0, 0.1, live=False)
    full = build_report(measured, pipeline, Settings(), "demo.mp4", faces=4, live_rate=15.0)
    read = json.loads(json.dumps(full))
    assert set(STAGES) < set(read["stages"])
    assert read["machine"]["cores"] >= 1
    assert read["version"] == __version__
    assert read["vectors"] == vectors(cv2.getCPUFeaturesLine()) != []
    assert (read["faces"], read["live_rate"], read["exact"]) == (4, 15.0, False)
    assert "numpy" in read["versions"]
    assert read["settings"]["classifier"]["model"] == "emotion.tflite"
    assert {"find", "points", "classify", "display", "frame"} < {row[0] for row in table_rows(full)}
    assert rate_line(full).startswith("50 frames a second (capture 100, processing 100, ")
    out = io.StringIO()
    print_report(full, "demo.mp4", TextConsole(file=out))
    said = out.getvalue()
    assert f"{full['machine']['cores']} cores" in said and f"Python {full['machine']['python']}" in said
    assert "\ndemo.mp4 " in said
    assert all(f"\n  {stage}: {MEANINGS[stage]}\n" in said for stage, *_ in table_rows(full))
    assert set(MEANINGS) == set(full["stages"])


@pytest.mark.parametrize(("count", "size_wh"), [(1, (640, 480)), (8, (320, 240)), (8, (640, 480)), (4, (1280, 720))])
def test_a_crowd_shows_as_many_faces_as_asked_and_all_are_found(real_detector, count, size_wh):
    portraits = cut_portraits(VideoFile(DEMO), real_detector, count)
    assert len(portraits) == count
    [frame, later] = list(islice(Crowd(portraits, size_wh, 30.0), 13))[::12]
    assert frame.image.shape == (size_wh[1], size_wh[0], 3)
    assert later.t == pytest.approx(0.4)
    for picture in (frame, later):
        assert len(real_detector.find(cv2.cvtColor(picture.image, cv2.COLOR_BGR2GRAY), 800)) == count


@pytest.fixture(scope="module")
def real_detector() -> Detector:
    return Detector(DetectorSettings())


def test_a_film_without_faces_makes_no_crowd():
    with pytest.raises(Trouble, match="shows no face"):
        cut_portraits(VideoFile(DEMO), ScriptedDetector([[]]), 2)


def test_memory_and_machine_are_known():
    assert peak_memory_mb() > 20
    assert describe_machine()["architecture"]


STORED = {name: read_report(ROOT / "tests" / "benchmarks" / f"{name}.json") for name in ("epyc-2core-debian12", "epyc-avx2-2core-debian12")}


@pytest.fixture
def before() -> dict:
    """A stored report as a report of this version would be."""
    return deepcopy(STORED["epyc-2core-debian12"]) | {"faces": None, "live_rate": None, "exact": False, "vectors": ["AVX2", "AVX512-SKX"]}


def paced(report: dict) -> dict:
    """The report as of a run with --live-rate 30."""
    del report["rates"]["capture"]
    return report | {"live_rate": 30.0}


def test_a_run_that_is_as_fast_as_the_stored_one_has_nothing_slower(before):
    comparison = compare_reports(deepcopy(before), before, 0.0)
    assert comparison.slower == ()
    # Frames a second, latency, memory, capture, eleven steps, display and the whole frame.
    assert comparison.compared == 3 + len(before["stages"]) == 3 + 14


def test_what_is_slower_is_named_with_both_values_the_worst_first(before):
    now = deepcopy(before)
    now["stages"]["classify"]["median_ms"] = 0.57
    now["latency"]["p95_ms"] = 5.3745
    now["fps"] = 292.8 / 3
    now["peak_memory_mb"] = 399.6
    now["stages"]["display"]["median_ms"] = 0.1
    assert compare_reports(now, before, 0.4).slower == (
        "frames a second: 97.6 fps now, 292.8 before: 3.00 times as slow",
        "classify (median): 0.57 ms now, 0.285 before: 2.00 times as slow",
        "peak memory: 399.6 MB now, 199.8 before: 2.00 times as much",
        "latency (p95): 5.3745 ms now, 3.583 before: 1.50 times as slow",
    )
    assert len(compare_reports(now, before, 0.6).slower) == 3
    assert compare_reports(now, before, 2.1).slower == ()
    assert compare_reports(before, now, 0.6).slower == ("display (median): 0.549 ms now, 0.1 before: 5.49 times as slow",)


def test_microseconds_and_a_few_runs_of_a_stage_are_not_called_slower(before):
    now = deepcopy(before)
    now["stages"]["label"]["median_ms"] = 0.026
    now["stages"]["check"] |= {"median_ms": 50.0, "n": 19}
    assert compare_reports(now, before, 0.1).slower == ()
    now["stages"]["label"]["median_ms"] = 0.028
    now["stages"]["check"]["n"] = 20
    assert [line.split(" ")[0] for line in compare_reports(now, before, 0.1).slower] == ["check", "label"]


def test_with_a_live_rate_the_wait_for_a_picture_is_not_called_slow(before):
    now, then = paced(deepcopy(before)), paced(before)
    now["stages"]["capture"]["median_ms"] = now["stages"]["frame"]["median_ms"] = 500.0
    now["stages"]["classify"]["median_ms"] = 500.0
    assert [line.split(" ")[0] for line in compare_reports(now, then, 0.5).slower] == ["classify"]


def test_memory_is_left_out_where_the_system_does_not_say(before):
    now = deepcopy(before) | {"peak_memory_mb": None}
    assert compare_reports(now, before, 0.0).slower == compare_reports(before, now, 0.0).slower == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda now: now | {"source": "other.mp4"}, r"\(film: other.mp4 now, demo.mp4 before\)"),
        (lambda now: now | {"size": (1280, 720)}, r"\(picture size: 1280x720 now, 640x480 before\)"),
        (lambda now: now | {"faces": 4}, r"\(number of faces: 4 now, as in the film before\)"),
        (lambda now: now | {"exact": True}, r"\(--exact: True now, False before\)"),
        (paced, r"\(kind of run: with a live rate now, as fast as it goes before\)"),
        (
            lambda now: now | {"model": now["model"] | {"sha256": 64 * "0"}},
            r"\(model: emotion.tflite 000000000000 now, ",
        ),
        (lambda now: now | {"vectors": ["AVX2"]}, r"\(vector instructions: AVX2 now, AVX2 AVX512-SKX before\)"),
        (lambda now: now | {"machine": now["machine"] | {"cores": 4}}, r"\(cores: 4 now, 2 before\)"),
        (lambda now: now | {"machine": now["machine"] | {"processor": "Cortex"}}, r"\(processor: Cortex now, AMD EPYC before\)"),
    ],
)
def test_other_work_or_another_machine_is_not_compared(before, change, message):
    with pytest.raises(Trouble, match=message) as refusal:
        compare_reports(change(deepcopy(before)), before, 0.5)
    assert "\n" not in str(refusal.value)


def test_two_live_rates_are_not_compared(before):
    then = paced(before)
    with pytest.raises(Trouble, match=r"\(live rate: 15.0 now, 30.0 before\)"):
        compare_reports(deepcopy(then) | {"live_rate": 15.0}, then, 0.5)


def test_the_vector_instructions_are_read_from_opencvs_line():
    assert vectors("SSE *SSE4.2 *AVX2 *AVX512-SKX?") == ["AVX2"]
    assert vectors("NEON FP16 *NEON_DOTPROD") == ["NEON", "NEON_DOTPROD"]


def test_a_fresh_report_is_compared_with_one_of_an_older_version(before):
    """Older reports have no "faces", "live_rate", "exact" and "vectors". A fresh one has its size as a tuple, a file as a list."""
    now = deepcopy(before) | {"size": tuple(before["size"])}
    assert compare_reports(now, STORED["epyc-2core-debian12"], 0.1).slower == ()


def test_the_stored_report_of_the_older_processor_is_slower():
    """Both processors are called AMD EPYC, but only one has int8 instructions. The two reports are too old to say so."""
    slower = compare_reports(STORED["epyc-avx2-2core-debian12"], STORED["epyc-2core-debian12"], 0.5).slower
    assert slower[0] == "classify (median): 1.664 ms now, 0.285 before: 5.84 times as slow"
    assert "frames a second: 164.4 fps now, 292.8 before: 1.78 times as slow" in slower
    assert not any("memory" in line for line in slower)
    assert compare_reports(STORED["epyc-2core-debian12"], STORED["epyc-avx2-2core-debian12"], 0.5).slower == ()


def test_a_file_that_is_no_report_is_refused_in_one_line(tmp_path):
    path = tmp_path / "report.json"
    with pytest.raises(Trouble, match="cannot read"):
        read_report(path)
    for content in ("no JSON", "[" * 100_000, "NaN", "[]", "{}", json.dumps({"schema": "bench/1"}), json.dumps({"schema": "readings/1"})):
        path.write_text(content)
        with pytest.raises(Trouble, match="is no report of this program's bench"):
            read_report(path)


def test_a_report_replaces_an_older_file_when_it_is_whole_but_no_device(tmp_path, monkeypatch):
    from realtime.commands.bench import _write

    file, device = tmp_path / "a.json", tmp_path / "device"
    file.write_bytes(b"the old one")
    device.symlink_to("/dev/null")
    _write(device, b"new")
    assert device.is_symlink() and device.read_bytes() == b""

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            _write(file, b"new")
    assert file.read_bytes() == b"the old one"
    _write(file, b"new")
    assert file.read_bytes() == b"new"
