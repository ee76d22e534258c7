"""A guided capture from its sources to the takes on the disk: builds the parts and runs the loop."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from calibration.ending import Ending, describe_practice
from calibration.enrol import TakeWriter, read_rest
from calibration.guide import Guide
from calibration.observation import Observation
from calibration.plan import PRACTICE, ROOM, Prompt, make_practice_prompts, make_prompts
from calibration.practice import Attempt, describe_attempt, read_attempts, score_attempt, store_attempt, tabulate
from calibration.refusal import plainly_shown
from calibration.rest import OwnRest
from calibration.room import FurtherCamera
from calibration.session import NEUTRAL, CaptureSession
from calibration.session_folder import SessionFolder
from calibration.words import CaptureWords
from realtime.base.messages import Message
from realtime.config import CameraSettings, CaptureSettings, Choices, ClassifierSettings, Settings
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.people import PEOPLE
from realtime.loop import Sinks, run_loop
from realtime.pipeline import Pipeline, build_pipeline
from realtime.readings.format import readings_header
from realtime.recording.recording import Recording, RecordingSetup
from realtime.recording.switch import dated
from realtime.sources.opening import open_live, usual_sources
from realtime.sources.source import Source
from realtime.sources.switching import SourceSwitch
from realtime.values import LABELS
from realtime.viewers.desktop import DesktopWindow, has_display
from realtime.viewers.terminal import table


@dataclass(frozen=True)
class CaptureRequest:
    """What a user wants captured.

    Attributes:
        who: the person's name; None: nobody's.
        plan: one of `calibration.plan.make_prompts`, or `PRACTICE`.
        sources: as the user names them; in a room the first is the one that the person looks at. None named: the first camera.
        consent: the text that the person has agreed to; None: nothing is stored.
        windowed: show a window if there is a display, else guide in the terminal.
        model: the classifier's file.
        lang: the language of the screen and of what is printed, one of `calibration.words.TEXTS`.
        capture: durations, and what a take requires.
    """

    who: str | None
    plan: str
    sources: tuple[str, ...]
    consent: str | None
    windowed: bool
    model: Path
    lang: str = "en"
    capture: CaptureSettings = field(default_factory=CaptureSettings)


def run_capture(
    request: CaptureRequest,
    console: Console,
    stopped: Callable[[], bool],
    root: Path = PEOPLE,
    conclude: Callable[[str], Ending] | None = None,
) -> str | None:
    """Runs a guided capture to its last screen.

    Args:
        conclude: called with the person once the plan is complete; makes the profile, and gives what the last screen says.

    Returns:
        The person of whose takes a profile can be made; None if none were stored, or the plan is not complete.

    Raises:
        Trouble: no source opens, or a take cannot be written; the takes before it are kept.
    """
    # Nobody can calibrate for the people of the demo clip.
    texts = list(request.sources[:1]) or [text for text in usual_sources() if text != "demo"]
    folder = _open_folder(request, request.sources or texts, console, root)
    try:
        return _run(request, texts, folder, console, stopped, root, conclude)
    finally:
        if folder:
            folder.erase_if_empty()


def _run(
    request: CaptureRequest,
    texts: list[str],
    folder: SessionFolder | None,
    console: Console,
    stopped: Callable[[], bool],
    root: Path,
    conclude: Callable[[str], Ending] | None,
) -> str | None:
    capture, practising, words = request.capture, request.plan == PRACTICE, CaptureWords(request.lang)
    prompts = _choose_prompts(request)
    rest = OwnRest(read_rest(root, folder.person, EmotionClassifier(request.model)) if practising and folder else None)
    cameras = _Cameras(request, folder, console, stopped)
    source = cameras.open_source(texts, cameras.idle)
    further = cameras.further_cameras()
    writer = TakeWriter(folder, lambda: source.current, prompts, capture, further) if folder else None
    practice = _Practice(folder.path.parents[1] if folder else None, capture, console, words) if practising else None

    def keep(prompt: Prompt, frames: Sequence[Observation]) -> None:
        if practice:
            practice.add(prompt, frames, rest.logs)
            probs = [frame.probs for frame in frames if frame.probs is not None]
            if prompt.expression != NEUTRAL and plainly_shown(prompt.expression, probs, rest.logs, capture):
                # A try that failed is no take of what was asked for.
                return
        if writer:
            writer.keep(prompt, frames)

    def drop(prompt: Prompt) -> None:
        if writer:
            writer.drop(prompt)

    earlier = writer.earlier if writer else ()
    session = CaptureSession(prompts, capture, cameras.settings.quality, keep, drop, earlier, rest, practising)
    title = f"{folder.person if folder else words.text('not_kept')}, {words.text(f'plan_{request.plan}')}"
    with ExitStack() as stack:
        screen = DesktopWindow("Calibration") if request.windowed and has_display() else None
        if screen:
            stack.callback(screen.close)
        guide = cameras.guide = Guide(session, capture, lambda: source.mirror, title, console, screen, words)
        pipeline = cameras.build_pipeline()
        with ExitStack() as running:
            for camera in further:
                running.enter_context(camera)
            run_loop(source, pipeline, Sinks([guide, *cameras.films(1, pipeline)]), cameras.ended)
        if practice:
            practice.print_table()
        count = len(folder.takes) if folder else 0
        if folder and session.complete and count:
            folder.finish()
        if folder and not practising and (not session.complete or not count):
            console.print(words.text("left", count=count) if count else words.text("nothing_taken"))
        if not session.complete:
            return None
        ending = practice.ending() if practice else conclude(folder.person) if conclude and folder and count else None
        if ending:
            guide.end(ending, stopped)
    return folder.person if folder and count else None


def _choose_prompts(request: CaptureRequest) -> tuple[Prompt, ...]:
    capture = request.capture
    if request.plan == PRACTICE:
        return make_practice_prompts(capture.practice_rounds, capture.hold_s, random.Random())
    return make_prompts(request.plan, capture.hold_s, capture.rest_s)


def _open_folder(request: CaptureRequest, sources: Sequence[str], console: Console, root: Path) -> SessionFolder | None:
    """The folder that takes go to: that of a session that was left before its end, or a new one; None if nothing may be stored."""
    if not request.consent:
        return None
    # Practice is always complete in itself: there is nothing to continue.
    folder = None if request.plan == PRACTICE else SessionFolder.unfinished(root, request.who, request.plan)
    if folder is None:
        return SessionFolder.create(root, request.who, request.plan, request.consent, sources, datetime.now().astimezone())
    console.print(CaptureWords(request.lang).text("going_on", folder=folder.path, count=len(folder.takes)))
    return folder


class _Cameras:
    """Opens the sources, and builds their pipelines and recordings, all on one clock.

    Attributes:
        guide: shows the capture; None until it is built, which needs the first source.
    """

    def __init__(self, request: CaptureRequest, folder: SessionFolder | None, console: Console, stopped: Callable[[], bool]):
        """`stopped` says whether the user or the system asked the program to end."""
        self.request, self.folder, self.console, self.stopped = request, folder, console, stopped
        self.guide: Guide | None = None
        self.clock = time.monotonic
        self.settings = Settings(classifier=ClassifierSettings(request.model))

    def ended(self) -> bool:
        """Whether the capture is over, or the user has left it."""
        return self.stopped() or (self.guide is not None and self.guide.closed)

    def idle(self, why: Message | None) -> None:
        """Hands on why the first source gives no frame."""
        if self.guide is not None:
            self.guide.idle(why)

    def open_source(self, texts: list[str], idle: Callable[[Message | None], None]) -> SourceSwitch:
        """The first of the sources that opens; `idle` is called while it gives no frame."""
        camera, tell = CameraSettings(), self.console.print

        def open_text(text: str) -> Source:
            return open_live(text, self.clock, camera, self.ended, idle, tell, endless=True)

        return SourceSwitch(open_text, texts, list, lambda message: tell(str(message)))

    def build_pipeline(self) -> Pipeline:
        return build_pipeline(self.settings, self.clock, live=True)

    def further_cameras(self) -> list[FurtherCamera]:
        """All cameras but the first."""
        cameras = []
        for number, text in enumerate(self.request.sources[1:], start=2):
            source, pipeline = self.open_source([text], lambda why: None), self.build_pipeline()
            cameras.append(FurtherCamera(source, pipeline, self.films(number, pipeline), self.request.capture, self.console.print))
        return cameras

    def films(self, number: int, pipeline: Pipeline) -> list[Recording]:
        """In a room, the recording of one camera, beside the takes; else none."""
        if self.request.plan != ROOM or self.folder is None:
            return []
        setup = RecordingSetup(self.clock, choices=Choices(picture="clean"), live=True, tell=self.console.print)
        path = dated(self.folder.path / "video", f"_camera_{number}.mp4")
        return [Recording(path, lambda: readings_header(f"camera {number}", pipeline, self.settings), setup)]


class _Practice:
    """The attempts of a person, or of nobody: then they are not stored."""

    def __init__(self, person: Path | None, settings: CaptureSettings, console: Console, words: CaptureWords):
        self.person, self.settings, self.console, self.words = person, settings, console, words
        self._earlier = read_attempts(person) if person else []
        self._attempts: list[Attempt] = []

    def add(self, prompt: Prompt, frames: Sequence[Observation], rest: np.ndarray | None) -> None:
        attempt = score_attempt(prompt, frames, rest, self.settings)
        self._attempts.append(attempt)
        self.console.print(describe_attempt(attempt, self.words))
        if self.person:
            store_attempt(self.person, attempt)

    def print_table(self) -> None:
        attempts, words = [*self._earlier, *self._attempts], self.words
        if attempts:
            head = (words.text("asked_column"), *map(words.label, LABELS), words.text("match"))
            self.console.print(table(words.text("table"), head, tabulate(attempts, words)))

    def ending(self) -> Ending | None:
        """What the last screen says of the attempts of this session; None without any."""
        return Ending(describe_practice(self._attempts)) if self._attempts else None
