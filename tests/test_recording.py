import json
import os
import shutil
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import FakeClock, a_reading

from realtime.base.errors import Trouble
from realtime.config import Choices, RecorderSettings
from realtime.readings.verify import verify
from realtime.recording import losses
from realtime.recording import recording as recording_module
from realtime.recording.recording import Recording, RecordingSetup
from realtime.recording.switch import RecordSwitch, dated
from realtime.recording.video import best_encoder
from realtime.values import Box, Frame


def frame(t: float, index: int = 0, size_wh=(64, 48)) -> Frame:
    return Frame(np.full((size_wh[1], size_wh[0], 3), 50, np.uint8), t, index)


def header() -> dict:
    return {"source": "script", "model": {"name": "m.tflite", "sha256": "00"}, "labels": ["a"]}


def painted(t: float, value: int) -> Frame:
    return Frame(np.full((48, 64, 3), value, np.uint8), t, 0)


def record(path, frames, overwrite=False, encoder=best_encoder, **choices) -> Recording:
    setup = RecordingSetup(time.monotonic, choices=Choices(**choices), encoder=encoder)
    with Recording(path, header, setup, overwrite) as recording:
        for frame, readings in frames:
            recording.write(frame, readings)
    return recording


def wait_for(condition) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_readings_stand_beside_the_video_on_the_same_clock(tmp_path):
    times = [100.0, 100.05, 100.31]
    faces = [[a_reading()], [], [a_reading(unsure="turned")]]
    record(tmp_path / "out.mp4", [(frame(t, 7 + i), readings) for i, (t, readings) in enumerate(zip(times, faces, strict=True))])
    head, *rest = lines_of(tmp_path / "out.jsonl")
    assert head["schema"] == "readings/1"
    assert {"source", "model", "labels", "started", "width", "height"} <= head.keys()
    assert [line["frame"] for line in rest] == [0, 1, 2]
    assert [line["t"] for line in rest] == pytest.approx([0.0, 0.05, 0.31])
    assert [len(line["faces"]) for line in rest] == [1, 0, 1]
    face = rest[0]["faces"][0]
    assert face["id"] == 1
    assert face["box"] == [20, 10, 50, 40]
    assert face["label"] == "happiness"
    assert face["confidence"] == pytest.approx(0.88)
    assert face["unsure"] is None
    assert (face["yaw"], face["roll"]) == (0, 0)
    assert face["eyes"] == 13
    assert rest[2]["faces"][0]["unsure"] == "turned"
    assert sum(face["probs"]) == pytest.approx(1, abs=1e-3)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [f.time for f in container.decode(video=0)] == pytest.approx([0.0, 0.05, 0.31], abs=1e-3)


# 200x100 becomes 64x32 between bars of 8 rows; 48x64 becomes 36x48 between bars of 14 columns.
CHANGING = [(64, 48), (200, 100), (48, 64), (64, 48)]


def test_pictures_of_changing_size_are_fitted_into_the_first_one_between_bars(tmp_path):
    recording = record(tmp_path / "out.mp4", [(frame(i / 10, i, size), []) for i, size in enumerate(CHANGING)])
    with av.open(str(tmp_path / "out.mp4")) as container:
        pictures = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    assert recording.frames == len(pictures) == 4
    assert {picture.shape for picture in pictures} == {(48, 64)}
    _, wide, tall, _ = pictures
    for bar in (wide[:6], wide[-6:], tall[:, :12], tall[:, -12:]):
        assert bar.mean() < 5
    for inside in (wide[10:-10], tall[:, 16:-16]):
        assert inside.mean() == pytest.approx(50, abs=2)


def test_boxes_in_pictures_of_changing_size_are_those_of_the_film(tmp_path):
    box = Box(0, 0, 40, 40)
    record(tmp_path / "out.mp4", [(frame(i / 10, i, size), [a_reading(box=box)]) for i, size in enumerate(CHANGING)])
    head, *rest = lines_of(tmp_path / "out.jsonl")
    assert (head["width"], head["height"]) == (64, 48)
    boxes = [line["faces"][0]["box"] for line in rest]
    assert boxes == [[0, 0, 40, 40], [0, 8, 12.8, 20.8], [14, 0, 44, 30], [0, 0, 40, 40]]
    assert [line["faces"][0]["eyes"] for line in rest] == pytest.approx([17.4, 17.4 * 0.32, 17.4 * 0.75, 17.4], abs=0.06)


def test_times_that_repeat_or_go_back_leave_a_recording_that_goes_on_in_time(tmp_path):
    times = [100.0, 100.1, 100.1, 100.2, 7.0, 7.1, 7.2]
    record(tmp_path / "out.mp4", [(frame(t, i), []) for i, t in enumerate(times)])
    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [f.time for f in container.decode(video=0)]
    assert len(times) == 7
    assert all(after > before for before, after in pairwise(times))
    # After a jump of the clock film and readings go on at their pace.
    assert times == pytest.approx([0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.4], abs=1e-3)
    assert [line["t"] for line in lines_of(tmp_path / "out.jsonl")[1:]] == pytest.approx(times, abs=2e-5)


def test_existing_files_are_kept_without_overwrite(tmp_path):
    path = tmp_path / "out.mp4"
    record(path, [(frame(0), [])])
    before = path.read_bytes()
    with pytest.raises(Trouble, match=r"out\.mp4 exists and is kept.*--overwrite"):
        record(path, [(frame(0), [])])
    path.unlink()
    with pytest.raises(Trouble, match=r"out\.jsonl exists and is kept"):
        record(path, [(frame(0), [])])
    assert record(path, [(frame(0), []), (frame(1), [])], overwrite=True).path.read_bytes() != before


@pytest.mark.parametrize(("name", "message"), [("out.avi", r"must end in \.mp4, \.mov, \.mkv"), ("a/out.mp4", "cannot make the folder")])
def test_names_that_cannot_be_recorded_to(tmp_path, name, message):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(Trouble, match=message):
        record(tmp_path / name, [])


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_each_format_is_whole_and_its_folder_is_made(tmp_path, suffix):
    path = tmp_path / "new" / "folder" / f"out.{suffix}"
    times = [0.0, 0.0401, 0.0401, 0.1333, 0.2, 0.9]
    record(path, [(frame(t, i), []) for i, t in enumerate(times)])
    assert verify(path)[0] == verify(path.with_suffix(".jsonl"))[0] == []
    assert "6 frames" in verify(path)[1]
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert {"mkv": "matroska"}.get(suffix, suffix) in container.format.name


def test_a_recording_without_frames_leaves_nothing(tmp_path):
    record(tmp_path / "out.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_readings_are_in_the_file_as_soon_as_written(tmp_path):
    with Recording(tmp_path / "out.mp4", header, RecordingSetup(time.monotonic)) as recording:
        recording.write(frame(0), [])
        wait_for(lambda: recording.frames == 1)
        assert len(lines_of(tmp_path / "out.jsonl")) == 2


def test_uneven_times_are_the_readings_times_and_the_duration_is_right(tmp_path):
    draw = np.random.default_rng(5)
    source_times = 50 + np.concatenate([[0.0], np.cumsum(draw.uniform(1 / 25, 1 / 10, 60))])
    record(tmp_path / "out.mp4", [(frame(t, i), []) for i, t in enumerate(source_times)])
    with av.open(str(tmp_path / "out.mp4")) as container:
        duration = float(container.duration / 1e6)
        times = [f.time for f in container.decode(video=0)]
    assert times == pytest.approx(source_times - 50, abs=1e-3)
    assert [line["t"] for line in lines_of(tmp_path / "out.jsonl")[1:]] == pytest.approx(times, abs=1e-3)
    assert duration == pytest.approx(source_times[-1] - 50, abs=0.1)


class Jam:
    """A choice of the encoder that waits until `free` is set, so that the queue fills."""

    def __init__(self):
        self.free = threading.Event()

    def __call__(self, size_wh, settings) -> str:
        assert self.free.wait(10)
        return "libx264"


SMALL_QUEUE = RecorderSettings(queue_mb=5.5 * 48 * 64 * 3 / 1e6)


def test_live_frames_that_the_encoder_is_too_slow_for_are_dropped_and_counted(tmp_path):
    jam = Jam()
    with Recording(tmp_path / "out.mp4", header, RecordingSetup(time.monotonic, SMALL_QUEUE, live=True, encoder=jam)) as recording:
        for i in range(20):
            recording.write(frame(i / 10, i), [])
            if i == 0:
                wait_for(lambda: not recording._queue)
        assert recording.dropped == 14
        jam.free.set()
        wait_for(lambda: recording.frames == 6)
        recording.write(frame(2.0, 20), [])
    _, *lines, last = lines_of(tmp_path / "out.jsonl")
    assert last == {"frames": 7, "dropped": 14}
    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [f.time for f in container.decode(video=0)]
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 2.0], abs=1e-3)
    assert [line["t"] for line in lines] == pytest.approx(times, abs=1e-3)


def slow_recording(path, frames, pause_s, **setup):
    """A recording whose thread needs `pause_s` for each frame; not closed yet."""
    recording = Recording(path, header, RecordingSetup(time.monotonic, written=lambda frame: time.sleep(pause_s), **setup))
    for i in range(frames):
        recording.write(frame(i / 10, i), [])
    return recording


def test_a_slow_encoder_is_waited_for_as_long_as_it_goes_on(tmp_path):
    recording = slow_recording(tmp_path / "out.mp4", 6, 0.12, settings=RecorderSettings(close_s=0.4))
    recording.close()
    assert recording.frames == 6
    assert recording.losses.facts() == {}


def test_an_encoder_that_hangs_is_not_waited_for(tmp_path):
    recording = slow_recording(tmp_path / "out.mp4", 2, 3.0, settings=RecorderSettings(close_s=0.4))
    with pytest.raises(Trouble, match=r"could not be finished: .* has not answered for 0\.4 s"):
        recording.close()


def test_a_program_that_is_asked_to_end_does_not_wait_for_all_frames(tmp_path):
    began, asked = time.monotonic(), threading.Event()
    recording = slow_recording(tmp_path / "out.mp4", 40, 0.2, settings=RecorderSettings(end_s=0.5), stopped=asked.is_set)
    asked.set()
    recording.close()
    assert time.monotonic() - began < 4
    assert recording.frames + recording.losses.ended == 40
    assert "the program was ended before they were encoded" in str(recording.losses)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].frames == recording.frames
    assert lines_of(tmp_path / "out.jsonl")[-1] == {"frames": recording.frames, "dropped": recording.losses.ended}


def test_a_program_that_stood_still_is_not_called_too_slow(tmp_path, monkeypatch):
    clock, messages, jam = FakeClock(), [], Jam()
    monkeypatch.setattr(losses, "CHECK_S", 0.01)
    monkeypatch.setattr(recording_module, "StopWatch", lambda tell: losses.StopWatch(tell, lambda: clock.now))
    setup = RecordingSetup(lambda: clock.now, SMALL_QUEUE, live=True, encoder=jam, tell=messages.append)
    with Recording(tmp_path / "out.mp4", header, setup) as recording:
        recording.write(frame(0.0), [])
        wait_for(lambda: not recording._queue)
        clock.now = 11.0
        wait_for(lambda: messages)
        for i in range(8):
            recording.write(frame(11 + i / 10, i), [])
        clock.now = 13.0
        time.sleep(0.1)
        jam.free.set()
    assert messages == [f"{tmp_path / 'out.mp4'}: the program stood still for 11 s (the computer slept, or it was suspended)"]
    assert recording.losses.slow == 0
    assert recording.losses.stopped == 3
    assert "did not keep up" not in str(recording.losses)
    assert lines_of(tmp_path / "out.jsonl")[-1] == {"frames": 6, "dropped": 3, "stopped_s": 11.0}


def test_from_a_file_no_frame_is_dropped(tmp_path):
    jam = Jam()
    threading.Timer(0.1, jam.free.set).start()
    with Recording(tmp_path / "out.mp4", header, RecordingSetup(time.monotonic, SMALL_QUEUE, encoder=jam)) as recording:
        for i in range(50):
            recording.write(frame(i / 10, i), [])
            assert len(recording._queue) <= 5
    assert (recording.frames, recording.dropped) == (50, 0)
    assert [line["frame"] for line in lines_of(tmp_path / "out.jsonl")[1:]] == list(range(50))


def test_what_fails_in_the_thread_is_raised_by_write_or_by_close_and_what_was_written_is_whole(tmp_path):
    class Breaks:
        """A reading without values."""

    def broken(path, close_only):
        recording = Recording(path, header, RecordingSetup(time.monotonic))
        for i in range(30):
            recording.write(frame(i / 10, i), [])
        recording.write(frame(3.0, 30), [Breaks()])
        if not close_only:
            wait_for(lambda: recording.is_finished)
            recording.write(frame(3.1, 31), [])
        recording.close()

    for close_only in (False, True):
        with pytest.raises(AttributeError):
            broken(tmp_path / f"{close_only}.mp4", close_only)
        with av.open(str(tmp_path / f"{close_only}.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == 30
        assert len(lines_of(tmp_path / f"{close_only}.jsonl")) == 31


def test_an_encoder_that_fails_is_one_line(tmp_path):
    with pytest.raises(Trouble, match=r"cannot write .*out\.mp4 \(.*\) after 0 frames: it is not the disk: h264_nonesuch"):
        record(tmp_path / "out.mp4", [(frame(0), [])], encoder=lambda size_wh, settings: "h264_nonesuch")


def test_a_folder_that_is_removed_meanwhile_is_one_line(tmp_path):
    (tmp_path / "made").mkdir()
    setup = RecordingSetup(FakeClock(), RecorderSettings(check_s=0.0))
    recording = Recording(tmp_path / "made" / "out.mp4", header, setup)
    recording.write(frame(0), [])
    wait_for(lambda: recording.frames == 1)
    shutil.rmtree(tmp_path / "made")
    recording.write(frame(1), [])
    with pytest.raises(Trouble, match=r"out\.mp4 was moved or removed"):
        recording.close()


def test_a_disk_that_fills_is_reported_in_time_and_the_file_is_finished(tmp_path):
    clock, messages, free_mb = FakeClock(), [], [2000, 400, 300, 15]
    setup = RecordingSetup(clock, tell=messages.append, free=lambda folder: free_mb[int(clock.now)] * 1_000_000, live=True)
    with RecordSwitch(tmp_path, header, setup) as switch:
        switch.toggle()
        recording = switch.running
        for i in range(4):
            clock.now = float(i)
            switch.write(frame(i / 10, i), [])
            wait_for(lambda i=i: recording.frames == i + 1)
        wait_for(lambda: recording.is_finished)
        switch.write(frame(0.5, 5), [])
        assert switch.running is None
    assert len(messages) == 2
    assert messages[0].startswith("the disk is nearly full: 400 MB left")
    assert "only 15 MB are left" in messages[1]
    with av.open(str(recording.path)) as container:
        assert container.streams.video[0].frames == 4
    assert len(lines_of(recording.readings_path)) == 5


def test_opening_and_closing_do_not_hold_up_the_frames(tmp_path):
    jam = Jam()
    with RecordSwitch(tmp_path / "made", header, RecordingSetup(time.monotonic, encoder=jam, live=True)) as switch:
        switch.toggle()
        for i in range(5):
            switch.write(frame(i / 10, i), [])
        assert str(switch.toggle()).startswith("saved ")
        switch.write(frame(0.6, 6), [])
        assert not switch.finished[0].is_finished
        jam.free.set()
    assert [recording.frames for recording in switch.finished] == [5]


def test_a_constant_rate_repeats_and_leaves_out_frames_by_their_time(tmp_path):
    times = [0.0, 0.1, 0.12, 0.5, 0.6]
    recording = record(tmp_path / "out.mp4", [(painted(t, 40 * i), [a_reading(id=i + 1)]) for i, t in enumerate(times)], fps=10.0)
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = [(f.time, round(f.to_ndarray(format="gray").mean() / 40)) for f in container.decode(video=0)]
    assert [t for t, _ in shown] == pytest.approx([i / 10 for i in range(7)], abs=1e-3)
    lines = lines_of(tmp_path / "out.jsonl")[1:]
    assert recording.frames == len(lines) == 7
    # Each slot has the newest frame of its time: the third from 0.2 to 0.4.
    assert [line["faces"][0]["id"] for line in lines] == [1, 2, 3, 3, 3, 4, 5]


def test_a_constant_rate_goes_on_to_the_end_of_the_last_frame(tmp_path):
    frames = [(replace(frame(i / 10, i), duration=1.0 if i == 2 else 0.1), []) for i in range(3)]
    record(tmp_path / "out.mp4", frames, fps=10.0)
    assert [line["t"] for line in lines_of(tmp_path / "out.jsonl")[1:]] == pytest.approx([i / 10 for i in range(12)])
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert float(container.streams.video[0].duration * container.streams.video[0].time_base) == pytest.approx(1.2, abs=1e-3)


def test_another_size_is_fitted_with_its_boxes(tmp_path):
    record(tmp_path / "out.mp4", [(frame(0), [a_reading(box=Box(0, 0, 32, 24))])], size_wh=(200, 96))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (200, 96)
    head, line = lines_of(tmp_path / "out.jsonl")
    assert (head["width"], head["height"]) == (200, 96)
    assert line["faces"][0]["box"] == [36, 0, 100, 48]


def test_annotated_and_clean_pictures(tmp_path):
    for picture in ("annotated", "clean", "both"):
        record(tmp_path / f"{picture}.mp4", [(frame(0, size_wh=(320, 240)), [a_reading(box=Box(80, 80, 200, 200))])], picture=picture)
    has_drawing = {}
    for path in tmp_path.glob("*.mp4"):
        with av.open(str(path)) as container:
            has_drawing[path.stem] = next(container.decode(video=0)).to_ndarray(format="gray").std() > 5
    assert has_drawing == {"annotated": True, "clean": False, "both": True, "both_clean": False}
    assert len(list(tmp_path.glob("*.jsonl"))) == 3


def test_numbers_alone_are_no_pictures(tmp_path):
    recording = record(tmp_path / "out.mp4", [(frame(i / 10), [a_reading()]) for i in range(3)], privacy="numbers")
    assert recording.files == [tmp_path / "out.jsonl"]
    assert list(tmp_path.iterdir()) == [tmp_path / "out.jsonl"]
    head, *lines = lines_of(tmp_path / "out.jsonl")
    assert head["privacy"] == "numbers"
    assert len(lines) == 3


def test_faces_are_not_recorded_uncovered_where_nothing_searches_for_them(tmp_path):
    with (
        pytest.raises(ValueError, match="uncovered"),
        Recording(tmp_path / "out.mp4", dict, RecordingSetup(time.monotonic, choices=Choices(privacy="blur"))) as recording,
    ):
        recording.write(frame(0), [a_reading()])
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("privacy", ["none", "numbers"])
def test_table_and_subtitles_say_what_the_readings_say(tmp_path, privacy):
    frames = [(frame(5 + i / 10, i), [a_reading()]) for i in range(4)]
    recording = record(tmp_path / "a.mp4", frames, privacy=privacy, csv=True, srt=True)
    assert [path.suffix for path in recording.files] == [".mp4"] * (privacy == "none") + [".csv", ".srt", ".jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in recording.files)
    table = [row.split(",") for row in (tmp_path / "a.csv").read_text().splitlines()[1:]]
    rows = [row[:4] for row in table]
    lines = lines_of(tmp_path / "a.jsonl")[1:]
    assert [row[-4:] for row in table] == [[str(line["faces"][0][name]) for name in ("yaw", "pitch", "roll", "eyes")] for line in lines]
    assert rows == [[str(line["t"]), str(line["frame"]), "1", "happiness"] for line in lines]
    assert len(rows) == 4
    assert "00:00:00,000 --> 00:00:00,400\n1 happiness" in (tmp_path / "a.srt").read_text()


def test_a_switch_starts_and_stops_new_files(tmp_path):
    with RecordSwitch(tmp_path / "made", header, RecordingSetup(time.monotonic)) as switch:
        switch.write(frame(0.0), [])
        assert switch.running is None
        assert str(switch.toggle()) == "recording"
        for i in range(4):
            switch.write(frame(1 + i / 10), [])
        assert switch.running.elapsed_s == pytest.approx(0.3)
        assert str(switch.toggle()).startswith("saved ")
        assert str(switch.toggle()) == "recording"
        switch.write(frame(9), [])
    videos = sorted((tmp_path / "made").glob("*.mp4"))
    assert [len(lines_of(video.with_suffix(".jsonl"))) for video in videos] == [5, 2]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in /proc")
def test_finished_recordings_give_their_threads_back(tmp_path):
    with RecordSwitch(tmp_path, header, RecordingSetup(time.monotonic)) as switch:
        before = len(list(Path("/proc/self/task").iterdir()))
        for i in range(3):
            switch.toggle()
            switch.write(frame(float(i)), [])
            switch.write(frame(i + 0.1), [])
            switch.toggle()
        wait_for(lambda: all(recording.is_finished for recording in switch.finished))
        wait_for(lambda: len(list(Path("/proc/self/task").iterdir())) <= before)
    assert [recording.frames for recording in switch.finished] == [2, 2, 2]
    assert all(recording.size_mb > 0 for recording in switch.finished)


def test_a_switch_can_begin_with_a_recording(tmp_path):
    first = Recording(tmp_path / "first.mp4", header, RecordingSetup(time.monotonic))
    with RecordSwitch(tmp_path / "made", header, RecordingSetup(time.monotonic), first) as switch:
        switch.write(frame(0.0), [])
        assert switch.running.elapsed_s == 0.0
        assert str(switch.toggle()) == f"saved {tmp_path / 'first.mp4'}"
        switch.write(frame(0.1), [])
        switch.toggle()
        switch.write(frame(0.2), [])
    assert [len(lines_of(recording.readings_path)) for recording in switch.finished] == [2, 2]
    assert switch.finished[1].path.parent == tmp_path / "made"


def test_a_switch_tells_of_each_frame_that_was_recorded(tmp_path):
    indices = []
    with RecordSwitch(
        tmp_path / "made", header, RecordingSetup(time.monotonic, written=lambda frame: indices.append(frame.index))
    ) as switch:
        for i in range(6):
            switch.write(frame(i / 10, i), [])
            if i in (1, 4):
                switch.toggle()
    assert indices == [2, 3, 4]


def test_a_switch_says_when_it_cannot_start(tmp_path):
    (tmp_path / "made").write_text("a file where the folder should be")
    switch = RecordSwitch(tmp_path / "made", header, RecordingSetup(time.monotonic))
    assert "cannot make the folder" in str(switch.toggle())
    assert switch.running is None


def test_dated_names_never_exist(tmp_path):
    names = set()
    for _ in range(3):
        path = dated(tmp_path, ".png")
        path.touch()
        names.add(path)
    assert len(names) == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_recordings_are_for_their_owner_alone(tmp_path):
    recording = record(tmp_path / "out.mp4", [(frame(0), [a_reading()])], picture="both", csv=True, srt=True)
    assert len(recording.files) == 5
    assert {file.stat().st_mode & 0o777 for file in recording.files} == {0o600}
    with RecordSwitch(tmp_path / "made" / "new", header, RecordingSetup(time.monotonic)) as switch:
        switch.toggle()
        switch.write(frame(0), [])
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "made", tmp_path / "made" / "new")} == {0o700}
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "made" / "new").iterdir()} == {0o600}


def test_two_recordings_into_one_file_damage_nothing(tmp_path):
    path = tmp_path / "out.mp4"
    with Recording(path, header, RecordingSetup(time.monotonic)) as first:
        second = Recording(path, header, RecordingSetup(time.monotonic), overwrite=True)
        third = Recording(path, header, RecordingSetup(time.monotonic))
        for i in range(3):
            first.write(frame(i / 10, i), [])
        wait_for(lambda: first.frames == 3)
        for other, why in ((second, "another run is writing"), (third, "exists and is kept")):
            other.write(frame(0), [])
            with pytest.raises(Trouble, match=why):
                other.close()
    assert len(lines_of(tmp_path / "out.jsonl")) == 4
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3


def test_two_programs_that_start_recordings_at_once_get_two_names(tmp_path):
    switches = [RecordSwitch(tmp_path, header, RecordingSetup(time.monotonic)) for _ in range(2)]
    for switch in switches:
        assert str(switch.toggle()) == "recording"
    for switch in switches:
        with switch:
            switch.write(frame(0), [])
    videos = [switch.finished[0].path for switch in switches]
    assert videos[0] != videos[1]
    assert all(len(lines_of(video.with_suffix(".jsonl"))) == 2 and video.exists() for video in videos)


def test_a_recording_that_got_no_frame_leaves_nothing(tmp_path):
    switch = RecordSwitch(tmp_path, header, RecordingSetup(time.monotonic))
    switch.toggle()
    assert str(switch.toggle()) == "nothing recorded"
    assert list(tmp_path.iterdir()) == []


def test_readings_alone_may_be_named_as_readings(tmp_path):
    record(tmp_path / "out.jsonl", [(frame(0), []), (frame(1), [])], privacy="numbers")
    assert [file.name for file in tmp_path.iterdir()] == ["out.jsonl"]
    with pytest.raises(Trouble, match=r"must end in \.mp4, \.mov, \.mkv$"):
        record(tmp_path / "out2.jsonl", [(frame(0), [])])
    with pytest.raises(Trouble, match=r"must end in \.mp4, \.mov, \.mkv, \.jsonl$"):
        record(tmp_path / "out.csv", [(frame(0), [])], privacy="numbers")
