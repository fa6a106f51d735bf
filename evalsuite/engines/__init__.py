"""Where work runs: in this process or in a pool of processes.

An engine has one method, ``map(tasks)``, and yields an `Outcome` per task in the order of
completion. It knows nothing about audio. A typed error of one task is a failed item; anything
else is a bug and stops the run. Results do not depend on the engine: tasks carry their own seeds
and share no state. A long task may `tell` how far it is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from evalsuite.engines.telling import Heard, tell
from evalsuite.errors import EvalsuiteError

__all__ = ["Engine", "Heard", "Outcome", "make_engine", "tell"]

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

    def map(
        self, tasks: Sequence[TaskIn], *, heard: Heard | None = None
    ) -> Iterator[Outcome[ResultOut]]:
        """Run every task once and yield outcomes as they come.

        Parameters
        ----------
        heard : called in this process while tasks run, with what they `tell`; what a task told
            last comes before its outcome.
        """
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
