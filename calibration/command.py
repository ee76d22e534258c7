"""The parts of `run.py calibrate`: consent, the guided capture, the profiles of its takes; erasing and merging people."""

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from calibration import people_folders
from calibration.capture import CaptureRequest, run_capture
from calibration.ending import Ending, describe_fit
from calibration.enrol import enrol
from calibration.fit import TooFewTakes
from calibration.words import CaptureWords, remark
from realtime.base.errors import Trouble
from realtime.base.messages import counted
from realtime.base.output import tell
from realtime.config import SHIPPED, FitSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.people import PEOPLE, checked


@dataclass(frozen=True)
class CaptureOptions:
    """What the user of `calibrate` asks for.

    Attributes:
        name: who is calibrated; None for "me", or for nobody in particular.
        plan: which takes are asked for: neutral, quick, full or room.
        sources: cameras; empty for the first one.
        anonymous: whether the takes are kept under a random code.
        practising: whether expressions are only practised.
        agreed: whether consent has been given on the command line.
        window: whether a window may be shown.
        model: the classifier whose profile is wanted.
        lang: the language, one of `calibration.words.TEXTS`.
    """

    name: str | None
    plan: str
    sources: tuple[str, ...]
    anonymous: bool
    practising: bool
    agreed: bool
    window: bool
    model: Path
    lang: str


def calibrate_person(options: CaptureOptions, console: Console, interrupted: Callable[[], bool]) -> None:
    """Leads a person through the plan, and installs the profile that comes of it.

    Raises:
        Trouble: options exclude each other, consent is missing, or a part fails.
    """
    if options.anonymous and options.name is not None:
        raise Trouble("--anonymous keeps no name: leave out --name")
    if options.plan == "room" and len(options.sources) < 2:
        raise Trouble("the plan room takes several cameras: name each with --source, first the one that the person looks at")
    if options.plan != "room" and len(options.sources) > 1:
        raise Trouble("only the plan room takes several cameras: name one --source")
    person = None if options.anonymous else checked("me" if options.name is None else options.name)
    # Practice leaves nothing behind, unless a name is given.
    stores_takes = not options.practising or options.name is not None or options.anonymous
    words = CaptureWords(options.lang)
    if stores_takes and not options.agreed:
        ask_consent(words)
    plan = "practice" if options.practising else options.plan
    consent = words.text("consent") if stores_takes else None
    request = CaptureRequest(person, plan, options.sources, consent, options.window, options.model, options.lang)

    def conclude(owner: str) -> Ending:
        try:
            return install_profiles(owner, options.model)
        except TooFewTakes:
            return Ending(remark("end_few"))

    owner = run_capture(request, console, interrupted, PEOPLE, conclude)
    if owner is not None and options.practising:
        with suppress(TooFewTakes):
            install_profiles(owner, options.model)


def install_profiles(person: str, model: Path) -> Ending:
    """Makes the profiles of a person for `model` and for the other shipped models; tells what the first is good for."""
    fit, proof = enrol(PEOPLE, person, EmotionClassifier(model), FitSettings())
    for file in SHIPPED.values():
        if file != model:
            enrol(PEOPLE, person, EmotionClassifier(file), FitSettings())
    use = remark("end_use", command=f"run.py live --profile {shlex.quote(person)}")
    return Ending(describe_fit(fit), (*([use] if fit.profile else []), remark("end_proof", file=proof)))


def ask_consent(words: CaptureWords) -> None:
    """Asks whether pictures may be kept.

    Raises:
        Trouble: they may not, or nobody can be asked.
    """
    tell(words.text("consent"))
    if not sys.stdin.isatty():
        raise Trouble("nobody can be asked here whether pictures may be kept: agree with --yes")
    if not typer.confirm(words.text("agree")):
        raise Trouble("without consent nothing is taken; `calibrate --practice` keeps nothing")


def delete_person(name: str) -> None:
    """Erases all that is kept of a person, and says how much that was."""
    tell(f"erased all of {name}: {counted(people_folders.delete_person(PEOPLE, name), 'file')}")


def merge_people(folders: Sequence[Path]) -> None:
    """Adds the takes of other people/ folders to this one, and prints who was added under which name."""
    result = people_folders.merge_people(folders, PEOPLE)
    for person, name in result.names.items():
        tell(f"{person}: {name}")
    tell(f"{result.copied} sessions were added, {result.present} were here already")
    for path in result.different:
        tell(f"{path} holds other takes than the session of that name here, and was left out")
