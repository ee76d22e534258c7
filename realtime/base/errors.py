"""The one exception for trouble that a user can do something about."""


class Trouble(Exception):
    """Expected trouble: its text is one line that says what was wrong, what was tried and what to do next.

    `run.py` prints that line and exits with 1; nothing else catches it but those who can go on without.
    """


def reason(error: Exception) -> str:
    """Why the system or a library failed, in its own few words."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0].lower()
