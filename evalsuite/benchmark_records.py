"""What a benchmark writes down: ``benchmark.json`` and the nouns in it.

::

    schema_version  2 (1: without the optional measurements; it is still read)
    settings        device, threads, runs, duration_s, ..., what else to measure
    systems         one `SystemSpeed` per system and device, in the order asked for
    skipped         [{name, reason, how}] for systems that cannot run here
    missing_devices {device: why it is not here}
    ceilings        {device: what it can do at most}
    provenance      versions, hardware, load average, command, time
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from evalsuite.machine_ceilings import Ceilings
from evalsuite.machine_load import MachineLoad
from evalsuite.paired_ratio import PairedRatio
from evalsuite.workload import Workload

__all__ = [
    "BaselineSpeed",
    "BatchSpeed",
    "Benchmark",
    "BenchmarkSettings",
    "NumericalError",
    "ScalingSpeed",
    "Skipped",
    "SpectralFit",
    "SystemSpeed",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BenchmarkSettings(_Frozen):
    """How speed is measured.

    Parameters
    ----------
    device : ``cpu``, ``cuda`` or ``auto``.
    threads : of each library; the paper's CPU column has one.
    runs : timed after the warm-up; at least three, so that there is a median and a spread.
    duration_s : of the analysed audio, in seconds.
    short_duration_s : of what the baseline, the exact reference, batches and several processes
        are given; None is `duration_s`. Speeds are compared, so autoregressive networks, whose
        baseline takes minutes per second of audio, are given less.
    sample_rate : of the run, hertz.
    baseline : also time the published way of computing, in turns with the system.
    batch_sizes : utterances given at once, each timed.
    scaling : also time all cores in one process, and one process per core.
    roofline : also count the network's work and measure the machine's ceilings.
    all_engines : also time every other engine of a vocoder, as `SystemSpeed.variant_of` it,
        without batches and scaling.
    """

    device: str = "cpu"
    threads: int = Field(1, ge=1)
    runs: int = Field(5, ge=3)
    warm_up_runs: int = Field(2, ge=1)
    duration_s: float = Field(2.0, ge=0.02)
    short_duration_s: float | None = Field(None, ge=0.02)
    sample_rate: int = Field(22050, ge=8000)
    baseline: bool = False
    batch_sizes: list[int] = Field(default_factory=list)
    scaling: bool = False
    roofline: bool = False
    all_engines: bool = False


class BaselineSpeed(_Frozen):
    """The published way of computing, timed in turns with ours in the same process.

    Parameters
    ----------
    engine : option of the vocoder that computes so: ``official``, for Griffin-Lim ``librosa``.
    n_samples : made by one run.
    speed_khz : median.
    ratio : our speed over the baseline's.
    """

    engine: str
    n_samples: int
    seconds: list[float]
    speed_khz: float
    ratio: PairedRatio


class NumericalError(_Frozen):
    """How far the output is from that of the plain float32 computation, same features and seed.

    Parameters
    ----------
    reference : engine it is compared with.
    max_abs : greatest difference of two samples; full scale is 1.
    snr_db : energy of the reference over that of the difference; None if they are equal.
    """

    reference: str
    max_abs: float
    snr_db: float | None


class SpectralFit(_Frozen):
    """Spectral convergence to the recording of a system without a network; smaller is better.

    Parameters
    ----------
    convergence : Frobenius norm of the magnitudes' difference over that of the recording's.
    baseline_convergence : the baseline's.
    """

    convergence: float
    baseline_convergence: float | None = None


class BatchSpeed(_Frozen):
    """Speed with several utterances at once.

    Parameters
    ----------
    size : utterances of equal length.
    speed_khz : of all together, median.
    ratio_to_one : to the speed of a batch of one, timed in turns.
    ratio_to_baseline : to the median speed of the baseline, one by one; None without one.
    """

    size: int
    speed_khz: float
    ratio_to_one: PairedRatio
    ratio_to_baseline: float | None = None


class ScalingSpeed(_Frozen):
    """Speed with more cores.

    Parameters
    ----------
    processes : that work at once, each on utterances of its own.
    threads : of each process.
    speed_khz : of all processes together, median.
    ratio : to one process with one thread, timed in turns.
    loaded : True if the machine was visibly busy with other work meanwhile.
    """

    processes: int
    threads: int
    speed_khz: float
    ratio: PairedRatio
    loaded: bool = False


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
    engine : how the vocoder computes; None if it has no choice.
    peak_memory_mib : most memory of the process up to the end of the warm-up, in MiB.
    load : other work on the machine while it was timed.
    baseline, error, fit, batches, scaling, workload : if asked for and possible.
    variant_of : label of the system this is another engine of; None for the system itself.
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
    engine: str | None = None
    peak_memory_mib: float | None = None
    load: MachineLoad | None = None
    baseline: BaselineSpeed | None = None
    error: NumericalError | None = None
    fit: SpectralFit | None = None
    batches: list[BatchSpeed] = Field(default_factory=list)
    scaling: list[ScalingSpeed] = Field(default_factory=list)
    workload: Workload | None = None
    variant_of: str | None = None

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

    schema_version: Literal[1, 2] = 2
    settings: BenchmarkSettings
    systems: list[SystemSpeed]
    skipped: list[Skipped]
    missing_devices: dict[str, str] = Field(default_factory=dict)
    ceilings: dict[str, Ceilings] = Field(default_factory=dict)
    provenance: dict[str, Any]
