"""When a training stops: enough steps, enough minutes, or somebody asks."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType

__all__ = ["Limits", "StopReason", "StopRequest", "listen_for_stop"]


class StopReason(IntEnum):
    """Why a training stopped; the larger one wins when several processes disagree."""

    GOING_ON = 0
    STEPS = 1
    MINUTES = 2
    SIGNAL = 3


class StopRequest:
    """Set by a signal, read between two steps."""

    def __init__(self) -> None:
        self.is_set = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take note; the second Ctrl-C stops at once."""
        if self.is_set and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.is_set = True


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Let SIGINT and SIGTERM finish the step and save, instead of ending the process.

    Works in the main thread; elsewhere signals keep their meaning.
    """
    request = StopRequest()
    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, request)
    except ValueError:  # not the main thread
        pass
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Limits:
    """Limits of one call.

    Parameters
    ----------
    n_steps : of the training as a whole, earlier calls included.
    minutes : of this call; None for no limit.
    """

    def __init__(self, n_steps: int, minutes: float | None = None) -> None:
        self.n_steps = n_steps
        self._minutes = minutes
        self._started = time.monotonic()

    def reason(self, n_done: int, request: StopRequest) -> StopReason:
        """Say whether to stop after `n_done` steps."""
        if request.is_set:
            return StopReason.SIGNAL
        if n_done >= self.n_steps:
            return StopReason.STEPS
        if self._minutes is not None and self.elapsed_s() >= 60 * self._minutes:
            return StopReason.MINUTES
        return StopReason.GOING_ON

    def elapsed_s(self) -> float:
        """Seconds since this call began."""
        return time.monotonic() - self._started

    def time_left_s(self, n_done: int, steps_per_s: float) -> float:
        """Estimate when the first limit will be met, in seconds."""
        by_steps = (self.n_steps - n_done) / max(steps_per_s, 1e-9)
        if self._minutes is None:
            return by_steps
        return max(0.0, min(by_steps, 60 * self._minutes - self.elapsed_s()))
