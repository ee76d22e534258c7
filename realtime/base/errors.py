"""The one exception for expected trouble: every room raises it, `run.py` prints it."""

import errno


class Trouble(Exception):
    """Expected trouble: its text is one line that says what was wrong, what was tried and what to do next.

    `run.py` prints that line and exits with 1. Only code that can go on without the failed part catches it earlier.
    """


FULL = frozenset({errno.ENOSPC, *([errno.EDQUOT] if hasattr(errno, "EDQUOT") else [])})
"""The system's numbers for a disk without room, and for a user's share of it that is used up."""


def disk_remedy(error: OSError) -> str:
    """What to do about a file that cannot be written."""
    if error.errno in FULL:
        return "make room on the disk, or write to another one"
    if error.errno == errno.EFBIG:
        return "a limit (ulimit -f) or the file system (FAT32 ends at 4 GB) allows no larger file: raise it, or write to another disk"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "check your rights to the folder, or choose another one"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "check that its folder is still there"
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR):
        return "choose another name"
    if error.errno == errno.EMFILE:
        return "too many files are open: raise the limit (ulimit -n)"
    return "check the disk and its cable"


def reason(error: Exception) -> str:
    """The short error message of the system or a library: one line in lower case."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0].lower()
