"""What one machine can do at most: matrix products and reading memory, measured.

A speed alone does not say whether it is good. Divided by what the hardware allows for the same
work it does: see `evalsuite.workload` for the work, `Ceilings` for the hardware.

Run ``python -m evalsuite.machine_ceilings`` for the figures of numpy alone; with torch installed
``python -m vocoders.roofline`` adds its matrix products, which vocoders use.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from evalsuite.machine_load import LoadMeter
from evalsuite.workload import Workload

__all__ = ["Ceilings", "best_of", "best_rate", "measure_ceilings", "memory_read_rates"]

#: MiB read, from inside a core's cache to larger than the caches of any server.
READ_SIZES_MIB = (1, 16, 96, 1024)
_GEMM_SIZE = 1536
_SECONDS_PER_RATE = 0.4


@dataclass(frozen=True)
class Ceilings:
    """Best rates of the machine, in as many threads as the process has.

    Parameters
    ----------
    gemm_gflops : number type -> 10^9 operations a second of a large matrix product; a
        multiply-add is two. ``numpy float32``, ``float32``, ``bfloat16``, ``int8``.
    read_gb_s : MiB -> 10^9 bytes a second of reading an array of that size again and again.
    loaded : True if other work ran meanwhile, so that the ceilings may be higher.
    """

    gemm_gflops: Mapping[str, float]
    read_gb_s: Mapping[int, float]
    loaded: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def float32_gflops(self) -> float:
        """Of the fastest library here; NaN if none was measured."""
        rates = [self.gemm_gflops[key] for key in _FLOAT32_KEYS if key in self.gemm_gflops]
        return max(rates, default=math.nan)

    def read_rate(self, n_bytes: int) -> float:
        """Bytes a second for weights of this size: that of the next larger array measured."""
        larger = [size for size in sorted(self.read_gb_s) if size * 2**20 >= n_bytes]
        size = larger[0] if larger else max(self.read_gb_s, default=0)
        return self.read_gb_s.get(size, math.nan) * 1e9

    def compute_bound_khz(self, work: Workload) -> float:
        """Speed at which the multiply-adds alone would take all of the time."""
        return self.float32_gflops * 1e9 / (2 * work.multiply_adds_per_sample) / 1000

    def memory_bound_khz(self, work: Workload) -> float:
        """Speed at which reading the weights alone would; infinite if they are read but once.

        The rate is that of all weights going round, even if few of them are read at every step.
        """
        if not work.weights_read_per_sample:
            return math.inf
        return self.read_rate(work.weight_bytes) / work.bytes_per_step / 1000

    def bound_khz(self, work: Workload) -> float:
        """The lower of both bounds: the roofline, for one utterance at a time in float32.

        Source: Williams, Waterman and Patterson 2009.
        """
        return min(self.compute_bound_khz(work), self.memory_bound_khz(work))


_FLOAT32_KEYS = ("float32", "numpy float32")


def best_rate(
    work: Callable[[], object],
    amount: float,
    *,
    seconds: float = _SECONDS_PER_RATE,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Amount a second of the fastest of at least three calls within `seconds`.

    The fastest, not the median: a ceiling is what the machine can do undisturbed.
    """
    work()
    durations: list[float] = []
    stop = clock() + seconds
    while len(durations) < 3 or clock() < stop:
        start = clock()
        work()
        durations.append(clock() - start)
    return amount / min(durations)


def memory_read_rates(sizes_mib: tuple[int, ...] = READ_SIZES_MIB) -> dict[int, float]:
    """10^9 bytes a second read by dot products over arrays of these sizes together."""
    rates = {}
    for size_mib in sizes_mib:
        # Filled, so that each page is there: untouched pages of zeros are all one.
        left, right = np.full((2, size_mib * 2**20 // 8), 1e-3, np.float32)
        rates[size_mib] = best_rate(partial(np.dot, left, right), left.nbytes * 2) / 1e9
    return rates


def measure_ceilings(more_gemms: Mapping[str, float] | None = None) -> Ceilings:
    """Measure numpy's matrix product and reading memory; takes about three seconds.

    Parameters
    ----------
    more_gemms : rates that another library reached, added as they are.
    """
    meter = LoadMeter()
    matrix = np.full((_GEMM_SIZE, _GEMM_SIZE), 1e-3, np.float32)
    rate = best_rate(lambda: matrix @ matrix, 2.0 * _GEMM_SIZE**3) / 1e9
    return Ceilings(
        gemm_gflops={"numpy float32": rate, **(more_gemms or {})},
        read_gb_s=memory_read_rates(),
        loaded=meter.read().loaded,
    )


def best_of(one: Ceilings, other: Ceilings) -> Ceilings:
    """The higher of each rate measured twice; a quiet measurement makes both quiet.

    >>> best_of(Ceilings({"float32": 90}, {1: 50}, loaded=True), Ceilings({"float32": 99}, {1: 40}))
    Ceilings(gemm_gflops={'float32': 99}, read_gb_s={1: 50}, loaded=False, versions={})
    """
    return Ceilings(
        gemm_gflops=_higher(one.gemm_gflops, other.gemm_gflops),
        read_gb_s=_higher(one.read_gb_s, other.read_gb_s),
        loaded=one.loaded and other.loaded,
        versions={**one.versions, **other.versions},
    )


_Key = TypeVar("_Key")


def _higher(one: Mapping[_Key, float], other: Mapping[_Key, float]) -> dict[_Key, float]:
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in {**one, **other}}


def main() -> int:
    """Print `Ceilings` as JSON."""
    print(json.dumps(asdict(measure_ceilings())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
