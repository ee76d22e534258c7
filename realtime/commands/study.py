"""The command `study`: the readings of many films as tables for statistics, with a codebook."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from realtime.base.errors import Trouble, disk_remedy, reason
from realtime.base.files import Exists, replacing
from realtime.base.output import tell, tell_trouble
from realtime.commands.files import READINGS, each_file, tell_failure
from realtime.readings.file import Readings, quantity, read, readings_path
from realtime.readings.study import cell, film_columns, film_s, in_intervals, interval_columns, people_of, whole
from realtime.readings.summary import durations
from realtime.recording.disk import make_folder

TABLES = ("people", "intervals", "codebook")
BOM = "\ufeff"
"""By this Excel knows that a table is in UTF-8; pandas skips it, and R does with `fileEncoding = "UTF-8-BOM"`."""


def study_recordings(paths: Sequence[Path], out: Path, interval_s: float, overwrite: bool) -> int:
    """Writes people.csv, intervals.csv and codebook.csv into the folder `out`, and says so; returns how many files or folders failed.

    Args:
        paths: readings, or videos with their readings beside them, and folders of them.
        out: the folder of the tables, which is made where it is missing.
        interval_s: length of the intervals in seconds.
        overwrite: whether older tables are replaced.

    Raises:
        Trouble: a table exists and may not be replaced, none of the files can be read, or the tables cannot be written.
    """
    tables = [out / f"{name}.csv" for name in TABLES]
    for table in tables:
        if table.exists() and not overwrite:
            raise Exists(table)
    failures: list[Trouble] = []
    films = _films(paths, failures)
    make_folder(out)
    try:
        with ExitStack() as stack:
            people, intervals, codebook = (stack.enter_context(_table(table)) for table in tables)
            study = _Study(people, intervals, interval_s)
            for name, path in films:
                try:
                    study.add(name, read(path))
                except Trouble as trouble:
                    tell_failure(trouble, failures)
            if not study.films:
                raise Trouble("no table is written, since no readings can be read: name readings (.jsonl) or a folder of them")
            _write_codebook(codebook, study.labels)
    except OSError as error:
        raise Trouble(f"cannot write into {out} ({reason(error)}): {disk_remedy(error)}") from error
    seen = f"{quantity(study.films, 'film')}, {study.people} {'person' if study.people == 1 else 'people'}"
    tell(f"{seen}: wrote {', '.join(map(str, tables))}")
    return len(failures)


def _films(paths: Sequence[Path], failures: list[Trouble]) -> list[tuple[str, Path]]:
    """The readings that the paths name, each once, with their names in the tables; what fails is told and added to `failures`.

    The name is the path below the folder that was named, without its ending; of a file that was named itself, its own name.
    """
    films: dict[Path, str] = {}
    for path in paths:
        for file in each_file([path], READINGS, failures):
            found = readings_path(file)
            name = found.relative_to(path) if path.is_dir() else Path(found.name)
            films.setdefault(found.absolute(), name.with_suffix("").as_posix())
    return [(name, path) for path, name in films.items()]


@contextmanager
def _table(path: Path) -> "Iterator[csv.DictWriter[str]]":
    """Writes rows into a table that takes the place of an older one at the end."""
    with replacing(path, private=True) as file:
        text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
        try:
            text.write(BOM)
            yield csv.DictWriter(text, [])
        finally:
            text.detach()


class _Study:
    """Adds film after film to the tables, so that the readings of one film only are in memory."""

    def __init__(self, people: "csv.DictWriter[str]", intervals: "csv.DictWriter[str]", interval_s: float):
        self.interval_s = interval_s
        self.labels: tuple[str, ...] = ()
        self.films = self.people = 0
        self._people, self._intervals = people, intervals

    def add(self, name: str, readings: Readings) -> None:
        """Adds a film.

        Raises:
            Trouble: its labels are others than those of the films before it.
        """
        # Labels become names of columns: letters, digits and "_" alone are names in R, and no formulas.
        # Times that go back are damage, of which `run.py verify` tells.
        labels, t = tuple(re.sub(r"\W", "_", label) for label in readings.labels), np.maximum.accumulate(readings.t)
        readings, frames_s = replace(readings, labels=labels, t=t), durations(t)
        if not self.films:
            self.labels = readings.labels
            for table, columns in ((self._people, film_columns(self.labels)), (self._intervals, interval_columns(self.labels))):
                table.fieldnames = [column.name for column in columns]
                table.writeheader()
        if readings.labels != self.labels:
            raise Trouble(f"{name} has other labels than the films before it ({', '.join(readings.labels)}): make tables of its own")
        for problem in readings.problems:
            tell_trouble(f"run.py: {problem}")
        self.films += 1
        people = people_of(readings)
        if not people:
            tell(f"{name}: nobody was seen, so it has no row")
        for ids, tracks in people:
            self._add_person(name, readings, frames_s, ids, tracks)
        self.people += len(people)

    def _add_person(self, name: str, readings: Readings, frames_s: np.ndarray, ids: list[int], tracks: list[Any]) -> None:
        facts, all_of_it = readings.facts, whole(readings, tracks, frames_s)
        model = facts.get("model")
        about = {
            "source": facts.get("source"),
            "model": model.get("name") if isinstance(model, dict) else None,
            "started": facts.get("started"),
            "film_s": film_s(readings, frames_s),
            "tracks": " ".join(map(str, ids)),
            "first_s": all_of_it.first_s,
            "last_s": all_of_it.last_s,
        }
        who = {"film": name, "person": min(ids)}
        self._people.writerow(_cells({**who, **about, **all_of_it.values}))
        for number, stretch in in_intervals(readings, tracks, frames_s, self.interval_s):
            times = {"from_s": number * self.interval_s, "to_s": (number + 1) * self.interval_s}
            self._intervals.writerow(_cells({**who, **times, **stretch.values}))


def _cells(values: dict[str, Any]) -> dict[str, str]:
    return {name: cell(value) for name, value in values.items()}


def _write_codebook(table: "csv.DictWriter[str]", labels: tuple[str, ...]) -> None:
    table.fieldnames = ["table", "column", "unit", "meaning"]
    table.writeheader()
    for name, columns in (("people.csv", film_columns(labels)), ("intervals.csv", interval_columns(labels))):
        for column in columns:
            table.writerow({"table": name, "column": column.name, "unit": column.unit, "meaning": column.meaning})
