"""The load of the machine: the kernel's counters, and what others did meanwhile."""

import multiprocessing
import os
import time

import pytest

from evalsuite.machine_load import LoadMeter, ProcessorTimes, cpu_seconds_of, parse_processor_times


def meter(
    before: ProcessorTimes | None, after: ProcessorTimes | None, *, own_s: float, wall_s: float
) -> LoadMeter:
    times, own, clock = iter([before, after]), iter([0.0, own_s]), iter([0.0, wall_s])
    return LoadMeter(
        clock=lambda: next(clock), own_cpu=lambda: next(own), times=lambda: next(times)
    )


def test_counters_are_read_by_the_names_of_their_columns() -> None:
    """user nice system idle iowait irq softirq steal guest guest_nice, see proc(5)."""
    text = "cpu  1000 200 300 5000 400 10 20 70 900 0\ncpu0 1 2 3\n"
    found = parse_processor_times(text, 100)
    assert found is not None
    # 100 ticks a second; the time of guests is part of the user's.
    assert found.busy_s == pytest.approx(10 + 2 + 3 + 0.1 + 0.2)
    assert found.stolen_s == pytest.approx(0.7)
    assert found.total_s == pytest.approx(10 + 2 + 3 + 50 + 4 + 0.1 + 0.2 + 0.7)


@pytest.mark.parametrize("text", ["", "cpu 1 2", "intr 5 6 7 8 9 1 2 3 4"])
def test_other_forms_are_not_guessed(text: str) -> None:
    assert parse_processor_times(text, 100) is None


def test_what_is_not_ours_was_done_by_others() -> None:
    """Ten seconds on two cores: 14 s of work, of which 9 are ours."""
    load = meter(
        ProcessorTimes(100, 1, 1000), ProcessorTimes(114, 1.4, 1020), own_s=9, wall_s=10
    ).read()
    assert load.other_cores == pytest.approx(0.5)
    assert load.stolen_share == pytest.approx(0.02)
    assert load.loaded


def test_a_quiet_machine_is_not_flagged_for_its_own_work() -> None:
    load = meter(
        ProcessorTimes(100, 1, 1000), ProcessorTimes(110.2, 1, 1020), own_s=10, wall_s=10
    ).read()
    assert load.other_cores == pytest.approx(0.02)
    assert not load.loaded


def test_without_counters_the_load_average_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalsuite.machine_load.load_average", lambda: 1.7)
    load = meter(None, None, own_s=1, wall_s=1).read()
    assert (load.other_cores, load.stolen_share, load.loaded) == (None, None, True)
    monkeypatch.setattr("evalsuite.machine_load.load_average", lambda: None)
    assert not meter(None, None, own_s=1, wall_s=1).read().loaded


def _spin(seconds: float) -> None:
    stop = time.process_time() + seconds
    while time.process_time() < stop:
        pass


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc here")
def test_a_real_neighbour_is_seen_and_its_seconds_are_counted() -> None:
    neighbour = multiprocessing.get_context("spawn").Process(target=_spin, args=(60.0,))
    neighbour.start()
    try:
        assert neighbour.pid is not None
        while cpu_seconds_of([neighbour.pid]) < 0.3:
            os.sched_yield()
        load_meter, before = LoadMeter(), cpu_seconds_of([neighbour.pid])
        while cpu_seconds_of([neighbour.pid]) < before + 0.3:
            os.sched_yield()
        load = load_meter.read()
    finally:
        neighbour.kill()
        neighbour.join()
    assert load.other_cores is not None
    assert load.other_cores * load.wall_s > 0.25
    assert cpu_seconds_of([neighbour.pid]) == 0  # gone
