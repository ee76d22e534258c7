from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeClock, World, points_in

from realtime.base.geometry import box_around, box_distance, move_box, width
from realtime.base.timing import StageTimer
from realtime.config import EFFORTS, Settings
from realtime.faces.cuts import Shot
from realtime.faces.finder import Detections
from realtime.faces.tracker import Tracker
from realtime.values import Box

LEFT, RIGHT = Box(0, 0, 100, 100), Box(300, 0, 400, 100)
GRAY = np.zeros((480, 640), np.uint8)
STEP = 1 / 30


def found(*boxes: Box, t: float, score: float = 1.0, degrees: float = 0.0) -> Detections:
    """What a search gives that found these boxes."""
    return Detections(boxes, t, None, (score,) * len(boxes), degrees)


class Stage:
    """A tracker and a world of faces. `show` gives it the next frame, with these faces in it and, if `search`, detected in it."""

    def __init__(self):
        self.world = World()
        self.tracker = Tracker(Settings().tracker, self.world, self.world, StageTimer(FakeClock()))
        self.t = -STEP

    def show(self, *faces: Box, after: float = STEP, search: bool = True, shift: tuple[float, float] = (0, 0), flash: bool = False):
        self.world.faces = list(faces)
        self.t += after
        detections = [found(*faces, t=self.t)] if search else []
        return self.tracker.update(GRAY, detections, self.t, EFFORTS[0], Shot(0, begins=False, shift=shift, flash=flash))

    def ids(self, *faces: Box, after: float = STEP, search: bool = True, flash: bool = False) -> list[int]:
        return [track.id for track in self.show(*faces, after=after, search=search, flash=flash)]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_without_faces_there_are_no_tracks(stage):
    assert stage.show() == []


def test_faces_are_tracked_without_any_search(stage):
    assert stage.ids(LEFT, RIGHT) == [1, 2]
    for step in range(1, 40):
        left, right = move_box(LEFT, 6 * step, 0), move_box(RIGHT, 0, 5 * step)
        tracks = stage.show(right, left, search=False)
        assert [track.id for track in tracks] == [1, 2]
        assert box_distance(tracks[0].box, left) < 0.01
        assert box_distance(tracks[1].box, right) < 0.01


@pytest.mark.parametrize(("face", "rate"), [(Box(20, 20, 80, 80), -0.7), (Box(-40, -40, 140, 140), 1.4)])
def test_a_box_changes_its_size_no_faster_than_a_face_can(stage, face, rate):
    """The points of a head that turns far draw together; its box goes along slowly, so that they are found again."""
    stage.show(LEFT)
    [track] = stage.show(face, search=False)
    assert width(track.box) == pytest.approx(100 * np.exp(rate * STEP), rel=1e-3)
    assert box_distance(track.box, face) < 0.01 and np.allclose(track.points, points_in(face))
    [track] = stage.show(face, search=False, after=1.0)
    assert width(track.box) == pytest.approx(width(face), rel=0.01)


def test_a_second_search_does_not_make_a_second_track(stage):
    assert stage.ids(LEFT) == [1]
    assert stage.ids(move_box(LEFT, 10, 0)) == [1]


def test_a_late_detection_is_compared_with_the_place_of_the_face_at_its_time(stage):
    for step in range(20):
        stage.show(move_box(LEFT, 20 * step, 0), search=step == 0)
    late = found(move_box(LEFT, 20 * 14, 0), t=14 * STEP)
    tracks = stage.tracker.update(GRAY, [late], stage.t, EFFORTS[0])
    assert [track.id for track in tracks] == [1]


def test_an_unconfirmed_detection_starts_no_track(stage):
    stage.world.faces = []
    assert stage.tracker.update(GRAY, [found(LEFT, t=0.0)], 0.0, EFFORTS[0]) == []


def test_of_what_the_detector_is_not_sure_the_judge_must_be(stage):
    settings = stage.tracker.settings
    stage.world.faces, stage.world.likelihood = [LEFT], (settings.judged_sure + settings.judged) / 2
    assert stage.tracker.update(GRAY, [found(LEFT, t=0.0, score=-0.6)], 0.0, EFFORTS[0]) == []
    assert [track.id for track in stage.tracker.update(GRAY, [found(LEFT, t=0.2, score=0.1)], 0.2, EFFORTS[0])] == [1]
    stage.tracker.restart()
    stage.world.likelihood = settings.judged_sure - 0.1
    assert stage.tracker.update(GRAY, [found(LEFT, t=0.3, score=0.1)], 0.3, EFFORTS[0]) == []
    stage.world.likelihood = settings.judged + 0.1
    assert [track.id for track in stage.tracker.update(GRAY, [found(LEFT, t=0.4, score=-0.6)], 0.4, EFFORTS[0])] == [2]


def test_of_a_leaning_place_the_judge_must_be_surer_still(stage):
    middle = Box(200, 150, 300, 250)
    # The second is where the same face lies in the copy that is turned back for the predictor.
    stage.world.faces, limit = [middle, Box(22, 22, 106, 106)], stage.tracker.settings.judged_leaning
    stage.world.likelihood = limit - 0.1
    assert stage.tracker.update(GRAY, [found(middle, t=0.0, degrees=30)], 0.0, EFFORTS[0]) == []
    stage.world.likelihood = limit + 0.1
    assert [track.id for track in stage.tracker.update(GRAY, [found(middle, t=0.1, degrees=30)], 0.1, EFFORTS[0])] == [1]


def test_a_part_of_a_face_is_no_face_unless_the_detector_is_sure(stage):
    stage.show(LEFT)
    mouth = Box(30, 50, 70, 90)
    stage.world.faces = [mouth, LEFT]
    tracks = stage.tracker.update(GRAY, [found(mouth, t=stage.t, score=-0.6)], stage.t, EFFORTS[0])
    assert [track.id for track in tracks] == [1]


def test_a_face_that_only_the_model_still_sees_keeps_its_track(stage):
    """A turned head: its points are found, the judge does not know it."""
    stage.show(LEFT)
    stage.world.likelihood = -9.0
    for _ in range(60):
        assert stage.ids(LEFT, search=False) == [1]
        stage.tracker.confirm({1: 0.001})
    lasted = 0
    while stage.ids(LEFT, search=False):
        stage.tracker.confirm({1: 0.9})
        lasted += 1
    assert lasted * STEP <= 0.5


def test_the_judge_does_not_look_at_a_face_that_the_model_confirms(stage):
    stage.show(LEFT)
    looks, judge = [], stage.world.of_places
    stage.world.of_places = lambda gray, places: looks.append(1) or judge(gray, places)
    for _ in range(30):
        stage.show(LEFT, search=False)
        stage.tracker.confirm({1: 0.0})
    assert looks == []


def test_a_detection_with_points_starts_a_track_at_these_points_unchecked(stage):
    stage.world.faces = []
    points = points_in(LEFT)[::-1] + np.float32(3)
    [track] = stage.tracker.update(GRAY, [Detections((LEFT,), 0.0, (points,))], 0.0, EFFORTS[0])
    assert (track.id, track.box) == (1, LEFT)
    assert track.points is points


def test_the_track_of_a_face_that_left_ends_within_half_a_second(stage):
    for _ in range(7):
        stage.show(LEFT)
    lasted = 0
    while stage.ids():
        lasted += 1
    assert 0.1 <= lasted * STEP <= 0.5


def test_a_face_keeps_its_id_if_it_is_back_within_a_second(stage):
    stage.show(LEFT)
    for _ in range(30):
        stage.show()
    assert stage.ids(move_box(LEFT, 20, 0)) == [1]
    for _ in range(60):
        stage.show()
    assert stage.ids(LEFT) == [2]


def test_a_new_face_at_another_place_gets_a_new_id(stage):
    stage.show(LEFT)
    for _ in range(15):
        stage.show()
    assert stage.ids(RIGHT) == [2]


def test_a_face_that_was_hidden_while_it_moved_keeps_its_id(stage):
    for step in range(15):
        stage.show(move_box(LEFT, 10 * step, 0))
    for _ in range(15):
        stage.show()
    assert stage.ids(move_box(LEFT, 300, 0)) == [1]


def test_faces_that_cross_keep_their_ids(stage):
    """They pass each other at half a face width, where the points of one could jump to the other."""
    for step in range(41):
        tracks = stage.show(move_box(LEFT, 10 * step, 0), move_box(LEFT, 400 - 10 * step, 50))
    assert {track.id: round(track.box.x0) for track in tracks} == {1: 400, 2: 0}


def test_a_face_hidden_by_a_crossing_face_keeps_its_id(stage):
    for step in range(61):
        front, back = move_box(LEFT, 8 * step, 0), move_box(LEFT, 240, 10)
        hidden = box_distance(front, back) < 0.5
        tracks = stage.show(*([front] if hidden else [front, back]))
        if step == 0:
            ids = {round(track.box.x0): track.id for track in tracks}
    after = {round(track.box.x0): track.id for track in tracks}
    assert after == {480: ids[0], 240: ids[240]}


def test_two_tracks_on_one_face_become_one(stage):
    stage.show(LEFT, move_box(LEFT, 120, 0))
    for step in range(1, 30):
        stage.show(move_box(LEFT, 4 * min(step, 15), 0), search=False)
    assert len(stage.ids(move_box(LEFT, 60, 0), search=False)) == 1


def drawn_to(place: Box, face: Box = LEFT, within: float = 0.0):
    """A predictor whose points are drawn to a place, and to the face where they are looked for within so many face widths of it."""
    return lambda gray, box: points_in(face if box_distance(box, face) < within else place)


def slide(stage: Stage, way: float) -> None:
    """The points of a face that stands still slide to the right within a second, while the model takes what is there for the face."""
    stage.show(LEFT)
    for step in range(1, 31):
        stage.world.points = drawn_to(move_box(LEFT, way * step / 30, 0))
        stage.show(LEFT, search=False)
        stage.tracker.confirm({1: 0.0})
    stage.world.points = drawn_to(move_box(LEFT, way, 0), within=0.05)


def test_a_track_that_has_slid_is_brought_back_where_the_detector_is_sure(stage):
    slide(stage, 40)
    # The judge, too, still takes what lies beside the face for one, but a worse one.
    stage.world.of_places = lambda gray, places: np.array([9.0 if box_distance(box_around(p), LEFT) < 0.1 else 3.0 for p in places])
    [track] = stage.tracker.update(GRAY, [found(LEFT, t=stage.t, score=-0.5)], stage.t, EFFORTS[0])
    assert track.box.x0 > 30
    [track] = stage.show(LEFT)
    assert track.id == 1 and np.allclose(track.points, points_in(LEFT)) and not track.velocity.any()


def test_a_track_stays_where_the_judge_is_no_surer_of_the_place_of_the_detector(stage):
    slide(stage, 40)
    stage.world.of_places = lambda gray, places: np.full(len(places), 5.0)
    [track] = stage.show(LEFT)
    assert track.id == 1 and track.box.x0 > 30


def test_a_face_whose_points_slid_away_is_found_where_it_was_seen(stage):
    stage.show(LEFT)
    for step in range(1, 11):
        stage.world.points = drawn_to(move_box(LEFT, 6 * step, 0), within=0.3 if step > 5 else 0)
        [track] = stage.show(LEFT, search=False)
    assert track.id == 1 and box_distance(track.box, LEFT) < 0.01


def test_a_face_keeps_its_id_where_it_was_seen_although_its_track_slid_away(stage):
    stage.show(LEFT)
    stage.world.points, points = (lambda gray, box: points_in(move_box(box, 30, 0))), stage.world.points
    frames = 0
    while stage.ids(search=False):
        frames += 1
    assert frames > 5
    stage.world.points = points
    assert stage.ids(LEFT) == [1]


def test_a_sure_detection_within_a_doubted_track_is_its_face(stage):
    """The points of a head that turned far are drawn apart: their box is over twice as wide as the face."""
    stage.show(LEFT)
    wide = Box(-10, -10, 250, 250)
    stage.world.points = lambda gray, box: points_in(LEFT if width(box) < 110 else wide)
    stage.world.of_places = lambda gray, places: np.array([9.0 if width(box_around(p)) < 110 else -9.0 for p in places])
    stage.tracker._tracks = [replace(stage.tracker._tracks[0], box=wide, points=points_in(wide), seen=wide, checked_t=stage.t + STEP)]
    [track] = stage.show(LEFT)
    assert track.id == 1 and box_distance(track.box, LEFT) < 0.01


def test_repeated_times_do_not_end_a_track(stage):
    stage.show(LEFT)
    for _ in range(5):
        assert stage.ids(move_box(LEFT, 3, 0), after=0.0) == [1]


def test_a_clock_that_goes_back_ends_all_tracks(stage):
    stage.show(LEFT, after=10.0)
    assert stage.ids(LEFT, after=-5.0) == [2]


def test_no_id_comes_back_after_a_restart(stage):
    stage.show(LEFT)
    stage.tracker.restart()
    assert stage.ids(LEFT) == [2]


def test_tracks_last_with_a_slow_camera(stage):
    for step in range(6):
        assert stage.ids(move_box(LEFT, 10 * step, 0), after=0.6) == [1]


def test_tracks_move_with_a_shaking_camera(stage):
    """The picture jumps by more than a face width, where the points alone do not follow."""
    x = y = 0.0
    stage.show(LEFT, RIGHT)
    for to_x, to_y in np.random.default_rng(5).uniform(-120, 120, (30, 2)):
        shift, x, y = (to_x - x, to_y - y), to_x, to_y
        tracks = stage.show(move_box(LEFT, x, y), move_box(RIGHT, x, y), search=False, shift=shift)
        assert [track.id for track in tracks] == [1, 2]
        assert box_distance(tracks[0].box, move_box(LEFT, x, y)) < 0.01


def test_the_movement_of_the_camera_is_not_the_velocity_of_the_face(stage):
    stage.show(LEFT)
    for step in range(1, 20):
        [track] = stage.show(move_box(LEFT, 30 * step, 0), search=False, shift=(30, 0))
    assert abs(track.velocity[0]) < 1


def test_a_face_that_the_camera_follows_keeps_its_id(stage):
    """The scene behind it moves."""
    stage.show(LEFT)
    for _ in range(30):
        [track] = stage.show(LEFT, search=False, shift=(-60, 0))
        assert track.id == 1
        assert box_distance(track.box, LEFT) < 0.01


def test_a_face_that_leaves_the_picture_in_a_pan_ends(stage):
    stage.show(LEFT)
    lasted = 0
    while stage.show(search=False, shift=(-40, 0)):
        lasted += 1
    assert lasted * STEP <= 0.5


def test_a_lost_face_is_expected_where_the_camera_moved_it(stage):
    stage.show(LEFT)
    for _ in range(15):
        stage.show()
    stage.show(shift=(150, 0))
    assert stage.ids(move_box(LEFT, 150, 0)) == [1]


def test_a_late_detection_moves_with_the_camera(stage):
    """A search in the background was asked about an earlier frame."""
    stage.show()
    asked_t = stage.t
    stage.show(shift=(100, 0), search=False)
    stage.show(shift=(100, 0), search=False)
    stage.world.faces = [move_box(LEFT, 200, 0)]
    [track] = stage.tracker.update(GRAY, [found(LEFT, t=asked_t)], stage.t, EFFORTS[0])
    assert box_distance(track.box, move_box(LEFT, 200, 0)) < 0.01


def test_in_a_flash_unseen_faces_pause_and_seen_ones_stay(stage):
    stage.show(LEFT, RIGHT)
    assert stage.ids(RIGHT, search=False, flash=True) == [2]
    assert stage.ids(search=False, flash=True) == []
    assert stage.ids(LEFT, RIGHT, search=False) == [1, 2]


def test_a_new_shot_ends_tracks_and_an_interrupted_one_has_its_own_again(stage):
    stage.show(LEFT)
    stage.tracker.enter(1)
    assert stage.tracker.boxes == []
    assert stage.ids(LEFT) == [2]
    stage.tracker.enter(0)
    assert stage.ids(LEFT, search=False) == [1]
    stage.tracker.enter(2)
    assert stage.ids(LEFT) == [3]


def pattern(seed: int) -> np.ndarray:
    """A picture like no other."""
    return np.random.default_rng(seed).integers(0, 256, (48, 64)).astype(np.uint8).repeat(10, 0).repeat(10, 1)


@pytest.mark.parametrize(
    ("face", "picture", "id"),
    [(move_box(LEFT, 5, 0), 1, 1), (move_box(LEFT, 30, 0), 1, 2), (Box(-10, -10, 110, 110), 1, 2), (LEFT, 2, 2)],
    ids=["at its place", "elsewhere", "larger", "unlike"],
)
def test_after_a_cut_between_alike_pictures_a_face_at_its_place_keeps_its_id(stage, face, picture, id):
    stage.world.faces = [LEFT]
    stage.tracker.update(pattern(1), [found(LEFT, t=0.0)], 0.0, EFFORTS[0])
    stage.tracker.enter(1, alike=True)
    stage.world.faces = [face]
    [track] = stage.tracker.update(pattern(picture), [found(face, t=STEP)], STEP, EFFORTS[0])
    assert track.id == id


def test_after_any_other_cut_a_face_at_its_place_is_a_new_one(stage):
    stage.show(LEFT)
    stage.tracker.enter(1)
    assert stage.ids(LEFT) == [2]


def test_a_face_that_is_gone_after_a_cut_is_not_kept(stage):
    stage.show(LEFT)
    stage.tracker.enter(1, alike=True)
    assert stage.ids(search=False) == []


def test_after_a_cut_a_face_elsewhere_does_not_stand_for_one_that_is_gone(stage):
    """Even where the face before the cut was once seen: the two were not compared."""
    stage.show(LEFT)
    stage.tracker._tracks = [replace(stage.tracker._tracks[0], seen=RIGHT)]
    stage.tracker.enter(1, alike=True)
    stage.world.points = lambda gray, box: points_in(RIGHT if box_distance(box, RIGHT) < 0.5 else LEFT)
    assert stage.ids(RIGHT, search=False) == []


def test_only_the_last_few_shots_are_kept(stage):
    stage.show(LEFT)
    for shot in range(1, 9):
        stage.tracker.enter(shot)
    stage.tracker.enter(0)
    assert stage.tracker.boxes == []


def test_a_face_that_moves_far_in_a_second_keeps_its_id_with_one_frame_a_second(stage):
    """Its points cannot follow it that far, but a search finds it in the same frame."""
    stage.show(LEFT, after=1.0)
    for step in range(1, 6):
        assert stage.ids(move_box(LEFT, 55 * (step % 2), 0), after=1.0) == [1]
