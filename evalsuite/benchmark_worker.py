"""Times one vocoder in this process; `evalsuite.benchmark` starts it with threads pinned.

Reads ``{"request": ..., "settings": ...}`` on stdin and writes a `SystemSpeed` as JSON on stdout;
a deliberate error is written as JSON too, with exit code 1.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from evalsuite.benchmark import BenchmarkSettings, SystemSpeed
from evalsuite.conformance import conformance_wave
from evalsuite.errors import EvalsuiteError
from evalsuite.provenance import cpu_name, load_average
from evalsuite.registry import SystemRequest, create_vocoder
from evalsuite.types import Waveform
from evalsuite.vocoder import Vocoder

__all__ = ["measure_speed"]

_BUSY_LOAD_AVERAGE = 0.5
_LEAST_CPU_SHARE = 0.9


def measure_speed(
    request: SystemRequest,
    vocoder: Vocoder,
    settings: BenchmarkSettings,
    *,
    load_s: float,
    load_average: float | None,
    clock: Callable[[], float] = time.perf_counter,
    cpu_clock: Callable[[], float] = time.process_time,
) -> SystemSpeed:
    """Time `generate` on features that are computed before.

    Parameters
    ----------
    load_s, load_average : measured by the caller before.
    clock, cpu_clock : seconds; replaced in tests.

    Returns
    -------
    With the median over ``settings.runs`` runs after ``settings.warm_up_runs``.
    """
    info = vocoder.info
    wave = _wave_of(settings.duration_s, info.sample_rate or settings.sample_rate)
    start = clock()
    features = vocoder.analyse(wave)
    analysis_s = clock() - start

    def run() -> Waveform:
        made = vocoder.generate([features], seed=0)[0]
        vocoder.synchronize()
        return made

    for _ in range(settings.warm_up_runs):
        output = run()
    seconds, cpu_start = [], cpu_clock()
    for _ in range(settings.runs):
        start = clock()
        run()
        seconds.append(clock() - start)
    cpu_share = (cpu_clock() - cpu_start) / sum(seconds)
    n_samples = len(output.samples)
    speeds_khz = [n_samples / (1000 * second) for second in seconds]
    median_khz = statistics.median(speeds_khz)
    device = str(info.config.get("device", "cpu"))
    weights = {None: "none", True: "trained", False: "random"}[info.trained]
    return SystemSpeed.model_validate(
        {
            "label": request.label,
            "vocoder": request.vocoder,
            "family": info.family,
            "conditioning": info.conditioning,
            "weights": weights,
            "weights_sha256": info.weights_sha256,
            "n_parameters": info.n_parameters,
            "n_parameters_with_weight_norm": info.n_parameters_with_weight_norm,
            "device": device,
            "device_name": _gpu_name() if device.startswith("cuda") else cpu_name(),
            "dtype": str(info.config.get("dtype", features.values.dtype.name)),
            "threads": settings.threads,
            "n_samples": n_samples,
            "seconds": seconds,
            "speed_khz": median_khz,
            "speed_khz_min": min(speeds_khz),
            "speed_khz_max": max(speeds_khz),
            "spread": (max(speeds_khz) - min(speeds_khz)) / median_khz,
            "real_time_factor": output.sample_rate / (1000 * median_khz),
            "analysis_s": analysis_s,
            "load_s": load_s,
            "cpu_share": cpu_share,
            "load_average": load_average,
            "loaded": _is_loaded(load_average, cpu_share, device),
        }
    )


def _is_loaded(load_average: float | None, cpu_share: float, device: str) -> bool:
    """Judge the load before the start, and whether the process had to wait for its core."""
    busy = load_average is not None and load_average > _BUSY_LOAD_AVERAGE
    return busy or (device == "cpu" and cpu_share < _LEAST_CPU_SHARE)


def _wave_of(duration_s: float, sample_rate: int) -> Waveform:
    second = conformance_wave(sample_rate).samples[:sample_rate]
    n_samples = round(duration_s * sample_rate)
    repeats = -(-n_samples // len(second))
    return Waveform(np.tile(second, repeats)[:n_samples], sample_rate, "benchmark")


def _gpu_name() -> str:
    """First visible GPU as its driver names it; evalsuite itself never imports torch."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown GPU"
    query = [tool, "--query-gpu=name", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return found[int(first)] if first.isdigit() and int(first) < len(found) else "unknown GPU"


def main() -> int:
    """Serve one task."""
    task = json.load(sys.stdin)
    request = SystemRequest(**task["request"])
    settings = BenchmarkSettings.model_validate(task["settings"])
    before = load_average()
    start = time.perf_counter()
    try:
        vocoder = create_vocoder(
            request,
            device=settings.device,
            untrained=request.argument is None,
            sample_rate=settings.sample_rate,
        )
        load_s = time.perf_counter() - start
        speed = measure_speed(request, vocoder, settings, load_s=load_s, load_average=before)
    except EvalsuiteError as error:
        kind = type(error).__name__
        print(json.dumps({"kind": kind, "got": error.got, "wanted": error.wanted, "do": error.do}))
        return 1
    print(speed.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
