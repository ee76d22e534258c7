"""The take-away dataset: what a person showed, as one folder a session, for profiles and for training.

    people/NAME/sessions/2026-11-23_04-05-06/
        session.json    who, under which plan, what was agreed to
        takes.jsonl     one line a take; a take is kept once its line is whole
        chips/          what the model reads, (64, 64) gray PNG
        crops/          where it was cut from, colour PNG

A take's pictures are on the disk before its line, so that a kill at any moment leaves at most pictures that no line names.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.machine import package_versions
from realtime.expression.people import checked
from realtime.faces.align import CHIP
from realtime.values import LABELS, Face

SCHEMA = "session/1"
SESSION, TAKES = "session.json", "takes.jsonl"
AROUND = 2.0
"""Side of a crop in those of the face's box: hair, ears and some shoulder, for whoever wants to frame faces in another way."""
PICTURE = re.compile(r"\d{3,}-\d{2,}\.png")
"""Names of pictures: take and shot. No other name is read, as sessions come from other people too."""


@dataclass(frozen=True)
class Shot:
    """One frame of a take: chip (64, 64) uint8, crop (h, w, 3) BGR uint8, points (5, 2) float32 in the crop's pixels, `t` in seconds."""

    chip: np.ndarray
    crop: np.ndarray
    points: np.ndarray
    t: float


@dataclass(frozen=True)
class Take:
    """An expression (one of `LABELS`), held for a moment, with the means of its quality measures by name."""

    expression: str
    pose: str
    light: str
    camera: str
    quality: dict[str, float]
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Kept:
    """A take as a session holds it.

    Attributes:
        session: the session's folder.
        number: of the take in its session, from 1.
        expression, pose, light, camera, quality: as in `Take`.
        t: when its first shot was taken, in seconds on its camera's clock.
        files: names of its pictures, the same in chips/ and crops/.
        points: of each picture, (5, 2) float32 in the crop's pixels.
    """

    session: Path
    number: int
    expression: str
    pose: str
    light: str
    camera: str
    quality: dict[str, float]
    t: float
    files: tuple[str, ...]
    points: tuple[np.ndarray, ...]

    def chips(self) -> np.ndarray:
        """Its chips, (n, 64, 64) uint8.

        Raises:
            Trouble: one is missing or damaged.
        """
        return np.stack([self._chip(self.session / "chips" / name) for name in self.files])

    def _chip(self, path: Path) -> np.ndarray:
        try:
            content = np.frombuffer(path.read_bytes(), np.uint8)
            chip = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if len(content) else None
        except OSError as error:
            raise Trouble(f"cannot read {path} ({reason(error)}): copy the session again, or delete it") from error
        if chip is None or chip.shape != (CHIP, CHIP):
            raise Trouble(f"{path} is not a gray picture of {CHIP}x{CHIP}: copy the session again, or delete it")
        return chip


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        people: what each person is called now, by where they were.
        copied: how many sessions were copied.
        known: how many were there already.
        differ: sessions that are there already, with other takes; they were left as they are.
    """

    people: dict[Path, str]
    copied: int
    known: int
    differ: tuple[Path, ...]


def crop_around(image: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """The picture around a face: a copy (h, w, 3) uint8 of twice the box, where the image reaches so far, and the face's points in it."""
    box = face.box
    x, y, side = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, AROUND * max(box.x1 - box.x0, box.y1 - box.y0)
    (top, bottom), (left, right) = _span(y, side, image.shape[0]), _span(x, side, image.shape[1])
    return image[top:bottom, left:right].copy(), (face.points - np.array([left, top])).astype(np.float32)


def _span(middle: float, length: float, limit: int) -> tuple[int, int]:
    """First and last pixel of a stretch within 0 to `limit`; one pixel at least."""
    first = min(max(round(middle - length / 2), 0), limit - 1)
    return first, max(min(round(middle + length / 2), limit), first + 1)


class SessionFolder:
    """A session that is being filled. What `add` was given is on the disk when it returns."""

    def __init__(self, path: Path):
        """Goes on with the session in a folder; what a kill left half written is erased.

        Raises:
            Trouble: the folder holds no session, or a damaged one, or cannot be written.
        """
        self.path = path
        self._about = read_session(path)
        self._takes = read_takes(path)
        self._last = max((take.number for take in self._takes), default=0)
        try:
            self._clean()
        except OSError as error:
            raise Trouble(f"cannot go on with session {path} ({reason(error)}): make it writable, or begin another") from error

    @classmethod
    def create(cls, root: Path, name: str | None, plan: str, consent: str, cameras: Sequence[str], started: datetime) -> Self:
        """A new, empty session.

        Args:
            root: where people lie.
            name: whose it is; None: nobody's, under a code drawn by chance.
            plan: of `calibration.plan.NAMES`.
            consent: the text that the person agreed to, at the moment `started`.
            cameras: what is looked through.

        Raises:
            Trouble: the name is none, or the place cannot be written.
        """
        known = name is not None and _anonymous(root / checked(name))
        person = f"anon-{secrets.token_hex(4)}" if name is None else checked(name)
        about = {
            "schema": SCHEMA,
            "id": secrets.token_hex(8),
            "person": person,
            "anonymous": name is None or known,
            "plan": plan,
            "started": started.isoformat(timespec="seconds"),
            "consent": {"text": consent, "agreed": started.isoformat(timespec="seconds")},
            "cameras": [],
            "versions": package_versions(),
            "finished": False,
        }
        about["cameras"] = [_camera(camera, about) for camera in cameras]
        sessions = root / person / "sessions"
        try:
            _make(sessions)
            path = _new_folder(sessions, started.strftime("%Y-%m-%d_%H-%M-%S"))
            for folder in ("chips", "crops"):
                (path / folder).mkdir(mode=0o700)
            _write(path / TAKES, b"")
            _write(path / SESSION, _json(about))
            _sync_folder(path)
            _sync_folder(sessions)
        except OSError as error:
            raise Trouble(f"cannot make a session in {sessions} ({reason(error)}): free the place, or start where you may write") from error
        return cls(path)

    @classmethod
    def unfinished(cls, root: Path, name: str | None, plan: str) -> Self | None:
        """The newest session of a person and a plan that was left before its end, or None. An anonymous one is asked for by its code."""
        if name is None:
            return None
        for path in reversed(session_folders(root / checked(name))):
            about = read_session(path)
            if about["plan"] == plan and not about["finished"]:
                return cls(path)
        return None

    @property
    def person(self) -> str:
        """Whose it is: a name, or a code."""
        return self._about["person"]

    @property
    def takes(self) -> list[Kept]:
        """What is kept, in the order in which it came."""
        return list(self._takes)

    def add(self, take: Take) -> Kept:
        """Keeps a take; it is safe from now on.

        Raises:
            Trouble: it could not be written, and nothing of it is left; the takes before it stay.
        """
        number = self._last + 1
        files = tuple(f"{number:03}-{i:02}.png" for i in range(len(take.shots)))
        line = {
            "number": number,
            "expression": take.expression,
            "pose": take.pose,
            "light": take.light,
            "camera": _camera(take.camera, self._about),
            "quality": {name: round(float(value), 3) for name, value in take.quality.items()},
            "t": round(float(take.shots[0].t), 3),
            "shots": [
                {"file": file, "t": round(float(shot.t), 3), "points": np.round(shot.points.astype(float), 2).tolist()}
                for file, shot in zip(files, take.shots, strict=True)
            ],
        }
        table = self.path / TAKES
        length, done = None, False
        try:
            length = table.stat().st_size
            pictures = {}
            for file, shot in zip(files, take.shots, strict=True):
                pictures[self.path / "chips" / file] = _png(shot.chip)
                pictures[self.path / "crops" / file] = _png(shot.crop)
            _write_all(pictures)
            for folder in ("chips", "crops"):
                _sync_folder(self.path / folder)
            _append(table, _json(line))
            done = True
        except OSError as error:
            kept = f"{len(self._takes)} takes in {self.path} are kept"
            raise Trouble(
                f"cannot keep take {number}, {take.expression} ({reason(error)}); {kept}: free some space and run the same again"
            ) from error
        finally:
            # Ctrl-C too must leave no half line: the next take's would be written behind it.
            if not done:
                with suppress(OSError):
                    if length is not None:
                        os.truncate(table, length)
                with suppress(OSError):
                    self._erase(files)
        made = _kept(self.path, line)
        self._takes.append(made)
        self._last = number
        return made

    def redo(self, number: int) -> None:
        """Erases a take that is to be replaced, with its pictures.

        Raises:
            Trouble: there is no take of that number, or it cannot be erased.
        """
        gone = next((take for take in self._takes if take.number == number), None)
        if gone is None:
            raise Trouble(f"session {self.path} holds no take {number}: it holds {', '.join(str(t.number) for t in self._takes) or 'none'}")
        table = self.path / TAKES
        try:
            lines = [line for line in _lines(table) if json.loads(line)["number"] != number]
            _replace(table, b"".join(lines))
            self._takes = [take for take in self._takes if take is not gone]
            self._erase(gone.files)
        except OSError as error:
            raise Trouble(f"cannot erase take {number} of {self.path} ({reason(error)}): make the folder writable") from error

    def finish(self) -> None:
        """Notes that the plan is through: the session is not resumed any more."""
        self._about["finished"] = True
        try:
            _replace(self.path / SESSION, _json(self._about))
        except OSError as error:
            kept = f"its {len(self._takes)} takes are kept all the same"
            raise Trouble(f"cannot close session {self.path} ({reason(error)}): {kept}") from error

    def _clean(self) -> None:
        """Erases what no whole line names."""
        table = self.path / TAKES
        whole = b"".join(_lines(table))
        if len(whole) != table.stat().st_size:
            _replace(table, whole)
        named = {name for take in self._takes for name in take.files}
        for folder in (self.path / "chips", self.path / "crops"):
            folder.mkdir(mode=0o700, exist_ok=True)
            for path in folder.iterdir():
                if path.name not in named:
                    path.unlink()
        for path in self.path.glob(".*.new"):
            path.unlink()

    def _erase(self, files: Sequence[str]) -> None:
        for folder in ("chips", "crops"):
            for file in files:
                (self.path / folder / file).unlink(missing_ok=True)


def read_session(path: Path) -> dict[str, Any]:
    """What a session's session.json says.

    Raises:
        Trouble: it is missing, damaged or of another version.
    """
    about = path / SESSION
    again = "copy the session again, or delete its folder"
    try:
        content = json.loads(about.read_bytes())
        schema = content["schema"]
        expected = {"id": str, "person": str, "anonymous": bool, "plan": str, "finished": bool}
        wrong = [name for name, kind in expected.items() if schema == SCHEMA and not isinstance(content[name], kind)]
    except OSError as error:
        raise Trouble(f"cannot read {about} ({reason(error)}): {again}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Trouble(f"{about} is damaged ({error!r}): {again}") from error
    if schema != SCHEMA:
        raise Trouble(f"{about} has the schema {schema!r:.60}, this program reads {SCHEMA!r}: use the program that made it")
    if wrong:
        raise Trouble(f"{about} is damaged ({wrong[0]!r} is {content[wrong[0]]!r:.60}): {again}")
    return content


def read_takes(path: Path) -> list[Kept]:
    """The confirmed takes of a session's folder; a last line that was cut is none.

    Raises:
        Trouble: a line is damaged.
    """
    table = path / TAKES
    kept = []
    try:
        lines = _lines(table)
    except OSError as error:
        raise Trouble(f"cannot read {table} ({reason(error)}): copy the session again, or delete its folder") from error
    for number, line in enumerate(lines, start=1):
        try:
            kept.append(_kept(path, json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise Trouble(f"{table}, line {number}, is damaged ({error!r:.100}): take that line away, or copy the session again") from error
    return kept


def session_folders(person: Path) -> list[Path]:
    """The session folders of a person's folder, oldest first; links are not followed."""
    found = (path.parent for path in (person / "sessions").glob(f"*/{SESSION}"))
    return sorted(path for path in found if not path.is_symlink() and not path.name.startswith("."))


def load_takes(root: Path, name: str) -> list[tuple[Kept, np.ndarray]]:
    """All confirmed takes of a person over sessions, oldest first, each with its chips (n, 64, 64) uint8.

    Raises:
        Trouble: the name is none, or a file is missing or damaged.
    """
    takes = [take for path in session_folders(root / checked(name)) for take in read_takes(path)]
    return [(take, take.chips()) for take in takes]


def delete(root: Path, name: str) -> int:
    """Erases all that is kept of a person, profiles too, and gives the number of files. Links are taken away, not followed.

    Raises:
        Trouble: the name is none, nothing is kept of it, or something could not be erased.
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
            f"cannot erase {error.filename} ({reason(error)}), {files} files of {name} are erased: make it writable and run the same again"
        ) from error
    # The folder of all people goes with the last of them.
    with suppress(OSError):
        root.rmdir()
    return files


def merge(roots: Sequence[Path], out: Path) -> Merged:
    """Copies the sessions of the people of several roots into one; nothing that is there is overwritten.

    Two people of one name are one person where they share a session, and are kept apart otherwise: the second one becomes "ada-2".
    Profiles are left where they are: they are fitted anew to all takes of a person. So are the films of a room.

    Raises:
        Trouble: a root holds nobody, a session is damaged, or the place cannot be written. What was copied by then is whole.
    """
    people: dict[Path, str] = {}
    copied = known = 0
    differ: list[Path] = []
    for root in roots:
        here = [path for path in sorted(root.glob("*")) if not path.is_symlink() and session_folders(path)]
        if not here:
            raise Trouble(f"{root} holds no session: name a folder such as people, with NAME/sessions in it")
        for person in here:
            sessions = {read_session(path)["id"]: path for path in session_folders(person)}
            name, there = _place(out, person.name, set(sessions))
            people[person] = name
            for number, path in sessions.items():
                if number not in there:
                    _copy(path, out / name / "sessions", name)
                    copied += 1
                    continue
                known += 1
                if [_line(take) for take in read_takes(path)] != [_line(take) for take in read_takes(there[number])]:
                    differ.append(path)
    return Merged(people, copied, known, tuple(differ))


def _place(out: Path, name: str, sessions: set[str]) -> tuple[str, dict[str, Path]]:
    """What a person is called in `out`, and the sessions that are there by their id."""
    number = 1
    while True:
        called = name if number == 1 else f"{name}-{number}"
        there = {read_session(path)["id"]: path for path in session_folders(out / checked(called))}
        if sessions & there.keys() or not (out / called).exists():
            return called, there
        number += 1


def _copy(session: Path, sessions: Path, person: str) -> None:
    """Copies the confirmed takes of a session; the folder has its name only once all is there."""
    about, takes = read_session(session), read_takes(session)
    beside = None
    try:
        _make(sessions)
        for left in sessions.glob(".*.new"):
            shutil.rmtree(left)
        beside = _new_folder(sessions, f".{session.name}.new")
        for folder in ("chips", "crops"):
            (beside / folder).mkdir(mode=0o700)
            for file in (file for take in takes for file in take.files):
                picture = session / folder / file
                if picture.is_symlink():
                    raise Trouble(f"{picture} is a link: copy the session again, with its pictures")
                _write(beside / folder / file, picture.read_bytes())
        _write(beside / TAKES, b"".join(_lines(session / TAKES)))
        _write(beside / SESSION, _json(about | {"person": person}))
        _sync_folder(beside)
        number, final = 1, sessions / session.name
        while final.exists():
            number += 1
            final = sessions / f"{session.name}-{number}"
        beside.rename(final)
        _sync_folder(sessions)
    except OSError as error:
        raise Trouble(f"cannot copy {session} into {sessions} ({reason(error)}): free the place, and merge again") from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def _anonymous(person: Path) -> bool:
    """Whether this is the code of a person who wanted no name."""
    return any(read_session(path)["anonymous"] for path in session_folders(person))


def _camera(text: str, about: dict[str, Any]) -> str:
    """A camera's text as it is noted: without the password of an address, and of somebody anonymous without path or address at all."""
    if about["anonymous"] and not text.isdecimal():
        return "camera-" + hashlib.sha256(f"{about['id']} {text}".encode()).hexdigest()[:6]
    return re.sub(r"//[^/]*@", "//", text)


def _kept(path: Path, line: dict[str, Any]) -> Kept:
    files = tuple(shot["file"] for shot in line["shots"])
    points = tuple(np.array(shot["points"], np.float32) for shot in line["shots"])
    if line["expression"] not in LABELS:
        raise ValueError(f"no expression is called {line['expression']!r}")
    if not files or not all(PICTURE.fullmatch(file) for file in files) or any(place.shape != (5, 2) for place in points):
        raise ValueError("its shots are not known")
    expression, pose, light, camera = (line[name] for name in ("expression", "pose", "light", "camera"))
    if not all(isinstance(text, str) for text in (expression, pose, light, camera)):
        raise ValueError("its texts are none")
    quality = {str(name): float(value) for name, value in line["quality"].items()}
    return Kept(path, int(line["number"]), expression, pose, light, camera, quality, float(line["t"]), files, points)


def _line(take: Kept) -> tuple:
    """What makes a take the same as another."""
    return take.number, take.expression, take.t, take.files


def _lines(table: Path) -> list[bytes]:
    """The whole lines of a file."""
    return [line for line in table.read_bytes().splitlines(keepends=True) if line.endswith(b"\n") and line.strip()]


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _png(picture: np.ndarray) -> bytes:
    # The lowest effort: a Raspberry Pi takes 2 ms for a crop in place of 20, and files grow by a sixth.
    done, content = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise OSError("the picture cannot be encoded")
    return content.tobytes()


def _make(sessions: Path) -> None:
    """The folder of a person's sessions, and those that it lies in; who is in them is nobody else's business either."""
    for folder in (*reversed(sessions.parents), sessions):
        folder.mkdir(mode=0o700, exist_ok=True)


def _new_folder(parent: Path, name: str) -> Path:
    """A folder of that name, or, where there is one, with a number."""
    number, path = 1, parent / name
    while True:
        try:
            path.mkdir(mode=0o700)
            return path
        except FileExistsError:
            number += 1
            path = parent / f"{name}-{number}"


def _write(path: Path, content: bytes) -> None:
    _write_all({path: content})


def _write_all(contents: dict[Path, bytes]) -> None:
    """Writes new files that their owner alone can read; all are on the disk when this returns.

    All are written before the first is waited for: the disk then takes them in one go.
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


def _append(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, content: bytes) -> None:
    """Writes a file anew; the old one stays whole until the new one is."""
    beside = path.with_name(f".{path.name}.new")
    _write(beside, content)
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Puts the names in a folder on the disk; Windows does so by itself and opens no folder."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
