"""Tasks one after the other in this process: for debugging, for GPUs and for small runs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from evalsuite.engines import Outcome
from evalsuite.errors import EvalsuiteError

__all__ = ["InProcess"]

Task = TypeVar("Task")
Result = TypeVar("Result")


class InProcess(Generic[Task, Result]):
    """Runs tasks in order; the work function is built at the first task."""

    def __init__(self, setup: Callable[[], Callable[[Task], Result]]) -> None:
        self._setup = setup

    def map(self, tasks: Sequence[Task]) -> Iterator[Outcome[Result]]:
        """Yield the outcome of each task, in order."""
        if not tasks:
            return
        work = self._setup()
        for index, task in enumerate(tasks):
            try:
                outcome = Outcome(index, work(task))
            except EvalsuiteError as error:
                outcome = Outcome(index, None, error)
            yield outcome
