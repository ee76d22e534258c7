"""The TFLite runtime: which of its packages this machine has, and networks that only need to be asked."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from realtime.base.errors import Trouble, reason
from realtime.base.files import read_checked
from realtime.base.silence import quiet

MOST_BYTES = 10_000_000
"""Of a small network's file, and of the .json beside it."""
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


def small_network(path: Path, what: str) -> Callable[[np.ndarray], np.ndarray]:
    """Loads a network with one input and one output, and the .json beside it, which has its sha256.

    Args:
        path: the file.
        what: it is, for messages.

    Returns:
        A function from the input to the output, both float32; it uses one thread, and can be called from one thread at a time.

    Raises:
        Trouble: a file is missing or damaged, or the runtime does not read it.
    """
    content, (interpreter, runtime) = read_checked(path, what, MOST_BYTES), interpreter_class()
    try:
        with quiet():
            network = interpreter(model_content=content, num_threads=1)
            network.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise Trouble(f"{what} {path} does not load in {runtime}: {reason(error)}; upgrade it") from error
    given, answered = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]

    def ask(values: np.ndarray) -> np.ndarray:
        network.set_tensor(given, values)
        network.invoke()
        return np.array(network.get_tensor(answered))

    return ask
