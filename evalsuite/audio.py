"""Reading, writing and resampling recordings.

*Conventions* Mono float32, full scale 1; rates in hertz; one resampler (soxr, very high quality)
for everything, so that no system is set apart by its resampler.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from evalsuite.errors import AudioError
from evalsuite.files import atomic_path
from evalsuite.types import FloatArray, Waveform

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioFacts",
    "AudioFault",
    "AudioFaultKind",
    "examine",
    "probe",
    "read_wave",
    "resample",
    "write_wave",
]

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")

AudioFaultKind = Literal["unreadable", "empty", "stereo", "not_finite"]

_CONVERT = "convert it to mono WAV, FLAC or OGG, or copy it again from its source"
_FULL_SCALE_16_BIT = 32768

# soundfile raises TypeError for headerless files, whose rate only the caller could know.
_UNREADABLE = (soundfile.SoundFileError, OSError, TypeError)


@dataclass(frozen=True)
class AudioFacts:
    """What the header of an audio file says.

    Parameters
    ----------
    sample_rate : hertz.
    n_samples : per channel.
    duration_s : length in seconds.
    subtype : sample format in libsndfile's words, such as ``PCM_16``.
    """

    sample_rate: int
    channels: int
    n_samples: int
    duration_s: float
    subtype: str


@dataclass(frozen=True)
class AudioFault:
    """Why a recording cannot be used, in the three parts of an error message."""

    kind: AudioFaultKind
    got: str
    wanted: str
    do: str


def probe(path: Path) -> AudioFacts:
    """Read the header only.

    Raises
    ------
    AudioError if the file is missing or not audio.
    """
    try:
        facts = soundfile.info(str(path))
    except _UNREADABLE as error:
        fault = _unreadable(path, error)
        raise AudioError(fault.got, wanted=fault.wanted, do=fault.do) from error
    return AudioFacts(
        sample_rate=int(facts.samplerate),
        channels=int(facts.channels),
        n_samples=int(facts.frames),
        duration_s=facts.frames / facts.samplerate,
        subtype=str(facts.subtype),
    )


def examine(path: Path, *, id: str = "") -> Waveform | AudioFault:
    """Read a recording in full; return it, or what is wrong with it, without raising.

    Parameters
    ----------
    path : WAV, FLAC or OGG.
    id : carried into the waveform.
    """
    try:
        samples, sample_rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except _UNREADABLE as error:
        return _unreadable(path, error)
    fault = _find_fault(path, samples)
    return fault or Waveform(np.ascontiguousarray(samples[:, 0]), int(sample_rate), id)


def read_wave(path: Path, *, id: str = "") -> Waveform:
    """Read a mono recording.

    Parameters
    ----------
    path : WAV, FLAC or OGG.
    id : carried into the waveform.

    Returns
    -------
    Waveform at the file's own rate; integers of b bits are divided by 2^(b-1).

    Raises
    ------
    AudioError if the file is unreadable, empty, not mono, or holds NaN or infinity.
    """
    found = examine(path, id=id)
    if isinstance(found, AudioFault):
        raise AudioError(found.got, wanted=found.wanted, do=found.do)
    return found


def write_wave(path: Path, wave: Waveform, *, dither_seed: int) -> None:
    """Write 16-bit PCM WAV with triangular dither, whole or not at all.

    The dither is the sum of two uniform variables of one step each (TPDF, two steps wide): it
    makes the error's mean and variance independent of the signal (Lipshitz, Wannamaker and
    Vanderkooy 1992). Unity gain is 32768, as readers divide by 32768; the outermost step on
    either side saturates. The header holds no metadata.

    Parameters
    ----------
    path : the WAV file.
    wave : samples within [-1, 1].
    dither_seed : equal samples and seeds give equal bytes.

    Raises
    ------
    AudioError if the waveform is empty, not mono, not finite or beyond full scale.
    """
    _refuse_unwritable(path, wave.samples)
    generator = np.random.default_rng(dither_seed)
    dither = generator.random(len(wave.samples)) - generator.random(len(wave.samples))
    steps = np.rint(wave.samples.astype(np.float64) * _FULL_SCALE_16_BIT + dither)
    steps = np.clip(steps, -_FULL_SCALE_16_BIT, _FULL_SCALE_16_BIT - 1).astype(np.int16)
    with atomic_path(path) as temporary:
        soundfile.write(temporary, steps, wave.sample_rate, subtype="PCM_16", format="WAV")


def resample(wave: Waveform, sample_rate: int) -> Waveform:
    """Resample with soxr's very-high-quality recipe.

    Parameters
    ----------
    wave : not changed.
    sample_rate : hertz; the waveform itself comes back if it has this rate already.

    Returns
    -------
    Waveform of exactly ``round(n * sample_rate / wave.sample_rate)`` samples.
    """
    if sample_rate <= 0:
        raise AudioError(
            f"cannot resample {wave.id or 'a waveform'} to {sample_rate} Hz",
            wanted="a positive sample rate",
            do="give the rate in hertz, such as 22050",
        )
    if sample_rate == wave.sample_rate:
        return wave
    n_samples = round(len(wave.samples) * sample_rate / wave.sample_rate)
    converted = soxr.resample(wave.samples, wave.sample_rate, sample_rate, quality="VHQ")
    exact = np.zeros(n_samples, np.float32)
    kept = min(n_samples, len(converted))
    exact[:kept] = converted[:kept]
    return Waveform(exact, sample_rate, wave.id)


def _unreadable(path: Path, error: Exception) -> AudioFault:
    if not path.exists():
        return AudioFault(
            "unreadable", f"{path} does not exist", "an audio file", "check the path and its case"
        )
    return AudioFault(
        "unreadable", f"{path} cannot be read as audio ({error})", "WAV, FLAC or OGG", _CONVERT
    )


def _find_fault(path: Path, samples: NDArray[np.float32]) -> AudioFault | None:
    """Look for what makes samples of shape (n, channels) unusable."""
    n_samples, channels = samples.shape
    if channels != 1:
        return _stereo_fault(path, samples)
    if n_samples == 0:
        return AudioFault(
            "empty", f"{path} holds no samples", "speech", "record it again or leave it out"
        )
    if not np.isfinite(samples).all():
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        return AudioFault(
            "not_finite",
            f"{path} holds {bad} NaN or infinite samples of {n_samples}",
            "finite samples",
            "mend the program that wrote it, or leave it out",
        )
    return None


def _stereo_fault(path: Path, samples: NDArray[np.float32]) -> AudioFault:
    # Which channel is meant, or whether a mixture is, only its owner knows: a mixture of two
    # spaced microphones is comb-filtered, and listeners hear that.
    n_samples, channels = samples.shape
    equal = n_samples > 0 and bool((samples == samples[:, :1]).all())
    which = "all equal" if equal else "not equal"
    do = "keep one channel" if equal else "keep the better channel, or mix them down on purpose"
    return AudioFault(
        "stereo",
        f"{path} has {channels} channels ({which})",
        "one channel",
        f"{do}, for example: sox in.wav out.wav remix 1",
    )


def _refuse_unwritable(path: Path, samples: FloatArray) -> None:
    if samples.ndim != 1 or samples.size == 0:
        raise AudioError(
            f"cannot write {path}: samples of shape {samples.shape}",
            wanted="mono samples of shape (n,), n > 0",
            do="give one channel with at least one sample",
        )
    peak = float(np.abs(samples).max())
    if not np.isfinite(peak):
        raise AudioError(
            f"cannot write {path}: it holds NaN or infinite samples",
            wanted="finite samples",
            do="mend what made them; no file was written",
        )
    if peak > 1:
        raise AudioError(
            f"cannot write {path}: its peak is {peak:.4g} of full scale",
            wanted="samples within [-1, 1]",
            do="lower the level of all systems by the same gain; no file was written",
        )
