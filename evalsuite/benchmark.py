"""Parameters and speed of vocoders, as the MelGAN paper's table 1 counts them.

*What is timed* ``generate`` alone, one utterance at a time: features are computed before, and
the seconds that took stand beside. Each system runs in a process of its own, because
``OMP_NUM_THREADS`` counts only if it is set before numpy and torch start (the paper: one core).
Speed does not depend on the weights, so random ones may be timed; the result says so.

*What else* can be asked for in `BenchmarkSettings`: the published way of computing in turns with
ours, numerical errors, batches, all cores, the work per sample against the machine's ceilings.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from evalsuite.benchmark_partners import other_requests
from evalsuite.benchmark_process import measure_ceilings_of, run_worker
from evalsuite.benchmark_records import (
    Benchmark,
    BenchmarkSettings,
    Skipped,
    SystemSpeed,
)
from evalsuite.benchmark_scaling import measure_scaling
from evalsuite.engine_options import engine_name, engine_of
from evalsuite.errors import ConfigError, ManifestError, Unavailable, UsageError
from evalsuite.files import write_json
from evalsuite.machine_ceilings import best_of
from evalsuite.provenance import provenance
from evalsuite.registry import SystemRequest, availability, vocoder_names

__all__ = [
    "Benchmark",
    "BenchmarkSettings",
    "Skipped",
    "SystemSpeed",
    "default_requests",
    "read_benchmark",
    "run_benchmark",
    "write_benchmark",
]

_NOT_SYNTHESIS = ("original", "anchor", "recorded")


def default_requests() -> list[SystemRequest]:
    """Every registered vocoder that synthesises: not the recording in one of its guises."""
    return [SystemRequest(name, name) for name in vocoder_names() if name not in _NOT_SYNTHESIS]


def run_benchmark(
    requests: Sequence[SystemRequest],
    settings: BenchmarkSettings,
    *,
    special: Mapping[str, BenchmarkSettings] | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Benchmark:
    """Time every system, one after the other, each in a fresh process.

    Parameters
    ----------
    requests : systems; a network without named weights runs on random ones, which is marked.
    special : settings of single systems by label, in place of `settings`.
    progress : told what is being done.

    Raises
    ------
    UnknownName, ConfigError before anything is timed; Unavailable if ceilings are asked for and
    the device is not here. Systems that are unavailable are listed in `Benchmark.skipped`.
    """
    for request in requests:
        availability(request.vocoder)
        _require_synthesis(request)
    ceilings = {}
    if settings.roofline:
        progress("the machine's ceilings")
        ceilings[settings.device] = measure_ceilings_of(settings.device, settings.threads)
    systems: list[SystemSpeed] = []
    skipped: list[Skipped] = []
    for position, request in enumerate(requests, 1):
        progress(f"{position}/{len(requests)} {request.label}")
        own = (special or {}).get(request.label, settings)
        try:
            systems.append(_time(request, own))
        except Unavailable as error:
            skipped.append(Skipped(name=request.label, reason=error.got, how=error.do))
            continue
        if own.all_engines:
            _time_other_engines(request, own, systems, skipped, progress)
    if settings.roofline:
        # A neighbour may have slowed the first measurement: of each rate the better one counts.
        again = measure_ceilings_of(settings.device, settings.threads)
        ceilings[settings.device] = best_of(ceilings[settings.device], again)
    return Benchmark(
        settings=settings,
        systems=systems,
        skipped=skipped,
        ceilings=ceilings,
        provenance=provenance(),
    )


def write_benchmark(path: Path, benchmark: Benchmark) -> None:
    """Write ``benchmark.json``, whole or not at all."""
    write_json(path, benchmark.model_dump(mode="json"))


def read_benchmark(path: Path) -> Benchmark:
    """Read ``benchmark.json``.

    Raises
    ------
    ManifestError if it is missing or of another form.
    """
    try:
        return Benchmark.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ManifestError(
            f"{path} is not a benchmark: {str(error).splitlines()[0]}",
            wanted="the file that 'evalsuite benchmark -o' writes, schema version 1 or 2",
            do=f"make it: evalsuite benchmark -o {path}",
        ) from error


def _require_synthesis(request: SystemRequest) -> None:
    if request.vocoder in _NOT_SYNTHESIS:
        raise ConfigError(
            f"{request.vocoder!r} does not synthesise",
            wanted="vocoders: a copied file has no speed",
            do=f"leave {request.label!r} out of --systems",
        )


def _time(request: SystemRequest, settings: BenchmarkSettings) -> SystemSpeed:
    speed = SystemSpeed.model_validate_json(run_worker(request, settings))
    if not settings.scaling or speed.device != "cpu":
        return speed
    scaling = measure_scaling(request, settings, os.cpu_count() or 1)
    return speed.model_copy(update={"scaling": scaling})


def _time_other_engines(
    request: SystemRequest,
    settings: BenchmarkSettings,
    systems: list[SystemSpeed],
    skipped: list[Skipped],
    progress: Callable[[str], None],
) -> None:
    """Add the engines that neither the default stands for nor were timed as the baseline."""
    known = {"auto", systems[-1].engine, engine_of(request)}
    if systems[-1].baseline:
        known.add(systems[-1].baseline.engine)
    alone = settings.model_copy(update={"scaling": False, "batch_sizes": []})
    for other in other_requests(request):
        if engine_name(engine_of(other), other.options.get("weights")) in known:
            continue
        progress(other.label)
        try:
            timed = _time(other, alone)
        except UsageError as error:
            # Missing here, or another device's engine.
            skipped.append(Skipped(name=other.label, reason=error.got, how=error.do))
            continue
        if timed.engine not in known:  # else it fell back to one that was timed already
            systems.append(timed.model_copy(update={"variant_of": request.label}))
            known.add(timed.engine)
