"""Pure: addresses of streams without what is secret in them."""

import re
from collections.abc import Iterable

AT = re.compile("@|%(?:25)*40")
"""The end of name and password, also as an address spells it in codes."""
QUERY = re.compile(r"[?#]|%(?:25)*(?:3f|23)", re.IGNORECASE)
VALUE = re.compile("=|%(?:25)*3d", re.IGNORECASE)
BROKEN = re.compile("(?:(?:rtsp|http|rtmp)s?|srt|udp|tcp|ftp):(?!//)|(?!.*://).*:.*@", re.IGNORECASE | re.DOTALL)
"""A well-known protocol without its slashes, or a name, a colon, a password and an "@" without any protocol."""


def is_address(text: str) -> bool:
    """Whether a text names a place in the network or a file by its protocol, as in rtsp://host/stream."""
    return "://" in text


def scheme_of(address: str) -> str:
    """The protocol of an address, in small letters."""
    return address.partition("://")[0].lower()


def without_secrets(text: str) -> str:
    """An address as it may be shown and stored: protocol, host and path, without name and password and without a query.

    Passwords are often written as they are, so that an "@", a "/" or a "?" in them does not end them. All before the last "@" is left
    out. Where that "@" may be in a query as well as behind a password, only the protocol is left. A part of the path with a "=" becomes
    "...": some cameras take the password there. Texts that are no addresses are returned as they are.
    """
    if not is_address(text):
        return text
    scheme, _, rest = text.partition("://")
    ats = list(AT.finditer(rest))
    query = QUERY.search(rest)
    if ats and query and query.start() < ats[-1].start():
        # Behind a "?" lies either the query or the rest of a password.
        return f"{scheme}://..."
    place = rest[ats[-1].end() if ats else 0 : query.start() if query else None]
    return f"{scheme}://" + "/".join("..." if VALUE.search(part) else part for part in place.split("/"))


def is_broken_address(text: str) -> bool:
    """Whether a text that names no file was meant as an address and may hold a password: no message may repeat it."""
    return BROKEN.match(text) is not None


def hide_secrets(text: str, arguments: Iterable[str]) -> str:
    """A text in which addresses that come from `arguments` of the command line are replaced by what `without_secrets` leaves of them."""
    for argument in arguments:
        address = argument[argument.find("=") + 1 :] if argument.startswith("--") else argument
        shown = "..." if is_broken_address(address) else without_secrets(address)
        if address != shown:
            text = text.replace(address, shown)
    return text
