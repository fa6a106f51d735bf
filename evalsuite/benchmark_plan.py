"""What ``evalsuite benchmark --table1`` times: the paper's systems, each for as long as it needs.

The paper's table 1 has four networks and one core of a CPU. The fastest makes a thousand times
as many samples a second as the slowest, so one duration for all would either take hours or
measure nothing: autoregressive networks get 0.1 s, which is more than 2000 of their steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from evalsuite.benchmark import run_benchmark
from evalsuite.benchmark_process import measure_ceilings_of
from evalsuite.benchmark_records import Benchmark, BenchmarkSettings, Skipped, SystemSpeed
from evalsuite.engine_options import with_engine
from evalsuite.errors import Unavailable
from evalsuite.registry import SystemRequest, vocoder_names

__all__ = ["TABLE1_SYSTEMS", "run_table1", "table1_settings"]

#: In the paper's order; Griffin-Lim is in its tables of opinion scores.
TABLE1_SYSTEMS = ("wavenet", "clarinet", "waveglow", "melgan", "griffin_lim")

_AUTOREGRESSIVE = {
    "duration_s": 0.1,
    "short_duration_s": 0.025,
    "runs": 3,
    "warm_up_runs": 1,
    "batch_sizes": [16, 64],
}
_FLOWS = {"duration_s": 0.5, "runs": 3, "warm_up_runs": 1, "batch_sizes": [4]}
_SPECIAL: Mapping[str, Mapping[str, object]] = {
    "wavenet": _AUTOREGRESSIVE,
    "clarinet": _FLOWS,
    "waveglow": _FLOWS,
    "melgan": {"duration_s": 2.0, "batch_sizes": [8]},
    "griffin_lim": {"duration_s": 4.0},
}
_ALONE = {"baseline": False, "scaling": False, "roofline": False}
#: Also in half precision on a GPU, where they offer it.
_HALF = {"waveglow": {"precision": "float16"}}


def table1_settings(
    vocoder: str, settings: BenchmarkSettings, seconds: float | None
) -> BenchmarkSettings:
    """Settings of one system: its own durations, unless `seconds` is given for all."""
    own = dict(_SPECIAL.get(vocoder, {}))
    if seconds is not None:
        own |= {"duration_s": seconds, "short_duration_s": None}
    return BenchmarkSettings.model_validate(settings.model_dump() | own)


def run_table1(
    settings: BenchmarkSettings,
    *,
    seconds: float | None = None,
    engine: str | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Benchmark:
    """Time the systems of table 1 on the CPU with everything measured, then on a GPU if there is.

    Parameters
    ----------
    settings : threads and engines are taken; what is measured and how long is the plan's.
    seconds : of audio for every system, in place of the plan's.
    engine : of all that offer it; None = the default of each.

    Returns
    -------
    CPU and GPU in one; without a GPU `Benchmark.missing_devices` says so.

    Raises
    ------
    ConfigError if none of the systems offers the engine.
    """
    known = vocoder_names()
    requests = [SystemRequest(name, name) for name in TABLE1_SYSTEMS if name in known]
    if engine is not None:
        requests = with_engine(requests, engine)
    unknown = [
        Skipped(name=name, reason="it is not registered here", how="install what brings it")
        for name in TABLE1_SYSTEMS
        if name not in known
    ]
    everything = {"device": "cpu", "baseline": True, "scaling": True, "roofline": True}
    full = settings.model_copy(update=everything)
    special = {one.label: table1_settings(one.vocoder, full, seconds) for one in requests}
    on_cpu = run_benchmark(requests, full, special=special, progress=progress)
    on_gpu, missing = _on_gpu(requests, special, settings, progress)
    return on_cpu.model_copy(
        update={
            "systems": [*on_cpu.systems, *on_gpu],
            "skipped": [*on_cpu.skipped, *unknown],
            "missing_devices": missing,
        }
    )


def _on_gpu(
    requests: Sequence[SystemRequest],
    special: Mapping[str, BenchmarkSettings],
    settings: BenchmarkSettings,
    progress: Callable[[str], None],
) -> tuple[list[SystemSpeed], dict[str, str]]:
    """Time the networks on a GPU, alone and in batches; say why if there is none."""
    try:
        measure_ceilings_of("cuda", settings.threads)
    except Unavailable as error:
        return [], {"cuda": error.got}
    to_gpu = {"device": "cuda", **_ALONE}
    own = {name: one.model_copy(update=to_gpu) for name, one in special.items()}
    halves = [
        replace(one, label=f"{one.label}-float16", options={**one.options, **_HALF[one.vocoder]})
        for one in requests
        if one.vocoder in _HALF
    ]
    own |= {half.label: own[half.vocoder] for half in halves}
    timed = run_benchmark(
        [*requests, *halves],
        settings.model_copy(update=to_gpu),
        special=own,
        progress=lambda message: progress(f"{message} on the GPU"),
    )
    variants = {half.label: half.vocoder for half in halves}
    # What has no network ignores the device and has run on the CPU again.
    return [
        one.model_copy(update={"variant_of": variants.get(one.label)})
        for one in timed.systems
        if one.device != "cpu"
    ], {}
