import pytest

from realtime.sources.picture_clock import PictureClock


def times(stated, jump_s=10.0, durations=None) -> list[float]:
    clock = PictureClock(0.04, jump_s)
    return [clock.update(at, duration) for at, duration in zip(stated, durations or [None] * len(stated), strict=True)]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ([5.0, 5.04, 5.3, 5.34], [5.0, 5.04, 5.3, 5.34]),
        ([-1.3, -1.26], [-1.3, -1.26]),
        ([0.0, None, None, 0.12], [0.0, 0.04, 0.08, 0.12]),
        ([None, None], [0.0, 0.04]),
        ([0.0, 0.04, 0.04, 0.08], [0.0, 0.04, 0.041, 0.08]),
        ([0.0, 0.04, 0.02, 0.08], [0.0, 0.04, 0.041, 0.08]),
        ([3.0, 3.04, 0.0, 0.04, 0.08], [3.0, 3.04, 3.08, 3.12, 3.16]),
        ([3.0, 3.04, 900.0, 900.04], [3.0, 3.04, 3.08, 3.12]),
        ([3.0, 3.04, 900.0, 3.12, 3.16], [3.0, 3.04, 3.08, 3.12, 3.16]),
        ([3.0, 3.04, 0.0, 3.12, 3.16], [3.0, 3.04, 3.08, 3.12, 3.16]),
        ([3.0, 3.04, 9.0, 9.04], [3.0, 3.04, 9.0, 9.04]),
    ],
    ids=["even", "negative", "missing", "none", "repeated", "early", "glued", "jump", "wrong high", "wrong low", "still"],
)
def test_times_grow_and_stay_those_of_the_file_where_they_can_be_believed(stated, expected):
    assert times(stated) == pytest.approx(expected)


def test_clips_glued_twice_go_on_at_their_own_rate():
    clip = [1.48 + 0.04 * i for i in range(38)]
    assert times([*clip, *clip, *clip]) == pytest.approx([1.48 + 0.04 * i for i in range(3 * 38)])


def test_a_glued_clip_begins_when_the_last_picture_has_been_shown():
    assert times([0.0, 0.04, -5.0], durations=[0.04, 2.0, 0.04]) == pytest.approx([0.0, 0.04, 2.04])


def test_a_step_that_mp4_cannot_hold_is_not_believed():
    assert times([0.0, 0.04, 50_000.0], jump_s=12 * 3600.0) == pytest.approx([0.0, 0.04, 0.08])
