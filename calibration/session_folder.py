"""Writes a session: the takes of one capture of one person, in a folder of its own.

    people/NAME/sessions/2026-11-23_04-05-06/
        session.json    who, under which plan, what was agreed to
        takes.jsonl     one line a take; a take is stored once its line is complete
        faces/          what the model's chips are made of, (48, 48) gray PNG
        crops/          the surroundings that it was cut from, colour PNG

A take's pictures are on the disk before its line is written: whenever the program is killed, there are at most pictures without a line.
Sessions of the schema session/1 hold chips/, (64, 64) gray PNG, instead of faces/. They are read, but no longer added to.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from calibration.stored_sessions import SCHEMA, SESSION, TAKES, complete_lines, read_session, read_session_takes, session_folders
from calibration.takes import FACES, SURROUNDINGS, StoredTake, Take, encode_png, format_take, parse_take
from realtime.base.addresses import without_secrets
from realtime.base.errors import Trouble, reason
from realtime.base.files import replace_file, sync_folder
from realtime.base.machine import package_versions
from realtime.expression.people import checked

PICTURE_FOLDERS = (FACES, SURROUNDINGS)
TEMPORARY = ".new"
"""How the names of files and folders end until they are complete; they begin with a dot."""


class SessionFolder:
    """A session that takes are added to. A take is on the disk when `add` returns."""

    def __init__(self, path: Path):
        """Continues the session of a folder; incomplete takes that a killed program left there are erased.

        Raises:
            Trouble: the folder holds no session, or one that is damaged or of an older schema, or it cannot be written.
        """
        self.path = path
        self._about = read_session(path)
        if self._about["schema"] != SCHEMA:
            raise Trouble(
                f"session {path} has the older schema {self._about['schema']!r}, its takes are read but not added to: begin another"
            )
        self._takes = read_session_takes(path)
        self._last = max((take.number for take in self._takes), default=0)
        try:
            self._erase_incomplete()
        except OSError as error:
            raise Trouble(f"cannot go on with session {path} ({reason(error)}): make it writable, or begin another") from error

    @classmethod
    def create(cls, root: Path, name: str | None, plan: str, consent: str, cameras: Sequence[str], started: datetime) -> Self:
        """A new, empty session.

        Args:
            root: the folder of all people.
            name: the person's; None: nobody's, the session gets a random code instead.
            plan: of `calibration.plan.make_prompts`, or `PRACTICE`.
            consent: the text that the person agreed to, at the moment `started`.
            cameras: the sources, as the user names them.

        Raises:
            Trouble: it cannot be a person's name, or the place cannot be written.
        """
        is_code = name is not None and _is_anonymous(root / checked(name))
        person = f"anon-{secrets.token_hex(4)}" if name is None else checked(name)
        about = {
            "schema": SCHEMA,
            "id": secrets.token_hex(8),
            "person": person,
            "anonymous": name is None or is_code,
            "plan": plan,
            "started": started.isoformat(timespec="seconds"),
            "consent": {"text": consent, "agreed": started.isoformat(timespec="seconds")},
            "cameras": [],
            "versions": package_versions(),
            "finished": False,
        }
        about["cameras"] = [_describe_camera(camera, about) for camera in cameras]
        sessions = root / person / "sessions"
        try:
            make_sessions_folder(sessions)
            path = make_unused_folder(sessions, started.strftime("%Y-%m-%d_%H-%M-%S"))
            for folder in PICTURE_FOLDERS:
                (path / folder).mkdir(mode=0o700)
            write_files({path / TAKES: b""})
            write_files({path / SESSION: format_json(about)})
            sync_folder(path)
            sync_folder(sessions)
        except OSError as error:
            raise Trouble(f"cannot make a session in {sessions} ({reason(error)}): free the place, or start where you may write") from error
        return cls(path)

    @classmethod
    def unfinished(cls, root: Path, name: str | None, plan: str) -> Self | None:
        """The newest session of a person and a plan that was left before its end, or None. An anonymous one is found by its code.

        A session of an older schema is not continued; its takes count for the profile all the same.
        """
        if name is None:
            return None
        for path in reversed(session_folders(root / checked(name))):
            about = read_session(path)
            if about["schema"] == SCHEMA and about["plan"] == plan and not about["finished"]:
                return cls(path)
        return None

    @property
    def person(self) -> str:
        """The person's name, or a code."""
        return self._about["person"]

    @property
    def takes(self) -> list[StoredTake]:
        """The stored takes, in the order in which they were added."""
        return list(self._takes)

    def erase_if_empty(self) -> None:
        """Erases the session if it has no take, and the folders around it that hold nothing else."""
        if self._takes:
            return
        with suppress(OSError):
            shutil.rmtree(self.path)
            for folder in (self.path.parent, self.path.parents[1], self.path.parents[2]):
                folder.rmdir()

    def add(self, take: Take, moment: int | None = None) -> StoredTake:
        """Stores a take.

        Args:
            moment: that of an earlier take which another camera took at the same time; None: no earlier take was simultaneous.

        Raises:
            Trouble: it could not be written, and nothing of it is left; earlier takes stay.
        """
        number = self._last + 1
        files = tuple(f"{number:03}-{i:02}.png" for i in range(len(take.pictures)))
        line = format_take(take, number, number if moment is None else moment, _describe_camera(take.camera, self._about), files)
        table = self.path / TAKES
        length, complete = None, False
        try:
            length = table.stat().st_size
            contents = {}
            for file, picture in zip(files, take.pictures, strict=True):
                contents[self.path / FACES / file] = encode_png(picture.face_crop)
                contents[self.path / SURROUNDINGS / file] = encode_png(picture.surroundings)
            write_files(contents)
            for folder in PICTURE_FOLDERS:
                sync_folder(self.path / folder)
            _append(table, format_json(line))
            complete = True
        except OSError as error:
            raise Trouble(
                f"cannot keep take {number}, {take.expression} ({reason(error)}); takes kept in {self.path}: {len(self._takes)}; "
                "free some space and run the same again"
            ) from error
        finally:
            # Ctrl-C too must not leave half a line: the next take's would be written behind it.
            if not complete:
                with suppress(OSError):
                    if length is not None:
                        os.truncate(table, length)
                with suppress(OSError):
                    self._erase_pictures(files)
        stored = parse_take(self.path, line, line["moment"], FACES)
        self._takes.append(stored)
        self._last = number
        return stored

    def erase(self, number: int) -> None:
        """Erases a take that is to be replaced, with its pictures.

        Raises:
            Trouble: there is no take of that number, or it cannot be erased.
        """
        take = next((take for take in self._takes if take.number == number), None)
        if take is None:
            raise Trouble(f"session {self.path} holds no take {number}: it holds {', '.join(str(t.number) for t in self._takes) or 'none'}")
        table = self.path / TAKES
        try:
            lines = [line for line in complete_lines(table) if json.loads(line)["number"] != number]
            replace_file(table, b"".join(lines), private=True)
            self._takes = [other for other in self._takes if other is not take]
            self._erase_pictures(take.files)
        except OSError as error:
            raise Trouble(f"cannot erase take {number} of {self.path} ({reason(error)}): make the folder writable") from error

    def finish(self) -> None:
        """Notes that the plan is complete: the session is not continued any more.

        Raises:
            Trouble: it cannot be written.
        """
        self._about["finished"] = True
        try:
            replace_file(self.path / SESSION, format_json(self._about), private=True)
        except OSError as error:
            kept = f"all takes are kept ({len(self._takes)})"
            raise Trouble(f"cannot close session {self.path} ({reason(error)}); {kept}") from error

    def _erase_incomplete(self) -> None:
        """Erases half a last line, pictures that belong to no line, and temporary files."""
        table = self.path / TAKES
        content = b"".join(complete_lines(table))
        if len(content) != table.stat().st_size:
            replace_file(table, content, private=True)
        names = {name for take in self._takes for name in take.files}
        for folder in (self.path / name for name in PICTURE_FOLDERS):
            folder.mkdir(mode=0o700, exist_ok=True)
            for path in folder.iterdir():
                if path.name not in names:
                    path.unlink()
        for path in self.path.glob(f".*{TEMPORARY}"):
            path.unlink()

    def _erase_pictures(self, files: Sequence[str]) -> None:
        for folder in PICTURE_FOLDERS:
            for file in files:
                (self.path / folder / file).unlink(missing_ok=True)


def make_sessions_folder(sessions: Path) -> None:
    """Makes the folder of a person's sessions and its parents; only their owner can look into them."""
    for folder in (*reversed(sessions.parents), sessions):
        folder.mkdir(mode=0o700, exist_ok=True)


def make_unused_folder(parent: Path, name: str) -> Path:
    """Makes a folder of that name or, where there is one already, of that name with a number."""
    number, path = 1, parent / name
    while True:
        try:
            path.mkdir(mode=0o700)
            return path
        except FileExistsError:
            number += 1
            path = parent / f"{name}-{number}"


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Writes new files that only their owner can read; their contents are on the disk when this returns.

    All are written before the first is waited for, so that the disk can take them in one go.

    Raises:
        OSError: one cannot be written; the others may be there, whole or in part.
    """
    with ExitStack() as stack:
        files = []
        for path, content in contents.items():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
            file = stack.enter_context(os.fdopen(handle, "wb"))
            file.write(content)
            file.flush()
            files.append(file)
        for file in files:
            os.fsync(file.fileno())


def format_json(content: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _is_anonymous(person: Path) -> bool:
    """Whether this is the folder of somebody who gave no name."""
    return any(read_session(path)["anonymous"] for path in session_folders(person))


def _describe_camera(text: str, about: dict[str, Any]) -> str:
    """What is noted of a camera: its text without a password; of somebody anonymous a code, as a path or an address could tell a name."""
    text = without_secrets(text)
    if about["anonymous"] and not text.isdecimal():
        return "camera-" + hashlib.sha256(f"{about['id']} {text}".encode()).hexdigest()[:6]
    return text


def _append(path: Path, content: bytes) -> None:
    """Adds to the end of a file; the content is on the disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
