"""Engines: the same outcomes wherever work runs; typed errors are items, bugs are not.

Workers import what they run by name, so the work functions here are those of the library.
"""

import math
import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import time
from functools import partial

import pytest

from evalsuite.engines import Outcome, make_engine, tell
from evalsuite.engines.in_process import InProcess
from evalsuite.engines.process_pool import ProcessPool
from evalsuite.errors import ConfigError, EvalsuiteError, UsageError
from evalsuite.registry import parse_system
from evalsuite.threads import THREAD_VARIABLES, one_thread


def setup_for(work: object) -> partial:
    """A picklable setup whose call returns `work`."""
    return partial(partial, work)


def by_index(outcomes: list[Outcome]) -> list[object]:
    assert len({outcome.index for outcome in outcomes}) == len(outcomes)
    return [outcome.value for outcome in sorted(outcomes, key=lambda outcome: outcome.index)]


@pytest.mark.parametrize("jobs", [0, 1, 2])
def test_every_task_is_done_once(jobs: int) -> None:
    tasks = [float(number) for number in range(20)]
    outcomes = list(make_engine(setup_for(math.sqrt), jobs=jobs).map(tasks))
    assert by_index(outcomes) == [math.sqrt(task) for task in tasks]


def test_one_job_stays_in_this_process() -> None:
    assert isinstance(make_engine(setup_for(os.getppid), jobs=1), InProcess)
    outcomes = list(make_engine(setup_for(os.getenv), jobs=1).map(["PYTEST_CURRENT_TEST"]))
    assert "test_one_job" in str(outcomes[0].value)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_typed_error_fails_its_item_only(jobs: int) -> None:
    outcomes = list(make_engine(setup_for(parse_system), jobs=jobs).map(["a", "b=?", "c"]))
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert [outcome.index for outcome in failed] == [1]
    assert isinstance(failed[0].error, ConfigError)
    assert "b=?" in failed[0].error.got
    assert sum(outcome.value is not None for outcome in outcomes) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bug_stops_the_run(jobs: int) -> None:
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        list(make_engine(setup_for(math.sqrt), jobs=jobs).map([-1.0, -1.0]))


def test_a_dead_worker_is_a_failed_item_that_says_what_to_do() -> None:
    outcomes = list(ProcessPool(setup_for(os._exit), jobs=1).map([3]))
    assert [type(outcome.error) for outcome in outcomes] == [EvalsuiteError]
    assert "fewer --jobs" in outcomes[0].error.do


def test_workers_run_on_one_thread_whatever_this_process_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    outcomes = list(ProcessPool(setup_for(os.getenv), jobs=1).map(THREAD_VARIABLES))
    assert {outcome.value for outcome in outcomes} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_threads_are_restored_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with pytest.raises(RuntimeError), one_thread():
        assert os.environ["OMP_NUM_THREADS"] == "1"
        raise RuntimeError
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_leaving_early_ends_the_workers_and_their_work() -> None:
    before = set(multiprocessing.active_children())
    outcomes = ProcessPool(setup_for(time.sleep), jobs=2).map([0, 3600, 3600])
    assert next(outcomes).index == 0
    workers = set(multiprocessing.active_children()) - before
    assert workers
    outcomes.close()
    # Not `exitcode`: the pool's own thread waits for its workers too, and while it takes the status
    # of one, nobody else can see it.
    for worker in workers:
        assert multiprocessing.connection.wait([worker.sentinel], timeout=120) == [worker.sentinel]


def test_workers_do_not_outlive_a_killed_parent() -> None:
    code = (
        "import time; from functools import partial\n"
        "from evalsuite.engines.process_pool import ProcessPool\n"
        "outcomes = ProcessPool(partial(partial, time.sleep), jobs=2).map([0, 3600, 3600])\n"
        "next(outcomes); print('working', flush=True); list(outcomes)\n"
    )
    # The workers inherit the pipe: it closes when the last of them is gone.
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == "working\n"
        parent.kill()
        assert parent.communicate(timeout=120)[0] == ""


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_task_tells_is_heard_before_its_outcome(jobs: int) -> None:
    events: list[tuple[int, object]] = []
    engine = make_engine(setup_for(tell), jobs=jobs)
    for outcome in engine.map([3.5, 0.25, 7.0], heard=lambda *told: events.append(told)):
        events.append((outcome.index, "done"))
    for index, amount in enumerate([3.5, 0.25, 7.0]):
        assert [what for number, what in events if number == index] == [amount, "done"]


def test_a_running_task_of_another_process_is_heard() -> None:
    """The second task never ends: only what is told meanwhile can end the test."""

    class Heard(Exception):
        pass

    def heard(index: int, amount: float) -> None:
        raise Heard(index, amount)

    code = "import signal; from evalsuite.engines import tell; tell(4.5); signal.pause()"
    with pytest.raises(Heard, match=r"\(0, 4.5\)"):
        list(ProcessPool(setup_for(exec), jobs=1).map([code], heard=heard))


@pytest.mark.parametrize("jobs", [1, 2])
def test_telling_without_a_listener_does_nothing(jobs: int) -> None:
    tell(1.0)
    outcomes = list(make_engine(setup_for(tell), jobs=jobs).map([1.0]))
    assert [outcome.error for outcome in outcomes] == [None]


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_tasks_start_nothing(jobs: int) -> None:
    def explode() -> None:
        raise AssertionError("set up without a task")

    assert list(make_engine(explode, jobs=jobs).map([])) == []


def test_a_pool_without_workers_is_refused() -> None:
    with pytest.raises(UsageError, match="jobs is 0"):
        ProcessPool(setup_for(math.sqrt), jobs=0)
