"""The last step of a sample: level it, write it, measure it as it is on disk."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalsuite.audio import read_wave, write_wave
from evalsuite.cache import RunCache, finished_key, measured_key, seed_for
from evalsuite.files import sha256_file
from evalsuite.levels import loudness_lufs, true_peak_dbtp
from evalsuite.manifest import SampleRecord, Settings
from evalsuite.matching import Measured, Placed, gains_db
from evalsuite.types import Utterance, Waveform

__all__ = [
    "DELAY_LIMIT_S",
    "Assignment",
    "Finish",
    "UtteranceTask",
    "finishes",
    "reusable_samples",
    "sample_path",
]

#: A delay beyond this can be heard in a direct comparison and misleads aligned metrics.
DELAY_LIMIT_S = 0.002


@dataclass(frozen=True)
class Assignment:
    """What one system has to do for one utterance.

    Parameters
    ----------
    fingerprint : of the configured vocoder.
    raw_key : where its output is, or will be, in the cache.
    mel_digest : of the mel to store; None if the system is not conditioned on a mel.
    seed : for the vocoder.
    """

    label: str
    fingerprint: str
    raw_key: str
    mel_digest: str | None
    seed: int
    untrained: bool


@dataclass(frozen=True)
class UtteranceTask:
    """One utterance and the systems that take part.

    Parameters
    ----------
    made_ahead : labels whose output this run has made already, so that ``--force`` spares it.
    """

    utterance: Utterance
    assignments: tuple[Assignment, ...]
    made_ahead: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finish:
    """One sample, ready to be written.

    Parameters
    ----------
    gain_db : the whole level change; `common_db` of it is the reduction all systems share.
    """

    one: Assignment
    utterance: Utterance
    measured: Measured
    settings: Settings
    gain_db: float
    common_db: float

    @property
    def key(self) -> str:
        """Key of the finished sample."""
        return finished_key(
            self.one.raw_key,
            self.settings,
            utterance=self.utterance.id,
            system=self.one.label,
            gain_db=self.gain_db,
        )

    def write(self, run: Path, placed: Placed, *, made_with: str) -> SampleRecord:
        """Write the file and describe it.

        Parameters
        ----------
        made_with : versions of what made the raw output, for the facts.
        """
        path = sample_path(self.one.label, self.utterance.id)
        gain = np.float32(10 ** (self.gain_db / 20))
        levelled = Waveform(placed.wave.samples * gain, placed.wave.sample_rate, self.utterance.id)
        seed = seed_for("dither", self.settings.seed, self.utterance.id, self.one.label)
        write_wave(run / path, levelled, dither_seed=seed)
        return self._describe(run, path, made_with)

    def _describe(self, run: Path, path: Path, made_with: str) -> SampleRecord:
        written = read_wave(run / path, id=self.utterance.id)
        loudness = loudness_lufs(written)
        return SampleRecord(
            system=self.one.label,
            utterance=self.utterance.id,
            path=path.as_posix(),
            sha256=sha256_file(run / path),
            sample_rate=written.sample_rate,
            n_samples=len(written.samples),
            gain_db=self.gain_db,
            loudness_lufs=None if math.isnan(loudness) else loudness,
            delay_s=self.measured.delay_s,
            seed=self.one.seed,
            warnings=_warnings(self.measured),
            facts={
                "level_before_db": self.measured.level_db,
                "level_method": self.measured.level_method,
                "common_gain_db": self.common_db,
                "true_peak_dbtp": true_peak_dbtp(written),
                "delay_correlation": self.measured.delay_correlation,
                "missing_samples": self.measured.missing_samples,
                "extra_samples": self.measured.extra_samples,
                "output_rate": self.measured.output_rate,
                "raw_peak": self.measured.raw_peak,
                "raw_dc": self.measured.raw_dc,
                "raw_flat_top": self.measured.raw_flat_top,
                "raw_flat_top_level": self.measured.raw_flat_top_level,
                "raw_wraps": self.measured.raw_wraps,
                "untrained": self.one.untrained,
                "made_with": made_with,
            },
        )


def finishes(
    task: UtteranceTask, measured: dict[str, Measured], settings: Settings
) -> list[Finish]:
    """Give the finishes of all systems that were measured, with the gains they share."""
    gains, common_db = gains_db(measured, settings)
    return [
        Finish(one, task.utterance, measured[one.label], settings, gains[one.label], common_db)
        for one in task.assignments
        if one.label in measured
    ]


def reusable_samples(
    cache: RunCache, task: UtteranceTask, settings: Settings
) -> list[SampleRecord]:
    """Look up, without any audio work, which samples of an utterance are there already.

    As many as there are assignments: the utterance is whole. Fewer: the rest must be made, and
    a louder newcomer may still lower the level of these.
    """
    measured = {
        one.label: known
        for one in task.assignments
        if (known := cache.load_measured(measured_key(one.raw_key, settings))) is not None
    }
    found = []
    for finish in finishes(task, measured, settings):
        mel = finish.one.mel_digest
        if mel is not None and not cache.has_mel(mel, task.utterance, settings.sample_rate):
            continue
        record = cache.load_finished(finish.key)
        if record is not None:
            found.append(record)
    return found


def sample_path(label: str, utterance: str) -> Path:
    """Where a sample lies in its run folder."""
    return Path("samples") / label / f"{utterance}.wav"


def _warnings(measured: Measured) -> tuple[str, ...]:
    if measured.delay_s is None or abs(measured.delay_s) <= DELAY_LIMIT_S:
        return ()
    sure = f"correlation {measured.delay_correlation:.2f}"
    return (f"{1000 * measured.delay_s:+.1f} ms against the reference ({sure}), not corrected",)
