"""Speed with all cores: threads of one process, against one process per core."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack

from evalsuite.benchmark_process import TimingServer
from evalsuite.benchmark_records import BenchmarkSettings, ScalingSpeed
from evalsuite.machine_load import LoadMeter, cpu_seconds_of
from evalsuite.paired_ratio import paired_ratio
from evalsuite.registry import SystemRequest

__all__ = ["measure_scaling"]


def measure_scaling(
    request: SystemRequest, settings: BenchmarkSettings, n_cores: int
) -> list[ScalingSpeed]:
    """Time one thread, all threads, and one process per core, in turns.

    All processes are loaded before the first run, and idle while others work.

    Returns
    -------
    One process with a thread per core, then a process per core with one thread; nothing where
    there is but one core.

    Raises
    ------
    As `evalsuite.benchmark_process.run_worker`.
    """
    if n_cores < 2:
        return []
    alone, threaded, together = [], [], []
    with ExitStack() as stack:
        single = [_server(stack, request, settings, threads=1) for _ in range(n_cores)]
        many_threads = _server(stack, request, settings, threads=n_cores)
        for server in (*single, many_threads):
            server.wait_until_ready()
        ids = [server.process_id for server in (*single, many_threads)]
        meter = LoadMeter(own_cpu=lambda: cpu_seconds_of(ids))
        for _ in range(settings.runs):
            alone.append(_speed_together(single[:1]))
            threaded.append(_speed_together([many_threads]))
            together.append(_speed_together(single))
        loaded = meter.read().loaded
    return [
        _scaling(1, n_cores, threaded, alone, loaded=loaded),
        _scaling(n_cores, 1, together, alone, loaded=loaded),
    ]


def _server(
    stack: ExitStack, request: SystemRequest, settings: BenchmarkSettings, *, threads: int
) -> TimingServer:
    server = TimingServer(request, settings.model_copy(update={"threads": threads}))
    stack.callback(server.close)
    return server


def _speed_together(servers: Sequence[TimingServer]) -> float:
    """Sum of the speeds of runs that start at the same time and are equally long."""
    for server in servers:
        server.start()
    return sum([server.khz() for server in servers])


def _scaling(
    processes: int,
    threads: int,
    speeds: Sequence[float],
    alone: Sequence[float],
    *,
    loaded: bool,
) -> ScalingSpeed:
    return ScalingSpeed(
        processes=processes,
        threads=threads,
        speed_khz=statistics.median(speeds),
        ratio=paired_ratio(speeds, alone),
        loaded=loaded,
    )
