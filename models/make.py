"""Makes the models: trains the teachers together, then the students with all of them.

    python -m models.make --lesson runs/lesson.npz --out runs/make --minutes 8

This is the whole recipe for a machine with a large GPU. It needs only torch, numpy, typer and what was packed on another machine: the
lesson (`models.pack_lesson`) and, with `--made`, faces that the students see besides (`models.made_faces`). `--share 0.01` takes a
hundredth of the steps, as a test on two cores. Writes

- `students/NAME.pt`: the students, rewritten every minute, for `models.quantize`;
- `teachers/NAME.pt`: the teachers in half precision;
- `answers.npz`: the teachers' mean answer to each face of the lesson;
- `log.jsonl`: one line a minute, with scores and with faces a second.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from models.checkpoint import save_trained
from models.cli import one_line
from models.device import best_device
from models.examination import Examination
from models.face_api import adviser_of
from models.lesson import Lesson, load_lesson
from models.made_faces import MadeFaces, load_made
from models.students import STUDENTS, Teaching, TeachingSettings
from models.teachers import BATCH, TEACHERS, Teacher, TrainedNetwork
from models.views import Faces, faces_of, row_numbers
from realtime.base.errors import Trouble
from realtime.base.files import replacing
from realtime.config import PRIOR_OF_USE

TEACHER_EPOCHS, STUDENT_EPOCHS = 40, 300
"""How often each face is learned from, if the time suffices."""

TEACHER_TIME = 0.45
"""Share of the time that belongs to the teachers."""

TRIAL = (10, 20)
"""Rounds between which the speed is first measured; the very first are slower. Then it is measured anew for each line of the log."""

EVERY = 60.0
"""Seconds between two lines of the log."""


@dataclass
class Log:
    """Writes lines of the log and measures the time since the start."""

    path: Path
    device: torch.device
    started: float = field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        """Seconds since the start, when all that was asked of the GPU is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - self.started

    def write(self, **values: Any) -> None:
        """Writes a line, and prints it."""
        line = json.dumps({"seconds": round(self.seconds(), 1)} | values)
        with self.path.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


def rounds_within(planned: int, done: int, seconds_a_round: float, seconds_left: float) -> int:
    """How many rounds are taken in all: those planned, or fewer if the time does not suffice, but not fewer than are done."""
    return max(done, min(planned, done + int(seconds_left / seconds_a_round)))


def learn(
    update: Callable[[float], dict[str, Tensor]],
    planned: int,
    until: float,
    log: Log,
    report: Callable[[], dict[str, Any]],
    faces_a_round: int,
    phase: str,
) -> None:
    """Repeats a round until the plan or the time is at its end.

    Args:
        update: one round; takes the share of all rounds that are done, gives losses by name.
        planned: rounds, if the time suffices.
        until: seconds after the start of the log at which the last round should end.
        log: gets a line every minute.
        report: further values for such a line.
        faces_a_round: faces that are learned from in a round, to tell the speed.
        phase: its name in the log.
    """
    rounds, number, line_at, trial_at = planned, 0, log.seconds() + EVERY, 0.0
    started = log.seconds()
    while number < rounds:
        losses = update(number / rounds)
        number += 1
        if number == TRIAL[0]:
            trial_at = log.seconds()
        line_due = time.perf_counter() - log.started >= line_at
        if number > TRIAL[0] and (line_due or number == TRIAL[1]):
            now = log.seconds()
            rounds = rounds_within(planned, number, (now - trial_at) / (number - TRIAL[0]), until - now)
        if line_due or number == rounds:
            speed = number * faces_a_round / (log.seconds() - started)
            values = {name: round(float(loss), 4) for name, loss in losses.items()}
            log.write(phase=phase, round=number, rounds=rounds, faces_a_second=round(speed), losses=values, **report())
            line_at = log.seconds() + EVERY


def train_teachers(lesson: Lesson, faces: Faces, share: float, until: float, log: Log, out: Path) -> list[TrainedNetwork]:
    """Trains all teachers at once, writes and scores them."""
    device = faces.crops.device
    teachers = {name: Teacher(plan, faces, lesson, device) for name, plan in TEACHERS.items()}
    planned = max(1, round(share * TEACHER_EPOCHS * len(row_numbers(faces)) / BATCH))
    faces_a_round = BATCH * sum(plan.steps for plan in TEACHERS.values())
    log.write(phase="teachers", names=list(teachers), planned=planned)

    def update(progress: float) -> dict[str, Tensor]:
        return {name: teacher.update(progress) for name, teacher in teachers.items()}

    learn(update, planned, until, log, dict, faces_a_round, "teachers")
    examination, trained = Examination(lesson, device), []
    for name, teacher in teachers.items():
        model = teacher.trainee.averaged.eval()
        trained.append(TrainedNetwork(model, teacher.plan.whole))
        halves = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
        save_trained(out / "teachers" / f"{name}.pt", TEACHERS[name].net, asdict(TEACHERS[name]), halves)
        log.write(phase="teachers", name=name, scores=examination.scores(trained[-1:]))
    log.write(phase="teachers", name="all", scores=examination.scores(trained))
    return trained


def train_students(
    lesson: Lesson,
    faces: Faces,
    made: MadeFaces | None,
    teachers: list[TrainedNetwork],
    share: float,
    until: float,
    log: Log,
    out: Path,
) -> np.ndarray:
    """Trains all students at once and writes them.

    Returns:
        (n, 8 + 7) float16, the teachers' mean answer to each face of the lesson.
    """
    device, settings = faces.crops.device, TeachingSettings()
    scenery = torch.from_numpy(lesson.scenery[:, None]).to(device)
    class_weights = torch.tensor(PRIOR_OF_USE) / torch.from_numpy(lesson.prior)
    adviser = adviser_of(lesson.starts["face_api"]).to(device)
    teaching = Teaching(faces, scenery, made, teachers, adviser, class_weights, settings)
    faces_a_round = settings.part * settings.repeats
    planned = max(1, round(share * STUDENT_EPOCHS * len(row_numbers(faces)) / faces_a_round))
    examination = Examination(lesson, device)

    def report() -> dict[str, Any]:
        scores = {}
        for name, trainee in teaching.trainees.items():
            model, plan = trainee.averaged.eval(), STUDENTS[name]
            recipe = asdict(plan) | asdict(settings) | {"teachers": len(teachers), "prior": PRIOR_OF_USE}
            weights = {key: value.cpu() for key, value in model.state_dict().items()}
            save_trained(out / "students" / f"{name}.pt", plan.net, recipe, weights)
            scores[name] = examination.scores([TrainedNetwork(model, whole=False)])
        return {"scores": scores}

    learn(teaching.update, planned, until, log, report, faces_a_round, "students")
    return teaching.answers.all().half().cpu().numpy()


@one_line
def main(
    lesson: Annotated[Path, typer.Option(help="The file that `models.pack_lesson` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for students, teachers and the log; it must be new or empty.")] = Path("runs/make"),
    made: Annotated[
        Path | None, typer.Option(help="The file that `models.made_faces` wrote; without it the students see no made face.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long the training may take in all; longer plans are shortened.")] = 8.0,
    share: Annotated[float, typer.Option(help="Share of the planned steps, for a trial.")] = 1.0,
) -> None:
    """Trains the teachers, then the students."""
    for folder in (out / "students", out / "teachers"):
        folder.mkdir(parents=True, exist_ok=True)
    if (out / "log.jsonl").exists():
        raise Trouble(f"{out} holds another run: choose another --out, or delete it")
    device = best_device()
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(1)
    log = Log(out / "log.jsonl", device)
    content = load_lesson(lesson)
    faces = faces_of(content, device)
    more = load_made(made, len(faces)).to(device) if made else None
    name = torch.cuda.get_device_name() if device.type == "cuda" else "processor"
    log.write(
        phase="start",
        device=name,
        torch=str(torch.__version__),
        faces=len(faces),
        scenery=len(content.scenery),
        made=len(more.rows) if more else 0,
    )
    teachers = train_teachers(content, faces, share, TEACHER_TIME * minutes * 60, log, out)
    answers = train_students(content, faces, more, teachers, share, minutes * 60, log, out)
    with replacing(out / "answers.npz") as file:
        np.savez(file, answers=answers)
    log.write(phase="end")


if __name__ == "__main__":
    typer.run(main)
