"""`check_vocoder`: the promises of the contract, tried on one vocoder.

Built-in vocoders and plug-ins run the same list. A check that raises has failed.

*Frame rounding* A vocoder works in frames, so its output may miss the waveform's length by less
than one hop at the end; a longer output is trimmed by `evalsuite.generate`, but more than four
hops of it mean a wrong hop or a forgotten trim. Features without a hop are exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evalsuite.errors import AudioError, FeatureMismatch
from evalsuite.types import Features, FloatArray, Waveform
from evalsuite.vocoder import Vocoder

__all__ = ["CHECK_NAMES", "CheckResult", "check_vocoder", "conformance_wave"]

_SEED, _OTHER_SEED = 1, 2
_MOST_SURPLUS_HOPS = 4


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one check.

    Parameters
    ----------
    detail : what was wrong; empty if it passed.
    """

    name: str
    passed: bool
    detail: str


def check_vocoder(vocoder: Vocoder, *, wave: Waveform | None = None) -> list[CheckResult]:
    """Try every promise of `evalsuite.vocoder.Vocoder`.

    Parameters
    ----------
    wave : what to analyse, at the vocoder's rate; by default one second of a synthetic voice.

    Returns
    -------
    One result per name of `CHECK_NAMES`, in that order.
    """
    rate = vocoder.info.sample_rate or 22050
    trial = _Trial(vocoder, wave or conformance_wave(rate))
    return [_run(name, check, trial) for name, check in _CHECKS.items()]


def conformance_wave(sample_rate: int = 22050) -> Waveform:
    """One second of a gliding, voiced tone with a pause; its length is no multiple of a hop."""
    time_s = np.arange(sample_rate + 1) / sample_rate
    phase = 2 * np.pi * (140 * time_s + 20 * time_s**2)
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 21))
    loudness = 0.2 * np.clip(3 * np.sin(2 * np.pi * 1.5 * time_s), 0, 1)
    return Waveform((voice * loudness).astype(np.float32), sample_rate, "conformance")


class _Trial:
    """A vocoder with what it made of one wave; each step runs once, when first asked for."""

    def __init__(self, vocoder: Vocoder, wave: Waveform) -> None:
        self.vocoder, self.info, self.wave = vocoder, vocoder.info, wave

    @cached_property
    def features(self) -> Features:
        return self.vocoder.analyse(self.wave)

    @cached_property
    def output(self) -> Waveform:
        return self.generate([self.features])[0]

    @cached_property
    def shorter_features(self) -> Features:
        half = self.wave.samples[: len(self.wave.samples) * 2 // 3].copy()
        return self.vocoder.analyse(Waveform(half, self.wave.sample_rate, self.wave.id))

    def generate(self, batch: Sequence[Features], *, seed: int = _SEED) -> list[Waveform]:
        return self.vocoder.generate(batch, seed=seed)


@dataclass(frozen=True)
class _ForeignSpec:
    name: str = "foreign"
    digest: str = "foreign"


def _run(name: str, check: Callable[[_Trial], str], trial: _Trial) -> CheckResult:
    try:
        detail = check(trial)
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
    return CheckResult(name, not detail, detail)


def _features(trial: _Trial) -> str:
    features, info = trial.features, trial.info
    if features.spec.digest != info.spec.digest:
        return f"analyse() gives {features.spec.name!r}, info says {info.spec.name!r}"
    if features.n_samples != len(trial.wave.samples):
        return f"n_samples is {features.n_samples}, the wave has {len(trial.wave.samples)}"
    if features.values.ndim != 2 or not np.isfinite(features.values).all():
        return f"values of shape {features.values.shape} are not a finite matrix"
    if not (np.isfinite(features.gain) and features.gain > 0):
        return f"the input gain is {features.gain}"
    return ""


def _identity(trial: _Trial) -> str:
    for what, given in (("features", trial.features.id), ("output", trial.output.id)):
        if given != trial.wave.id:
            return f"the {what} have id {given!r}, the wave {trial.wave.id!r}"
    return ""


def _sample_rate(trial: _Trial) -> str:
    if trial.info.family == "recorded":
        return ""  # finished files have the rate they have
    wanted = trial.info.sample_rate or trial.wave.sample_rate
    got = trial.output.sample_rate
    return "" if got == wanted else f"the output is at {got} Hz instead of {wanted} Hz"


def _wrong_rate(trial: _Trial) -> str:
    if trial.info.sample_rate is None:
        return ""
    wave = Waveform(trial.wave.samples, trial.info.sample_rate + 1, trial.wave.id)
    try:
        trial.vocoder.analyse(wave)
    except AudioError:
        return ""
    return f"analyse() took a wave at {wave.sample_rate} Hz; it must raise AudioError"


def _length(trial: _Trial) -> str:
    if trial.info.family == "recorded":
        return ""  # the audio gate compares lengths of finished files
    hop = int(getattr(trial.info.spec, "hop_length", 0))
    wanted = trial.info.start_offset + trial.features.n_samples
    got = len(trial.output.samples)
    if wanted - max(hop - 1, 0) <= got <= wanted + _MOST_SURPLUS_HOPS * hop:
        return ""
    return f"{got} samples for start offset plus wave of {wanted}, with a hop of {hop}"


def _mono_float32(trial: _Trial) -> str:
    samples = trial.output.samples
    if samples.ndim == 1 and samples.dtype == np.float32:
        return ""
    return f"the output is {samples.dtype} of shape {samples.shape}"


def _finite(trial: _Trial) -> str:
    bad = int(np.count_nonzero(~np.isfinite(trial.output.samples)))
    return f"{bad} samples are NaN or infinite" if bad else ""


def _full_scale(trial: _Trial) -> str:
    peak = float(np.abs(trial.output.samples).max(initial=0))
    return "" if peak <= 1 else f"the peak is {peak:.3f}"


def _seed(trial: _Trial) -> str:
    again = trial.generate([trial.features])[0]
    if not _same_bytes(trial.output.samples, again.samples):
        return "the same seed gave other bytes"
    other = trial.generate([trial.features], seed=_OTHER_SEED)[0]
    unchanged = _same_bytes(trial.output.samples, other.samples)
    if unchanged == trial.info.deterministic:
        return ""
    effect = "does not change" if unchanged else "changes"
    return f"info.deterministic is {trial.info.deterministic}, but the seed {effect} the output"


def _input_untouched(trial: _Trial) -> str:
    before = trial.wave.samples.copy()
    wave = Waveform(before.copy(), trial.wave.sample_rate, trial.wave.id)
    features = trial.vocoder.analyse(wave)
    if not _same_bytes(wave.samples, before):
        return "analyse() changed the waveform"
    values = features.values.copy()
    output = trial.generate([features])[0]
    if not _same_bytes(features.values, values):
        return "generate() changed the features"
    if np.shares_memory(output.samples, features.values) or np.shares_memory(
        features.values, wave.samples
    ):
        return "the output or the features share memory with the input"
    return ""


def _batch(trial: _Trial) -> str:
    batch = [trial.shorter_features, trial.features, trial.shorter_features]
    outputs = trial.generate(batch)
    if len(outputs) != len(batch):
        return f"{len(outputs)} waveforms for {len(batch)} features"
    alone = [trial.generate([features])[0] for features in batch]
    different = [
        position
        for position, (one, many) in enumerate(zip(alone, outputs, strict=True))
        if not _same_bytes(one.samples, many.samples)
    ]
    return f"items {different} of the batch differ from one by one" if different else ""


def _side_by_side(trial: _Trial) -> str:
    lanes = trial.vocoder.lanes
    if lanes is not None and lanes < 1:
        return f"lanes is {lanes}"
    batch, seeds, told = [trial.shorter_features, trial.features], [_OTHER_SEED, _SEED], [0.0]
    made = list(trial.vocoder.generate_many(batch, seeds, progress=told.append))
    if sorted(place for place, _ in made) != [0, 1]:
        return f"places {[place for place, _ in made]} came for a batch of 2"
    alone = [trial.generate([batch[0]], seed=_OTHER_SEED)[0], trial.output]
    for place, wave in made:
        if not _same_bytes(wave.samples, alone[place].samples):
            return f"item {place} differs from what its seed gives alone"
        if wave.id != batch[place].id:
            return f"item {place} has id {wave.id!r}, its features {batch[place].id!r}"
    if told != sorted(told) or not told[-1] > 0:
        return f"the progress was {told} s; it may never fall, and ends above 0"
    return ""


def _empty_batch(trial: _Trial) -> str:
    made = trial.generate([])
    return "" if made == [] else f"an empty batch gave {len(made)} waveforms"


def _foreign_features(trial: _Trial) -> str:
    own = trial.features
    foreign = Features(own.values.copy(), _ForeignSpec(), own.n_samples, own.gain, own.id)
    try:
        trial.generate([foreign])
    except FeatureMismatch as error:
        unnamed = [n for n in (_ForeignSpec().name, trial.info.spec.name) if n not in str(error)]
        return f"the error does not name {', '.join(unnamed)}" if unnamed else ""
    return "features of another convention were not refused"


def _same_bytes(a: FloatArray, b: FloatArray) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


_CHECKS: dict[str, Callable[[_Trial], str]] = {
    "features": _features,
    "id": _identity,
    "sample-rate": _sample_rate,
    "wrong-rate-refused": _wrong_rate,
    "length": _length,
    "mono-float32": _mono_float32,
    "finite": _finite,
    "full-scale": _full_scale,
    "seed": _seed,
    "input-untouched": _input_untouched,
    "batch": _batch,
    "side-by-side": _side_by_side,
    "empty-batch": _empty_batch,
    "foreign-features-refused": _foreign_features,
}
#: What `check_vocoder` tries, in order.
CHECK_NAMES = tuple(_CHECKS)
