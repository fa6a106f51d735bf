"""Tasks in a pool of fresh processes on this machine.

Processes are spawned, not forked: a fork would copy the threads' locks of numerical libraries
and is not safe with CUDA. Every worker runs on one thread (`evalsuite.threads`). Tasks start in
the order given, so callers put the longest first and no worker is left with a long one at the
end.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

from evalsuite.engines import Outcome
from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.threads import one_thread

__all__ = ["ProcessPool"]

Task = TypeVar("Task")
Result = TypeVar("Result")

# The work function of this worker process; set once by _prepare, unused in the parent.
_setup: Callable[[], Callable[[Any], Any]] | None = None
_work: Callable[[Any], Any] | None = None


class ProcessPool(Generic[Task, Result]):
    """Runs tasks in `jobs` spawned processes.

    Parameters
    ----------
    setup : picklable; each worker calls it once, at its first task.
    """

    def __init__(self, setup: Callable[[], Callable[[Task], Result]], *, jobs: int) -> None:
        if jobs < 1:
            raise UsageError(f"jobs is {jobs}", wanted="at least 1 process", do="give --jobs 1")
        self._setup, self._jobs = setup, jobs

    def map(self, tasks: Sequence[Task]) -> Iterator[Outcome[Result]]:
        """Yield outcomes as tasks end. Leaving the loop early, or Ctrl-C, ends the workers."""
        if not tasks:
            return
        before = set(multiprocessing.active_children())
        with one_thread():
            executor = ProcessPoolExecutor(
                min(self._jobs, len(tasks)),
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_prepare,
                initargs=(self._setup,),
            )
            futures = {executor.submit(_run, task): i for i, task in enumerate(tasks)}
            workers = set(multiprocessing.active_children()) - before
        finished = False
        try:
            for future in as_completed(futures):
                yield _outcome(futures[future], future)
            finished = True
        finally:
            # After Ctrl-C nobody waits for the utterance in work: its files are whole or absent.
            executor.shutdown(wait=finished, cancel_futures=True)
            if not finished:
                for worker in workers:
                    worker.terminate()


def _prepare(setup: Callable[[], Callable[[Any], Any]]) -> None:
    global _setup
    # Ctrl-C reaches the whole process group: workers end at once and silently.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _setup = setup


def _end_with_parent() -> None:
    """Leave when the parent is gone.

    A killed parent cannot end its workers, and as they hold both ends of the task queue
    themselves, none of them would ever see it close.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run(task: Any) -> Any:
    global _work
    if _work is None:
        assert _setup is not None  # the pool ran _prepare first
        _work = _setup()
    return _work(task)


def _outcome(index: int, future: Future[Any]) -> Outcome[Any]:
    try:
        return Outcome(index, future.result())
    except EvalsuiteError as error:
        return Outcome(index, None, error)
    except BrokenProcessPool:
        return Outcome(index, None, _worker_died())


def _worker_died() -> EvalsuiteError:
    return EvalsuiteError(
        "a worker process died before this item was done",
        wanted="workers that live; a kill for lack of memory is the usual cause",
        do="run the same command again with fewer --jobs: finished items are reused",
    )
