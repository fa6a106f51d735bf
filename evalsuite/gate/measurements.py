"""Measure all files of one utterance, as they are on disk."""

import math
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from evalsuite.align import estimate_delay_s
from evalsuite.audio import AudioFault, examine
from evalsuite.faults import (
    content_rate_hz,
    count_wraps,
    find_flat_top,
    longest_dropout_s,
    similarity_db,
)
from evalsuite.files import sha256_file
from evalsuite.levels import true_peak_dbtp
from evalsuite.manifest import LevelMeter
from evalsuite.matching import measure_level_db
from evalsuite.types import Waveform

__all__ = ["FileTask", "Measurements", "Pair", "UtteranceMeasurements", "measure_utterance"]


@dataclass(frozen=True)
class FileTask:
    """The files of one utterance.

    Parameters
    ----------
    paths : by system, in the order of the report; files that do not exist are left out.
    reference : label of the recording; None if it is not among them.
    length_ratios : by system, length before trimming over the length now; 1 if not known.
    """

    utterance: str
    paths: dict[str, Path]
    reference: str | None
    meter: LevelMeter
    length_ratios: dict[str, float]


@dataclass(frozen=True)
class Measurements:
    """Measurements of one file; NaN where undefined.

    Parameters
    ----------
    fault : kind and description if the file cannot be used; nothing else is then measured.
    level_db : LUFS or dBov by the meter of the task.
    dropout_s : longest stretch that is gone while the reference speaks.
    content_rate_hz : rate the content seems to have been made at; None if the header is right.
    """

    system: str
    utterance: str
    path: Path
    sha256: str
    fault: AudioFault | None = None
    sample_rate: int = 0
    n_samples: int = 0
    level_db: float = math.nan
    rms_dbfs: float = math.nan
    true_peak_dbtp: float = math.nan
    dc_offset: float = math.nan
    flat_top_run: int = 0
    flat_top_level: float = 0.0
    wraps: int = 0
    dropout_s: float = 0.0
    delay_s: float = math.nan
    delay_correlation: float = math.nan
    content_rate_hz: int | None = None


@dataclass(frozen=True)
class Pair:
    """How alike two systems of one utterance are; see `evalsuite.faults.similarity_db`."""

    first: str
    second: str
    similarity_db: float


@dataclass(frozen=True)
class UtteranceMeasurements:
    """All files of one utterance and all pairs of them."""

    utterance: str
    files: tuple[Measurements, ...]
    pairs: tuple[Pair, ...]


def measure_utterance(task: FileTask) -> UtteranceMeasurements:
    """Measure every file against the reference and every pair of files."""
    found = {system: examine(path, id=task.utterance) for system, path in task.paths.items()}
    waves = {system: wave for system, wave in found.items() if isinstance(wave, Waveform)}
    comparison = _comparison(task, waves)
    files = []
    for system, wave in found.items():
        path = task.paths[system]
        if isinstance(wave, AudioFault):
            files.append(Measurements(system, task.utterance, path, sha256_file(path), fault=wave))
        else:
            other = None if system == comparison else waves[comparison or system]
            files.append(_measure(task, system, wave, other))
    pairs = [
        Pair(a, b, similarity_db(waves[a].samples, waves[b].samples))
        for a, b in combinations(waves, 2)
        if waves[a].sample_rate == waves[b].sample_rate
    ]
    return UtteranceMeasurements(task.utterance, tuple(files), tuple(pairs))


def _comparison(task: FileTask, waves: dict[str, Waveform]) -> str | None:
    """Choose what files are compared with: the reference, else the system of median length."""
    if task.reference in waves:
        return task.reference
    by_length = sorted(waves, key=lambda s: waves[s].duration_s * task.length_ratios.get(s, 1.0))
    return by_length[len(by_length) // 2] if by_length else None


def _measure(
    task: FileTask, system: str, wave: Waveform, comparison: Waveform | None
) -> Measurements:
    """Measure one file; `comparison` is None for the one the others are compared with."""
    flat_top = find_flat_top(wave.samples)
    energy = float(np.mean(wave.samples.astype(np.float64) ** 2))
    path = task.paths[system]
    alone = Measurements(
        system=system,
        utterance=task.utterance,
        path=path,
        sha256=sha256_file(path),
        sample_rate=wave.sample_rate,
        n_samples=len(wave.samples),
        level_db=measure_level_db(wave, task.meter)[0],
        rms_dbfs=10 * math.log10(energy) if energy > 0 else -math.inf,
        true_peak_dbtp=true_peak_dbtp(wave),
        dc_offset=float(wave.samples.mean(dtype=np.float64)),
        flat_top_run=flat_top.run,
        flat_top_level=flat_top.level,
        wraps=count_wraps(wave.samples),
    )
    if comparison is None:
        return alone
    compared = _compare(alone, wave, comparison, task.length_ratios.get(system, 1.0))
    if task.reference is None:
        # Two systems may differ in time; which of them is late, only the recording could tell.
        return replace(compared, delay_s=math.nan, delay_correlation=math.nan)
    return compared


def _compare(
    alone: Measurements, wave: Waveform, comparison: Waveform, length_ratio: float
) -> Measurements:
    """Add what needs another recording of the same utterance."""
    ratio = wave.duration_s / comparison.duration_s * length_ratio
    rate = content_rate_hz(wave, comparison, duration_ratio=ratio)
    # A time-scaled file has no constant delay, nor has one at another rate in samples.
    if rate is not None or comparison.sample_rate != wave.sample_rate:
        return replace(alone, content_rate_hz=rate)
    delay = estimate_delay_s(comparison, wave)
    return replace(
        alone,
        dropout_s=longest_dropout_s(wave, comparison),
        delay_s=delay.delay_s,
        delay_correlation=delay.correlation,
    )
