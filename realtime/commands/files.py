"""The commands that read recordings, `verify` and `report`, and what `image` has of them too: each file or folder in turn; one that fails
stops no other.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from realtime.base.errors import Trouble
from realtime.base.files import refuse_inputs
from realtime.base.output import tell, tell_trouble
from realtime.config import ReportSettings
from realtime.readings.file import readings_path, video_path
from realtime.readings.format import VIDEOS

RECORDINGS = (".jsonl", *VIDEOS)
READINGS = (".jsonl",)
"""Files with these endings are taken when a folder is named."""


def files_in(path: Path, endings: Sequence[str]) -> list[Path]:
    """A file itself; of a folder all files in it and its subfolders with one of these endings, sorted. Hidden ones are left out.

    Raises:
        Trouble: the folder holds none, or cannot be read.
    """
    if not path.is_dir():
        return [path]
    inside = (file for file in path.rglob("*") if file.suffix.lower() in endings)
    files = sorted(file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts) and not file.is_dir())
    if not files:
        raise Trouble(f"{path} holds no file of the kind {', '.join(endings)}: name another folder, or the files themselves")
    return files


def recordings_in(path: Path) -> list[Path]:
    """As `files_in`, each recording once: its video or, where there is none, its readings."""
    files = dict.fromkeys(files_in(path, RECORDINGS))
    return [file for file in files if len(files) == 1 or file.suffix.lower() in VIDEOS or video_path(file) not in files]


def verify_recordings(paths: Sequence[Path]) -> int:
    """Prints a line for each whole recording, and the problems of the others; returns how many recordings or folders have any."""
    from realtime.readings.verify import verify

    failed = 0
    for path in paths:
        try:
            recordings = recordings_in(path)
        except Trouble as trouble:
            tell_failure(trouble, [])
            failed += 1
            continue
        for recording in recordings:
            try:
                problems, content = verify(recording)
            except Trouble as trouble:
                problems, content = [str(trouble)], ""
            for problem in problems:
                tell_trouble(f"run.py: {problem}")
            if not problems:
                tell(f"{recording}: {content}, whole")
            failed += bool(problems)
    return failed


def report_recordings(paths: Sequence[Path], out: Path | None, overwrite: bool) -> int:
    """Writes a page about all recordings that can be read, and says so; returns how many files or folders failed.

    Raises:
        Trouble: the page's name cannot be written to, or the page cannot be written.
    """
    from realtime.readings.report import ReportSection, report_section, write_page

    page = out or default_page(paths)
    if page.suffix.lower() not in (".html", ".htm"):
        raise Trouble(f"cannot write the page to {page}: the name must end in .html")
    if not page.parent.is_dir():
        raise Trouble(f"cannot write {page}: there is no folder {page.parent}; create it first")
    if page.exists() and not overwrite:
        raise Trouble(f"{page} exists and is kept: choose another name with --out, or pass --overwrite")
    failures: list[Trouble] = []
    files = list(each_file(paths, READINGS, failures))
    refuse_inputs([page], [path for file in files for path in (file, readings_path(file), video_path(file)) if path])
    sections: list[ReportSection] = []
    for path in files:
        try:
            sections.append(report_section(readings_path(path), f"s{len(sections)}", page.parent, ReportSettings()))
        except Trouble as trouble:
            tell_failure(trouble, failures)
    if sections:
        write_page(sections, page)
        tell(f"wrote {page}")
    return len(failures)


def default_page(paths: Sequence[Path]) -> Path:
    """Where the page lies if no name is given: beside the first file, or in the first folder."""
    if paths[0].is_dir():
        return paths[0] / "report.html"
    first = readings_path(paths[0])
    return first.with_suffix(".html") if len(paths) == 1 else first.with_name("report.html")


def each_file(paths: Sequence[Path], endings: Sequence[str], failures: list[Trouble]) -> Iterator[Path]:
    """The files that `paths` name, as `files_in` finds them; what fails is told and added to `failures`."""
    for path in paths:
        try:
            yield from files_in(path, endings)
        except Trouble as trouble:
            tell_failure(trouble, failures)


def tell_failure(trouble: Trouble, failures: list[Trouble]) -> None:
    """Prints the line of a file that failed, and adds it to `failures`."""
    tell_trouble(f"run.py: {trouble}")
    failures.append(trouble)
