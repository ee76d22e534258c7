import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from calibration import session as steps
from calibration.observation import Observation, light_changed, observe
from calibration.plan import FRONT, ORDER, SIDE, Prompt, make_practice_prompts, make_prompts
from calibration.rest import OwnRest
from calibration.session import COUNTDOWN, DONE, LIGHT, QUIET, READY, REVIEW, TAKE, WRONG, CaptureSession
from realtime.config import CaptureSettings, QualitySettings, Settings
from realtime.pipeline import build_pipeline, to_gray
from realtime.sources.films import DEMO, VideoFile
from realtime.sources.playing import Repeated
from realtime.values import LABELS, Box, Face, Frame, Reading

SETTINGS, QUALITY = CaptureSettings(), QualitySettings()
GOOD = {"brightness": 120.0, "contrast": 40.0, "detail": 0.6, "grain": 0.2, "turn": 0.0, "eyes_px": 60.0, "balance": 0.0, "room": 90.0}
STEP_S = 1 / 30


def face(x: float = 300.0, y: float = 200.0) -> Face:
    points = np.array([(-40, 0), (-20, 0), (40, 0), (20, 0), (0, 30)], np.float32) + np.float32((x, y))
    return Face(1, Box(x - 80, y - 80, x + 80, y + 80), points)


def look(t: float, others: int = 0, doubt: str | None = None, at: tuple[float, float] = (300.0, 200.0), **measures: float) -> Observation:
    image, crop = np.zeros((8, 8, 3), np.uint8), np.zeros((48, 48), np.uint8)
    return Observation(t, others, image, face(*at), crop, np.full(7, 1 / 7, np.float32), doubt, GOOD | measures)


def nobody(t: float) -> Observation:
    return Observation(t, 0, np.zeros((8, 8, 3), np.uint8))


class FakeStore:
    """Notes which takes it gets."""

    def __init__(self):
        self.takes: list[tuple[Prompt, int]] = []
        self.dropped: list[Prompt] = []

    def keep(self, prompt, frames):
        self.takes.append((prompt, len(frames)))

    def drop(self, prompt):
        self.dropped.append(prompt)


def begin(plan, earlier=()):
    store = FakeStore()
    return CaptureSession(plan, SETTINGS, QUALITY, store.keep, store.drop, earlier), store


def play(session, until, t=0.0, look_at=look, most_s=30.0):
    """Frames until a step is reached; returns the time of the next frame and the view."""
    view, end = None, t + most_s
    while t < end:
        view = session.update(look_at(t))
        t += STEP_S
        if view.step == until:
            return t, view
    raise AssertionError(f"never came to {until}, stayed at {view.step}: {view.message}")


def test_plans_hold_what_they_promise():
    assert [p.expression for p in make_prompts("neutral", 1.5, 3)] == ["neutral"]
    assert [(p.expression, p.pose) for p in make_prompts("quick", 1.5, 3)] == [(name, FRONT) for name in ORDER]
    full = make_prompts("full", 1.5, 3)
    for name in LABELS:
        mine = [p for p in full if p.expression == name]
        assert len({p.light for p in mine if p.pose == FRONT}) == 2 and sum(p.pose == FRONT for p in mine) == 2
        assert len({p.light for p in mine if p.pose == SIDE}) == 3 and sum(p.pose == SIDE for p in mine) == 3
    assert sum(a.light != b.light for a, b in pairwise(full)) == 2
    assert [p.light for p in make_prompts("room", 1.5, 3)] == ["strong"] * 7 + ["weak"] * 7
    assert {p.seconds for p in full if p.expression == "neutral"} == {3}


def test_practice_asks_for_all_and_never_for_the_same_twice_in_a_row():
    for seed in range(30):
        prompts = make_practice_prompts(3, 1.5, random.Random(seed))
        assert len(set(prompts)) == 21
        assert all(a.expression != b.expression for a, b in pairwise(prompts))
        # The others are measured from it.
        assert prompts[0].expression == "neutral"
    assert len({make_practice_prompts(3, 1.5, random.Random(seed))[7].expression for seed in range(30)}) > 1


def test_a_take_is_counted_down_collected_reviewed_and_kept():
    session, store = begin(make_prompts("quick", 1.5, 3.0))
    t, view = play(session, COUNTDOWN)
    assert t == pytest.approx(SETTINGS.settle_s, abs=0.1) and view.remaining == pytest.approx(1, abs=0.02)
    t, view = play(session, TAKE, t)
    assert t == pytest.approx(SETTINGS.settle_s + SETTINGS.countdown_s, abs=0.15)
    t, view = play(session, REVIEW, t)
    assert len(view.chips) == pytest.approx(30, abs=2) and not store.takes
    t, view = play(session, READY, t)
    assert (view.number, view.of, view.prompt.expression) == (2, 7, "happiness")
    assert [prompt.expression for prompt, _ in store.takes] == ["neutral"]


def test_the_whole_plan_runs_unattended():
    session, store = begin(make_prompts("quick", 1.5, 3.0))
    t, view = play(session, DONE, most_s=90)
    assert session.complete and view.prompt is None and 40 < t < 60
    assert [prompt.expression for prompt, _ in store.takes] == list(ORDER)
    assert all(frames >= 14 for _, frames in store.takes)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (nobody, "Come into the picture"),
        (lambda t: look(t, others=1), "One person"),
        (lambda t: look(t, doubt="covered"), "Uncover"),
        (lambda t: look(t, eyes_px=10.0), "Come closer"),
        (lambda t: look(t, brightness=20.0), "More light"),
        (lambda t: look(t, brightness=240.0), "Less light"),
        (lambda t: look(t, doubt="dark"), "More light"),
        (lambda t: look(t, doubt="blurred"), "Hold still"),
        (lambda t: look(t, turn=-0.2), "Look straight"),
        (lambda t: look(t, at=(300 + 200 * t, 200)), "Hold still"),
    ],
)
def test_nothing_is_taken_while_something_is_wrong_and_the_remedy_is_said(bad, message):
    session, store = begin(make_prompts("quick", 1.5, 3.0))
    for i in range(150):
        view = session.update(bad(i * STEP_S))
        assert view.step == READY
        # The speed is measured over a while.
        assert message in str(view.message) or i * STEP_S < SETTINGS.calm_s
    t, _ = play(session, REVIEW, 5.0)
    assert not store.takes
    # In the countdown and in the take, trouble that lasts longer than a blink sends back to ready; a blink does not.
    other, store = begin(make_prompts("quick", 1.5, 3.0))
    t, _ = play(other, COUNTDOWN)
    for i in range(10):
        assert other.update(bad(t + i * STEP_S)).step == COUNTDOWN
    assert play(other, READY, t + 10 * STEP_S, bad)[1].step == READY
    t, _ = play(other, TAKE, 20.0)
    assert play(other, READY, t, bad)[1].prompt.expression == "neutral" and not store.takes


def test_frames_that_do_not_meet_the_requirements_are_left_out_of_a_take():
    session, store = begin([Prompt("fear", FRONT, "first", 1.5)])
    t, _ = play(session, TAKE)
    t, view = play(session, REVIEW, t, lambda t: look(t, doubt="blurred" if round(t / STEP_S) % 10 < 5 else None))
    assert 5 <= len(view.chips) <= 10
    play(session, DONE, t)
    assert store.takes == [(session.prompts[0], len(view.chips))]


def test_a_take_can_be_repeated_before_and_after_it_is_kept():
    session, store = begin(make_prompts("quick", 1.5, 3.0))
    t, _ = play(session, REVIEW)
    session.repeat()
    t, view = play(session, REVIEW, t)
    assert view.prompt.expression == "neutral" and not store.takes
    t, view = play(session, READY, t)
    assert view.prompt.expression == "happiness"
    session.repeat()
    assert [prompt.expression for prompt in store.dropped] == ["neutral"]
    assert session.prompt.expression == "neutral"
    t, _ = play(session, REVIEW, t)
    play(session, READY, t)
    assert [prompt.expression for prompt, _ in store.takes] == ["neutral", "neutral"]


def test_a_prompt_can_be_skipped_and_review_cut_short():
    session, store = begin(make_prompts("quick", 1.5, 3.0))
    session.update(look(0.0))
    session.skip()
    assert session.prompt.expression == "happiness"
    play(session, REVIEW, STEP_S)
    session.skip()
    assert [prompt.expression for prompt, _ in store.takes] == ["happiness"] and session.prompt.expression == "surprise"
    for _ in range(9):
        session.skip()
    assert session.complete and len(store.takes) == 1


def test_a_session_continues_after_its_stored_takes():
    plan = make_prompts("quick", 1.5, 3.0)
    session, store = begin(plan, [(prompt, GOOD) for prompt in plan[:5]])
    view = session.update(look(0.0))
    assert (view.prompt, view.number) == (plan[5], 6)
    play(session, DONE, STEP_S, most_s=40)
    assert [prompt for prompt, _ in store.takes] == list(plan[5:])


def test_the_match_is_measured_from_the_rest_of_the_session_s_own_take():
    """At rest the face seems sad: 0.6 by the world, and happiness has risen by ln(0.2 / 0.8) - ln(0.02 / 0.98) nats when it smiles."""

    def showing(**probs):
        rest = 1 - sum(probs.values())
        values = np.array([probs.get(name, rest if name == "neutral" else 0) for name in LABELS], np.float32)
        return lambda t: replace(look(t), probs=values)

    at_rest, smiling = showing(sadness=0.6, happiness=0.02), showing(sadness=0.4, happiness=0.2)
    rest = OwnRest()
    store = FakeStore()
    plan = [Prompt("neutral", FRONT, "first", 1.5), Prompt("happiness", FRONT, "first", 1.5)]
    session = CaptureSession(plan, SETTINGS, QUALITY, store.keep, store.drop, rest=rest)
    t, view = play(session, TAKE, look_at=at_rest)
    assert (view.match, view.match_needed, rest.logs) == (pytest.approx(0.38), None, None)
    t, _ = play(session, REVIEW, t, at_rest)
    t, view = play(session, READY, t, smiling)
    assert np.exp(rest.logs)[LABELS.index("sadness")] == pytest.approx(0.6)
    assert (view.match, view.match_needed) == (pytest.approx(2.506 / SETTINGS.risen_unasked, abs=1e-3), 0.5)
    # The take before is repeated: its rest is forgotten.
    session.repeat()
    assert rest.logs is None and session.update(smiling(t)).match == pytest.approx(0.4)


@pytest.mark.parametrize("change", [{"brightness": 95.0}, {"room": 115.0}, {"balance": -40.0}])
def test_another_light_must_really_be_another(change):
    plan = [Prompt("neutral", FRONT, "first", 1.5), Prompt("neutral", FRONT, "second", 1.5), Prompt("neutral", FRONT, "third", 1.5)]
    session, store = begin(plan)
    t, view = play(session, LIGHT)
    for i in range(90):
        view = session.update(look(t + i * STEP_S, balance=10.0, room=98.0))
    assert view.step == LIGHT and "Switch a lamp" in str(view.message)
    t, _ = play(session, READY, t + 3, lambda t: look(t, **change))
    t, _ = play(session, LIGHT, t, lambda t: look(t, **change))
    # The third light must differ from both earlier ones, not only from the second.
    for i in range(90):
        assert session.update(look(t + i * STEP_S)).step == LIGHT
    name, value = next(iter(change.items()))
    other = {name: 2 * value - GOOD[name]}
    play(session, DONE, t + 3, lambda t: look(t, **other))
    assert len(store.takes) == 3


def test_weak_light_must_be_darker():
    bright, dim = GOOD | {"room": 130.0}, GOOD | {"room": 60.0}
    assert light_changed(bright, GOOD, SETTINGS) and not light_changed(bright, GOOD, SETTINGS, darker=True)
    assert light_changed(dim, GOOD, SETTINGS, darker=True)
    plan = make_prompts("room", 1.5, 3.0)
    session, _ = begin(plan, [(prompt, GOOD) for prompt in plan[:7]])
    for i in range(60):
        view = session.update(look(i * STEP_S, room=130.0))
    assert view.step == LIGHT and "Less light" in str(view.message)
    play(session, READY, 2.0, lambda t: look(t, room=60.0))


def test_a_side_take_requires_a_turned_head_but_not_a_profile():
    session, store = begin([Prompt("anger", SIDE, "first", 1.5)])
    assert "Turn your head" in str(session.update(look(0.0)).message)
    assert "Turn back" in str(session.update(look(0.1, turn=0.55)).message)
    play(session, DONE, 0.2, lambda t: look(t, turn=-0.25))
    assert len(store.takes) == 1


@pytest.mark.parametrize("second_turn", [0.25, -0.25])
def test_all_frames_of_a_side_take_show_the_same_side(second_turn):
    session, _ = begin([Prompt("anger", SIDE, "first", 1.5)])
    t, _ = play(session, TAKE, 0.0, lambda t: look(t, turn=0.2))
    for i in range(6):
        session.update(look(t + i * STEP_S, turn=0.2))
    t += 6 * STEP_S
    # Shorter than a blink on the other side: those frames are left out.
    for i in range(9):
        view = session.update(look(t + i * STEP_S, turn=second_turn))
    assert ("Turn your head" in str(view.message)) == (second_turn < 0)
    t, view = play(session, REVIEW, t + 9 * STEP_S, lambda t: look(t, turn=0.2))
    assert len(view.chips) == pytest.approx(15 if second_turn > 0 else 12, abs=1)


@pytest.mark.parametrize(("front", "side"), [(0.3, 0.15), (0.15, 0.15)])
def test_settings_by_which_a_face_is_straight_and_turned_at_once_are_refused(front, side):
    with pytest.raises(ValueError, match=rf"front \({front}\) must be less than side \({side}\)"):
        CaptureSettings(front=front, side=side)


def test_the_largest_face_is_the_person():
    frame_image = np.full((480, 640, 3), 90, np.uint8)

    def reading(box: Box, id: int) -> Reading:
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        return Reading(Face(id, box, face(x, y).points), np.full(7, 1 / 7, np.float32), "neutral", 1 / 7, "tie")

    small, large = reading(Box(10, 10, 60, 60), 1), reading(Box(200, 100, 400, 300), 2)
    twin = reading(Box(420, 100, 600, 300), 3)
    frame = Frame(frame_image, 1.5, 0)
    observation = observe(frame, to_gray(frame_image), [small, large], SETTINGS)
    assert (observation.face.id, observation.other_faces, observation.t, observation.doubt) == (2, 0, 1.5, None)
    assert observe(frame, to_gray(frame_image), [small, large, twin], SETTINGS).other_faces == 1
    assert observe(frame, to_gray(frame_image), [], SETTINGS).face is None


@pytest.mark.parametrize("film", ["demo", "sad_to_laughing.mp4"])
def test_real_people_get_through_the_quick_plan(film, shared):
    path = DEMO if film == "demo" else shared(f"video/{film}")
    settings = Settings()
    pipeline = build_pipeline(settings, lambda: 0.0)
    session, store = begin(make_prompts("quick", 0.5, 0.5))
    source = Repeated(VideoFile(path))
    with pipeline, source:
        for frame in source:
            # Every fifth frame: a slow camera.
            if frame.index % 5 == 0:
                session.update(observe(frame, to_gray(frame.image), pipeline.read(frame), SETTINGS))
            # What is plainly something else is kept all the same: the people of films do not do what is asked of them.
            session.keep()
            if session.complete:
                break
            assert frame.t < 200, f"stuck at {session.prompt}"
    assert [prompt.expression for prompt, _ in store.takes] == list(ORDER)


def smiling(t):
    """A laugh that the model is sure of."""
    return replace(look(t), probs=np.eye(7, dtype=np.float32)[LABELS.index("happiness")] * 0.93 + 0.01)


def calm(t):
    return replace(look(t), probs=np.eye(7, dtype=np.float32)[LABELS.index("neutral")] * 0.93 + 0.01)


def test_a_laugh_is_not_taken_for_a_resting_face_and_is_asked_for_again():
    session, store = begin([Prompt("neutral", FRONT, "first", 1.5)])
    view = session.update(smiling(0.0))
    assert (view.tone, str(view.message)) == (WRONG, "This looks like happiness. Asked for: neutral.")
    t, view = play(session, REVIEW, 0.1, smiling)
    assert (view.refused, view.tone) == ("happiness", WRONG) and str(view.message).endswith("Once more.")
    t, view = play(session, READY, t, smiling)
    assert (view.refusals, store.takes) == (1, [])
    # The face comes to rest: what is taken then is kept.
    t, view = play(session, REVIEW, t, calm)
    assert (view.refused, view.tone) == (None, steps.GOOD)
    play(session, DONE, t, calm)
    assert [prompt.expression for prompt, _ in store.takes] == ["neutral"]


def test_the_user_can_keep_or_skip_what_is_refused():
    for act, takes in ((CaptureSession.keep, 1), (CaptureSession.skip, 0)):
        session, store = begin([Prompt("anger", FRONT, "first", 1.5)])
        session.keep()
        assert not store.takes
        play(session, REVIEW, 0.0, smiling)
        act(session)
        assert session.complete and len(store.takes) == takes


def test_practice_says_what_is_recognised_and_refuses_only_a_laughing_rest():
    store = FakeStore()
    plan = [Prompt("neutral", FRONT, "first", 1.5), Prompt("anger", FRONT, "first", 1.5)]
    session = CaptureSession(plan, SETTINGS, QUALITY, store.keep, store.drop, practice=True)
    t, view = play(session, REVIEW, 0.0, smiling)
    assert view.refused == "happiness"
    t, view = play(session, READY, t, smiling)
    t, view = play(session, REVIEW, t, calm)
    assert (view.refused, view.tone) == (None, steps.GOOD)
    t, view = play(session, READY, t, calm)
    assert view.prompt.expression == "anger"
    t, view = play(session, TAKE, t, smiling)
    # Nothing is praised while nothing of what was asked for is seen.
    assert (view.match, view.tone) == (pytest.approx(0, abs=0.01), QUIET)
    t, view = play(session, REVIEW, t, smiling)
    assert (view.refused, view.tone, str(view.message)) == (None, WRONG, "Recognised: happiness. Match: 0%.")
    play(session, DONE, t, smiling)
    assert len(store.takes) == 2
