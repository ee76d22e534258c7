import time

import numpy as np
import pytest
from fakes import BoxPoints, CollectSink, FakeClock, ScriptedClassifier, ScriptedDetector, ScriptedSource

from realtime.config import Settings
from realtime.pipeline import Pipeline, build_pipeline, fresh, run_loop, unsure
from realtime.smoothing import Smoother
from realtime.sources import DEMO, NewestFrame, VideoFile
from realtime.timing import StageTimer
from realtime.tracker import Tracker
from realtime.values import LABELS, Box, Frame

SETTINGS = Settings()
HERE, THERE = Box(5, 5, 35, 35), Box(40, 5, 60, 25)


def scripted(boxes, labels=("happiness",), reject=0.0) -> Pipeline:
    """The real tracker, alignment and smoother between scripted edges."""
    return Pipeline(
        ScriptedDetector(boxes),
        Tracker(SETTINGS.tracker),
        BoxPoints(),
        ScriptedClassifier(list(labels), reject),
        Smoother(SETTINGS.smoothing, SETTINGS.tracker.forget_s, np.full(7, 1 / 7)),
        SETTINGS.label,
        StageTimer(FakeClock()),
    )


def never() -> bool:
    return False


def run(pipeline, times, **kwargs) -> CollectSink:
    sink = CollectSink(**kwargs)
    run_loop(ScriptedSource(times), pipeline, sink, never)
    return sink


def test_a_face_from_frame_to_reading():
    sink = run(scripted([[HERE]]), [0.0, 0.1, 0.2])
    assert [[r.face.id for r in readings] for readings in sink.readings] == [[1], [1], [1]]
    reading = sink.readings[0][0]
    assert reading.label == "happiness"
    assert reading.confidence == pytest.approx(0.88)
    assert reading.unsure is None
    assert reading.face.points.shape == (5, 2)


def test_no_face_no_reading():
    assert run(scripted([[]]), [0.0, 0.1]).readings == [[], []]


def test_two_faces_keep_their_ids_when_the_detector_turns_them_round():
    sink = run(scripted([[HERE, THERE], [THERE, HERE]]), [0.0, 0.1])
    assert [[(r.face.id, r.face.box) for r in readings] for readings in sink.readings] == [[(1, HERE), (2, THERE)]] * 2


def test_labels_change_only_with_time():
    at_once = run(scripted([[HERE]], ["neutral", "anger"]), [0.0, 0.01, 0.02])
    later = run(scripted([[HERE]], ["neutral", "anger"]), [0.0, 0.4, 0.8])
    assert at_once.readings[2][0].label == "neutral"
    assert later.readings[2][0].label == "anger"


def test_a_rejected_chip_is_unclear_and_leaves_the_label():
    pipeline = scripted([[HERE]], ["happiness", "anger"])
    pipeline.read(Frame(np.zeros((48, 64, 3), np.uint8), 0.0, 0))
    pipeline.classifier.reject = 0.9
    [reading] = pipeline.read(Frame(np.zeros((48, 64, 3), np.uint8), 0.9, 1))
    assert (reading.label, reading.unsure) == ("happiness", "unclear")


def test_a_lost_face_is_held_only_while_its_place_looks_like_a_face():
    pipeline = scripted([[HERE], []])
    image = np.zeros((48, 64, 3), np.uint8)
    assert len(pipeline.read(Frame(image, 0.0, 0))) == 1
    assert len(pipeline.read(Frame(image, 0.05, 1))) == 1
    pipeline.classifier.reject = 0.9
    assert pipeline.read(Frame(image, 0.1, 2)) == []
    pipeline.classifier.reject = 0.0
    assert len(pipeline.read(Frame(image, 0.15, 3))) == 1
    assert pipeline.read(Frame(image, 0.3, 4)) == []


@pytest.mark.parametrize(
    ("tie", "reject", "said"),
    [(False, 0.1, None), (True, 0.1, "tie"), (False, 0.5, "unclear"), (True, 0.9, "unclear")],
)
def test_why_a_label_is_not_to_be_relied_on(tie, reject, said):
    assert unsure(tie, reject, SETTINGS.label) == said


def test_every_stage_is_timed_once_a_frame():
    pipeline = scripted([[HERE]])
    run_loop(ScriptedSource([0.0, 0.1, 0.2]), pipeline, CollectSink(), never)
    stages = ["gray", "detect", "track", "points", "align", "classify", "smooth", "label"]
    assert {name: len(times) for name, times in pipeline.timer.seconds.items()} == dict.fromkeys(stages, 3)


def test_the_loop_stops_when_told_after_the_frame_in_hand():
    source, sink = ScriptedSource([i / 10 for i in range(9)]), CollectSink()
    run_loop(source, scripted([[HERE]]), sink, lambda: len(sink.frames) == 4)
    assert len(sink.frames) == 4
    assert (source.closed, sink.closed) == (1, 1)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("culprit", ["source", "detector", "sink"])
def test_whatever_fails_surfaces_and_both_ends_are_closed(culprit, live):
    trouble = RuntimeError(f"{culprit} died")
    source = ScriptedSource([0.0, 0.1, 0.2], error=trouble if culprit == "source" else None)
    pipeline = scripted([[HERE], trouble] if culprit == "detector" else [[HERE]])
    if live and culprit == "detector":
        pipeline = scripted([trouble])
    sink = CollectSink(trouble if culprit == "sink" else None, at=0)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match=f"{culprit} died"):
        run_loop(NewestFrame(source, never) if live else source, pipeline, sink, never)
    assert time.monotonic() - started < 1
    assert (source.closed, sink.closed) == (1, 1)


@pytest.fixture(scope="module")
def real() -> Pipeline:
    return build_pipeline(SETTINGS, time.perf_counter)


@pytest.mark.parametrize("name", ["obama", "obama2", "biden", "astronaut"])
def test_one_face_in_each_portrait(real, portrait, name):
    [reading] = fresh(real, SETTINGS).read(Frame(portrait(name), 0.0, 0))
    assert reading.face.id == 1
    assert reading.probs.sum() == pytest.approx(1, abs=1e-4)


def test_the_demo_clip_has_the_faces_that_its_readme_promises(real):
    expected = {range(0, 86): 1, range(95, 121): 2, range(140, 165): 2, range(192, 245): 0, range(255, 300): 1}
    pipeline = fresh(real, SETTINGS)
    with VideoFile(DEMO) as source:
        readings = [pipeline.read(frame) for frame in source]
    for frames, count in expected.items():
        assert {len(readings[i]) for i in frames} == {count}
    # The first person keeps the id while others come and go; back after two seconds, there is a new one.
    assert {readings[i][0].face.id for i in range(0, 165)} == {1}
    assert readings[255][0].face.id not in {reading.face.id for i in range(0, 190) for reading in readings[i]}
    assert {readings[i][0].label for i in range(0, 86)} == {"happiness"}


def test_a_crying_then_laughing_woman(real, shared):
    pipeline = fresh(real, SETTINGS)
    with VideoFile(shared("video/sad_to_laughing.mp4")) as source:
        readings = [pipeline.read(frame) for frame in source]
    assert len(readings) == 472
    for part in (readings[:56], readings[240:461]):
        assert sum(len(faces) == 1 for faces in part) >= 0.95 * len(part)
        assert len({face.face.id for faces in part for face in faces}) == 1
    crying, laughing = ([face.label for faces in part for face in faces] for part in (readings[:56], readings[300:461]))
    assert "happiness" not in crying
    assert laughing.count("happiness") >= 0.85 * 161


def test_a_scene_without_a_face(real, shared):
    pipeline = fresh(real, SETTINGS)
    with VideoFile(shared("video/no_face.mp4")) as source:
        assert all(pipeline.read(frame) == [] for frame in source)


def test_labels_in_code_and_model_agree(real):
    assert tuple(real.classifier.card["labels"]) == LABELS
