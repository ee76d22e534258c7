"""The program as a library, under one name in the program's folder and where it is installed.

    from expressions import Reader, analyze, open_pipeline

`import expressions` is quick; the first call imports the heavy packages.
"""

from typing import TYPE_CHECKING, Any

from realtime.api import Reader, ReadingStream, analyze, open_pipeline
from realtime.base.errors import Trouble
from realtime.base.version import __version__

if TYPE_CHECKING:
    from realtime.faces.pose import Pose, head_pose
    from realtime.values import LABELS, Box, Face, Frame, Reading

__all__ = [
    "LABELS",
    "Box",
    "Face",
    "Frame",
    "Pose",
    "Reader",
    "Reading",
    "ReadingStream",
    "Trouble",
    "__version__",
    "analyze",
    "head_pose",
    "open_pipeline",
]


def __getattr__(name: str) -> Any:
    """The names that need NumPy, imported when they are first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from realtime.faces.pose import Pose, head_pose
    from realtime.values import LABELS, Box, Face, Frame, Reading

    return {"Pose": Pose, "head_pose": head_pose, "LABELS": LABELS, "Box": Box, "Face": Face, "Frame": Frame, "Reading": Reading}[name]
