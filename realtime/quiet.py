"""Keeps native libraries from writing into the user's terminal."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_kept = -1


def silence_libraries() -> None:
    """Asks OpenCV, Qt and FFmpeg to keep their notes to themselves. Call before cv2 is imported; a user's own setting wins."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # OpenCV's wheel ships Qt without fonts, and Qt complains of it at every window.
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false;*.info=false")


def silence_ffmpeg() -> None:
    """Takes FFmpeg's log away from PyAV, whose own way with it needs Python's lock: a decoder's thread that complains while its film is
    being closed would then wait for ever."""
    import av

    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.PANIC)
    av.logging.set_level(av.logging.PANIC)


@contextmanager
def quiet() -> Iterator[None]:
    """Drops what native code prints to stderr meanwhile. For calls that build something: the whole process is affected.

    A camera is opened again in a thread of its own while the window may open or close: the first in silences, the last out restores.
    """
    global _inside, _kept
    with _lock:
        if _inside == 0:
            _kept = os.dup(2)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                os.dup2(_kept, 2)
                os.close(_kept)
