"""In the place of Ray, of which `examples/archive_ray.py` uses few functions: tasks run on this machine, two at once.

As with Ray, each task runs in another process, so that all that it takes and gives must be such as can be sent.
"""

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from types import SimpleNamespace


class RayError(Exception):
    """A task that failed in a way that it does not tell itself, for instance because its process died."""


exceptions = SimpleNamespace(RayError=RayError)


def stand_in() -> None:
    """`import ray` gives this module from now on."""
    sys.modules["ray"] = sys.modules[__name__]


def remote(num_cpus: int, max_retries: int) -> Callable[[Callable[..., object]], SimpleNamespace]:
    """Makes a function one whose calls, by `.remote(...)`, run in other processes."""
    pool = ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), initializer=stand_in)
    return lambda function: SimpleNamespace(remote=lambda *args: pool.submit(function, *args))


def wait(running: list[Future]) -> tuple[list[Future], list[Future]]:
    """One call that has ended, and the others."""
    first = next(iter(wait_for(running, return_when=FIRST_COMPLETED).done))
    return [first], [call for call in running if call is not first]


def get(call: Future) -> object:
    """What a call has given."""
    try:
        return call.result()
    except Exception as error:
        raise RayError from error
