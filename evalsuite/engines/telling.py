"""What a long task says of itself while it runs: one number that grows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Heard", "listening", "tell"]

#: Is told the index of a running task and how much of it is done.
Heard = Callable[[int, float], None]

# Who listens to the task that runs in this process; tasks run one after the other in each.
_listener: Callable[[float], None] | None = None


def tell(amount: float) -> None:
    """Say how much of the running task is done, in whatever unit its caller counts in.

    Cheap, and without effect where nobody listens, so a task need not know where it runs.
    """
    if _listener is not None:
        _listener(amount)


@contextmanager
def listening(listener: Callable[[float], None] | None) -> Iterator[None]:
    """Let `listener` hear what is told inside."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
