"""The one exception for expected trouble: every room raises it, `run.py` prints it."""


class Trouble(Exception):
    """Expected trouble: its text is one line that says what was wrong, what was tried and what to do next.

    `run.py` prints that line and exits with 1. Only code that can go on without the failed part catches it earlier.
    """


def reason(error: Exception) -> str:
    """The short error message of the system or a library: one line in lower case."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0].lower()
