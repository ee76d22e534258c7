"""The program as a library, under one name in the program's folder and where it is installed.

    from expressions import Reader, analyze, open_pipeline

`import expressions` is quick; the first call imports the heavy packages. What a reading holds is told in `realtime/values.py`.
"""

from realtime.api import open_pipeline
from realtime.base.version import __version__

__all__ = ["__version__", "open_pipeline"]
