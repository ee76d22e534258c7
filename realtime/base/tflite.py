"""The TFLite runtime: which of its packages this machine has."""

import importlib
from collections.abc import Sequence

from realtime.base.errors import Trouble
from realtime.base.silence import quiet

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite")
"""Modules with a TFLite `Interpreter`, the best first: today's wheel, its predecessor, and all of TensorFlow."""


def interpreter_class(modules: Sequence[str] = RUNTIMES) -> tuple[type, str]:
    """The first TFLite interpreter that this machine has, and the name of its package.

    Raises:
        Trouble: none is installed.
    """
    for module in modules:
        try:
            with quiet():
                return importlib.import_module(module).Interpreter, module.split(".")[0]
        except (ImportError, AttributeError):
            continue
    tried = ", ".join(module.split(".")[0] for module in modules)
    raise Trouble(
        f"no TFLite runtime found (tried {tried}): run `pip install ai-edge-litert`; "
        "it has wheels for 64-bit Linux, Windows and Apple-silicon Macs"
    )
