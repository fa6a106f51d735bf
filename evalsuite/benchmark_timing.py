"""Timing `generate` in this process: one system alone, or in turns with its baseline."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evalsuite.benchmark_records import BaselineSpeed, BatchSpeed, BenchmarkSettings
from evalsuite.conformance import conformance_wave
from evalsuite.paired_ratio import paired_ratio
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import Vocoder

__all__ = [
    "Clocks",
    "Partner",
    "Runs",
    "benchmark_features",
    "benchmark_wave",
    "time_batches",
    "time_in_turns",
]

#: Below this, features are cut from those of a longer wave: a mel needs a few windows.
_SHORTEST_ANALYSED_S = 0.2


@dataclass(frozen=True)
class Clocks:
    """Where seconds come from; replaced in tests."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time


@dataclass
class Runs:
    """Repeated runs of one thing.

    Parameters
    ----------
    n_samples : made by one run, all utterances together.
    seconds, cpu_seconds : of each run.
    """

    n_samples: int = 0
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def speeds_khz(self) -> list[float]:
        """Of each run."""
        return [self.n_samples / (1000 * second) for second in self.seconds]

    @property
    def median_khz(self) -> float:
        """Median speed."""
        return statistics.median(self.speeds_khz)

    @property
    def cpu_share(self) -> float:
        """CPU seconds per second."""
        return sum(self.cpu_seconds) / sum(self.seconds)

    def add(self, vocoder: Vocoder, batch: Sequence[Features], clocks: Clocks) -> list[Waveform]:
        """Run once more, until the device is done."""
        start, cpu_start = clocks.wall(), clocks.cpu()
        made = vocoder.generate(batch, seed=0)
        vocoder.synchronize()
        self.seconds.append(clocks.wall() - start)
        self.cpu_seconds.append(clocks.cpu() - cpu_start)
        self.n_samples = sum(len(wave.samples) for wave in made)
        return made


@dataclass(frozen=True)
class Partner:
    """The baseline beside which a system is timed."""

    engine: str
    vocoder: Vocoder
    features: Features


def time_in_turns(
    vocoder: Vocoder,
    features: Features,
    settings: BenchmarkSettings,
    partner: Partner | None = None,
    clocks: Clocks | None = None,
) -> tuple[Runs, BaselineSpeed | None]:
    """Time a system (A) and its baseline (B) as A B A B ..., so that both see the same machine.

    Both are warm already. Without a baseline the system runs alone.
    """
    clocks = clocks or Clocks()
    ours, theirs = Runs(), Runs()
    for _ in range(settings.runs):
        ours.add(vocoder, [features], clocks)
        if partner:
            theirs.add(partner.vocoder, [partner.features], clocks)
    if not partner:
        return ours, None
    return ours, BaselineSpeed(
        engine=partner.engine,
        n_samples=theirs.n_samples,
        seconds=theirs.seconds,
        speed_khz=theirs.median_khz,
        ratio=paired_ratio(ours.speeds_khz, theirs.speeds_khz),
    )


def time_batches(
    vocoder: Vocoder,
    features: Features,
    settings: BenchmarkSettings,
    baseline_khz: float | None = None,
    clocks: Clocks | None = None,
) -> list[BatchSpeed]:
    """Time batches of the same utterance, each size in turns with a batch of one."""
    clocks = clocks or Clocks()
    found = []
    for size in settings.batch_sizes:
        batch = [replace(features, id=f"{features.id}-{index}") for index in range(size)]
        vocoder.generate(batch, seed=0)
        together, alone = Runs(), Runs()
        for _ in range(max(3, settings.runs // 2)):
            together.add(vocoder, batch, clocks)
            alone.add(vocoder, [features], clocks)
        found.append(
            BatchSpeed(
                size=size,
                speed_khz=together.median_khz,
                ratio_to_one=paired_ratio(together.speeds_khz, alone.speeds_khz),
                ratio_to_baseline=together.median_khz / baseline_khz if baseline_khz else None,
            )
        )
    return found


def benchmark_features(vocoder: Vocoder, duration_s: float, sample_rate: int) -> Features:
    """Features of a synthetic voice of this length.

    Parameters
    ----------
    sample_rate : hertz, for vocoders without a rate of their own.
    """
    rate = vocoder.info.sample_rate or sample_rate
    features = vocoder.analyse(benchmark_wave(max(duration_s, _SHORTEST_ANALYSED_S), rate))
    hop_length = getattr(features.spec, "hop_length", None)
    if duration_s >= _SHORTEST_ANALYSED_S or hop_length is None:
        return features
    n_frames = min(-(-round(duration_s * rate) // hop_length), features.values.shape[1])
    values = np.ascontiguousarray(features.values[:, :n_frames])
    n_samples = min(n_frames * hop_length, features.n_samples)
    return replace(features, values=values, n_samples=n_samples)


def benchmark_wave(duration_s: float, sample_rate: int) -> Waveform:
    """Voiced glides and pauses, the conformance wave again and again."""
    second = conformance_wave(sample_rate).samples[:sample_rate]
    n_samples = round(duration_s * sample_rate)
    repeats = -(-n_samples // len(second))
    return Waveform(np.tile(second, repeats)[:n_samples], sample_rate, "benchmark")
