"""Heads that are turned in depth: what is where afterwards, and what hides what."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.framing import placement_of_sampling, sampling_matrix  # noqa: E402
from models.turn_faces import drawn_pose, turned_face  # noqa: E402
from models.turning import Head, pitch_of, rotation, turned, turned_in_depth, yaw_of  # noqa: E402
from models.views import plain_chips  # noqa: E402
from realtime.faces.align import TEMPLATE, similarity  # noqa: E402
from realtime.faces.tilt import transform  # noqa: E402
from realtime.values import CHIP, CROP  # noqa: E402
from tests.heads import ball, head  # noqa: E402


def spot(x: float, y: float) -> np.ndarray:
    column, row = np.meshgrid(np.arange(320), np.arange(320))
    return (20 + 200 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 18)).astype(np.uint8)


@pytest.mark.parametrize(("yaw", "pitch", "towards"), [(30, 0, (1, 0)), (-30, 0, (-1, 0)), (0, 25, (0, -1)), (0, -25, (0, 1))])
def test_a_turned_head_shows_its_nose_where_its_mesh_has_it(yaw, pitch, towards):
    nose = head().five[4]
    picture, there = turned_in_depth(spot(*nose), head(), yaw, pitch)
    moved = there.five[4] - nose
    assert moved @ towards > 10 > 3 > abs(moved @ towards[::-1])
    row, column = np.unravel_index(picture.argmax(), picture.shape)
    assert np.hypot(*(there.five[4] - [column, row])) < 2
    assert there.width == head().width
    assert np.allclose(there.mesh, turned(head().mesh, head(), yaw, pitch))


def test_a_head_that_does_not_turn_stays_as_it_is(gray):
    picture = gray("obama")[:320, :320]
    same, there = turned_in_depth(picture, head(), 0, 0)
    assert np.abs(same.astype(int) - picture).max() <= 1
    assert np.allclose(there.mesh, head().mesh)


def test_far_from_the_head_little_moves():
    columns = np.tile(np.linspace(0, 250, 1001), (900, 1)).round().astype(np.uint8)
    after, _ = turned_in_depth(columns, head(), 40, 10)
    moved_px = np.abs(after.astype(int) - columns) * 4
    assert moved_px[140:180, 140:180].mean() > 10
    # Gray levels are 4 px wide.
    assert moved_px[700:, 900:].max() <= 8 and moved_px[-20:, -20:].max() == 0


def test_a_nose_hides_the_cheek_behind_it():
    """Bright nose, dark face: the nearest is drawn last, so all of the nose is seen beside the cheek that it hides."""
    nose = head().five[4]
    picture = spot(*nose)
    before = (picture > 120).sum()
    for yaw in (-60, 60):
        after, there = turned_in_depth(picture, head(), yaw, 0)
        x, y = there.five[4].round().astype(int)
        assert after[y, x] > 120
        assert (after > 120).sum() > 0.3 * before


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (35, 0), (-20, 0), (0, 15), (0, -20)])
def test_a_pose_is_what_a_head_was_turned_by(yaw, pitch):
    mesh = turned(head().mesh, head(), yaw, pitch)
    assert (yaw_of(mesh), pitch_of(mesh)) == pytest.approx((yaw, pitch), abs=1e-6)


def test_turning_there_and_back_is_no_turn():
    assert np.allclose(rotation(30, 0) @ rotation(-30, 0), np.eye(3))


def test_a_turned_face_is_framed_by_its_turned_points():
    crop = spot(160, 160)[140:188, 140:188]
    five = ((TEMPLATE - 0.5) * 40 + CROP / 2).astype(np.float32)
    mesh, framing = ball(five), sampling_matrix(similarity(five))
    plain = turned_face(crop, framing, mesh, 0, 0)
    assert np.allclose(plain.framing, framing, atol=1e-5)
    aside = turned_face(crop, framing, mesh, 40, 0)
    after = Head(turned(mesh, Head(mesh, 0), 40, 0), 0)
    # Least squares over the five points: their middle comes to the middle of the template's.
    middle = transform(after.five, placement_of_sampling(aside.framing)).mean(0)
    assert middle == pytest.approx(TEMPLATE.mean(0) * CROP, abs=0.6)
    chip = plain_chips(*(torch.from_numpy(one[None]) for one in (aside.crop[None], aside.framing)))
    assert chip.shape == (1, CHIP, CHIP)


def test_poses_are_drawn_within_their_limits():
    draw = np.random.default_rng(0)
    yaws, pitches = np.array([drawn_pose(draw) for _ in range(2000)]).T
    assert np.abs(yaws).max() <= 50 and np.abs(pitches).max() <= 32
    assert (np.abs(yaws) > 25).mean() > 0.25 and abs(yaws.mean()) < 2
    assert 14 < pitches.std() < 17 and abs(pitches.mean()) < 1.5
