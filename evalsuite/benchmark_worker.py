"""Times one vocoder in this process; `evalsuite.benchmark` starts it with threads pinned.

Reads ``{"request": ..., "settings": ...}`` on the first line of stdin and writes a `SystemSpeed`
as JSON on stdout; a deliberate error is written as JSON too, with exit code 1. With
``"serve": true`` it answers each further line with one timed run instead, for
`evalsuite.benchmark_scaling`.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from evalsuite.benchmark_errors import numerical_error, spectral_convergence
from evalsuite.benchmark_partners import baseline_request, reference_request
from evalsuite.benchmark_records import (
    BenchmarkSettings,
    NumericalError,
    SpectralFit,
    SystemSpeed,
)
from evalsuite.benchmark_timing import (
    Clocks,
    Partner,
    Runs,
    benchmark_features,
    benchmark_wave,
    time_batches,
    time_in_turns,
)
from evalsuite.engine_options import engine_name, engine_of
from evalsuite.errors import EvalsuiteError
from evalsuite.machine_load import LoadMeter
from evalsuite.peak_memory import peak_memory_mib
from evalsuite.provenance import cpu_name, load_average
from evalsuite.registry import SystemRequest, create_vocoder
from evalsuite.types import Features
from evalsuite.vocoder import Vocoder, VocoderInfo
from evalsuite.workload import CountsWorkload

__all__ = ["Partners", "measure_speed"]

_LEAST_CPU_SHARE = 0.9


@dataclass(frozen=True)
class Partners:
    """The same system, computed otherwise; None where it is not asked for, or not there.

    Parameters
    ----------
    baseline, baseline_engine : the published way.
    reference, reference_engine : the plain float32 network.
    """

    baseline: Vocoder | None = None
    baseline_engine: str = ""
    reference: Vocoder | None = None
    reference_engine: str = ""


def measure_speed(
    request: SystemRequest,
    vocoder: Vocoder,
    settings: BenchmarkSettings,
    *,
    load_s: float,
    load_average: float | None,
    partners: Callable[[], Partners] = Partners,
    clocks: Clocks | None = None,
    meter: Callable[[], LoadMeter] = LoadMeter,
) -> SystemSpeed:
    """Time `generate` on features that are computed before.

    Parameters
    ----------
    load_s, load_average : measured by the caller before.
    partners : makes the baseline and the reference, after the peak memory was read.
    clocks, meter : replaced in tests.

    Returns
    -------
    With the median over ``settings.runs`` runs after ``settings.warm_up_runs``.
    """
    clocks, info = clocks or Clocks(), vocoder.info
    start = clocks.wall()
    features = benchmark_features(vocoder, settings.duration_s, settings.sample_rate)
    analysis_s = clocks.wall() - start
    warm_up = Runs()
    for _ in range(settings.warm_up_runs):
        output = warm_up.add(vocoder, [features], clocks)[0]
    peak_mib = peak_memory_mib()
    others = partners()
    short = _short_features(vocoder, features, settings)
    partner = _warm_partner(others, short)
    load_meter = meter()
    runs, baseline = time_in_turns(vocoder, features, settings, partner, clocks)
    load = load_meter.read()
    speeds_khz = runs.speeds_khz
    device = str(info.config.get("device", "cpu"))
    return SystemSpeed.model_validate(
        _facts(request, vocoder, features)
        | {
            "threads": settings.threads,
            "n_samples": runs.n_samples,
            "seconds": runs.seconds,
            "speed_khz": runs.median_khz,
            "speed_khz_min": min(speeds_khz),
            "speed_khz_max": max(speeds_khz),
            "spread": (max(speeds_khz) - min(speeds_khz)) / runs.median_khz,
            "real_time_factor": output.sample_rate / (1000 * runs.median_khz),
            "analysis_s": analysis_s,
            "load_s": load_s,
            "cpu_share": runs.cpu_share,
            "load_average": load_average,
            "loaded": load.loaded or (device == "cpu" and runs.cpu_share < _LEAST_CPU_SHARE),
            "peak_memory_mib": peak_mib,
            "load": asdict(load),
            "baseline": baseline,
            "error": _error(vocoder, others, short),
            "fit": _spectral_fit(vocoder, others, settings) if settings.baseline else None,
            "batches": time_batches(
                vocoder, short, settings, baseline.speed_khz if baseline else None, clocks
            ),
            "workload": _workload(vocoder, others.baseline) if settings.roofline else None,
        }
    )


def _facts(request: SystemRequest, vocoder: Vocoder, features: Features) -> dict[str, object]:
    """What is known of a system before it is timed."""
    info = vocoder.info
    device = str(info.config.get("device", "cpu"))
    return {
        "label": request.label,
        "vocoder": request.vocoder,
        "family": info.family,
        "conditioning": info.conditioning,
        "weights": {None: "none", True: "trained", False: "random"}[info.trained],
        "weights_sha256": info.weights_sha256,
        "n_parameters": info.n_parameters,
        "n_parameters_with_weight_norm": info.n_parameters_with_weight_norm,
        "device": device,
        "device_name": _gpu_name() if device.startswith("cuda") else cpu_name(),
        "dtype": str(info.config.get("precision", features.values.dtype.name)),
        # A default may stand for what is fastest here; the vocoder knows what it became.
        "engine": _engine_name(request, info),
    }


def _engine_name(request: SystemRequest, info: VocoderInfo) -> str | None:
    engine = info.config.get("engine", engine_of(request))
    return engine_name(None if engine is None else str(engine), info.config.get("weights"))


def _short_features(vocoder: Vocoder, features: Features, settings: BenchmarkSettings) -> Features:
    if settings.short_duration_s is None:
        return features
    return benchmark_features(vocoder, settings.short_duration_s, settings.sample_rate)


def _warm_partner(others: Partners, features: Features) -> Partner | None:
    if others.baseline is None:
        return None
    others.baseline.generate([features], seed=0)
    return Partner(others.baseline_engine, others.baseline, features)


def _error(vocoder: Vocoder, others: Partners, features: Features) -> NumericalError | None:
    if others.reference is None:
        return None
    output, reference = (
        one.generate([features], seed=0)[0].samples for one in (vocoder, others.reference)
    )
    return numerical_error(output, reference, others.reference_engine)


def _spectral_fit(
    vocoder: Vocoder, others: Partners, settings: BenchmarkSettings
) -> SpectralFit | None:
    """Compare with the recording: only what needs no training can come near it."""
    if vocoder.info.trained is not None:
        return None
    rate = vocoder.info.sample_rate or settings.sample_rate
    wave = benchmark_wave(settings.duration_s, rate)
    features = vocoder.analyse(wave)
    found = [
        spectral_convergence(
            one.generate([features], seed=0)[0].samples / np.float32(features.gain), wave.samples
        )
        for one in (vocoder, others.baseline)
        if one is not None
    ]
    return SpectralFit(
        convergence=found[0], baseline_convergence=found[1] if len(found) > 1 else None
    )


def _workload(vocoder: Vocoder, baseline: Vocoder | None) -> dict[str, object] | None:
    """Count the published network's work, and what the engine that is timed reads for it."""
    if not isinstance(vocoder, CountsWorkload):
        return None
    own = vocoder.workload()
    counted = baseline.workload() if isinstance(baseline, CountsWorkload) else own
    return asdict(replace(counted, engine_bytes_per_step=own.engine_bytes_per_step))


def _gpu_name() -> str:
    """First visible GPU as its driver names it; evalsuite itself never imports torch."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown GPU"
    query = [tool, "--query-gpu=name", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return found[int(first)] if first.isdigit() and int(first) < len(found) else "unknown GPU"


def _create(request: SystemRequest, settings: BenchmarkSettings) -> Vocoder:
    return create_vocoder(
        request,
        device=settings.device,
        untrained=request.argument is None,
        sample_rate=settings.sample_rate,
    )


def _create_partners(request: SystemRequest, settings: BenchmarkSettings) -> Partners:
    if not settings.baseline:
        return Partners()
    published, plain = baseline_request(request), reference_request(request)
    baseline = _create(published, settings) if published else None
    # Where they are the same, one of them is enough.
    reference = baseline if plain == published else _create(plain, settings) if plain else None
    return Partners(
        baseline=baseline,
        baseline_engine=engine_of(published) or "" if published else "",
        reference=reference,
        reference_engine=engine_of(plain) or "" if plain else "",
    )


def _serve(vocoder: Vocoder, settings: BenchmarkSettings) -> None:
    """Answer each line of stdin with the seconds and samples of one run."""
    duration_s = settings.short_duration_s or settings.duration_s
    features = benchmark_features(vocoder, duration_s, settings.sample_rate)
    for _ in range(settings.warm_up_runs):
        Runs().add(vocoder, [features], Clocks())
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        runs = Runs()
        runs.add(vocoder, [features], Clocks())
        print(json.dumps({"seconds": runs.seconds[0], "n_samples": runs.n_samples}), flush=True)


def main() -> int:
    """Serve one task."""
    task = json.loads(sys.stdin.readline())
    request = SystemRequest(**task["request"])
    settings = BenchmarkSettings.model_validate(task["settings"])
    before = load_average()
    start = time.perf_counter()
    try:
        vocoder = _create(request, settings)
        load_s = time.perf_counter() - start
        if task.get("serve"):
            _serve(vocoder, settings)
            return 0
        speed = measure_speed(
            request,
            vocoder,
            settings,
            load_s=load_s,
            load_average=before,
            partners=lambda: _create_partners(request, settings),
        )
    except EvalsuiteError as error:
        kind = type(error).__name__
        print(json.dumps({"kind": kind, "got": error.got, "wanted": error.wanted, "do": error.do}))
        return 1
    print(speed.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
