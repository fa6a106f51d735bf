"""Multi-resolution STFT distance: spectral convergence plus L1 of log magnitudes.

Yamamoto, Song and Kim 2020 (Parallel WaveGAN, arXiv 1910.11480), equations (4) to (6), averaged
over the three resolutions of their table 1; published vocoder comparisons call it M-STFT.
Natural logarithm, Hann windows, frames centred on the signal with mirrored ends; magnitudes are
not below 1e-5. No input gain: level differences count.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import get_window

from evalsuite.errors import AudioError
from evalsuite.metrics import MetricValue
from evalsuite.types import FloatArray, Waveform

__all__ = ["MultiResolutionStftDistance"]

#: (n_fft, hop, window) in samples.
_RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
# The ends are mirrored over half the longest frame, which takes one sample more.
_MIN_SAMPLES = max(n_fft for n_fft, _, _ in _RESOLUTIONS) // 2 + 1
_FLOOR = 1e-5


@dataclass(frozen=True)
class MultiResolutionStftDistance:
    """Mean over three resolutions; 0 is equal, lower is better.

    The resolutions are fixed in samples, so values at different rates do not compare. It does not
    forgive a delay.
    """

    name: str = "m_stft"
    version: str = "1"
    higher_is_better: bool = False

    def compare(self, *, reference: Waveform, degraded: Waveform) -> MetricValue:
        """Return the distance over the common length.

        Undefined under 1025 samples, and if the reference is silent: convergence divides by it.

        Raises
        ------
        AudioError if the rates differ.
        """
        if reference.sample_rate != degraded.sample_rate:
            raise AudioError(
                f"the reference has {reference.sample_rate} Hz, the degraded recording "
                f"{degraded.sample_rate} Hz",
                wanted="both at one rate",
                do="compare samples of one run",
            )
        n = min(len(reference.samples), len(degraded.samples))
        if n < _MIN_SAMPLES:
            return MetricValue(math.nan, f"shorter than {_MIN_SAMPLES} samples")
        one, other = reference.samples[:n], degraded.samples[:n]
        if not one.any():
            return MetricValue(math.nan, "the reference is silent")
        distances = [_distance(one, other, *resolution) for resolution in _RESOLUTIONS]
        return MetricValue(float(np.mean(distances)))


def _distance(
    reference: FloatArray, degraded: FloatArray, n_fft: int, hop: int, window: int
) -> float:
    theirs = _magnitudes(reference, n_fft, hop, window)
    ours = _magnitudes(degraded, n_fft, hop, window)
    convergence = np.linalg.norm(theirs - ours) / np.linalg.norm(theirs)
    return float(convergence + np.mean(np.abs(np.log(ours) - np.log(theirs))))


def _magnitudes(samples: FloatArray, n_fft: int, hop: int, window: int) -> NDArray[np.float64]:
    """Magnitudes of shape (bins, frames), with a frame centred on every multiple of `hop`."""
    padded = np.pad(samples.astype(np.float64), n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    margin = (n_fft - window) // 2
    weights = np.zeros(n_fft)
    weights[margin : margin + window] = get_window("hann", window)
    spectra = np.fft.rfft(frames * weights, axis=1).T
    return np.maximum(np.abs(spectra), _FLOOR)
