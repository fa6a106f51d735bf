"""One thread per process for numerical libraries.

A matrix product split over threads rounds differently, so a run would depend on the machine's
cores. On a CPU several utterances at once are also faster than several threads on one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["THREAD_VARIABLES", "one_thread", "pin_threads"]

#: Read by OpenMP (torch), OpenBLAS, MKL, Accelerate, numexpr and numba when they are imported.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def pin_threads() -> None:
    """Pin this process; only what is imported afterwards obeys, so verbs call it first."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let processes started inside use one thread each, whatever this process uses."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    pin_threads()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
