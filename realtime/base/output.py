"""Standard output and standard error: names are printed as text, and a terminal that is gone does not stop the work."""

import os
import re
import shutil
import sys
from typing import Any, TextIO, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from realtime.base.errors import reason
from realtime.base.wrapping import wrap

UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed, marks that turn the direction of writing, and the bytes of a name that is not UTF-8."""


def shown(text: str) -> str:
    """The text with everything escaped that a terminal would obey instead of showing it; a byte that is no letter becomes \\xe9."""
    return UNPRINTABLE.sub(_escaped, text)


def one_line(text: str) -> str:
    """As `shown`, with line feeds escaped too: for messages of one line, whatever the names in them hold."""
    return shown(text.replace("\n", "\\n"))


def _escaped(found: re.Match[str]) -> str:
    # Python keeps a byte that cannot be decoded as a surrogate, 0xDC00 and the byte.
    code = ord(found[0])
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def terminal_width(stream: Any) -> int | None:
    """How many columns a terminal has, or COLUMNS in its stead; None for files and pipes, which programs read line by line."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def folded(text: str, width: int | None, hang: int | None = None) -> str:
    """Text whose lines are broken between words at so many columns; None leaves them as they are.

    Args:
        hang: by how many columns what follows a break is indented; None: four more than the line.
    """
    if width is None:
        return text
    lines = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip(" ")) + 4 if hang is None else hang
        lines += wrap(line, width, cell_len, " " * min(indent, width // 2))
    return "\n".join(lines)


def tell(line: str) -> None:
    """Prints a line, as text."""
    print(folded(shown(line), terminal_width(sys.stdout)), flush=True)


def tell_trouble(line: str) -> None:
    """Prints a line to standard error, as text; where no terminal shows it, it stays one line."""
    print(folded(one_line(line), terminal_width(sys.stderr)), file=sys.stderr, flush=True)


class TextConsole(Console):
    """A console whose strings are text and nothing else: brackets are no markup, colons no emoji, controls are escaped.

    Strings are broken between words where a terminal ends.
    """

    def __init__(self, **options: Any):
        super().__init__(highlight=False, soft_wrap=True, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        width = terminal_width(self.file)
        super().print(*(Text(folded(shown(one), width)) if isinstance(one, str) else one for one in objects), **options)


class EnduringStream:
    """A stream whose failures are kept instead of raised: a full disk or a closed terminal must not end a recording.

    Attributes:
        failure: why the first write that failed did so; None if all is well. What is written later goes nowhere.
    """

    def __init__(self, stream: TextIO):
        self.failure: str | None = None
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.failure = self.failure or reason(error)
        # What the stream still holds is flushed by the interpreter's end, and must not fail there.
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def make_output_endure() -> tuple[EnduringStream, EnduringStream]:
    """Replaces standard output and standard error by streams that never fail, and gives both.

    Letters that the terminal's code page lacks are replaced. A stream that was closed from the start is opened to nowhere: else the
    next file to be opened got its number, and with it what libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
    streams = []
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        if stream is None:
            stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        streams.append(EnduringStream(stream))
    sys.stdout, sys.stderr = (cast(TextIO, stream) for stream in streams)
    return streams[0], streams[1]
