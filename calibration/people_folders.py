"""Merges and deletes the folders of people, with all of their sessions."""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from calibration.old_sessions import CHIPS
from calibration.session_folder import TEMPORARY, format_json, make_sessions_folder, make_unused_folder, write_files
from calibration.stored_sessions import GRAY_FOLDERS, SESSION, TAKES, complete_lines, read_session, read_session_takes, session_folders
from calibration.takes import FACES, MOST_GRAY_BYTES, SURROUNDINGS, StoredTake
from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular, sync_folder
from realtime.base.messages import counted
from realtime.expression.people import checked
from realtime.sources.picture_header import picture_size
from realtime.values import CHIP, CROP

SIDES = {FACES: CROP, CHIPS: CHIP}
"""Side in px of the pictures that the model reads, by their folder."""
MOST_SURROUNDINGS_BYTES = 64_000_000
"""Of a picture of the surroundings: a face that fills a picture of 4K, uncompressed, has 40 million."""
MOST_SURROUNDINGS = 4320
"""Its side in px: the height of 8K."""


@dataclass(frozen=True)
class MergeResult:
    """What a merge did.

    Attributes:
        names: each person's name in the merged folder, by their folder of origin.
        copied: how many sessions were copied.
        present: how many were there already.
        different: sessions that are there already, but with other takes; they were left as they are.
    """

    names: dict[Path, str]
    copied: int
    present: int
    different: tuple[Path, ...]


def delete_person(root: Path, name: str) -> int:
    """Erases all that is stored of a person, profiles too, and returns the number of files. Links are erased, not followed.

    Raises:
        Trouble: it cannot be a person's name, nothing is stored of it, or something could not be erased.
    """
    person = root / checked(name)
    if person.is_symlink():
        raise Trouble(f"{person} is a link to {person.readlink()}: erase what it leads to yourself, then the link")
    if not person.is_dir():
        there = ", ".join(sorted(path.name for path in root.glob("*") if path.is_dir())) or "nobody"
        raise Trouble(f"nothing is kept of {name} in {root} (there is: {there}): check the name")
    files = 0
    try:
        for folder, folders, names in os.walk(person, topdown=False):
            for inside in (*names, *folders):
                path = Path(folder, inside)
                if path.is_symlink() or not path.is_dir():
                    path.unlink()
                    files += 1
                else:
                    path.rmdir()
        person.rmdir()
    except OSError as error:
        raise Trouble(
            f"cannot erase {error.filename} ({reason(error)}) after {counted(files, 'file')} of {name}: "
            "make it writable and run the same again"
        ) from error
    # The folder of all people is removed with the last of them.
    with suppress(OSError):
        root.rmdir()
    return files


def merge_people(roots: Sequence[Path], out: Path) -> MergeResult:
    """Copies the sessions of the people of several roots into one; nothing that is there is overwritten.

    Two people of one name are one person if they share a session. If they share none, the second one becomes "ada-2". Profiles are not
    copied: they are to be fitted again to all takes of a person. Nor are the films of the plan room.

    Raises:
        Trouble: a root holds nobody, a session is damaged, or the place cannot be written. Sessions copied by then are complete.
    """
    names: dict[Path, str] = {}
    copied = present = 0
    different: list[Path] = []
    for root in roots:
        people = [path for path in sorted(root.glob("*")) if not path.is_symlink() and session_folders(path)]
        if not people:
            raise Trouble(f"{root} holds no session: name a folder such as people, with NAME/sessions in it")
        for person in people:
            sessions = _sessions_by_id(person)
            name, there = _choose_name(out, person.name, set(sessions))
            names[person] = name
            for session_id, path in sessions.items():
                if session_id not in there:
                    _copy_session(path, out / name / "sessions", name)
                    copied += 1
                    continue
                present += 1
                if _take_keys(path) != _take_keys(there[session_id]):
                    different.append(path)
    return MergeResult(names, copied, present, tuple(different))


def _sessions_by_id(person: Path) -> dict[str, Path]:
    return {read_session(path)["id"]: path for path in session_folders(person)}


def _choose_name(out: Path, name: str, session_ids: set[str]) -> tuple[str, dict[str, Path]]:
    """A person's name in `out`, and the sessions that are there by their id."""
    number = 1
    while True:
        candidate = checked(name if number == 1 else f"{name}-{number}")
        there = _sessions_by_id(out / candidate)
        if session_ids & there.keys() or not (out / candidate).exists():
            return candidate, there
        number += 1


def _take_keys(session: Path) -> list[tuple]:
    """What must be equal in all takes of two sessions that are the same."""

    def key(take: StoredTake) -> tuple:
        return take.number, take.expression, take.t, take.files

    return [key(take) for take in read_session_takes(session)]


def _copy_session(session: Path, sessions: Path, person: str) -> None:
    """Copies the complete takes of a session; the folder gets its name last."""
    about, takes = read_session(session), read_session_takes(session)
    temporary = None
    try:
        make_sessions_folder(sessions)
        for leftover in sessions.glob(f".*{TEMPORARY}"):
            shutil.rmtree(leftover)
        temporary = make_unused_folder(sessions, f".{session.name}{TEMPORARY}")
        for folder in (GRAY_FOLDERS[about["schema"]], SURROUNDINGS):
            (temporary / folder).mkdir(mode=0o700)
            for file in (file for take in takes for file in take.files):
                write_files({temporary / folder / file: _read_picture(session, folder, file)})
        write_files(
            {temporary / TAKES: b"".join(complete_lines(session / TAKES)), temporary / SESSION: format_json(about | {"person": person})}
        )
        sync_folder(temporary)
        number, final = 1, sessions / session.name
        while final.exists():
            number += 1
            final = sessions / f"{session.name}-{number}"
        temporary.rename(final)
        sync_folder(sessions)
    except OSError as error:
        raise Trouble(f"cannot copy {session} into {sessions} ({reason(error)}): free the place, and merge again") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _read_picture(session: Path, folder: str, file: str) -> bytes:
    """A picture of another person's session, as it is.

    Raises:
        Trouble: it is no regular file, or larger than a session's pictures can be.
    """
    picture, remedy = session / folder / file, "copy the session again, with its pictures"
    if picture.parent.is_symlink():
        raise Trouble(f"{picture.parent} is a link: {remedy}")
    try:
        content = read_regular(picture, MOST_GRAY_BYTES if folder in SIDES else MOST_SURROUNDINGS_BYTES, follow=False)
    except OSError as error:
        raise Trouble(f"cannot read {picture} ({reason(error)}): {remedy}") from error
    size = picture_size(content) if content.startswith(b"\x89PNG") else None
    if size is None or (folder in SIDES and size != (SIDES[folder],) * 2) or max(size) > MOST_SURROUNDINGS:
        raise Trouble(f"{picture} is not the picture of a session: {remedy}")
    return content
