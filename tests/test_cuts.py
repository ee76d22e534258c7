from itertools import islice, pairwise

import cv2
import numpy as np
import pytest

from realtime.config import CutSettings
from realtime.faces.cuts import CutDetector, Shot, adds_light, change, normalize_contrast
from realtime.sources.films import DEMO, VideoFile


def shots_of(frames, fps: float = 30) -> list[Shot]:
    detector = CutDetector(CutSettings())
    return [detector.update(gray, i / fps) for i, gray in enumerate(frames)]


def cuts_in(frames, fps: float = 30) -> list[int]:
    return [i for i, shot in enumerate(shots_of(frames, fps)) if shot.begins]


def numbers(frames, fps: float = 30) -> list[int]:
    return [shot.number for shot in shots_of(frames, fps)]


def grays(path, count: int | None = None) -> list[np.ndarray]:
    with VideoFile(path) as film:
        return [cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY) for frame in islice(film, count)]


@pytest.mark.parametrize(
    ("now", "expected"), [([0, 1, 2, 3], 0.0), ([10, 30, 50, 70], 0.0), ([3, 2, 1, 0], 2.0), ([5, 5, 5, 5], 1.0), ([1, 0, 0, 1], 1.0)]
)
def test_change_is_one_minus_the_correlation(now, expected):
    assert change(normalize_contrast(np.array([0.0, 1, 2, 3])), normalize_contrast(np.array(now, float))) == pytest.approx(
        expected, abs=1e-6
    )


def test_two_black_pictures_have_no_change():
    assert change(normalize_contrast(np.zeros(4)), normalize_contrast(np.zeros(4))) == 0


def test_no_cut_within_the_demo_clip_where_people_come_go_and_fade():
    assert cuts_in(grays(DEMO)) == []


def test_no_cut_in_a_moving_scene(shared):
    assert cuts_in(grays(shared("video/sad_to_laughing.mp4"))) == []
    assert cuts_in(grays(shared("video/no_face.mp4"))) == []


def test_a_cut_between_two_films_is_detected_at_its_frame(shared):
    one, two = grays(DEMO, 20), grays(shared("video/sad_to_laughing.mp4"), 20)
    assert cuts_in([*one, *two]) == [20]
    assert not shots_of([*one, *two])[20].alike
    assert cuts_in([*two, *one, *two]) == [20, 40]


def test_a_cut_within_one_room_is_detected_after_little_change():
    """The demo's room is the same in all frames: only the people differ."""
    frames = grays(DEMO)
    assert cuts_in([frames[0]] * 10 + [frames[150]] * 10) == [10]
    assert not shots_of([frames[0]] * 10 + [frames[150]] * 10)[10].alike


def test_where_a_piece_of_a_scene_is_left_out_the_pictures_are_still_alike():
    frames = grays(DEMO)
    shot = shots_of([frames[0]] * 10 + [frames[90]] * 10)[10]
    assert (shot.begins, shot.alike) == (True, True)


def test_a_lamp_or_the_cameras_gain_is_no_cut():
    room = grays(DEMO, 1)[0]
    dark = cv2.convertScaleAbs(room, alpha=0.4)
    assert cuts_in([room] * 5 + [dark] * 5) == []


def test_a_picture_that_changes_its_size_is_no_cut():
    room = grays(DEMO, 1)[0]
    assert cuts_in([room] * 5 + [cv2.resize(room, (320, 240))] * 5) == []


@pytest.fixture
def room() -> np.ndarray:
    return grays(DEMO, 1)[0]


def window(picture: np.ndarray, x: float, y: float, zoom: float = 1.0) -> np.ndarray:
    """What a camera sees of a picture that is enlarged twice, `x` and `y` px from its middle."""
    height, width = picture.shape
    matrix = np.array([[2 * zoom, 0, -width * (zoom - 0.5) - x], [0, 2 * zoom, -height * (zoom - 0.5) - y]])
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def lit(picture: np.ndarray, gain: float, glow: float) -> np.ndarray:
    """The picture in the light of a flash: brighter everywhere, most in the middle."""
    height, width = picture.shape
    y, x = np.mgrid[:height, :width]
    near = np.exp(-((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) / 0.1)
    return np.clip(picture * gain + glow * near, 0, 255).astype(np.uint8)


def test_a_shaking_camera_makes_no_cut_and_its_movement_is_measured(room):
    places = np.random.default_rng(3).uniform(-30, 30, (30, 2))
    frames = [window(room, *place) for place in places]
    thumbs = [normalize_contrast(cv2.resize(frame, (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32)) for frame in frames]
    assert max(change(*pair) for pair in pairwise(thumbs)) > CutSettings().surely
    shots = shots_of(frames)
    assert {shot.number for shot in shots} == {0}
    for (before, now), shot in zip(pairwise(places), shots[1:], strict=True):
        if any(shot.shift):
            assert shot.shift == pytest.approx(tuple(before - now), abs=4)
    assert sum(any(shot.shift) for shot in shots) > 15


def test_a_movement_that_changes_little_is_not_measured(room):
    assert shots_of([window(room, 0, 0), window(room, 1, 0)])[1].shift == (0, 0)


def test_a_movement_of_more_than_a_fifth_of_the_picture_is_a_cut(room):
    width = room.shape[1]
    still = [window(room, 0, 0)] * 5
    assert cuts_in([*still, window(room, 0.15 * width, 0)]) == []
    assert cuts_in([*still, window(room, 0.35 * width, 0)]) == [5]


def test_a_zoom_is_no_cut(room):
    assert cuts_in([window(room, 0, 0, 1 + i / 20) for i in range(20)]) == []


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", ["white", "black", "dark noise", "flash", "weak flash", "other"])
def test_a_shot_goes_on_after_strange_frames(room, kind, count):
    noise = np.random.default_rng(1)
    strange = {
        "white": np.full_like(room, 255),
        "black": np.zeros_like(room),
        "dark noise": noise.integers(0, 4, room.shape, np.uint8),
        "flash": lit(room, 2.0, 300),
        "weak flash": lit(room, 1.5, 150),
        "other": cv2.resize(noise.integers(0, 256, (12, 16), np.uint8), room.shape[::-1]),
    }[kind]
    assert normalize_contrast(strange.astype(float)) is None or change(*map(normalize_contrast, (room.astype(float), strange))) > 0.1
    for fps in (30, 5, 1):
        shots = shots_of([*[room] * 5, *[strange] * count, *[room] * 5], fps)
        assert [shot.number for shot in shots[:5] + shots[5 + count :]] == [0] * 10
        # After a frame without a flash, the faces are followed as ever.
        assert not any(shot.flash for shot in shots[:5] + shots[5 + count :])
        if kind != "other" and fps == 30:
            assert all(shot.flash and shot.number == 0 for shot in shots[5 : 5 + count])


@pytest.mark.parametrize(
    ("white", "dark", "by", "expected"), [(0.3, 0, 0, True), (0.3, 0.5, 3, True), (0.3, 0.05, 30, False), (0.05, 0, 0, False)]
)
def test_a_flash_makes_much_white_and_nothing_darker(white, dark, by, expected):
    """A share `white` of the picture becomes white, and a share `dark` darker by `by` grey levels, which noise may do a little."""
    before = np.full((10, 100), 100, np.float32)
    now = before.copy()
    now[:, : round(100 * white)] = 250
    now[:, 100 - round(100 * dark) :] -= by
    assert adds_light(before, now, CutSettings()) == expected


def test_a_cut_in_a_flash_is_a_cut(room, shared):
    other = grays(shared("video/sad_to_laughing.mp4"), 1)[0]
    for strange in (np.full_like(room, 255), np.zeros_like(room), lit(room, 2.0, 300)):
        assert numbers([room] * 5 + [strange] * 2 + [other] * 5) == [0] * 7 + [1] * 5


def test_what_stays_for_longer_than_a_flash_is_none(room):
    white, bright = np.full_like(room, 255), lit(room, 8.0, 0)
    shots = shots_of([room] * 5 + [white] * 30 + [room] * 5)
    assert (shots[34].number, shots[34].flash, shots[-1].number) == (1, False, 2)
    # A lamp that stays on is no cut at all.
    shots = shots_of([room] * 5 + [bright] * 30)
    assert [shot.flash for shot in shots] == [False] * 5 + [True] * 16 + [False] * 14
    assert {shot.number for shot in shots} == {0}


def test_a_shot_that_comes_back_later_is_a_new_one(room, shared):
    other = grays(shared("video/sad_to_laughing.mp4"), 1)[0]
    assert numbers([room] * 5 + [other] * 5 + [room] * 2) == [0] * 5 + [1] * 5 + [0] * 2
    assert numbers([room] * 5 + [other] * 30 + [room] * 2) == [0] * 5 + [1] * 30 + [2] * 2


def test_a_fade_to_black_and_back_is_no_cut(room):
    fade = [cv2.convertScaleAbs(room, alpha=max(0.0, 1 - i / 12)) for i in range(16)]
    assert cuts_in([*[room] * 5, *fade, *fade[::-1], *[room] * 5]) == []


def test_a_camera_that_corrects_its_exposure_makes_no_cut(room):
    assert cuts_in([cv2.convertScaleAbs(room, alpha=alpha) for alpha in (1, 0.4, 1.8, 0.3, 1, 2.2) for _ in range(5)]) == []


def test_no_cut_in_a_film_with_few_frames(shared):
    """A head that turns changes the picture more in a second than in a thirtieth."""
    for path, fps in ((DEMO, 30), (shared("video/sad_to_laughing.mp4"), 24)):
        frames = grays(path)
        for every in (2, 3, 5, 12, 24, 48):
            for start in range(0, every, 3):
                assert cuts_in(frames[start::every], fps / every) == []


def test_cuts_are_detected_in_a_film_with_few_frames(shared):
    one, two = grays(DEMO, 20), grays(shared("video/sad_to_laughing.mp4"), 20)
    for fps in (10, 5, 2, 1):
        assert cuts_in([*one[::5], *two[::5]], fps) == [4]
