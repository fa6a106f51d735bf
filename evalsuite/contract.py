"""What every vocoder checks at its own door, and the feature convention of those without a mel."""

from dataclasses import dataclass, fields, is_dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.errors import AudioError, FeatureMismatch
from evalsuite.files import sha256_json
from evalsuite.types import Features, FeatureSpec, FloatArray, Waveform
from evalsuite.vocoder import VocoderInfo

__all__ = [
    "WaveformSpec",
    "require_frames",
    "require_own_features",
    "require_sample_rate",
    "waveform_features",
    "waveform_of",
    "within_full_scale",
]


@dataclass(frozen=True)
class WaveformSpec:
    """The waveform itself as features: values are the samples, shape (1, n).

    Parameters
    ----------
    sample_rate : hertz of the samples; None in a vocoder's `info`, which takes any rate. It is a
        property of the data and not of the convention, so it is no part of the digest.
    """

    sample_rate: int | None = None
    name: str = "waveform"

    @property
    def digest(self) -> str:
        """Equal for all rates."""
        return sha256_json({"features": "waveform"})


def waveform_features(wave: Waveform) -> Features:
    """Give a copy of the samples as features of shape (1, n), with their rate in the spec."""
    values = wave.samples[np.newaxis, :].astype(np.float32, copy=True)
    return Features(values, WaveformSpec(wave.sample_rate), len(wave.samples), id=wave.id)


def waveform_of(features: Features) -> Waveform:
    """Give back a copy of the samples that `waveform_features` took, at their rate.

    Raises
    ------
    FeatureMismatch if the features are not a waveform.
    """
    if not isinstance(features.spec, WaveformSpec) or features.spec.sample_rate is None:
        raise FeatureMismatch(
            f"features of convention {features.spec.name!r}",
            wanted="a waveform with its sample rate",
            do="make them with evalsuite.contract.waveform_features",
        )
    samples = within_full_scale(features.values[0].copy())
    return Waveform(samples, features.spec.sample_rate, features.id)


def require_own_features(info: VocoderInfo, features: Features) -> None:
    """Refuse features of another convention.

    Raises
    ------
    FeatureMismatch naming both conventions and the settings in which they differ.
    """
    if features.spec.digest == info.spec.digest:
        return
    owner = f" of {features.id}" if features.id else ""
    differences = _differences(features.spec, info.spec)
    raise FeatureMismatch(
        f"vocoder {info.name!r} was given features{owner} of convention {features.spec.name!r}"
        + (f" ({differences})" if differences else ""),
        wanted=f"its own convention {info.spec.name!r}",
        do=f"compute them with this vocoder's analyse(); {info.name!r} cannot convert another's",
    )


def _differences(given: FeatureSpec, wanted: FeatureSpec) -> str:
    """Name settings that differ, such as ``f_max_hz 11025 where 8000 is wanted``."""
    if type(given) is not type(wanted) or not is_dataclass(given) or not is_dataclass(wanted):
        return ""
    pairs = [(f.name, getattr(given, f.name), getattr(wanted, f.name)) for f in fields(given)]
    return ", ".join(
        f"{name} {a} where {b} is wanted" for name, a, b in pairs if a != b and name != "name"
    )


def require_sample_rate(info: VocoderInfo, wave: Waveform) -> None:
    """Refuse a waveform at another rate than `info.sample_rate`; a vocoder never resamples.

    Raises
    ------
    AudioError naming both rates.
    """
    if info.sample_rate in (None, wave.sample_rate):
        return
    raise AudioError(
        f"{wave.id or 'a waveform'} is at {wave.sample_rate} Hz",
        wanted=f"{info.sample_rate} Hz, the rate of vocoder {info.name!r}",
        do="resample it once with evalsuite.audio.resample",
    )


def require_frames(n_frames: int, *, minimum: int, utterance: str = "") -> None:
    """Refuse a mel that is shorter than what a network's layers mirror at its ends.

    Raises
    ------
    AudioError naming both counts.
    """
    if n_frames >= minimum:
        return
    raise AudioError(
        f"the mel {f'of {utterance} ' if utterance else ''}has {n_frames} frames",
        wanted=f"at least {minimum} frames: the network mirrors what stands at each end",
        do="leave the utterance out, or pad it with silence",
    )


def within_full_scale(samples: NDArray[np.floating]) -> FloatArray:
    """Return float32 samples, scaled down as a whole if their peak exceeds 1.

    Levels are matched after generation, so a constant factor costs nothing; clipping would.

    >>> within_full_scale(np.array([0.5, -2.0])).tolist()
    [0.25, -1.0]
    """
    peak = float(np.abs(samples).max(initial=0.0))
    scaled = samples / peak if peak > 1.0 else samples
    return np.asarray(scaled, dtype=np.float32)
