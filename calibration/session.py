"""The guided capture as a state machine. Its input are observations of camera frames and their times; it reads no camera and draws nothing.

    light -> ready -> countdown -> take -> review -> the next prompt's light ... -> done

It asks for a prompt, waits until face, light and pose are as required, counts down, collects the frames of the take, shows them, and
keeps the take.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.plan import FRONT, Prompt
from calibration.rest import OwnRest, match_needed, match_target
from realtime.config import CaptureSettings, QualitySettings
from realtime.expression.quality import MIDDLE, eye_distance, texture, turn
from realtime.faces.align import enlarge, sample, similarity
from realtime.values import Box, Face, Frame, Reading

LIGHT, READY, COUNTDOWN, TAKE, REVIEW, DONE = "light", "ready", "countdown", "take", "review", "done"
NEVER = -math.inf
ROUNDING_S = 1e-6
"""Times of frames are sums of fractions: two may differ by this much less than they should."""


@dataclass(frozen=True)
class Observation:
    """The person in one frame.

    Attributes:
        t: the frame's, in seconds.
        other_faces: how many other faces there are that are about as large.
        image: (h, w, 3) BGR uint8, the frame's.
        face, face_crop, probs: of the largest face: the face, its crop (48, 48) uint8 and its shown probabilities (7,); None without one.
        doubt: why the face's chip should not be believed, in one word.
        measures: of the largest face, by name: see `measure`.
    """

    t: float
    other_faces: int
    image: np.ndarray
    face: Face | None = None
    face_crop: np.ndarray | None = None
    probs: np.ndarray | None = None
    doubt: str | None = None
    measures: dict[str, float] | None = None


@dataclass(frozen=True)
class Requirement:
    """One thing that a take requires: its name on the screen, whether it is met, and what the user should do if it is not."""

    name: str
    is_met: bool
    remedy: str


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
    message: str = ""


def observe(frame: Frame, gray: np.ndarray, readings: Sequence[Reading], settings: CaptureSettings) -> Observation:
    """The person in a frame, of its gray picture (h, w) uint8 and its readings: the person's face is the largest one."""
    by_size = sorted(readings, key=lambda reading: _area(reading.face.box), reverse=True)
    if not by_size:
        return Observation(frame.t, 0, frame.image)
    largest, *others = by_size
    similar = sum(_area(reading.face.box) * settings.alone > _area(largest.face.box) for reading in others)
    points = largest.face.points
    crop = sample(gray, similarity(points))
    # A tie is a doubt about the label, not about the chip.
    doubt = None if largest.unsure == "tie" else largest.unsure
    return Observation(frame.t, similar, frame.image, largest.face, crop, largest.probs, doubt, measure(gray, enlarge(crop), points))


def measure(gray: np.ndarray, chip: np.ndarray, points: np.ndarray) -> dict[str, float]:
    """Quality measures of one frame of a take.

    Args:
        gray: (h, w) uint8, the frame.
        chip: (64, 64) uint8.
        points: (5, 2) in pixels of the frame.

    Returns:
        - brightness: of the face, mean grey level.
        - contrast, detail, grain: of the chip, as in `realtime.expression.quality.Texture`.
        - turn: of the head, as in `realtime.expression.quality.turn`.
        - eyes_px: distance between the eyes.
        - balance: mean grey level of the chip's left half minus that of its right half: where the light comes from.
        - room: mean grey level of the whole frame.
    """
    face = chip[MIDDLE].astype(np.float32)
    half = face.shape[1] // 2
    contrast, detail, grain = texture(chip)
    return {
        "brightness": float(face.mean()),
        "contrast": contrast,
        "detail": detail,
        "grain": grain,
        "turn": turn(points),
        "eyes_px": eye_distance(points),
        "balance": float(face[:, :half].mean() - face[:, half:].mean()),
        "room": float(gray[::8, ::8].mean()),
    }


def average_measures(frames: Sequence[Observation]) -> dict[str, float]:
    """Means of the measures of frames, by name; one frame at least must have a face."""
    measures = [frame.measures for frame in frames if frame.measures is not None]
    return {name: float(np.mean([values[name] for values in measures])) for name in measures[0]}


def light_changed(now: dict[str, float], before: dict[str, float], settings: CaptureSettings, darker: bool = False) -> bool:
    """Whether two takes are lit differently: face, frame, or one side of the face against the other. `darker`: only less light counts.

    A camera that sets its own exposure hides part of a change of strength. It cannot hide from which side the light comes.
    """
    if darker:
        return before["room"] - now["room"] >= settings.change or before["brightness"] - now["brightness"] >= settings.change
    limits = {"brightness": settings.change, "room": settings.change, "balance": settings.change_side}
    return any(abs(now[name] - before[name]) >= limit for name, limit in limits.items())


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


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
    ):
        """
        Args:
            keep: called with a take that is to be stored.
            drop: called with a prompt whose stored take is to be erased, as it will be repeated.
            earlier: the stored takes of a session that is continued, each with its mean measures.
            rest: what is known of the person's resting face; this session's takes are added to it.
        """
        self.prompts, self.settings, self.quality = tuple(prompts), settings, quality
        self.keep, self.drop = keep, drop
        self._measures = dict(earlier)
        """Of the stored takes."""
        self._rest = rest or OwnRest()
        self._skipped: set[Prompt] = set()
        self._step, self._step_began = READY, NEVER
        self._unmet_since: float | None = None
        self._met_since: float | None = None
        self._frames: list[Observation] = []
        self._positions: deque[tuple[float, np.ndarray]] = deque()
        self._has_begun = False
        self._now = NEVER
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
        elif self._step == REVIEW and self._step_s() >= self.settings.review_s:
            self._accept()
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

    def skip(self) -> None:
        """Leaves out the current prompt; in the step light, leaves out the change of light; in review, keeps the take at once."""
        if self._prompt is None:
            return
        if self._step == REVIEW:
            self._accept()
        elif self._step == LIGHT:
            self._enter(READY)
        else:
            self._skipped.add(self._prompt)
            self._begin(self._next_prompt())

    def _next_prompt(self) -> Prompt | None:
        return next((prompt for prompt in self.prompts if prompt not in self._measures and prompt not in self._skipped), None)

    def _begin(self, prompt: Prompt | None) -> None:
        lights = [stored.light for stored in self._measures]
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
            self._enter(REVIEW if len(self._frames) >= self.settings.least else READY)

    def _accept(self) -> None:
        if self._prompt is not None:
            self.keep(self._prompt, self._frames)
            self._measures[self._prompt] = average_measures(self._frames)
            self._rest.add(self._prompt, [frame.probs for frame in self._frames if frame.probs is not None])
        self._begin(self._next_prompt())

    def _check_requirements(self, observation: Observation) -> tuple[Requirement, ...]:
        """The requirements of a take; those come first that the others depend on."""
        if self._prompt is None:
            return ()
        settings, measures, doubt = self.settings, observation.measures, observation.doubt
        visible = observation.face is not None and doubt != "covered"
        if visible:
            remedy = "One person at a time, please."
        else:
            remedy = "Come into the picture, facing the camera." if observation.face is None else "Uncover your face."
        face = Requirement("face", visible and not observation.other_faces, remedy)
        if measures is None:
            self._positions.clear()
            return (face, *(Requirement(name, False, "") for name in ("size", "light", "sharp", "pose", "still")))
        too_bright = measures["brightness"] > settings.glare
        lit = doubt != "dark" and settings.dim <= measures["brightness"] <= settings.glare
        still = self._speed(observation) <= settings.still
        return (
            face,
            Requirement("size", measures["eyes_px"] >= settings.eyes_px and doubt != "small", "Come closer."),
            Requirement("light", lit, "Less light on your face." if too_bright else "More light on your face."),
            Requirement("sharp", doubt != "blurred", "Hold still; if that does not help, wipe the lens."),
            self._check_pose(self._prompt, measures["turn"]),
            self._check_other_light(self._prompt, measures) if self._step == LIGHT else Requirement("still", still, "Hold still."),
        )

    def _check_pose(self, prompt: Prompt, turn: float) -> Requirement:
        if prompt.pose == FRONT or self._step == LIGHT:
            return Requirement("pose", abs(turn) <= self.settings.front, "Look straight into the camera.")
        # All frames of a take show the same side: it is stored as left or right.
        other_side = any(frame.measures is not None and frame.measures["turn"] * turn < 0 for frame in self._frames[:1])
        if abs(turn) < self.settings.side or (self._step == TAKE and other_side):
            return Requirement("pose", False, "Turn your head to one side, until one ear is hidden.")
        return Requirement("pose", abs(turn) < self.quality.turned, "Turn back a little.")

    def _check_other_light(self, prompt: Prompt, measures: dict[str, float]) -> Requirement:
        """Compares with the first take of each earlier light; those takes were all seen from the front."""
        lights = dict.fromkeys(stored.light for stored in self._measures)
        earlier = [next(values for stored, values in self._measures.items() if stored.light == light) for light in lights]
        darker = prompt.light == "weak"
        changed = all(light_changed(measures, values, self.settings, darker) for values in earlier)
        return Requirement("another light", changed, "Less light, please." if darker else "Switch a lamp, or turn to a window.")

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
            message=self._message(requirements),
        )

    def _message(self, requirements: tuple[Requirement, ...]) -> str:
        remedy = next((requirement.remedy for requirement in requirements if not requirement.is_met), None)
        messages = {
            LIGHT: remedy or "Another light: good. Keep it so.",
            READY: remedy or "Good. Stay like this.",
            COUNTDOWN: "Get ready to hold it.",
            TAKE: remedy or "Hold it.",
            REVIEW: "This is what was taken.",
            DONE: "Done.",
        }
        return messages[self._step]
