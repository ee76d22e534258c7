"""What Ctrl-C, a closed terminal and a request to end do: the work in hand is finished first."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that ask the program to end: Ctrl-C, the system, and the terminal that closes; Windows lacks the last."""


def stop_on_signal() -> Callable[[], bool]:
    """Lets a signal of `ENDING` end the loop after the frame in hand, so that files are finished; gives whether one came.

    A second Ctrl-C or SIGTERM ends at once, as KeyboardInterrupt. A second SIGHUP does not: a terminal that closes may send several.
    A signal that is ignored stays so: nohup starts programs that way.
    """
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        hasty = number in (signal.SIGINT, signal.SIGTERM)
        if hasty and {signal.SIGINT, signal.SIGTERM}.intersection(came):
            raise KeyboardInterrupt
        came.append(number)

    for number in ENDING:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, note)
    return lambda: bool(came)


@contextmanager
def held_back() -> Iterator[None]:
    """Holds back the signals of `ENDING` meanwhile. A process that is started within does not get them at all, from its first line on."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
