"""A token that outlives the program: in a file that only its owner may read, so that a bookmark opens the page after the next start too."""

import os
import re
import secrets
import stat
from pathlib import Path

from realtime.base.errors import Trouble, disk_remedy, reason
from realtime.base.files import Exists, make_private_folder, open_to_write, read_regular

LEAST, MOST = 16, 200
"""Letters of a token: 16 of base64 are 96 bits, which nobody tries out."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_token(path: Path) -> str:
    """The token in the file `path`, which is made with a new one where it is missing.

    Raises:
        Trouble: others may read the file, it holds no token that an address can have, or it cannot be read or made.
    """
    try:
        if not os.path.lexists(path):
            _make(path)
        text = read_regular(path, MOST + 2).decode("ascii", "replace").strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise Trouble(f"cannot use the token in {path} ({reason(error)}): {disk_remedy(error)}") from error
    if os.name == "posix" and mode & OTHERS:
        raise Trouble(f"the token in {path} can be read by other users: `chmod 600 {path}`, or delete it, and a new one is made")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text) or not LEAST <= len(text) <= MOST:
        raise Trouble(
            f"{path} holds no token: it must have {LEAST} to {MOST} letters, digits, - and _; delete the file, and a new one is made"
        )
    return text


def _make(path: Path) -> None:
    make_private_folder(path.parent)
    try:
        with os.fdopen(open_to_write(path, replace=False), "w", encoding="ascii") as file:
            file.write(f"{secrets.token_urlsafe(LEAST)}\n")
    except Exists:
        # Another run has made it at the same moment.
        return
