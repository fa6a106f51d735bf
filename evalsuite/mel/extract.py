"""From a waveform to the values of a mel convention."""

import math
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from evalsuite.errors import AudioError
from evalsuite.mel.filter_bank import mel_filter_bank
from evalsuite.mel.spec import MelSpec
from evalsuite.types import Features, FloatArray, Waveform

__all__ = ["extract_mel", "frame_count", "minimum_samples"]

_FRAMES_AT_ONCE = 2048


def extract_mel(wave: Waveform, spec: MelSpec) -> Features:
    """Compute a mel spectrogram, in double precision, stored as float32.

    Parameters
    ----------
    wave : at the convention's rate; not changed.
    spec : the convention.

    Returns
    -------
    Features of shape (n_mels, `frame_count`) with the input gain that was applied.

    Raises
    ------
    AudioError if the rate differs, or the waveform is too short for the framing.
    """
    label = wave.id or "the waveform"
    if wave.sample_rate != spec.sample_rate:
        raise AudioError(
            f"{label} is at {wave.sample_rate} Hz",
            wanted=f"{spec.sample_rate} Hz for {spec.name} mels",
            do="resample it with evalsuite.audio.resample",
        )
    if len(wave.samples) < minimum_samples(spec):
        raise AudioError(
            f"{label} has {len(wave.samples)} samples",
            wanted=f"at least {minimum_samples(spec)} samples for {spec.name} mels",
            do="leave it out, or pad it with silence",
        )
    gain = _input_gain(wave.samples, spec)
    mel = _mel_energies(_pad(wave.samples.astype(np.float64) * gain, spec), spec)
    return Features(_compress(mel, spec).astype(np.float32), spec, len(wave.samples), gain, wave.id)


def frame_count(n_samples: int, spec: MelSpec) -> int:
    """Return the number of frames for `n_samples` at the convention's rate.

    >>> from evalsuite.mel.presets import mel_spec
    >>> [frame_count(1000, mel_spec(name)) for name in ("melgan", "tacotron2", "wavenet")]
    [3, 4, 7]
    """
    if spec.framing == "centred":
        return n_samples // spec.hop_length + 1
    if spec.framing == "hop_aligned":
        return n_samples // spec.hop_length
    return -(-n_samples // spec.hop_length) + spec.n_fft // spec.hop_length - 1


def minimum_samples(spec: MelSpec) -> int:
    """Return the shortest analysable length: reflection needs one sample more than it mirrors."""
    if spec.framing == "lws":
        return 1
    return max(_reflected_samples(spec) + 1, spec.hop_length)


def _input_gain(samples: FloatArray, spec: MelSpec) -> float:
    peak = float(np.abs(samples).max())
    return spec.input_peak / peak if spec.input_peak is not None and peak > 0 else 1.0


def _reflected_samples(spec: MelSpec) -> int:
    overlap = spec.n_fft - (spec.hop_length if spec.framing == "hop_aligned" else 0)
    return overlap // 2


def _pad(samples: NDArray[np.float64], spec: MelSpec) -> NDArray[np.float64]:
    if spec.framing == "lws":
        left = spec.n_fft - spec.hop_length
        return np.pad(samples, (left, left + -len(samples) % spec.hop_length))
    return np.pad(samples, _reflected_samples(spec), mode="reflect")


@lru_cache(maxsize=32)
def _window(spec: MelSpec) -> NDArray[np.float64]:
    """Window of win_length, in the middle of n_fft samples."""
    n = np.arange(spec.win_length)
    if spec.window == "hann":
        window = 0.5 - 0.5 * np.cos(2 * np.pi * n / spec.win_length)
    else:
        overlap_gain = math.sqrt(2 * spec.hop_length / spec.win_length)
        window = np.sin(np.pi * (n + 0.5) / spec.win_length) * overlap_gain
    left = (spec.n_fft - spec.win_length) // 2
    return np.pad(window, (left, spec.n_fft - spec.win_length - left))


def _mel_energies(padded: NDArray[np.float64], spec: MelSpec) -> NDArray[np.float64]:
    """Magnitudes (or energies) through the filter bank, shape (n_mels, frames)."""
    frames = sliding_window_view(padded, spec.n_fft)[:: spec.hop_length]
    bank, window = mel_filter_bank(spec).astype(np.float64), _window(spec)
    mel = np.empty((spec.n_mels, len(frames)))
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        block = slice(start, start + _FRAMES_AT_ONCE)
        spectra = fft.rfft(frames[block] * window)
        energies = spectra.real**2 + spectra.imag**2 + spec.magnitude_epsilon
        mel[:, block] = bank @ (energies if spec.power == 2 else np.sqrt(energies)).T
    return mel


def _compress(mel: NDArray[np.float64], spec: MelSpec) -> NDArray[np.float64]:
    logarithm = np.log(np.maximum(mel, spec.floor))
    if spec.log_base == "10":
        logarithm /= math.log(10)
    values = spec.log_scale * logarithm + spec.log_offset
    values = spec.affine_scale * values + spec.affine_offset
    return values if spec.clip is None else np.clip(values, *spec.clip)
