"""Where work runs: in this process or in a pool of processes.

An engine has one method, ``map(tasks)``, and yields an `Outcome` per task in the order of
completion. It knows nothing about audio. A typed error of one task is a failed item; anything
else is a bug and stops the run. Results do not depend on the engine: tasks carry their own seeds
and share no state.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from evalsuite.errors import EvalsuiteError

__all__ = ["Engine", "Outcome", "make_engine"]

Task = TypeVar("Task")
Result = TypeVar("Result")
TaskIn = TypeVar("TaskIn", contravariant=True)
ResultOut = TypeVar("ResultOut", covariant=True)


@dataclass(frozen=True)
class Outcome(Generic[ResultOut]):
    """What became of one task.

    Parameters
    ----------
    index : of the task in the sequence given to ``map``.
    value : the result; None if it failed.
    error : why it failed; None if it did not.
    """

    index: int
    value: ResultOut | None
    error: EvalsuiteError | None = None


class Engine(Protocol[TaskIn, ResultOut]):
    """Runs tasks; the only thing callers need to know about where."""

    def map(self, tasks: Sequence[TaskIn]) -> Iterator[Outcome[ResultOut]]:
        """Run every task once and yield outcomes as they come."""
        ...


def make_engine(
    setup: Callable[[], Callable[[Task], Result]], *, jobs: int
) -> Engine[Task, Result]:
    """Choose the engine for `jobs` processes; 0 and 1 mean this process.

    Parameters
    ----------
    setup : builds the work function, once per process; for two and more processes it must be
        picklable, as must tasks and results.
    """
    if jobs <= 1:
        from evalsuite.engines.in_process import InProcess

        return InProcess(setup)
    from evalsuite.engines.process_pool import ProcessPool

    return ProcessPool(setup, jobs=jobs)
