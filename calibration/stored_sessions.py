"""Reads the sessions of people, of this schema and the one before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from calibration import old_sessions
from calibration.takes import FACES, StoredTake, parse_take
from realtime.base.errors import Trouble, reason
from realtime.base.files import read_regular
from realtime.base.json_values import parse_json
from realtime.base.version import RELEASE
from realtime.expression.people import checked

SCHEMA = "session/2"
SESSION, TAKES = "session.json", "takes.jsonl"
MOST_SESSION_BYTES, MOST_TAKES_BYTES = 100_000, 20_000_000
"""Of the two files; they have 1,000, and 10,000 a take. Sessions come from other people too."""
GRAY_FOLDERS = {SCHEMA: FACES, old_sessions.SCHEMA: old_sessions.CHIPS}
"""Folder of the pictures that the model reads, by schema."""


def read_session(path: Path) -> dict[str, Any]:
    """The content of a session's session.json.

    Raises:
        Trouble: it is missing, damaged or of an unknown schema.
    """
    about = path / SESSION
    remedy = "copy the session again, or delete its folder"
    try:
        content = parse_json(read_regular(about, MOST_SESSION_BYTES, follow=False))
        schema = content["schema"]
        readable = isinstance(schema, str) and schema in GRAY_FOLDERS
        types = {"id": str, "person": str, "anonymous": bool, "plan": str, "finished": bool}
        wrong = [name for name, kind in types.items() if readable and not isinstance(content[name], kind)]
    except OSError as error:
        raise Trouble(f"cannot read {about} ({reason(error)}): {remedy}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Trouble(f"{about} is damaged ({error!r:.100}): {remedy}") from error
    if not readable:
        schemas = " and ".join(repr(name) for name in GRAY_FOLDERS)
        raise Trouble(f"{about} has the schema {schema!r:.60}, {RELEASE} reads {schemas}: use the release that made it")
    if wrong:
        raise Trouble(f"{about} is damaged ({wrong[0]!r} is {content[wrong[0]]!r:.60}): {remedy}")
    return content


def read_session_takes(path: Path) -> list[StoredTake]:
    """The takes of a session's folder, in the order in which they were stored; a last line without its end is ignored.

    Raises:
        Trouble: session.json or a line is damaged.
    """
    table = path / TAKES
    old = read_session(path)["schema"] == old_sessions.SCHEMA
    takes = []
    try:
        lines = complete_lines(table)
    except OSError as error:
        raise Trouble(f"cannot read {table} ({reason(error)}): copy the session again, or delete its folder") from error
    for number, text in enumerate(lines, start=1):
        try:
            line = parse_json(text)
            takes.append(parse_take(path, line, 0 if old else int(line["moment"]), old_sessions.CHIPS if old else FACES))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise Trouble(f"{table}, line {number}, is damaged ({error!r:.100}): take that line away, or copy the session again") from error
    names = [name for take in takes for name in take.files]
    if len(set(names)) != len(names):
        raise Trouble(f"{table} is damaged (it names a picture twice): copy the session again, or delete its folder")
    if old:
        moments = old_sessions.guess_moments((take.expression, take.light, take.camera) for take in takes)
        takes = [replace(take, moment=moment) for take, moment in zip(takes, moments, strict=True)]
    return takes


def read_person_takes(root: Path, name: str) -> list[StoredTake]:
    """All takes of a person, those of the oldest session first.

    Raises:
        Trouble: it cannot be a person's name, or a session is damaged.
    """
    return [take for path in session_folders(root / checked(name)) for take in read_session_takes(path)]


def session_folders(person: Path) -> list[Path]:
    """The session folders of a person's folder, oldest first; links are not followed."""
    sessions = person / "sessions"
    folders = [] if sessions.is_symlink() else [path.parent for path in sessions.glob(f"*/{SESSION}")]
    return sorted(path for path in folders if not path.is_symlink() and not path.name.startswith("."))


def complete_lines(table: Path) -> list[bytes]:
    """The lines of a file that have their end.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger than any session's.
    """
    content = read_regular(table, MOST_TAKES_BYTES, follow=False)
    return [line for line in content.splitlines(keepends=True) if line.endswith(b"\n") and line.strip()]
