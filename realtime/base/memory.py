"""Memory that the program has freed, and that the C library still holds."""

import ctypes
import sys


def give_back_memory() -> None:
    """Gives freed memory back to the system, in about a millisecond; nothing where the C library is not GNU's.

    GNU's keeps what threads have freed for later (malloc_trim(3)): after each recording that would be some ten megabytes more, up to 50.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
