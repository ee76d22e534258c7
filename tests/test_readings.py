import json

import numpy as np
import pytest
from recordings import HEADER, a_face, as_lines, even_times, write_readings

from realtime.base.errors import Trouble
from realtime.faces.pose import Pose
from realtime.readings.file import each_line, read, readings_path


def test_a_file_comes_back_as_arrays_for_each_person(tmp_path):
    def faces(i):
        return [a_face("anger", "tie" if i == 1 else None, id=2)] * (i != 2) + [a_face("neutral", id=1)] * (i >= 1)

    readings = read(write_readings(tmp_path / "a.jsonl", as_lines([0.0, 0.04, 0.1, 0.2], faces)))
    assert (readings.problems, readings.facts["source"], readings.t.tolist(), readings.numbers.tolist()) == (
        (),
        "film.mp4",
        [0, 0.04, 0.1, 0.2],
        [0, 1, 2, 3],
    )
    one, two = readings.people
    assert (one.id, one.rows.tolist(), [one.reasons[i] for i in one.reason_indices]) == (1, [1, 2, 3], [None] * 3)
    assert (two.id, two.rows.tolist(), [two.reasons[i] for i in two.reason_indices]) == (2, [0, 1, 3], [None, "tie", None])
    assert [readings.labels[i] for i in two.label_indices] == ["anger"] * 3
    assert (two.probs.shape, two.boxes.shape, two.probs.dtype) == ((3, 7), (3, 4), np.float32)
    assert two.probs[0, 0] == pytest.approx(0.88)
    assert two.poses == pytest.approx(np.array([[10.5, -3.0, 1.2, 21.7]] * 3))


def test_a_file_of_version_0_9_is_read_without_poses(tmp_path):
    def face(i):
        return {name: value for name, value in a_face().items() if name not in Pose._fields}

    path = write_readings(tmp_path / "a.jsonl", as_lines(even_times(3), lambda i: [face(i)]))
    readings = read(path)
    assert (readings.problems, len(list(each_line(path)))) == ((), 4)
    assert readings.people[0].poses.shape == (3, 4)
    assert np.isnan(readings.people[0].poses).all()


def test_a_recording_without_a_face_has_no_people(tmp_path):
    readings = read(write_readings(tmp_path / "a.jsonl", as_lines(even_times(3), lambda i: [])))
    assert (readings.people, len(readings.t), readings.problems) == ((), 3, ())


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_last_line_that_was_cut_off_is_reported_and_the_rest_is_read(tmp_path, cut):
    path = write_readings(tmp_path / "a.jsonl", as_lines(even_times(5)))
    path.write_bytes(path.read_bytes()[:-cut])
    readings = read(path)
    # With only the end of the line gone the last frame is whole.
    assert len(readings.t) == len(list(each_line(path))) - 1 == (5 if cut == 1 else 4)
    assert [("cut off" in problem) for problem in readings.problems] == [True] * (cut > 1)


def test_broken_lines_are_counted_and_left_out(tmp_path):
    lines = as_lines(even_times(9))
    lines[1]["faces"][0]["probs"].pop()
    lines[2]["t"] = None
    lines[3]["faces"][0]["label"] = "joy"
    del lines[4]["faces"][0]["confidence"]
    lines[8]["faces"][0]["yaw"] = None
    path = write_readings(tmp_path / "a.jsonl", lines)
    path.write_text(path.read_text().replace('"frame": 7', "\x00"))
    readings = read(path)
    assert readings.numbers.tolist() == [0, 5, 6]
    assert readings.problems == (f"{path}: 6 lines cannot be read (3, 4, 5, ...)",)
    assert [line["frame"] for line in list(each_line(path))[1:]] == [0, 5, 6]


def test_lines_without_a_frame_add_facts(tmp_path):
    path = write_readings(tmp_path / "a.jsonl", [*as_lines(even_times(2)), {"dropped": 3}])
    assert (read(path).facts["dropped"], len(read(path).t), len(list(each_line(path)))) == (3, 2, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello\n", "is no readings file"),
        (b"[1, 2]\n", "is no readings file"),
        (b"\x00\x01\xff\xfe" * 50, "is no readings file"),
        (json.dumps({**HEADER, "labels": "joy"}).encode(), "is no readings file"),
        (json.dumps({**HEADER, "labels": [1, 2]}).encode(), "is no readings file"),
        (json.dumps({**HEADER, "schema": "readings/2"}).encode(), "'readings/2'"),
    ],
)
def test_what_is_no_readings_file_is_one_line(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    for reader in (read, lambda path: list(each_line(path))):
        with pytest.raises(Trouble, match=message) as caught:
            reader(path)
        assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_reported(tmp_path):
    with pytest.raises(Trouble, match="no such file"):
        read(tmp_path / "a.jsonl")
    with pytest.raises(Trouble, match="cannot be read"):
        read(tmp_path)


def test_the_readings_of_a_video_lie_beside_it_and_a_clean_one_shares_them(tmp_path):
    path = write_readings(tmp_path / "a.jsonl", [])
    assert readings_path(path) == readings_path(tmp_path / "a.mp4") == readings_path(tmp_path / "a_clean.MP4") == path
    assert readings_path(tmp_path / "b_clean.mp4") == tmp_path / "b_clean.jsonl"
