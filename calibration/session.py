"""The guided capture as a state machine. Its input are observations of camera frames and their times; it reads no camera and draws nothing.

    light -> ready -> countdown -> take -> review -> the next prompt's light ... -> done

It asks for a prompt, waits until face, light and pose are as required, counts down, collects the frames of the take, shows them, and
keeps the take. One that plainly shows another expression (`calibration.refusal`) is asked for again, unless the user keeps it.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.observation import Observation, average_measures, light_changed
from calibration.plan import FRONT, Prompt
from calibration.refusal import plainly_shown
from calibration.rest import OwnRest, choose_shown, match_needed, match_target
from calibration.words import Remark, remark
from realtime.config import CaptureSettings, QualitySettings
from realtime.faces.align import enlarge
from realtime.values import Box

LIGHT, READY, COUNTDOWN, TAKE, REVIEW, DONE = "light", "ready", "countdown", "take", "review", "done"
GOOD, WRONG, QUIET = "good", "wrong", "quiet"
"""The tones of a view."""
NEVER = -math.inf
NEUTRAL = "neutral"
ROUNDING_S = 1e-6
"""Times of frames are sums of fractions: two may differ by this much less than they should."""


@dataclass(frozen=True)
class Requirement:
    """One thing that a take requires: the key of its name on the screen, whether it is met, and what the user should do if it is not."""

    name: str
    is_met: bool
    remedy: Remark | None


@dataclass(frozen=True)
class View:
    """What is to be shown now.

    Attributes:
        step: of the state machine.
        prompt: the take that is asked for; None when all are done.
        number, of: which take of how many, from 1.
        requirements: of a take.
        remaining: share of the countdown, take or review that is still to come, 1 to 0.
        remaining_s: the same in seconds.
        chips: of the take, (64, 64) uint8 each, in its review.
        match: how far the face has gone from the own rest towards the expression that is asked for, 0 to 1; as long as no rest is known,
            the probability of that expression. None without a face.
        match_needed: the match from which on the expression counts as shown; None as long as no rest is known.
        box: the person's face.
        message: what the user should do now, one sentence.
        tone: GOOD if all is as asked for, WRONG if something is to be changed, QUIET if nothing is to be said about the face.
        refused: the expression that the take in review plainly shows instead of the one that was asked for; None: it will be kept.
        refusals: how many takes in a row were so.
    """

    step: str
    prompt: Prompt | None
    number: int
    of: int
    requirements: tuple[Requirement, ...] = ()
    remaining: float = 0.0
    remaining_s: float = 0.0
    chips: tuple[np.ndarray, ...] = ()
    match: float | None = None
    match_needed: float | None = None
    box: Box | None = None
    message: Remark | None = None
    tone: str = QUIET
    refused: str | None = None
    refusals: int = 0


class CaptureSession:
    """Goes through the prompts.

    `update` takes one observation and returns what to show. A take goes to `keep` after its review, together with its frames.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        settings: CaptureSettings,
        quality: QualitySettings,
        keep: Callable[[Prompt, Sequence[Observation]], None],
        drop: Callable[[Prompt], None],
        earlier: Sequence[tuple[Prompt, dict[str, float]]] = (),
        rest: OwnRest | None = None,
        practice: bool = False,
    ):
        """
        Args:
            keep: called with a take that is to be stored.
            drop: called with a prompt whose stored take is to be erased, as it will be repeated.
            earlier: the stored takes of a session that is continued, each with its mean measures.
            rest: what is known of the person's resting face; this session's takes are added to it.
            practice: whether the user tries what is recognised: then of all takes only one of the resting face can be refused.
        """
        self.prompts, self.settings, self.quality = tuple(prompts), settings, quality
        self.keep_take, self.drop, self.practice = keep, drop, practice
        self._measures = dict(earlier)
        """Of the stored takes."""
        self._rest = rest or OwnRest()
        self._skipped: set[Prompt] = set()
        self._step, self._step_began = READY, NEVER
        self._unmet_since: float | None = None
        self._met_since: float | None = None
        self._frames: list[Observation] = []
        self._refused: str | None = None
        self._refusals = 0
        self._positions: deque[tuple[float, np.ndarray]] = deque()
        self._has_begun = False
        self._now = NEVER
        self._prompt: Prompt | None = None
        self._begin(self._next_prompt())

    @property
    def prompt(self) -> Prompt | None:
        """The take that is asked for now; None when all are done."""
        return self._prompt

    @property
    def complete(self) -> bool:
        """Whether every prompt has its take or was skipped."""
        return self._prompt is None

    def update(self, observation: Observation) -> View:
        """Moves on by one frame; returns what is to be shown to the user."""
        self._now = observation.t
        if not self._has_begun:
            self._has_begun, self._step_began = True, self._now
        requirements = self._check_requirements(observation)
        all_met = all(requirement.is_met for requirement in requirements)
        if self._step == LIGHT and self._settled(all_met):
            self._enter(READY)
        elif self._step == READY and self._settled(all_met):
            self._enter(COUNTDOWN)
        elif self._step == COUNTDOWN:
            self._count_down(all_met)
        elif self._step == TAKE:
            self._collect(observation, all_met)
        elif self._step == REVIEW and self._step_s() >= self._review_s():
            if self._refused is None:
                self.keep()
            else:
                self._refusals += 1
                self._begin(self._prompt)
        return self._view(observation, requirements)

    def repeat(self) -> None:
        """Repeats the current take or, if it has not begun, erases the one before it and repeats that."""
        if self._step in (TAKE, REVIEW, COUNTDOWN):
            self._begin(self._prompt)
            return
        before = [prompt for prompt in self.prompts if prompt in self._measures and prompt != self._prompt]
        if before:
            self._measures.pop(before[-1])
            self._rest.drop(before[-1])
            self.drop(before[-1])
            self._begin(before[-1])

    def keep(self) -> None:
        """In review: keeps the take at once, whatever it seems to show."""
        if self._prompt is None or self._step != REVIEW:
            return
        self.keep_take(self._prompt, self._frames)
        self._measures[self._prompt] = average_measures(self._frames)
        self._rest.add(self._prompt, _probs_of(self._frames))
        self._begin(self._next_prompt())

    def skip(self) -> None:
        """Leaves out the current prompt; in the step light, the change of light; in review, keeps a take that is not refused at once."""
        if self._prompt is None:
            return
        if self._step == REVIEW and self._refused is None:
            self.keep()
        elif self._step == LIGHT:
            self._enter(READY)
        else:
            self._skipped.add(self._prompt)
            self._begin(self._next_prompt())

    def _next_prompt(self) -> Prompt | None:
        return next((prompt for prompt in self.prompts if prompt not in self._measures and prompt not in self._skipped), None)

    def _begin(self, prompt: Prompt | None) -> None:
        lights = [stored.light for stored in self._measures]
        self._refused = None
        if prompt != self._prompt:
            self._refusals = 0
        self._prompt = prompt
        if prompt is None:
            self._enter(DONE)
        else:
            self._enter(LIGHT if lights and prompt.light not in lights else READY)

    def _enter(self, step: str) -> None:
        self._step, self._step_began, self._met_since, self._unmet_since = step, self._now, None, None
        if step in (TAKE, READY, LIGHT):
            self._frames = []

    def _step_s(self) -> float:
        """How long the current step has lasted."""
        return self._now - self._step_began

    def _settled(self, all_met: bool) -> bool:
        """Whether all requirements have been met for long enough."""
        self._met_since = (self._now if self._met_since is None else self._met_since) if all_met else None
        return self._met_since is not None and self._now - self._met_since >= self.settings.settle_s

    def _interrupted(self, all_met: bool) -> bool:
        """Whether a requirement has been unmet for longer than a blink."""
        self._unmet_since = None if all_met else self._now if self._unmet_since is None else self._unmet_since
        return self._unmet_since is not None and self._now - self._unmet_since >= self.settings.patience_s

    def _count_down(self, all_met: bool) -> None:
        if self._interrupted(all_met):
            self._enter(READY)
        elif self._step_s() >= self.settings.countdown_s:
            self._enter(TAKE)

    def _collect(self, observation: Observation, all_met: bool) -> None:
        if self._interrupted(all_met):
            self._enter(READY)
            return
        if all_met and (not self._frames or observation.t - self._frames[-1].t >= self.settings.apart_s - ROUNDING_S):
            # Copied, as the source may use the frame's memory again.
            self._frames.append(replace(observation, image=observation.image.copy()))
        if self._prompt is not None and self._step_s() >= self._prompt.seconds:
            enough = len(self._frames) >= self.settings.least
            self._refused = self._plainly_shown(self._prompt, _probs_of(self._frames)) if enough else None
            self._enter(REVIEW if enough else READY)

    def _plainly_shown(self, prompt: Prompt, probs: list[np.ndarray]) -> str | None:
        """Why a take of a prompt would be refused: the other expression that its frames' probabilities (7,) plainly show."""
        if not probs or (self.practice and prompt.expression != NEUTRAL):
            return None
        return plainly_shown(prompt.expression, probs, self._rest.logs, self.settings)

    def _review_s(self) -> float:
        """How long the take is shown."""
        return self.settings.review_s if self._refused is None else self.settings.refused_s

    def _check_requirements(self, observation: Observation) -> tuple[Requirement, ...]:
        """The requirements of a take; those come first that the others depend on."""
        if self._prompt is None:
            return ()
        settings, measures, doubt = self.settings, observation.measures, observation.doubt
        visible = observation.face is not None and doubt != "covered"
        remedy = remark("one_person" if visible else "come_in" if observation.face is None else "uncover")
        face = Requirement("need_face", visible and not observation.other_faces, remedy)
        if measures is None:
            self._positions.clear()
            return (face, *(Requirement(f"need_{name}", False, None) for name in ("size", "light", "sharp", "pose", "still")))
        too_bright = measures["brightness"] > settings.glare
        lit = doubt != "dark" and settings.dim <= measures["brightness"] <= settings.glare
        still = self._speed(observation) <= settings.still
        return (
            face,
            Requirement("need_size", measures["eyes_px"] >= settings.eyes_px and doubt != "small", remark("closer")),
            Requirement("need_light", lit, remark("face_darker" if too_bright else "face_brighter")),
            Requirement("need_sharp", doubt != "blurred", remark("wipe_lens")),
            self._check_pose(self._prompt, measures["turn"]),
            self._check_other_light(self._prompt, measures)
            if self._step == LIGHT
            else Requirement("need_still", still, remark("hold_still")),
        )

    def _check_pose(self, prompt: Prompt, turn: float) -> Requirement:
        if prompt.pose == FRONT or self._step == LIGHT:
            return Requirement("need_pose", abs(turn) <= self.settings.front, remark("straight"))
        # All frames of a take show the same side: it is stored as left or right.
        other_side = any(frame.measures is not None and frame.measures["turn"] * turn < 0 for frame in self._frames[:1])
        if abs(turn) < self.settings.side or (self._step == TAKE and other_side):
            return Requirement("need_pose", False, remark("turn_side"))
        return Requirement("need_pose", abs(turn) < self.quality.turned, remark("turn_back"))

    def _check_other_light(self, prompt: Prompt, measures: dict[str, float]) -> Requirement:
        """Compares with the first take of each earlier light; those takes were all seen from the front."""
        lights = dict.fromkeys(stored.light for stored in self._measures)
        earlier = [next(values for stored, values in self._measures.items() if stored.light == light) for light in lights]
        darker = prompt.light == "weak"
        changed = all(light_changed(measures, values, self.settings, darker) for values in earlier)
        return Requirement("need_other_light", changed, remark("room_darker" if darker else "other_light"))

    def _speed(self, observation: Observation) -> float:
        """How fast the face moves, in eye distances a second."""
        if observation.face is None or observation.measures is None:
            return 0.0
        position = observation.face.points.mean(0)
        self._positions.append((observation.t, position))
        while observation.t - self._positions[0][0] > self.settings.calm_s:
            self._positions.popleft()
        t, earlier = self._positions[0]
        return math.dist(position, earlier) / observation.measures["eyes_px"] / max(observation.t - t, self.settings.calm_s)

    def _view(self, observation: Observation, requirements: tuple[Requirement, ...]) -> View:
        prompt, settings, probs, rest = self._prompt, self.settings, observation.probs, self._rest.logs
        duration_s = {
            COUNTDOWN: settings.countdown_s,
            TAKE: prompt.seconds if prompt else 0.0,
            REVIEW: settings.review_s,
        }.get(self._step, 0.0)
        remaining_s = max(0.0, duration_s - self._step_s()) if duration_s else 0.0
        message, tone = self._speech(observation, requirements)
        crops = [frame.face_crop for frame in self._frames if frame.face_crop is not None] if self._step == REVIEW else []
        return View(
            step=self._step,
            prompt=prompt,
            number=len(self.prompts) if prompt is None else self.prompts.index(prompt) + 1,
            of=len(self.prompts),
            requirements=requirements,
            remaining=remaining_s / duration_s if duration_s else 0.0,
            remaining_s=remaining_s,
            chips=tuple(enlarge(crop) for crop in crops),
            match=None if prompt is None or probs is None else match_target(prompt.expression, [probs], rest, settings),
            match_needed=None if prompt is None or rest is None else match_needed(prompt.expression, settings),
            box=observation.face.box if observation.face else None,
            message=message,
            tone=tone,
            refused=self._refused,
            refusals=self._refusals,
        )

    def _speech(self, observation: Observation, requirements: tuple[Requirement, ...]) -> tuple[Remark, str]:
        """What is to be said now, and its tone."""
        prompt = self._prompt
        if prompt is None:
            return remark("done"), GOOD
        if self._step == REVIEW:
            return self._say_review(prompt)
        unmet = next((requirement for requirement in requirements if not requirement.is_met), None)
        # During the countdown the place of the face does not matter, if only it is back in time.
        if unmet is not None and unmet.remedy is not None and self._step != COUNTDOWN:
            return unmet.remedy, WRONG
        probs = [] if observation.probs is None else [observation.probs]
        # Before the countdown only the resting face is to be shown already.
        if self._step != LIGHT and (self._step != READY or prompt.expression == NEUTRAL):
            other = self._plainly_shown(prompt, probs)
            if other is not None:
                return remark("looks_like", seen=other, asked=prompt.expression), WRONG
        said = remark({LIGHT: "light_good", READY: "ready", COUNTDOWN: "get_ready"}.get(self._step, "hold"))
        if unmet is not None:
            return said, WRONG
        if not self.practice or (probs and choose_shown(prompt.expression, probs, self._rest.logs, self.settings) == prompt.expression):
            return said, GOOD
        return said, QUIET

    def _say_review(self, prompt: Prompt) -> tuple[Remark, str]:
        """What is to be said of a take, and the tone."""
        if self._refused is not None:
            return remark("refused", seen=self._refused, asked=prompt.expression), WRONG
        if not self.practice:
            return remark("review"), GOOD
        probs, rest = _probs_of(self._frames), self._rest.logs
        answer = choose_shown(prompt.expression, probs, rest, self.settings)
        match = match_target(prompt.expression, probs, rest, self.settings)
        return remark("recognised", answer=answer, match=f"{match:.0%}"), GOOD if answer == prompt.expression else WRONG


def _probs_of(frames: Sequence[Observation]) -> list[np.ndarray]:
    """The probabilities (7,) of the frames with a face."""
    return [frame.probs for frame in frames if frame.probs is not None]
