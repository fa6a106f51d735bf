"""One writer per run folder.

The lock is the kernel's (``flock``): it ends with the process that holds it, however that ends,
so a lock can never be stale. The file only says who holds it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalsuite.errors import UsageError

__all__ = ["lock_run"]

LOCK_NAME = ".lock"


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Hold the run folder while the body runs.

    Raises
    ------
    UsageError naming the process that holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK_NAME).open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise UsageError(
                f"{run} is in use by process {holder}",
                wanted="one evalsuite generate per run folder at a time",
                do=f"wait for it, or stop it with: kill {holder}",
            ) from error
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield
