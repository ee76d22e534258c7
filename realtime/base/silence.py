"""Keeps native libraries from writing into the user's terminal."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_kept = -1


def silence_libraries() -> None:
    """Asks OpenCV, Qt and FFmpeg to keep their notes to themselves. Call before cv2 is imported; a user's own setting wins.

    One of these settings has another reason, but the same moment: it must be there before OpenCV is.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # OpenCV's wheel ships Qt without fonts, and Qt complains of it at every window.
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false;*.info=false")
    # Windows' Media Foundation looks for hardware converters for up to a minute before it opens a camera.
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")


def silence_ffmpeg() -> None:
    """Keeps PyAV's FFmpeg quiet. To be called before each use: whatever set another level before is undone.

    Never by `av.logging.set_level(PANIC)`: that puts a Python function behind FFmpeg's messages, and closing a damaged film then waits
    for ever for a decoder's thread, which waits for the interpreter to take its message.
    """
    import av

    av.logging.set_level(None)
    av.logging.set_libav_level(av.logging.PANIC)


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
