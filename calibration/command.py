"""The parts of `run.py calibrate`: consent, the guided capture, the profiles of its takes; erasing and merging people."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from calibration import people_folders
from calibration.capture import CaptureRequest, run_capture
from calibration.enrol import enrol
from calibration.proof import as_text
from realtime.base.errors import Trouble
from realtime.base.output import tell
from realtime.config import SHIPPED, FitSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.people import PEOPLE, checked

CONSENT = (
    "Small pictures of the face and its surroundings are kept in the folder people/ on this computer, and nowhere else. They make the "
    "profile for this face, and can train a model if you give them away. `run.py calibrate --delete NAME` erases all of them."
)


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
    """

    name: str | None
    plan: str
    sources: tuple[str, ...]
    anonymous: bool
    practising: bool
    agreed: bool
    window: bool
    model: Path


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
    if stores_takes and not options.agreed:
        ask_consent()
    plan = "practice" if options.practising else options.plan
    request = CaptureRequest(person, plan, options.sources, CONSENT if stores_takes else None, options.window, options.model)
    owner = run_capture(request, console, interrupted)
    if owner is not None:
        install_profiles(owner, options.model, console)


def install_profiles(person: str, model: Path, console: Console) -> None:
    """Makes the profiles of a person for `model` and for the other shipped models, and shows what the first is good for."""
    installed = False
    for file in [model, *(shipped for shipped in SHIPPED.values() if shipped != model)]:
        fit, picture = enrol(PEOPLE, person, EmotionClassifier(file), FitSettings())
        if file == model and fit.proofs:
            console.print(as_text(fit.proofs[-1]))
        console.print(f"{file.stem}: {fit.why}" + (f" (as a picture: {picture})" if picture else ""))
        installed = installed or fit.profile is not None
    if installed:
        console.print(f"use it with: run.py live --profile {shlex.quote(person)}")


def ask_consent() -> None:
    """Asks whether pictures may be kept.

    Raises:
        Trouble: they may not, or nobody can be asked.
    """
    print(CONSENT)
    if not sys.stdin.isatty():
        raise Trouble("nobody can be asked here whether pictures may be kept: agree with --yes")
    if not typer.confirm("Do you agree?"):
        raise Trouble("without consent nothing is taken; `calibrate --practice` keeps nothing")


def delete_person(name: str) -> None:
    """Erases all that is kept of a person, and says how much that was."""
    tell(f"erased all of {name}: {people_folders.delete_person(PEOPLE, name)} files")


def merge_people(folders: Sequence[Path]) -> None:
    """Adds the takes of other people/ folders to this one, and prints who was added under which name."""
    result = people_folders.merge_people(folders, PEOPLE)
    for person, name in result.names.items():
        tell(f"{person}: {name}")
    tell(f"{result.copied} sessions were added, {result.present} were here already")
    for path in result.different:
        tell(f"{path} holds other takes than the session of that name here, and was left out")
