"""A guided capture from its sources to the takes on the disk: builds the parts and runs the loop."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console

from calibration.collection import SessionFolder
from calibration.enrol import Keeper
from calibration.guide import Guide
from calibration.plan import PRACTICE, ROOM, Prompt, practice, prompts
from calibration.practice import judged, note, past, rows
from calibration.room import Onlooker
from calibration.session import Seen, Session
from realtime.base.messages import Message
from realtime.config import CameraSettings, CaptureSettings, Choices, ClassifierSettings, Settings
from realtime.expression.people import PEOPLE
from realtime.loop import Sinks, run_loop
from realtime.pipeline import Pipeline, build_pipeline
from realtime.readings.format import readings_header
from realtime.recording.recording import Recording, RecordingSetup
from realtime.recording.switch import dated
from realtime.sources.opening import open_live, usual_sources
from realtime.sources.switching import SourceSwitch
from realtime.values import LABELS
from realtime.viewers.desktop import DesktopWindow, has_display
from realtime.viewers.terminal import table


@dataclass(frozen=True)
class Wish:
    """What a user wants captured.

    Attributes:
        who: a name; None: nobody's.
        plan: of `calibration.plan`.
        sources: as the user names them, of a room the one first that the person looks at; none: the camera, else the demo clip.
        consent: what the person has agreed to; None: nothing is kept.
        windowed: show a window where there is a display, else guide in the terminal.
        model: the classifier's file.
        capture: how long things take, and what a take must be like.
    """

    who: str | None
    plan: str
    sources: tuple[str, ...]
    consent: str | None
    windowed: bool
    model: Path
    capture: CaptureSettings = field(default_factory=CaptureSettings)


def guided(wish: Wish, console: Console, stopped: Callable[[], bool], root: Path = PEOPLE) -> str | None:
    """Runs a guided capture. Gives whose takes a profile can be made of: nobody's if none are kept, or the plan is not through.

    Raises:
        Trouble: no source opens, or a take cannot be written; the takes before it are kept.
    """
    clock, plan, sources = time.monotonic, wish.plan, wish.sources
    settings, capture, camera = Settings(classifier=ClassifierSettings(wish.model)), wish.capture, CameraSettings()
    practising = plan == PRACTICE
    if practising:
        asked = practice(capture.practice_rounds, capture.hold_s, random.Random())
    else:
        asked = prompts(plan, capture.hold_s, capture.rest_s)
    # The demo clip's people have nobody to be calibrated for.
    wanted = list(sources[:1]) or [text for text in usual_sources() if text != "demo"]
    folder = SessionFolder.unfinished(root, wish.who, plan) if wish.consent and not practising else None
    if folder:
        console.print(f"going on with the session in {folder.path}: {len(folder.takes)} takes are kept")
    elif wish.consent:
        folder = SessionFolder.create(root, wish.who, plan, wish.consent, sources or wanted, datetime.now().astimezone())
    person = folder.path.parents[1] if folder else None

    def over() -> bool:
        return stopped() or guide.closed

    def opened(texts: list[str], idle: Callable[[Message | None], None]) -> SourceSwitch:
        return SourceSwitch(
            lambda text: open_live(text, clock, camera, over, idle, console.print, endless=True),
            texts,
            list,
            lambda message: console.print(str(message)),
        )

    def filmed(number: int, pipeline: Pipeline) -> list[Recording]:
        """The recording of a camera of a room, beside the takes."""
        if plan != ROOM or folder is None:
            return []
        setup = RecordingSetup(clock, choices=Choices(picture="clean"), live=True, tell=console.print)
        path = dated(folder.path / "video", f"_camera_{number}.mp4")
        return [Recording(path, lambda: readings_header(f"camera {number}", pipeline, settings), setup)]

    frames = opened(wanted, lambda why: guide.idle(why))
    beside = []
    for number, text in enumerate(sources[1:], start=2):
        source, pipeline = opened([text], lambda why: None), build_pipeline(settings, clock, live=True)
        beside.append(Onlooker(source, pipeline, filmed(number, pipeline), capture, console.print))
    keeper = Keeper(folder, lambda: frames.current, asked, capture, beside) if folder else None
    tries = past(person) if person and practising else []

    def keep(prompt: Prompt, seen: Sequence[Seen]) -> None:
        if practising:
            tries.append(judged(prompt, seen))
            console.print(f"{prompt.expression}: recognised as {tries[-1].shown}, match {tries[-1].match:.0%}")
            if person:
                note(person, tries[-1])
        if keeper:
            keeper.keep(prompt, seen)

    def drop(prompt: Prompt) -> None:
        if keeper:
            keeper.drop(prompt)

    session = Session(asked, capture, settings.quality, keep, drop, keeper.done if keeper else ())
    title = f"{folder.person if folder else 'nothing is kept'}, {plan}"
    screen = DesktopWindow("Calibration") if wish.windowed and has_display() else None
    guide = Guide(session, capture, lambda: frames.mirror, title, console, screen, practising)
    pipeline = build_pipeline(settings, clock, live=True)
    with ExitStack() as stack:
        for onlooker in beside:
            stack.enter_context(onlooker)
        run_loop(frames, pipeline, Sinks([guide, *filmed(1, pipeline)]), over)
    if practising and tries:
        console.print(table("asked for, and recognised as", ("asked for", *LABELS, "match"), rows(tries)))
    if not session.done:
        console.print(f"left after {len(folder.takes)} takes, which are kept; the same command goes on" if folder else "left")
        return None
    if folder:
        folder.finish()
    return folder.person if folder else None
