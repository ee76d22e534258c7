import pytest
from recordings import a_face, as_lines, even_times, write_readings

from realtime.readings.file import read
from realtime.readings.tracks import likely_same


def groups_of(tmp_path, times, faces):
    readings = read(write_readings(tmp_path / "a.jsonl", as_lines(times, faces)))
    return [[readings.people[i].id for i in group] for group in likely_same(readings)]


def at(x: float, side: float = 50.0, id: int = 1) -> dict:
    return a_face(id=id) | {"box": [x, 20.0, x + side, 20.0 + side]}


@pytest.mark.parametrize(
    ("away_s", "x", "side", "same"),
    [(2, 40, 50, True), (9, 70, 60, True), (11, 40, 50, False), (2, 90, 50, False), (2, 40, 75, False), (2, 40, 30, False)],
)
def test_a_face_that_comes_back_soon_near_its_place_and_as_large_is_likely_the_same(tmp_path, away_s, x, side, same):
    times = [*even_times(10, 10.0), *(0.9 + away_s + t for t in even_times(10, 10.0))]
    groups = groups_of(tmp_path, times, lambda i: [at(40) if i < 10 else at(x, side, id=2)])
    assert groups == ([[1, 2]] if same else [[1], [2]])


def test_faces_that_are_there_at_once_are_not_one_person(tmp_path):
    assert groups_of(tmp_path, even_times(20, 10.0), lambda i: [at(40), *([at(45, id=2)] if i > 5 else [])]) == [[1], [2]]


def test_of_two_who_left_the_nearer_one_came_back(tmp_path):
    def faces(i):
        return [at(40), at(65, id=2)] if i < 10 else [at(62, id=3)]

    assert groups_of(tmp_path, even_times(20, 10.0), faces) == [[1], [2, 3]]


def test_a_chain_of_short_tracks_is_one_person(tmp_path):
    assert groups_of(tmp_path, even_times(40, 10.0), lambda i: [at(40 + i, id=1 + i // 5)]) == [list(range(1, 9))]


def test_a_thousand_tracks_are_grouped_within_seconds(tmp_path):
    groups = groups_of(tmp_path, even_times(20, 10.0), lambda i: [at(60.0 * k, id=1 + 100 * i + k) for k in range(100)])
    assert len(groups) == 100
    assert {len(group) for group in groups} == {20}
