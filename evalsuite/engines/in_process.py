"""Tasks one after the other in this process: for debugging, for GPUs and for small runs."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

from evalsuite.engines import Outcome
from evalsuite.engines.telling import Heard, listening
from evalsuite.errors import EvalsuiteError

__all__ = ["InProcess"]

Task = TypeVar("Task")
Result = TypeVar("Result")


class InProcess(Generic[Task, Result]):
    """Runs tasks in order; the work function is built at the first task."""

    def __init__(self, setup: Callable[[], Callable[[Task], Result]]) -> None:
        self._setup = setup

    def map(
        self, tasks: Sequence[Task], *, heard: Heard | None = None
    ) -> Iterator[Outcome[Result]]:
        """Yield the outcome of each task, in order; `heard` gets what they tell at once."""
        if not tasks:
            return
        work = self._setup()
        for index, task in enumerate(tasks):
            try:
                with listening(heard and partial(heard, index)):
                    outcome = Outcome(index, work(task))
            except EvalsuiteError as error:
                outcome = Outcome(index, None, error)
            yield outcome
