"""Tasks in a pool of fresh processes on this machine.

Processes are spawned, not forked: a fork would copy the threads' locks of numerical libraries
and is not safe with CUDA. Every worker runs on one thread (`evalsuite.threads`). Tasks start in
the order given, so callers put the longest first and no worker is left with a long one at the
end.

What tasks tell stands in memory that all processes share, one number a task: a worker writes it
without a lock and without waiting, this process looks every half second, and a worker that dies
leaves nothing in a bad state. A queue would give all that up for messages nobody needs in full.
"""

import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Generic, TypeVar

from evalsuite.engines import Outcome
from evalsuite.engines.telling import Heard, listening
from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.threads import one_thread

__all__ = ["ProcessPool"]

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Between two looks at what the tasks tell.
_LOOK_EVERY_S = 0.5

# The work function of this worker process; set once by _prepare, unused in the parent.
_setup: Callable[[], Callable[[Any], Any]] | None = None
_work: Callable[[Any], Any] | None = None
# What each task tells, in memory shared with the parent.
_told: Any = None


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

    def map(
        self, tasks: Sequence[Task], *, heard: Heard | None = None
    ) -> Iterator[Outcome[Result]]:
        """Yield outcomes as tasks end. Leaving the loop early, or Ctrl-C, ends the workers."""
        if not tasks:
            return
        before = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")
        told = _Told(context.RawArray("d", len(tasks)), heard)
        done: queue.SimpleQueue[Future[Result]] = queue.SimpleQueue()
        with one_thread():
            executor = ProcessPoolExecutor(
                min(self._jobs, len(tasks)),
                mp_context=context,
                initializer=_prepare,
                initargs=(self._setup, told.amounts),
            )
            futures = {executor.submit(_run, i, task): i for i, task in enumerate(tasks)}
            workers = set(multiprocessing.active_children()) - before
        finished = False
        try:
            for future in futures:
                future.add_done_callback(done.put)
            for _ in futures:
                future = told.look_until(done)
                told.look_at(futures[future])
                yield _outcome(futures[future], future)
            finished = True
        finally:
            # After Ctrl-C nobody waits for the utterance in work: its files are whole or absent.
            executor.shutdown(wait=finished, cancel_futures=True)
            if not finished:
                for worker in workers:
                    worker.terminate()


class _Told:
    """The parent's side of what tasks tell.

    Parameters
    ----------
    amounts : one number a task, written by the workers.
    """

    def __init__(self, amounts: Any, heard: Heard | None) -> None:
        self.amounts, self._heard = amounts, heard
        self._known = [0.0] * len(amounts)

    def look_until(self, done: "queue.SimpleQueue[Future[Result]]") -> "Future[Result]":
        """Pass on what is told until a task ends; return its future."""
        if self._heard is None:
            return done.get()
        while True:
            try:
                return done.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                for index in range(len(self.amounts)):
                    self.look_at(index)

    def look_at(self, index: int) -> None:
        """Pass on what a task told since the last look."""
        amount = self.amounts[index]
        if self._heard is not None and amount != self._known[index]:
            self._known[index] = amount
            self._heard(index, amount)


def _prepare(setup: Callable[[], Callable[[Any], Any]], told: Any) -> None:
    global _setup, _told
    # Ctrl-C reaches the whole process group: workers end at once and silently.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _setup, _told = setup, told


def _end_with_parent() -> None:
    """Leave when the parent is gone.

    A killed parent cannot end its workers, and as they hold both ends of the task queue
    themselves, none of them would ever see it close.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run(index: int, task: Any) -> Any:
    global _work
    if _work is None:
        assert _setup is not None  # the pool ran _prepare first
        _work = _setup()
    with listening(partial(_told.__setitem__, index)):
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
