"""The recordings that the page offers: their list, and files opened and deleted without following links.

Whoever can write into the folder could put a link in a recording's place at any time. So a file is opened first, without following a link,
and what is open is checked.
"""

import json
import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from realtime.base.errors import Trouble
from realtime.base.files import lock, open_regular, replace_file
from realtime.config import ReportSettings
from realtime.readings.format import SCHEMA, VIDEOS

OFFERED = (*VIDEOS, ".jsonl", ".csv", ".srt", ".png")
END = b"</html>\n"
"""Of a report."""
SNAPSHOT = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d{1,3})?\.png", re.ASCII)
"""The names that `realtime.recording.switch.create_dated` gives snapshots."""
HEADER_BYTES = 1 << 20
"""Of readings' first line at most."""


def is_offered(name: str, busy: set[str]) -> bool:
    """Whether the page offers a file of this name; `busy`: stems of the recordings that are being written."""
    try:
        name.encode()
    except UnicodeEncodeError:
        # Not UTF-8 on the disk: it can stand neither in JSON nor in an address.
        return False
    path = Path(name)
    # A colon would be another stream of the file on Windows.
    plain = path.name == name and not set(name) & set("/\\:\0")
    return plain and path.suffix in OFFERED and path.stem.removesuffix("_clean") not in busy


def recording_name(file_name: str) -> str:
    """The recording that a file belongs to: "a" for "a.mp4" and "a_clean.mp4". A snapshot is its own, under its whole name."""
    path = Path(file_name)
    return file_name if path.suffix == ".png" else path.stem.removesuffix("_clean")


def list_recordings(folder: Path, busy: set[str], most: int) -> list[dict[str, Any]]:
    """The newest `most` recordings and snapshots by name, newest first; each has its files with their sizes in MB. No file is opened.

    `own` says that the page may ask to delete it; `delete_recording` looks closer.
    """
    try:
        with os.scandir(folder) as entries:
            files = {entry.name: entry for entry in entries if is_offered(entry.name, busy) and entry.is_file(follow_symlinks=False)}
    except OSError:
        return []
    names: dict[str, list[str]] = {}
    for file_name in sorted(files, key=lambda one: (OFFERED.index(Path(one).suffix), Path(one).stem)):
        names.setdefault(recording_name(file_name), []).append(file_name)
    rows = []
    for name in sorted(names, reverse=True)[:most]:
        held = []
        for file_name in names[name]:
            # It may be gone by now.
            with suppress(OSError):
                held.append({"name": file_name, "mb": round(files[file_name].stat(follow_symlinks=False).st_size / 1e6, 1)})
        if held:
            own = f"{name}.jsonl" in names[name] or SNAPSHOT.fullmatch(name) is not None
            rows.append({"name": name, "files": held, "own": own})
    return rows


def delete_recording(folder: Path, name: str, busy: set[str]) -> None:
    """Deletes a recording of the program, with all its files, or a snapshot. No link is followed, and other files stay.

    A recording is the program's own if its readings begin as the program writes them. Its readings go last, so that one of which a file
    cannot be deleted can be deleted again.

    Raises:
        FileNotFoundError: there is no such recording, or it is not the program's own.
        OSError: it is being written, by another run perhaps, or a file cannot be deleted.
    """
    if SNAPSHOT.fullmatch(name):
        _delete(folder / name)
        return
    if not is_offered(f"{name}.jsonl", busy) or (readings := open_file(folder, f"{name}.jsonl")) is None:
        raise FileNotFoundError(name)
    with readings:
        if not _is_own(readings):
            raise FileNotFoundError(name)
        # A recording's readings are locked for as long as it is written.
        if not lock(readings.fileno()):
            raise PermissionError(f"{name} is being written")
        for ending in (".html", ".csv", ".srt", *(f"{kind}{video}" for kind in ("_clean", "") for video in VIDEOS)):
            with suppress(FileNotFoundError):
                _delete(folder / f"{name}{ending}")
        if os.name != "nt":
            _delete(folder / f"{name}.jsonl")
    if os.name == "nt":
        # Windows deletes no open file.
        _delete(folder / f"{name}.jsonl")


def _is_own(readings: BinaryIO) -> bool:
    """Whether a file begins as readings do."""
    try:
        header = json.loads(readings.readline(HEADER_BYTES))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and header.get("schema") == SCHEMA


def _delete(path: Path) -> None:
    """Deletes a regular file. Raises FileNotFoundError where there is none: a link or a folder stays where it is."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise FileNotFoundError(path.name)
    # Whatever is put in its place meanwhile, a name is removed, and nothing that it leads to.
    path.unlink()


def open_file(folder: Path, name: str) -> BinaryIO | None:
    """A regular file of the folder, open for reading; None if there is none. `name` is a plain name, without folders.

    Where the system cannot refuse links, the open file has to be the one that the folder holds under this name.
    """
    path = folder / name
    try:
        file = open_regular(path, follow=False)
    except OSError:
        return None
    try:
        if hasattr(os, "O_NOFOLLOW") or os.path.samestat(os.fstat(file.fileno()), path.lstat()):
            return file
    except OSError:
        pass
    file.close()
    return None


def is_whole(page: BinaryIO) -> bool:
    """Whether a page is there to its end: earlier versions left a part of it where the disk was full."""
    page.seek(max(0, os.fstat(page.fileno()).st_size - len(END)))
    end = page.read()
    page.seek(0)
    return end == END


def open_report(folder: Path, name: str, busy: set[str]) -> BinaryIO | None:
    """The report about the recording `name`, made beside it if it is not there yet or is older; None if there is no such recording.

    Raises:
        Trouble: its readings cannot be read, or the page cannot be written.
        OSError: the same.
    """
    if not is_offered(f"{name}.jsonl", busy) or (readings := open_file(folder, f"{name}.jsonl")) is None:
        return None
    with readings:
        page = open_file(folder, f"{name}.html")
        if page is not None and is_whole(page) and os.fstat(page.fileno()).st_mtime >= os.fstat(readings.fileno()).st_mtime:
            return page
        if page is not None:
            page.close()
        replace_file(folder / f"{name}.html", report(folder, name, readings), private=True)
    return open_file(folder, f"{name}.html")


def report(folder: Path, name: str, readings: BinaryIO) -> bytes:
    """The report about the open readings of a recording.

    It is made in a folder of its own, to which nobody else can write, from a copy of the readings and a link to the open video.

    Raises:
        Trouble: the readings cannot be read.
    """
    from realtime.readings.report import write_report

    with tempfile.TemporaryDirectory() as private:
        copy, page = Path(private, f"{name}.jsonl"), Path(private, f"{name}.html")
        with copy.open("wb") as out:
            shutil.copyfileobj(readings, out)
        names = [f"{name}{kind}{suffix}" for kind in ("", "_clean") for suffix in VIDEOS]
        videos = [(video_name, open_file(folder, video_name)) for video_name in names]
        try:
            for video_name, video in videos:
                if video is not None:
                    held = Path(f"/proc/self/fd/{video.fileno()}")
                    # Without /proc the name has to do: the file could be changed for another one meanwhile.
                    Path(private, video_name).symlink_to(held if held.exists() else (folder / video_name).absolute())
            write_report([copy], page, ReportSettings())
        except Trouble as trouble:
            raise Trouble(str(trouble).replace(private, str(folder))) from trouble
        finally:
            for _, video in videos:
                if video is not None:
                    video.close()
        return page.read_bytes()
