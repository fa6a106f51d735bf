"""Parameters and speed of vocoders, as the MelGAN paper's table 1 counts them.

*What is timed* ``generate`` alone, one utterance at a time: features are computed before, and
the seconds that took stand beside. Each system runs in a process of its own, because
``OMP_NUM_THREADS`` counts only if it is set before numpy and torch start (the paper: one core).
Speed does not depend on the weights, so random ones may be timed; the result says so.

*Writes* ``benchmark.json`` (`Benchmark`)::

    schema_version  1
    settings        device, threads, runs, warm_up_runs, duration_s, sample_rate
    systems         one `SystemSpeed` per system, in the order asked for
    skipped         [{name, reason, how}] for systems that cannot run here
    provenance      versions, hardware, load average, command, time
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalsuite.errors import ConfigError, EvalsuiteError, ManifestError, Unavailable
from evalsuite.files import write_json
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

#: Every library that starts threads of its own reads one of these when it is loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_NOT_SYNTHESIS = ("original", "anchor", "recorded")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BenchmarkSettings(_Frozen):
    """How speed is measured.

    Parameters
    ----------
    device : ``cpu``, ``cuda`` or ``auto``.
    threads : of each library; the paper's CPU column has one.
    runs : timed after the warm-up; at least five, so that median and spread mean something.
    duration_s : of the analysed audio, in seconds.
    sample_rate : of the run, hertz.
    """

    device: str = "cpu"
    threads: int = Field(1, ge=1)
    runs: int = Field(5, ge=5)
    warm_up_runs: int = Field(2, ge=1)
    duration_s: float = Field(2.0, ge=0.2)
    sample_rate: int = Field(22050, ge=8000)


class SystemSpeed(_Frozen):
    """One system's parameters and speed.

    Parameters
    ----------
    label, vocoder, family : of the system.
    conditioning : ``mel``; ``world`` or ``waveform`` systems are given more.
    weights : ``trained``, ``random``, or ``none`` for a system without.
    n_parameters : with weight norm removed; None without weights.
    n_parameters_with_weight_norm : as trained.
    device, device_name, dtype : where and in which numbers it ran.
    threads : libraries were held to.
    n_samples : made by one run.
    seconds : wall time of each run.
    speed_khz : median of n_samples / (1000 s); ``speed_khz_min``, ``speed_khz_max`` the extremes.
    spread : (max - min) / median of the speeds.
    real_time_factor : seconds of work per second of audio; below 1 is faster than real time.
    analysis_s : wall time of computing the features, once, not part of the speed.
    load_s : importing and building the vocoder in a fresh process.
    cpu_share : CPU seconds per wall second while timed; on one idle core it is 1.
    load_average : one minute, before this system's process started; None if unknown.
    loaded : True if the machine was visibly busy, so that the speed may be too low.
    """

    label: str
    vocoder: str
    family: str
    conditioning: str
    weights: Literal["trained", "random", "none"]
    weights_sha256: str | None
    n_parameters: int | None
    n_parameters_with_weight_norm: int | None
    device: str
    device_name: str
    dtype: str
    threads: int
    n_samples: int
    seconds: list[float]
    speed_khz: float
    speed_khz_min: float
    speed_khz_max: float
    spread: float
    real_time_factor: float
    analysis_s: float
    load_s: float
    cpu_share: float
    load_average: float | None
    loaded: bool

    @property
    def millions_of_parameters(self) -> float | None:
        """With weight norm removed."""
        return None if self.n_parameters is None else self.n_parameters / 1e6

    @property
    def millions_of_parameters_with_weight_norm(self) -> float | None:
        """As trained."""
        count = self.n_parameters_with_weight_norm
        return None if count is None else count / 1e6


class Skipped(_Frozen):
    """A system that was not timed, why, and what would help."""

    name: str
    reason: str
    how: str


class Benchmark(_Frozen):
    """Everything one benchmark found out; see the module text."""

    schema_version: Literal[1] = 1
    settings: BenchmarkSettings
    systems: list[SystemSpeed]
    skipped: list[Skipped]
    provenance: dict[str, Any]


def default_requests() -> list[SystemRequest]:
    """Every registered vocoder that synthesises: not the recording in one of its guises."""
    return [SystemRequest(name, name) for name in vocoder_names() if name not in _NOT_SYNTHESIS]


def run_benchmark(
    requests: Sequence[SystemRequest],
    settings: BenchmarkSettings,
    *,
    progress: Callable[[str], None] = lambda message: None,
) -> Benchmark:
    """Time every system, one after the other, each in a fresh process.

    Parameters
    ----------
    requests : systems; a network without named weights runs on random ones, which is marked.
    progress : told what is being done.

    Raises
    ------
    UnknownName, ConfigError before anything is timed. Systems that are unavailable are listed in
    `Benchmark.skipped`.
    """
    for request in requests:
        availability(request.vocoder)
        _require_synthesis(request)
    systems: list[SystemSpeed] = []
    skipped: list[Skipped] = []
    for position, request in enumerate(requests, 1):
        progress(f"{position}/{len(requests)} {request.label}")
        try:
            systems.append(_time_in_fresh_process(request, settings))
        except Unavailable as error:
            skipped.append(Skipped(name=request.label, reason=error.got, how=error.do))
    return Benchmark(settings=settings, systems=systems, skipped=skipped, provenance=provenance())


def write_benchmark(path: Path, benchmark: Benchmark) -> None:
    """Write ``benchmark.json``, whole or not at all."""
    write_json(path, benchmark.model_dump())


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
            wanted="the file that 'evalsuite benchmark -o' writes, schema version 1",
            do=f"make it: evalsuite benchmark -o {path}",
        ) from error


def _require_synthesis(request: SystemRequest) -> None:
    if request.vocoder in _NOT_SYNTHESIS:
        raise ConfigError(
            f"{request.vocoder!r} does not synthesise",
            wanted="vocoders: a copied file has no speed",
            do=f"leave {request.label!r} out of --systems",
        )


def _time_in_fresh_process(request: SystemRequest, settings: BenchmarkSettings) -> SystemSpeed:
    task = {"request": asdict(request), "settings": settings.model_dump()}
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(settings.threads))
    done = subprocess.run(
        [sys.executable, "-m", "evalsuite.benchmark_worker"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode == 0:
        return SystemSpeed.model_validate_json(_last_line(done.stdout))
    raise _error_of_worker(request, done)


def _error_of_worker(
    request: SystemRequest, done: subprocess.CompletedProcess[str]
) -> EvalsuiteError:
    """Rebuild the worker's own error; anything else ended it without a word on stdout."""
    from evalsuite import errors

    try:
        parts = json.loads(_last_line(done.stdout))
        kind = getattr(errors, parts.pop("kind"))
        error: EvalsuiteError = kind(parts["got"], wanted=parts["wanted"], do=parts["do"])
    except (ValueError, AttributeError, KeyError):
        last = _last_line(done.stderr) or "no message"
        return errors.VocoderError(
            f"timing {request.label!r} ended with exit code {done.returncode}: {last}",
            wanted="a vocoder that runs",
            do=f"run it alone: evalsuite vocoders {request.vocoder} --check",
        )
    return error


def _last_line(text: str) -> str:
    """Return the answer; a library may have printed something of its own before it."""
    return text.strip().splitlines()[-1] if text.strip() else ""
