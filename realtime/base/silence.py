"""Keeps native libraries (OpenCV, FFmpeg, SDL) from writing into the user's terminal."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_users = 0
_stderr = -1


def silence_libraries() -> None:
    """Sets the environment variables that OpenCV and its FFmpeg read when cv2 is imported. Call before that; a user's own setting wins.

    The last variable is not about messages. It is set here because it, too, must be set before cv2 is imported.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # Windows' Media Foundation looks for hardware converters for up to a minute before it opens a camera.
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")


def silence_ffmpeg() -> None:
    """Silences PyAV's FFmpeg. Call before each use, because other code may have set another level since.

    Do not use `av.logging.set_level(PANIC)`: FFmpeg then calls a Python function for its messages. Closing a damaged film would hang for
    ever: it waits for a decoder's thread, and that thread waits for the interpreter to take its message.
    """
    import av

    av.logging.set_level(None)
    av.logging.set_libav_level(av.logging.PANIC)


@contextmanager
def quiet() -> Iterator[None]:
    """Discards all that the process prints to stderr meanwhile. Only for short calls that open or load something.

    Two threads may be inside at once, such as one that opens a camera and one that opens a window. The first to enter redirects stderr,
    the last to leave restores it.
    """
    global _users, _stderr
    with _lock:
        if _users == 0:
            _stderr = os.dup(2)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                os.dup2(_stderr, 2)
                os.close(_stderr)
