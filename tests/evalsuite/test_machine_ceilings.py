"""Ceilings: the arithmetic of the roofline, and a small measurement on this machine."""

import math

import numpy as np
import pytest

from evalsuite.machine_ceilings import Ceilings, best_of, best_rate, memory_read_rates
from evalsuite.workload import Workload

MACHINE = Ceilings({"numpy float32": 80.0, "float32": 100.0, "int8": 400.0}, {1: 200.0, 96: 10.0})


def test_a_feed_forward_network_is_bound_by_its_multiply_adds() -> None:
    """MelGAN: 176,448 multiply-adds are 352,896 operations; 100 GFLOP/s make 283 kHz of them."""
    work = Workload(176_448, 17_000_000)
    assert MACHINE.compute_bound_khz(work) == pytest.approx(283.37, rel=1e-4)
    assert MACHINE.memory_bound_khz(work) == math.inf
    assert MACHINE.bound_khz(work) == MACHINE.compute_bound_khz(work)


def test_an_autoregressive_network_is_bound_by_reading_its_weights() -> None:
    """94.7 MB at 10 GB/s are read 105.6 times a second, each for one sample."""
    work = Workload(23_666_688, 94_700_000, weights_read_per_sample=True)
    assert MACHINE.memory_bound_khz(work) == pytest.approx(0.1056, rel=1e-3)
    assert MACHINE.bound_khz(work) == MACHINE.memory_bound_khz(work)


def test_weights_that_fit_a_cache_are_read_at_its_rate() -> None:
    assert MACHINE.read_rate(500_000) == 200e9
    assert MACHINE.read_rate(2_000_000) == 10e9
    # Larger than anything measured: the slowest known is closest.
    assert MACHINE.read_rate(10**10) == 10e9


def test_nothing_measured_is_no_bound_at_all() -> None:
    nothing = Ceilings({}, {})
    assert math.isnan(nothing.float32_gflops)
    assert math.isnan(nothing.bound_khz(Workload(1000, 1000)))


def test_of_two_measurements_the_better_one_counts() -> None:
    merged = best_of(MACHINE, Ceilings({"float32": 120.0}, {1: 150.0, 96: 12.0}))
    assert merged.gemm_gflops == {"numpy float32": 80.0, "float32": 120.0, "int8": 400.0}
    assert merged.read_gb_s == {1: 200.0, 96: 12.0}


def test_the_fastest_call_counts() -> None:
    times = iter([0.0, 0.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    calls: list[int] = []
    rate = best_rate(lambda: calls.append(1), 10.0, seconds=0.0, clock=lambda: next(times))
    assert len(calls) == 4  # one to warm up
    assert rate == 10.0


def test_reading_is_between_a_slow_disk_and_any_cache() -> None:
    rates = memory_read_rates((1, 4))
    assert set(rates) == {1, 4}
    assert all(0.2 < rate < 5000 for rate in rates.values())
    # As numpy itself reads: within what a busy machine makes of two measurements.
    values = np.full(2**18, 1e-3, np.float32)
    alone = best_rate(lambda: values @ values, values.nbytes, seconds=0.05) / 1e9
    assert 0.05 < rates[1] / alone < 20
