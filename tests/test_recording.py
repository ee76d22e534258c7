import json
import time
from itertools import pairwise

import av
import numpy as np
import pytest
from fakes import a_reading

from realtime.errors import Trouble
from realtime.recording import Means, Recording, RecordSwitch, dated
from realtime.values import Box, Frame


def frame(t: float, index: int = 0, size_wh=(64, 48)) -> Frame:
    return Frame(np.full((size_wh[1], size_wh[0], 3), 50, np.uint8), t, index)


def header() -> dict:
    return {"source": "script", "model": {"name": "m.tflite", "sha256": "00"}, "labels": ["a"]}


def record(path, frames, overwrite=False) -> Recording:
    with Recording(path, header, Means(time.monotonic), overwrite) as recording:
        for given, readings in frames:
            recording.write(given, readings)
    return recording


def wait_for(is_so) -> None:
    until = time.monotonic() + 10
    while not is_so():
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
    written = [line["faces"][0]["box"] for line in rest]
    assert written == [[0, 0, 40, 40], [0, 8, 12.8, 20.8], [14, 0, 44, 30], [0, 0, 40, 40]]


def test_times_that_repeat_or_go_back_leave_a_recording_that_goes_on_in_time(tmp_path):
    given = [100.0, 100.1, 100.1, 100.2, 7.0, 7.1, 7.2]
    record(tmp_path / "out.mp4", [(frame(t, i), []) for i, t in enumerate(given)])
    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [f.time for f in container.decode(video=0)]
    assert len(times) == 7
    assert all(after > before for before, after in pairwise(times))
    # After a jump of the clock film and readings go on at their pace.
    assert times == pytest.approx([0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.4], abs=1e-3)
    assert [line["t"] for line in lines_of(tmp_path / "out.jsonl")[1:]] == pytest.approx(times, abs=2e-5)


def test_what_exists_is_kept_unless_told(tmp_path):
    path = tmp_path / "out.mp4"
    record(path, [(frame(0), [])])
    before = path.read_bytes()
    with pytest.raises(Trouble, match=r"out\.mp4 exists and is kept.*--overwrite"):
        record(path, [(frame(0), [])])
    path.unlink()
    with pytest.raises(Trouble, match=r"out\.jsonl exists and is kept"):
        record(path, [(frame(0), [])])
    assert len(record(path, [(frame(0), []), (frame(1), [])], overwrite=True).path.read_bytes()) != len(before)


@pytest.mark.parametrize(("name", "said"), [("out.avi", r"must end in \.mp4"), ("gone/out.mp4", "there is no folder")])
def test_names_that_cannot_be_recorded_to(tmp_path, name, said):
    with pytest.raises(Trouble, match=said):
        record(tmp_path / name, [])


def test_a_recording_without_frames_leaves_nothing(tmp_path):
    record(tmp_path / "out.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_readings_are_in_the_file_as_soon_as_written(tmp_path):
    with Recording(tmp_path / "out.mp4", header, Means(time.monotonic)) as recording:
        recording.write(frame(0), [])
        wait_for(lambda: recording.frames == 1)
        assert len(lines_of(tmp_path / "out.jsonl")) == 2


def test_a_switch_starts_and_stops_new_files(tmp_path):
    with RecordSwitch(tmp_path / "made", header, Means(time.monotonic)) as switch:
        switch.write(frame(0.0), [])
        assert switch.running is None
        assert switch.toggle() == "recording"
        for i in range(4):
            switch.write(frame(1 + i / 10), [])
        assert switch.running.elapsed_s == pytest.approx(0.3)
        assert switch.toggle().startswith("saved ")
        assert switch.toggle() == "recording"
        switch.write(frame(9), [])
    videos = sorted((tmp_path / "made").glob("*.mp4"))
    assert [len(lines_of(video.with_suffix(".jsonl"))) for video in videos] == [5, 2]


def test_a_switch_can_begin_with_a_recording(tmp_path):
    first = Recording(tmp_path / "first.mp4", header, Means(time.monotonic))
    with RecordSwitch(tmp_path / "made", header, Means(time.monotonic), first) as switch:
        switch.write(frame(0.0), [])
        assert switch.running.elapsed_s == 0.0
        assert switch.toggle() == f"saved {tmp_path / 'first.mp4'}"
        switch.write(frame(0.1), [])
        switch.toggle()
        switch.write(frame(0.2), [])
    assert [len(lines_of(made.readings_path)) for made in switch.made] == [2, 2]
    assert switch.made[1].path.parent == tmp_path / "made"


def test_a_switch_tells_of_each_frame_that_was_recorded(tmp_path):
    written = []
    with RecordSwitch(tmp_path / "made", header, Means(time.monotonic, written=lambda frame: written.append(frame.index))) as switch:
        for i in range(6):
            switch.write(frame(i / 10, i), [])
            if i in (1, 4):
                switch.toggle()
    assert written == [2, 3, 4]


def test_a_switch_says_when_it_cannot_start(tmp_path):
    (tmp_path / "made").write_text("a file where the folder should be")
    switch = RecordSwitch(tmp_path / "made", header, Means(time.monotonic))
    assert "cannot make the folder" in switch.toggle()
    assert switch.running is None


def test_dated_names_never_exist(tmp_path):
    names = set()
    for _ in range(3):
        path = dated(tmp_path, ".png")
        path.touch()
        names.add(path)
    assert len(names) == 3
