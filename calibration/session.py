"""The guided capture as a state machine, driven by what a camera sees and by `frame.t`. There is no camera in it and no screen.

    light -> ready -> countdown -> take -> review -> the next prompt's light ... -> done

It asks for a prompt, waits until face, light and pose are well, counts down, takes the burst, shows it, and keeps it.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.plan import FRONT, Prompt
from realtime.config import CaptureSettings, QualitySettings
from realtime.expression.quality import MIDDLE, eye_distance, texture, turn
from realtime.faces.align import align
from realtime.values import LABELS, Box, Face, Frame, Reading

LIGHT, READY, COUNTDOWN, TAKE, REVIEW, DONE = "light", "ready", "countdown", "take", "review", "done"
NEVER = -math.inf


@dataclass(frozen=True)
class Seen:
    """What one frame shows of the person.

    Attributes:
        t: the frame's, in seconds.
        others: how many other faces there are that are about as large.
        image: (h, w, 3) BGR uint8, the frame's.
        face, chip, probs: of the largest face: the face, its chip (64, 64) uint8 and its shown probabilities (7,); None without one.
        doubt: why the chip should not be believed, in one word.
        measures: of the largest face, by name: see `measured`.
    """

    t: float
    others: int
    image: np.ndarray
    face: Face | None = None
    chip: np.ndarray | None = None
    probs: np.ndarray | None = None
    doubt: str | None = None
    measures: dict[str, float] | None = None


@dataclass(frozen=True)
class Check:
    """One condition of a take: what it is about, whether it is met, and what to do where it is not."""

    what: str
    met: bool
    remedy: str


@dataclass(frozen=True)
class View:
    """What is to be shown now.

    Attributes:
        step: of the state machine.
        prompt: what is asked for; None when done.
        number, of: which take of how many, from 1.
        checks: the conditions of a take.
        left: share of the countdown, take or review that is left, 1 to 0.
        left_s: the same in seconds.
        chips: those just taken, for review.
        match: the probability that the face shows what is asked for, 0 to 1; None without a face.
        box: the person's face.
        say: what the user should do now, one sentence.
    """

    step: str
    prompt: Prompt | None
    number: int
    of: int
    checks: tuple[Check, ...] = ()
    left: float = 0.0
    left_s: float = 0.0
    chips: tuple[np.ndarray, ...] = ()
    match: float | None = None
    box: Box | None = None
    say: str = ""


def seen(frame: Frame, gray: np.ndarray, readings: Sequence[Reading], settings: CaptureSettings) -> Seen:
    """What a frame, its gray picture (h, w) uint8 and its readings show of the person before the camera: the largest face."""
    by_size = sorted(readings, key=lambda reading: _area(reading.face.box), reverse=True)
    if not by_size:
        return Seen(frame.t, 0, frame.image)
    first, *rest = by_size
    others = sum(_area(reading.face.box) * settings.alone > _area(first.face.box) for reading in rest)
    chip = align(gray, first.face.points)
    doubt = None if first.unsure == "tie" else first.unsure
    return Seen(frame.t, others, frame.image, first.face, chip, first.probs, doubt, measured(gray, chip, first.face.points))


def measured(gray: np.ndarray, chip: np.ndarray, points: np.ndarray) -> dict[str, float]:
    """What a take's pictures are like: brightness, contrast, detail and grain of the face, its turn and its eye distance in px; and of
    the light: how much brighter the left half of the chip is than the right one, and the brightness of the whole picture. Grey levels."""
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


def mean_measures(many: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means of measures, by name."""
    return {name: float(np.mean([one[name] for one in many])) for name in many[0]}


def light_changed(now: dict[str, float], before: dict[str, float], settings: CaptureSettings, darker: bool = False) -> bool:
    """Whether two takes are lit differently: face, picture, or one side of the face against the other; `darker` asks for less light.

    A camera that sets its exposure by itself hides part of a change of strength; it cannot hide where the light comes from.
    """
    if darker:
        return before["room"] - now["room"] >= settings.change or before["brightness"] - now["brightness"] >= settings.change
    limits = {"brightness": settings.change, "room": settings.change, "balance": settings.change_side}
    return any(abs(now[name] - before[name]) >= limit for name, limit in limits.items())


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


class Session:
    """Goes through the prompts.

    Frames come in by `update`, which gives what to show. A take that stood its review goes to `keep`, together with its frames.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        settings: CaptureSettings,
        quality: QualitySettings,
        keep: Callable[[Prompt, Sequence[Seen]], None],
        drop: Callable[[Prompt], None],
        done: Sequence[tuple[Prompt, dict[str, float]]] = (),
    ):
        """
        Args:
            keep: gets a take that is to stay.
            drop: is told that the kept take of a prompt is to be taken anew.
            done: takes that were kept before, each with its mean measures: where a session goes on that was left.
        """
        self.prompts, self.settings, self.quality = tuple(prompts), settings, quality
        self.keep, self.drop = keep, drop
        self._kept = dict(done)
        self._skipped: set[Prompt] = set()
        self._step, self._since = READY, NEVER
        self._bad_since: float | None = None
        self._well_since: float | None = None
        self._taken: list[Seen] = []
        self._path: deque[tuple[float, np.ndarray]] = deque()
        self._first = True
        self._now = NEVER
        self._begin(self._next())

    @property
    def prompt(self) -> Prompt | None:
        """What is asked for now; None when all is done."""
        return self._prompt

    @property
    def done(self) -> bool:
        return self._prompt is None

    def update(self, seen: Seen) -> View:
        """Takes what a frame shows; gives what is to be shown to the user."""
        self._now = seen.t
        if self._first:
            self._first, self._since = False, seen.t
        checks = self._checks(seen)
        well = all(check.met for check in checks)
        step = {
            LIGHT: self._light,
            READY: self._ready,
            COUNTDOWN: self._countdown,
            TAKE: self._take,
            REVIEW: self._review,
            DONE: lambda *_: None,
        }[self._step]
        step(seen, well)
        return self._view(seen, checks)

    def again(self) -> None:
        """Takes the take in hand anew, or, before it has begun, the one before it."""
        if self._step in (TAKE, REVIEW, COUNTDOWN):
            self._begin(self._prompt)
            return
        before = [prompt for prompt in self.prompts if prompt in self._kept and prompt != self._prompt]
        if before:
            self._kept.pop(before[-1])
            self.drop(before[-1])
            self._begin(before[-1])

    def skip(self) -> None:
        """Leaves the prompt in hand out; in review, keeps the take at once."""
        if self._prompt is None:
            return
        if self._step == REVIEW:
            self._accept()
        elif self._step == LIGHT:
            self._enter(READY)
        else:
            self._skipped.add(self._prompt)
            self._begin(self._next())

    def _next(self) -> Prompt | None:
        return next((prompt for prompt in self.prompts if prompt not in self._kept and prompt not in self._skipped), None)

    def _begin(self, prompt: Prompt | None) -> None:
        before = [kept.light for kept in self._kept]
        self._prompt = prompt
        if prompt is None:
            self._enter(DONE)
        else:
            self._enter(LIGHT if before and prompt.light not in before else READY)

    def _enter(self, step: str) -> None:
        self._step, self._since, self._well_since, self._bad_since = step, self._now, None, None
        if step in (TAKE, READY, LIGHT):
            self._taken = []

    def _steady(self, well: bool, t: float) -> bool:
        """Whether all has been well for a while."""
        self._well_since = (t if self._well_since is None else self._well_since) if well else None
        return self._well_since is not None and t - self._well_since >= self.settings.settle_s

    def _light(self, seen: Seen, well: bool) -> None:
        if self._steady(well, seen.t):
            self._enter(READY)

    def _ready(self, seen: Seen, well: bool) -> None:
        if self._steady(well, seen.t):
            self._enter(COUNTDOWN)

    def _countdown(self, seen: Seen, well: bool) -> None:
        if self._lost(well, seen.t):
            self._enter(READY)
        elif seen.t - self._since >= self.settings.countdown_s:
            self._enter(TAKE)

    def _take(self, seen: Seen, well: bool) -> None:
        if self._lost(well, seen.t):
            self._enter(READY)
            return
        if well and (not self._taken or seen.t - self._taken[-1].t >= self.settings.apart_s - 1e-6):
            # The frame's own memory may be used again by its source.
            self._taken.append(replace(seen, image=seen.image.copy()))
        if self._prompt is not None and seen.t - self._since >= self._prompt.seconds:
            self._enter(REVIEW if len(self._taken) >= self.settings.least else READY)

    def _review(self, seen: Seen, well: bool) -> None:
        if seen.t - self._since >= self.settings.review_s:
            self._accept()

    def _accept(self) -> None:
        if self._prompt is not None:
            self.keep(self._prompt, self._taken)
            self._kept[self._prompt] = mean_measures([one.measures for one in self._taken if one.measures is not None])
        self._begin(self._next())

    def _lost(self, well: bool, t: float) -> bool:
        """Whether it has not been well for longer than a blink."""
        self._bad_since = None if well else t if self._bad_since is None else self._bad_since
        return self._bad_since is not None and t - self._bad_since >= self.settings.patience_s

    def _checks(self, seen: Seen) -> tuple[Check, ...]:
        """The conditions of a take, the ones first that the others depend on."""
        if self._prompt is None:
            return ()
        settings, now = self.settings, seen.measures
        there = seen.face is not None and seen.doubt != "covered"
        remedy = "Uncover your face." if seen.face is not None else "Come into the picture, facing the camera."
        checks = [Check("face", there and not seen.others, remedy if not there else "One person at a time, please.")]
        if now is None:
            self._path.clear()
            return (*checks, *(Check(what, False, "") for what in ("size", "light", "sharp", "pose", "still")))
        checks.append(Check("size", now["eyes_px"] >= settings.eyes_px and seen.doubt != "small", "Come closer."))
        lit = seen.doubt != "dark" and settings.dim <= now["brightness"] <= settings.glare
        checks.append(Check("light", lit, "Less light on your face." if now["brightness"] > settings.glare else "More light on your face."))
        checks.append(Check("sharp", seen.doubt != "blurred", "Hold still; if that does not help, wipe the lens."))
        turned = abs(now["turn"])
        if self._prompt.pose == FRONT or self._step == LIGHT:
            checks.append(Check("pose", turned <= settings.front, "Look straight into the camera."))
        elif turned < settings.side:
            checks.append(Check("pose", False, "Turn your head to one side, until one ear is hidden."))
        else:
            checks.append(Check("pose", turned < self.quality.turned, "Turn back a little."))
        checks.append(Check("still", self._speed(seen) <= settings.still, "Hold still."))
        if self._step == LIGHT:
            # Of each light the first take is what others are compared with; all of them are seen from the front.
            before = [next(m for p, m in self._kept.items() if p.light == light) for light in dict.fromkeys(p.light for p in self._kept)]
            darker = self._prompt.light == "weak"
            changed = all(light_changed(now, one, settings, darker) for one in before)
            return (
                *checks[:-1],
                Check("another light", changed, "Less light, please." if darker else "Switch a lamp, or turn to a window."),
            )
        return tuple(checks)

    def _speed(self, seen: Seen) -> float:
        """How fast the face moves, in eye distances a second."""
        if seen.face is None or seen.measures is None:
            return 0.0
        place = seen.face.points.mean(0)
        self._path.append((seen.t, place))
        while seen.t - self._path[0][0] > self.settings.calm_s:
            self._path.popleft()
        t, before = self._path[0]
        return math.dist(place, before) / seen.measures["eyes_px"] / max(seen.t - t, self.settings.calm_s)

    def _view(self, seen: Seen, checks: tuple[Check, ...]) -> View:
        prompt, settings = self._prompt, self.settings
        whole_s = {
            COUNTDOWN: settings.countdown_s,
            TAKE: prompt.seconds if prompt else 0.0,
            REVIEW: settings.review_s,
        }.get(self._step, 0.0)
        left_s = max(0.0, whole_s - (seen.t - self._since)) if whole_s else 0.0
        match = None if prompt is None or seen.probs is None else float(seen.probs[LABELS.index(prompt.expression)])
        return View(
            step=self._step,
            prompt=prompt,
            number=len(self.prompts) if prompt is None else self.prompts.index(prompt) + 1,
            of=len(self.prompts),
            checks=checks,
            left=left_s / whole_s if whole_s else 0.0,
            left_s=left_s,
            chips=tuple(one.chip for one in self._taken if one.chip is not None) if self._step == REVIEW else (),
            match=match,
            box=seen.face.box if seen.face else None,
            say=self._say(checks),
        )

    def _say(self, checks: tuple[Check, ...]) -> str:
        first = next((check.remedy for check in checks if not check.met), None)
        said = {
            LIGHT: first or "Another light: good. Keep it so.",
            READY: first or "Good. Stay like this.",
            COUNTDOWN: "Get ready to hold it.",
            TAKE: first or "Hold it.",
            REVIEW: "This is what was taken.",
            DONE: "Done.",
        }
        return said[self._step]
